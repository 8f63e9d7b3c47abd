//! `gearmesh revoke`: throw a member out, and show who knows.

use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::local::{Confirmations, MemberStatus, Presence, Status};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};
use serde::Serialize;

use crate::cli::{Context, RevokeArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::commands::cut;
use crate::commands::named::standing;
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::{Signer, ask};

/// How long members with a link get to confirm.
const CONFIRM_MAX: Duration = Duration::from_secs(5);

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
    let member = standing(&members, args.name.as_str(), args.key.as_deref())?;
    let cut = match (reason, args.cut.is_empty()) {
        (Reason::Compromised, _) => cut::compromised(context, &client, member, &args.cut).await?,
        (_, true) => cut::known_ends(&client, member).await?,
        (_, false) => {
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
    use super::super::named::tests::member;
    use super::*;

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
