//! `gearmesh add`: invitation codes, and the wait until they are used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gearmesh_node::listen::Endpoint;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::{
    LogEnds, MemberStatus, OpenInvitation, PlantStatus, Presence, Status,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, Scope};
use gearmesh_protocol::trust::{Invitation, Reason, Revocation, Target, TrustRecord};
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use crate::cli::{AddArgs, Context, RoleWord};
use crate::client::Client;
use crate::commands::taken::{check_name, check_scope};
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::keyring::{self, Keyring};
use crate::output;
use crate::signing::{Signer, now};

/// How often the list of members is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(context: &Context, args: AddArgs) -> Result<u8, Failure> {
    if args.scope.is_some() && args.names.len() > 1 {
        return Err(Refusal::OneScope.into());
    }
    let client = Client::of(&context.home)?;
    let invites = invite(context, &client, &args).await?;
    print(context, &args, &invites)?;
    if args.no_wait {
        return Ok(DONE);
    }
    output::note("waiting; Ctrl-C is safe, the codes stay valid");
    wait(context, &client, &invites, args.expires).await
}

fn print(context: &Context, args: &AddArgs, invites: &[Invite]) -> Result<(), Failure> {
    if context.json {
        for Invite { name, code, .. } in invites {
            output::json(&Issued { name: name.as_str(), code })?;
        }
    } else {
        let width = args.names.iter().map(|name| name.as_str().len()).max().unwrap_or(0);
        output::line(format!("Type this on each machine (once, within {}):", words(args.expires)));
        for Invite { name, code, .. } in invites {
            output::line(format!("  {name:<width$}  gearmesh join {code}"));
        }
    }
    if invites.iter().any(|invite| invite.is_local) {
        output::note(
            "these codes name only this machine's own loopback address: no other machine can use \
             them.\nConnect this one to the network, restart its node, and make new codes: \
             gearmesh add --replace NAME",
        );
    }
    Ok(())
}

/// A code for programs.
#[derive(Serialize)]
struct Issued<'a> {
    name: &'a str,
    code: &'a str,
}

/// A machine that joined, for programs.
#[derive(Serialize)]
struct Arrival<'a> {
    name: &'a str,
    joined: PublicKey,
}

/// A code and the name it is for.
pub(crate) struct Invite {
    /// The machine's name.
    pub(crate) name: Name,
    /// The code, a secret.
    pub(crate) code: String,
    /// Whether it leads nowhere from another machine.
    is_local: bool,
}

/// Signs an invitation for each name and hands it in.
pub(crate) async fn invite(
    context: &Context,
    client: &Client,
    args: &AddArgs,
) -> Result<Vec<Invite>, Failure> {
    let (plant, me, addresses) = redeemer(client).await?;
    let keyring = Keyring::open(&context.keyring, &plant.id)?;
    let replaced = check_free(client, args).await?;
    let signer = Signer::new(client, &keyring);
    for open in replaced {
        withdraw(client, &signer, &open).await?;
    }
    let is_local = addresses.iter().all(|address| address.ip().is_loopback());
    let mut invites = Vec::new();
    for name in &args.names {
        let code = Code::new(&plant.id, keyring::random()?, &addresses);
        let terms = terms(name, args.role, args.scope.clone());
        let expires = u64::try_from(args.expires.as_millis()).unwrap_or(u64::MAX);
        let invitation = Invitation {
            key: code.id(),
            redeemer: me,
            terms,
            uses: 1,
            expires_at: now().plus_ms(expires),
            bound_to: None,
        };
        signer.sign(TrustRecord::Invitation(invitation)).await?;
        invites.push(Invite { name: name.clone(), code: code.to_text(), is_local });
    }
    Ok(invites)
}

/// Ends an invitation. Whoever used it meanwhile, as far as the node knows, stays a member.
async fn withdraw(
    client: &Client,
    signer: &Signer<'_>,
    open: &OpenInvitation,
) -> Result<(), Failure> {
    let ends: LogEnds = client.get(&format!("/v1/trust/ends?key={}", open.redeemer_key)).await?;
    let target = Target::Invitation(open.id);
    let revocation = Revocation { target, reason: Reason::Replaced, cut: ends.cut };
    signer.sign(TrustRecord::Revocation(revocation)).await.map(drop)
}

/// The node here must be a registrar: it is the one that the codes name.
async fn redeemer(client: &Client) -> Result<(PlantStatus, PublicKey, Vec<SocketAddr>), Failure> {
    let status: Status = client.get("/v1/status").await?;
    let addresses = reachable(&status.listen);
    let Some(plant) = status.plant else {
        return Err(no_plant());
    };
    if !plant.me.as_ref().is_some_and(|me| me.registrar) {
        return Err(Refusal::NotARegistrar.into());
    }
    if addresses.is_empty() {
        return Err(Refusal::ListensNowhere.into());
    }
    Ok((plant, status.key, addresses))
}

/// A node without a plant: what can be done about it here.
pub(crate) fn no_plant() -> Failure {
    Failure::from(Refusal::NotAMember)
        .saying("this node has not joined a plant")
        .mended_by("found one: gearmesh init NAME; or join one: gearmesh join CODE")
}

/// Addresses that other machines can use, or loopback if there is nothing else.
fn reachable(listen: &[String]) -> Vec<SocketAddr> {
    let all: Vec<SocketAddr> = listen
        .iter()
        .filter_map(|text| text.parse::<Endpoint>().ok()?.socket())
        .filter(|address| !address.ip().is_unspecified())
        .collect();
    let is_link_local = |address: &SocketAddr| match address {
        SocketAddr::V4(v4) => v4.ip().is_link_local(),
        SocketAddr::V6(v6) => v6.ip().is_unicast_link_local(),
    };
    let mut others: Vec<SocketAddr> = all
        .iter()
        .filter(|address| !address.ip().is_loopback() && !is_link_local(address))
        .copied()
        .collect();
    others.sort_by_key(SocketAddr::is_ipv6);
    if others.is_empty() { all } else { others }
}

fn terms(name: &Name, role: RoleWord, scope: Option<Scope>) -> Terms {
    let role = Role::from(role);
    let scope = match role {
        Role::Observer => scope,
        Role::Machine | Role::Gateway => scope.or_else(|| Some(name.clone().into())),
    };
    Terms {
        name: name.clone(),
        roles: Bounded::first_of([role]),
        scope,
        subscribe: Bounded::new(),
        until: None,
    }
}

/// Names and scopes are unique, those of open invitations included: two machines of one name cannot
/// be told apart by anybody. The open invitations that are to be withdrawn.
async fn check_free(client: &Client, args: &AddArgs) -> Result<Vec<OpenInvitation>, Failure> {
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let open: Vec<OpenInvitation> = client.get("/v1/invitations").await?;
    let is_replaced = |open: &OpenInvitation| {
        args.replace && args.names.iter().any(|name| name.as_str() == open.name)
    };
    let (replaced, open): (Vec<_>, Vec<_>) = open.into_iter().partition(is_replaced);
    for (at, name) in args.names.iter().enumerate() {
        check_name(name, &args.names[..at], &members, &open)?;
        if let Some(scope) = terms(name, args.role, args.scope.clone()).scope {
            check_scope(&scope, &members, &open)?;
        }
    }
    Ok(replaced)
}

/// Waits until a member of each name is there.
async fn wait(
    context: &Context,
    client: &Client,
    invites: &[Invite],
    expires: Duration,
) -> Result<u8, Failure> {
    let total = invites.len();
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    let watch = async {
        while joined.len() < total {
            let members: Vec<MemberStatus> = client.get("/v1/members").await?;
            for invite in invites {
                let name = invite.name.as_str();
                let found = members
                    .iter()
                    .find(|member| member.name == name && member.presence != Presence::Revoked);
                if let Some(member) = found.filter(|_| !joined.contains_key(name)) {
                    let words = check_words(member.key.as_bytes());
                    joined.insert(name, words.clone());
                    match context.json {
                        true => output::json(&Arrival { name, joined: member.key })?,
                        false => output::line(format!(
                            "{name} joined ({words})   {} of {total}",
                            joined.len()
                        )),
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<(), Failure>(())
    };
    match tokio::time::timeout(expires, watch).await {
        Ok(done) => done.map(|()| DONE),
        Err(_) => {
            output::note("the codes have expired; for the rest: gearmesh add NAME");
            Ok(INCOMPLETE)
        }
    }
}

fn words(duration: Duration) -> String {
    output::ago(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_addresses_that_other_machines_can_reach() {
        let listen = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            reachable(&texts).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let both = ["/ip4/127.0.0.1/tcp/7430", "/ip6/fd00::1/tcp/7430", "/ip4/10.0.0.5/tcp/7430"];
        assert_eq!(listen(&both), ["10.0.0.5:7430", "[fd00::1]:7430"]);
        assert_eq!(listen(&["/ip4/127.0.0.1/tcp/1"]), ["127.0.0.1:1"]);
        assert!(listen(&[]).is_empty());
    }
}
