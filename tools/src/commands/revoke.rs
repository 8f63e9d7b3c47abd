//! `gearmesh revoke`: throw a member out, and show who knows.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::local::{Confirmations, LogEnds, MemberStatus, Presence, Status, TrustLog};
use gearmesh_protocol::log::{Cut, LogCut, LogKind, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};

use crate::cli::{Context, CutWord, RevokeArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::{Signer, ask};

/// How long members with a link get to confirm.
const CONFIRM_MAX: Duration = Duration::from_secs(5);

/// Records of a compromised key that are shown: a theft is noticed within days, not years.
const RECORDS_SHOWN: usize = 30;

/// Digits of a group's id that are shown, enough to tell the groups of one key apart.
const GROUP_DIGITS: usize = 12;

/// How often confirmations are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(context: &Context, args: RevokeArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let status: Status = client.get("/v1/status").await?;
    let Some(plant) = status.plant else {
        return Err(no_plant());
    };
    let keyring = Keyring::open(&context.keyring, &plant.id)?;
    let signer = Signer::new(&client, &keyring);
    let reason = Reason::from(args.reason);
    let member = named(&client, args.name.as_str()).await?;
    let cut = match (reason, &args.cut) {
        (Reason::Compromised, word) => compromised_cut(context, &client, &member, word).await?,
        (_, None) => known_ends(&client, &member).await?,
        (_, Some(_)) => {
            return Err(Failure::from(Refusal::CutMisplaced)
                .saying(format!("--cut does not go with {reason}")));
        }
    };
    let revocation = Revocation { target: Target::Key(member.key), reason, cut };
    let group = signer.write(TrustRecord::Revocation(revocation)).await?;
    let fallen = preview(&client, &group).await?;
    if !args.yes && !confirm(args.name.as_str(), reason, &fallen)? {
        return Err(Refusal::NotConfirmed.into());
    }
    let stored = signer.store(&group).await?;
    output::line(format!("{} is revoked ({reason}). It never comes back.", args.name));
    for name in fallen.iter().filter(|name| *name != args.name.as_str()) {
        output::line(format!("{name} fell with it; add it again: gearmesh add {name}"));
    }
    report(&client, &stored).await
}

/// The member with this name that is one still.
async fn named(client: &Client, name: &str) -> Result<MemberStatus, Failure> {
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let mut named: Vec<MemberStatus> =
        members.into_iter().filter(|member| member.name == name).collect();
    if let Some(at) = named.iter().position(|member| member.presence != Presence::Revoked) {
        return Ok(named.swap_remove(at));
    }
    Err(match named.is_empty() {
        false => {
            Failure::from(Refusal::RevokedAlready).saying(format!("{name} is revoked already"))
        }
        true => Failure::from(Refusal::NameUnknown).saying(format!("no member is called {name}")),
    })
}

/// The cut that keeps all that the key signed, as far as the node knows.
async fn known_ends(client: &Client, member: &MemberStatus) -> Result<Cut, Failure> {
    let ends: LogEnds = client.get(&format!("/v1/trust/ends?key={}", member.key)).await?;
    Ok(ends.cut)
}

/// The cut of a key that somebody else may hold. From when on it was somebody else who signed,
/// only a person can say.
async fn compromised_cut(
    context: &Context,
    client: &Client,
    member: &MemberStatus,
    word: &Option<CutWord>,
) -> Result<Cut, Failure> {
    let log: TrustLog = client.get(&format!("/v1/trust/log?key={}", member.key)).await?;
    let leaves = match word {
        Some(CutWord::All) => Bounded::new(),
        Some(CutWord::After(start)) => Bounded::first_of([group_of(&log, start)?]),
        None if log.leaves.is_empty() => return known_ends(client, member).await,
        None => {
            show_last(member, &log);
            let again =
                format!("{} revoke {} --reason compromised --cut", context.program(), member.name);
            let name = &member.name;
            return Err(Failure::from(Refusal::CutNeeded)
                .saying(format!("{name} signed for the plant: how much of that still counts?"))
                .mended_by(format!(
                    "up to a record of the list: {again} GROUP; nothing: {again} all"
                )));
        }
    };
    Ok(Bounded::first_of([LogCut { kind: LogKind::Trust, leaves }]))
}

/// The one group of the log whose id begins like this.
fn group_of(log: &TrustLog, start: &str) -> Result<GroupId, Failure> {
    let of_records = log.records.iter().map(|line| line.group);
    let all: BTreeSet<GroupId> = of_records.chain(log.leaves.iter().map(|tip| tip.group)).collect();
    let mut found = all.into_iter().filter(|group| group.to_string().starts_with(start));
    match (found.next(), found.next()) {
        (Some(group), None) => Ok(group),
        (Some(_), Some(_)) => Err(Failure::from(Refusal::CutUnknown)
            .saying(format!("several groups of this key begin with {start}"))
            .mended_by("write more of its digits")),
        (None, _) => Err(Failure::from(Refusal::CutUnknown)
            .saying(format!("no group of this key begins with {start}"))
            .mended_by("without --cut, this command lists them")),
    }
}

/// Shows what a key signed last, oldest first.
fn show_last(member: &MemberStatus, log: &TrustLog) {
    let before = log.records.len().saturating_sub(RECORDS_SHOWN);
    output::line(format!("{} signed, oldest first:", member.name));
    if before > 0 {
        output::line(format!("  … {before} earlier"));
    }
    for line in &log.records[before..] {
        let group = line.group.to_string();
        let start = group.get(..GROUP_DIGITS).unwrap_or(&group);
        output::line(format!("  {start}  {}  {}", line.at, line.text));
    }
}

/// Names of all that fall with it.
async fn preview(client: &Client, group: &VerifiedGroup) -> Result<Vec<String>, Failure> {
    client.post_bytes("/v1/trust/preview", codec::encode(group.group())).await
}

fn confirm(name: &str, reason: Reason, fallen: &[String]) -> Result<bool, Failure> {
    let others: Vec<&str> =
        fallen.iter().map(String::as_str).filter(|fallen| *fallen != name).collect();
    let with = match others.is_empty() {
        true => "Nobody falls with it.".to_owned(),
        false => format!("With it fall: {}", others.join(", ")),
    };
    ask(
        &format!("{name} is thrown out for good, reason: {reason}. {with}"),
        "Type its name to go on: ",
        name,
    )
}

/// Shows who has confirmed, until everybody with a link has or the time is over.
async fn report(client: &Client, group: &GroupId) -> Result<u8, Failure> {
    let path = format!("/v1/trust/confirmations?group={group}");
    let watch = async {
        loop {
            let now: Confirmations = client.get(&path).await?;
            if now.waiting.is_empty() {
                return Ok::<_, Failure>(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let last = match tokio::time::timeout(CONFIRM_MAX, watch).await {
        Ok(last) => last?,
        Err(_) => client.get(&path).await?,
    };
    output::line(format!("confirmed    {}", list(&last.confirmed)));
    if !last.waiting.is_empty() {
        output::line(format!("no answer    {}", list(&last.waiting)));
    }
    if !last.unreachable.is_empty() {
        output::line(format!("unreachable  {}", list(&last.unreachable)));
        output::line("             they refuse it as soon as any member reaches them");
    }
    Ok(if last.waiting.is_empty() && last.unreachable.is_empty() { DONE } else { INCOMPLETE })
}

fn list(names: &[String]) -> String {
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.join(", "),
    }
}
