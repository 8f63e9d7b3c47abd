//! `gearmesh revoke`: throw a member out, and show who knows.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_node::listen::plain;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::local::{Confirmations, LogEnds, MemberStatus, Presence, Status, TrustLog};
use gearmesh_protocol::log::{Cut, LogCut, LogKind, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};
use serde::Serialize;

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

/// Digits of a key or a group's id that are shown, enough to tell them apart.
const DIGITS_SHOWN: usize = 12;

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
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = named(&members, args.name.as_str(), args.key.as_deref())?;
    let cut = match (reason, &args.cut) {
        (Reason::Compromised, word) => compromised_cut(context, &client, member, word).await?,
        (_, None) => known_ends(&client, member).await?,
        (_, Some(_)) => {
            return Err(Failure::from(Refusal::CutMisplaced)
                .saying(format!("--cut does not go with {reason}")));
        }
    };
    let revocation = Revocation { target: Target::Key(member.key), reason, cut };
    let group = signer.write(TrustRecord::Revocation(revocation)).await?;
    let fallen = preview(&client, &group).await?;
    for warning in warnings(member, &members) {
        output::note(format!("WARNING: {warning}"));
    }
    if !args.yes && !confirm(member, reason, &fallen)? {
        return Err(Refusal::NotConfirmed.into());
    }
    let stored = signer.store(&group).await?;
    let fell: Vec<&str> = beside(member, &fallen).collect();
    if !context.json {
        output::line(format!("{} is revoked ({reason}). It never comes back.", args.name));
        for name in &fell {
            output::line(format!("{name} fell with it; add it again: gearmesh add {name}"));
        }
    }
    let said = confirmations(&client, &stored).await?;
    match context.json {
        true => output::json_document(&Revoked {
            name: args.name.as_str(),
            key: member.key,
            reason,
            fell,
            confirmations: &said,
        })?,
        false => print(&said),
    }
    // Who cannot be reached learns it on coming back; nobody has to do anything about that.
    Ok(if said.waiting.is_empty() { DONE } else { INCOMPLETE })
}

/// What was done, for programs.
#[derive(Serialize)]
struct Revoked<'a> {
    name: &'a str,
    key: PublicKey,
    reason: Reason,
    fell: Vec<&'a str>,
    #[serde(flatten)]
    confirmations: &'a Confirmations,
}

/// What a person should know before they throw this one out.
fn warnings(member: &MemberStatus, members: &[MemberStatus]) -> Vec<String> {
    let mut warnings = Vec::new();
    let name = &member.name;
    if member.presence == Presence::Here {
        warnings.push(format!("{name} is this very node: it will be no member any more"));
    }
    let is_other = |other: &&MemberStatus| {
        other.registrar && other.key != member.key && other.presence != Presence::Revoked
    };
    if member.registrar && !members.iter().any(|other| is_other(&other)) {
        warnings.push(format!(
            "{name} is the plant's only registrar: without it no machine can join any more"
        ));
    }
    warnings
}

/// All that fall beside the member itself.
fn beside<'a>(member: &'a MemberStatus, fallen: &'a [String]) -> impl Iterator<Item = &'a str> {
    let mut itself = Some(member.name.as_str());
    fallen
        .iter()
        .map(String::as_str)
        .filter(move |name| itself.take_if(|own| own == name).is_none())
}

/// The member with this name that is one still; of several, the one whose key is meant.
fn named<'a>(
    members: &'a [MemberStatus],
    name: &str,
    key: Option<&str>,
) -> Result<&'a MemberStatus, Failure> {
    let named: Vec<&MemberStatus> = members.iter().filter(|member| member.name == name).collect();
    let standing = named.iter().copied().filter(|member| member.presence != Presence::Revoked);
    let meant: Vec<&MemberStatus> =
        standing.filter(|member| key.is_none_or(|key| is_of(member, key))).collect();
    match (meant.as_slice(), key) {
        ([member], _) => Ok(member),
        ([], Some(key)) if !named.is_empty() => Err(Failure::from(Refusal::NameUnknown)
            .saying(format!("no member that is called {name} has the key {key}"))),
        ([], _) if named.is_empty() => {
            Err(Failure::from(Refusal::NameUnknown).saying(format!("no member is called {name}")))
        }
        ([], _) => {
            Err(Failure::from(Refusal::RevokedAlready).saying(format!("{name} is revoked already")))
        }
        (several, _) => {
            for member in several {
                output::note(format!("  {name}  {}", told(member)));
            }
            let first = start(&several[0].key.to_string());
            Err(Failure::from(Refusal::NameAmbiguous)
                .saying(format!("{} members are called {name}", several.len()))
                .mended_by(format!(
                    "say which, by its check words or the digits before them: --key {first}"
                )))
        }
    }
}

/// Whether a member is meant by check words, or by the first digits of its key.
fn is_of(member: &MemberStatus, key: &str) -> bool {
    let words = key.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let digits = key.trim().to_ascii_lowercase();
    words == member.key_words || (!digits.is_empty() && member.key.to_string().starts_with(&digits))
}

/// What tells a member from another of the same name.
fn told(member: &MemberStatus) -> String {
    let address = member.address.as_deref().map(plain).unwrap_or_default();
    let (key, words) = (start(&member.key.to_string()), &member.key_words);
    format!("{key}  {words}  {}  {address}", member.presence).trim_end().to_owned()
}

/// The first digits of an id, enough to tell it from others.
fn start(id: &str) -> String {
    id.get(..DIGITS_SHOWN).unwrap_or(id).to_owned()
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
            show_last(context, member, &log);
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
fn show_last(context: &Context, member: &MemberStatus, log: &TrustLog) {
    let say = |line: String| if context.json { output::note(line) } else { output::line(line) };
    let before = log.records.len().saturating_sub(RECORDS_SHOWN);
    say(format!("{} signed, oldest first:", member.name));
    if before > 0 {
        say(format!("  … {before} earlier"));
    }
    for line in &log.records[before..] {
        let start = start(&line.group.to_string());
        say(format!("  {start}  {}  {}", line.at, line.text));
    }
}

/// Names of all that fall with it.
async fn preview(client: &Client, group: &VerifiedGroup) -> Result<Vec<String>, Failure> {
    client.post_bytes("/v1/trust/preview", codec::encode(group.group())).await
}

fn confirm(member: &MemberStatus, reason: Reason, fallen: &[String]) -> Result<bool, Failure> {
    let name = &member.name;
    let others: Vec<&str> = beside(member, fallen).collect();
    let with = match others.is_empty() {
        true => "Nobody falls with it.".to_owned(),
        false => format!("With it fall: {}", others.join(", ")),
    };
    ask(
        &format!("{name} ({}) is thrown out for good, reason: {reason}. {with}", member.key_words),
        "Type its name to go on: ",
        name,
    )
}

/// Who has confirmed, once everybody with a link has or the time is over.
async fn confirmations(client: &Client, group: &GroupId) -> Result<Confirmations, Failure> {
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
    let mut last = match tokio::time::timeout(CONFIRM_MAX, watch).await {
        Ok(last) => last?,
        Err(_) => client.get(&path).await?,
    };
    for names in [&mut last.confirmed, &mut last.waiting, &mut last.unreachable] {
        names.sort();
    }
    Ok(last)
}

fn print(said: &Confirmations) {
    output::line(format!("confirmed    {}", list(&said.confirmed)));
    if !said.waiting.is_empty() {
        output::line(format!("no answer    {}", list(&said.waiting)));
    }
    if !said.unreachable.is_empty() {
        output::line(format!("unreachable  {}", list(&said.unreachable)));
        output::line("             they learn it when they come back, from any member they reach");
    }
}

fn list(names: &[String]) -> String {
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::words::check_words;

    use super::*;

    fn member(name: &str, seed: u8, presence: Presence) -> MemberStatus {
        let key = PublicKey::of(&SigningKey::from_bytes(&[seed; 32]));
        MemberStatus {
            name: name.to_owned(),
            key,
            key_words: check_words(key.as_bytes()),
            roles: Vec::new(),
            scope: None,
            registrar: name == "gateway-1",
            presence,
            presence_for_s: 0,
            told_by: None,
            until: None,
            revoked: None,
            in_step: true,
            address: None,
        }
    }

    #[test]
    fn of_several_members_with_one_name_the_key_says_which() {
        let members = [
            member("press-1", 1, Presence::Online),
            member("press-1", 2, Presence::Unreachable),
            member("press-1", 3, Presence::Revoked),
            member("robot-1", 4, Presence::Revoked),
        ];
        let code = |key: Option<&str>| named(&members, "press-1", key).map_err(|f| f.body().code);
        assert_eq!(code(None).err(), Some(Refusal::NameAmbiguous));
        for (at, member) in members[..2].iter().enumerate() {
            let digits = start(&member.key.to_string()).to_uppercase();
            let words = member.key_words.replace(' ', "  ");
            for key in [digits, words] {
                let found = code(Some(&key)).expect("one of them");
                assert_eq!(found.key, members[at].key, "{key}");
            }
        }
        assert_eq!(code(Some("zz")).err(), Some(Refusal::NameUnknown));
        let code = |name: &str| named(&members, name, None).map_err(|f| f.body().code).err();
        assert_eq!(code("robot-1"), Some(Refusal::RevokedAlready));
        assert_eq!(code("nobody"), Some(Refusal::NameUnknown));
    }

    #[test]
    fn the_last_registrar_and_oneself_are_warned_of() {
        let gateway = member("gateway-1", 1, Presence::Here);
        let press = member("press-1", 2, Presence::Online);
        let members = [gateway.clone(), press.clone()];
        assert_eq!(warnings(&gateway, &members).len(), 2);
        assert!(warnings(&press, &members).is_empty());
        let two = [gateway.clone(), member("gateway-1", 3, Presence::Online)];
        assert_eq!(warnings(&gateway, &two).len(), 1, "another redeems");
    }
}
