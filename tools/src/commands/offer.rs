//! Codes that let machines in: made, shown, and watched until they are used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gearmesh_node::listen::Endpoint;
use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::{MemberStatus, PlantStatus, Presence, Status};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::trust::{Invitation, TrustRecord};
use gearmesh_protocol::words::check_words;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::Serialize;

use crate::cli::Context;
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::keyring;
use crate::output;
use crate::signing::now;

/// How often the list of members is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The registrar that redeems what is offered: the node here.
pub(super) struct Redeemer {
    /// Its plant.
    pub(super) plant: PlantStatus,
    /// Its key.
    pub(super) key: PublicKey,
    addresses: Vec<SocketAddr>,
}

impl Redeemer {
    /// The node here, if it redeems and can be reached.
    pub(super) async fn here(client: &Client) -> Result<Self, Failure> {
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
        Ok(Self { plant, key: status.key, addresses })
    }

    /// A code for one machine with these terms, and the record that makes it good.
    pub(super) fn offer(
        &self,
        terms: Terms,
        expires: Duration,
        bound_to: Option<PublicKey>,
    ) -> Result<(Invite, TrustRecord), Failure> {
        let code = Code::new(&self.plant.id, keyring::random()?, &self.addresses);
        let expires = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
        let is_local = self.addresses.iter().all(|address| address.ip().is_loopback());
        let invite = Invite { name: terms.name.clone(), code: code.to_text(), is_local };
        let invitation = Invitation {
            key: code.id(),
            redeemer: self.key,
            terms,
            uses: 1,
            expires_at: now().plus_ms(expires),
            bound_to,
        };
        Ok((invite, TrustRecord::Invitation(invitation)))
    }
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

/// Shows the codes.
pub(super) fn print(
    context: &Context,
    invites: &[Invite],
    expires: Duration,
    qr: bool,
) -> Result<(), Failure> {
    if context.json {
        for Invite { name, code, .. } in invites {
            output::json(&Issued { name: name.as_str(), code })?;
        }
    } else {
        let width = invites.iter().map(|invite| invite.name.as_str().len()).max().unwrap_or(0);
        output::line(format!(
            "Type this on each machine (once, within {}):",
            output::ago(expires.as_secs())
        ));
        for Invite { name, code, .. } in invites {
            output::line(format!("  {name:<width$}  gearmesh join {code}"));
        }
        for Invite { name, code, .. } in invites.iter().filter(|_| qr) {
            output::line(format!("\n{name}:"));
            picture(code)?.iter().for_each(output::line);
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

/// A code as a picture of two rows of squares in a line, light on a dark terminal.
fn picture(code: &str) -> Result<Vec<String>, Failure> {
    // In capitals it takes fewer squares, and is the same code.
    let picture = QrCode::new(code.to_ascii_uppercase()).map_err(Failure::system)?;
    let (light, dark) = (Dense1x2::Light, Dense1x2::Dark);
    let text = picture.render::<Dense1x2>().dark_color(light).light_color(dark).build();
    Ok(text.lines().map(str::to_owned).collect())
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

/// Whether a member with the name of a code is there already.
pub(super) async fn has_joined(client: &Client, invite: &Invite) -> Result<bool, Failure> {
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    Ok(members
        .iter()
        .any(|member| member.name == invite.name.as_str() && member.presence != Presence::Revoked))
}

/// Waits until a member of each name is there.
pub(super) async fn wait(
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
