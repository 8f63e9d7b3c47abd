//! `gearmesh revoke`: throw a member out, and show who knows.

use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::local::{Confirmations, LogEnds, MemberStatus, Presence, Status};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};

use crate::cli::{Context, RevokeArgs};
use crate::client::Client;
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
        return Err(Failure::new(
            "this node has not joined a plant",
            "run this on a node of the plant",
        ));
    };
    let keyring = Keyring::open(&context.keyring, &plant.id)?;
    let signer = Signer::new(&client, &keyring);
    let reason = Reason::from(args.reason);
    let group = draft(&client, &signer, args.name.as_str(), reason).await?;
    let fallen = preview(&client, &group).await?;
    if !args.yes && !confirm(args.name.as_str(), reason, &fallen)? {
        let mend = "nothing was done; without a terminal, say --yes";
        return Err(Failure::new("not confirmed", mend));
    }
    let stored = signer.store(&group).await?;
    output::line(format!("{} is revoked ({reason}). It never comes back.", args.name));
    for name in fallen.iter().filter(|name| *name != args.name.as_str()) {
        output::line(format!("{name} fell with it; add it again: gearmesh add {name}"));
    }
    report(&client, &stored).await
}

/// Signs the revocation of the member with this name, and does not hand it in yet.
pub(crate) async fn draft(
    client: &Client,
    signer: &Signer<'_>,
    name: &str,
    reason: Reason,
) -> Result<VerifiedGroup, Failure> {
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let named = || members.iter().filter(|member| member.name == name);
    let Some(member) = named().find(|member| member.presence != Presence::Revoked) else {
        return Err(match named().next() {
            Some(_) => Failure::new(format!("{name} is revoked already"), "nothing is to be done"),
            None => {
                Failure::new(format!("no member is called {name}"), "gearmesh members lists them")
            }
        });
    };
    let ends: LogEnds = client.get(&format!("/v1/trust/ends?key={}", member.key)).await?;
    let revocation = Revocation { target: Target::Key(member.key), reason, cut: ends.cut };
    signer.write(TrustRecord::Revocation(revocation)).await
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
