//! `gearmesh revoke`: throw a member out, and show who knows.

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::{MemberStatus, Presence, Status};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};
use serde::Serialize;

use crate::cli::{Context, RevokeArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::commands::confirmed::tell;
use crate::commands::cut::{self, Signatory};
use crate::commands::named::standing;
use crate::exit::Failure;
use crate::output;
use crate::signing::{Pen, Signer, ask};

pub(crate) async fn run(context: &Context, args: RevokeArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let status: Status = client.get("/v1/status").await?;
    let Some(plant) = status.plant else {
        return Err(no_plant());
    };
    let pen = Pen::of(context, &plant.id)?;
    let signer = Signer::new(&client, &pen);
    let reason = Reason::from(args.reason);
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = standing(&members, args.name.as_str(), args.key.as_deref())?;
    let words = format!("revoke {}", args.name);
    let of = Signatory { name: &member.name, key: member.key, words: &words, is_member: true };
    let cut = cut::decided(context, &client, &of, reason, &args.cut).await?;
    let revocation = Revocation { target: Target::Key(member.key), reason, cut };
    let group = signer.write([TrustRecord::Revocation(revocation)]).await?;
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
    let revoked = Revoked { name: args.name.as_str(), key: member.key, reason, fell };
    tell(context, &client, &stored, &revoked).await
}

/// What was done, for programs.
#[derive(Serialize)]
struct Revoked<'a> {
    name: &'a str,
    key: PublicKey,
    reason: Reason,
    fell: Vec<&'a str>,
}

/// What a person should know before they throw this one out.
pub(super) fn warnings(member: &MemberStatus, members: &[MemberStatus]) -> Vec<String> {
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
pub(super) fn beside<'a>(
    member: &'a MemberStatus,
    fallen: &'a [String],
) -> impl Iterator<Item = &'a str> {
    let mut itself = Some(member.name.as_str());
    fallen
        .iter()
        .map(String::as_str)
        .filter(move |name| itself.take_if(|own| own == name).is_none())
}

/// Names of all that fall with it.
pub(super) async fn preview(
    client: &Client,
    group: &VerifiedGroup,
) -> Result<Vec<String>, Failure> {
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
