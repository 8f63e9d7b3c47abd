//! Redeeming an invitation code through the running node.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::invite::{Code, CodeError};
use gearmesh_protocol::local::{JoinRequest, Joined};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use libp2p::Multiaddr;

use super::super::listen::Endpoint;
use super::super::plant::gate::{Gate, JoinFailure};
use super::super::plant::swarm::Order;
use super::State;
use super::answer::{Answered, Body, Failure};
use crate::core::plant::view::View;

/// How often an address is tried. A few packets lost at the wrong moment end a handshake or an
/// exchange; redeeming twice is redeeming once.
const TRIES: usize = 3;

/// How long a join may take: all tries, each of them a handshake of 5 s and an exchange of 3 s.
const JOIN_MAX: Duration = Duration::from_secs(25);

pub(super) async fn join(
    Shared(state): Shared<State>,
    Body(request): Body<JoinRequest>,
) -> Answered<Joined> {
    let code: Code = request.code.parse().map_err(unread)?;
    if let Some(answer) = joined_before(&state.core.view(), &code) {
        return answer;
    }
    let addresses: Vec<Multiaddr> =
        code.addresses().iter().map(|address| Endpoint::of(*address).multiaddr().clone()).collect();
    if addresses.is_empty() {
        return Err(Failure::new(Refusal::RedeemerSilent, "the code names no address"));
    }
    let Some(place) = JoinPlace::take(&state) else { return Err(Refusal::JoinUnderWay.into()) };
    let redeemed = tokio::time::timeout(JOIN_MAX, redeem(&state, Arc::new(code), addresses)).await;
    drop(place);
    match redeemed {
        Ok(Ok(())) => describe(&state.core.view(), false).ok_or_else(|| Refusal::NotAMember.into()),
        Ok(Err(failures)) => Err(explain(failures)),
        Err(_) => Err(Failure::new(Refusal::RedeemerSilent, "the redeemer did not finish in time")),
    }
}

/// What is wrong with the text of a code; never the text itself.
fn unread(error: CodeError) -> Failure {
    Failure::new(Refusal::from(&error), error)
}

/// Tries all addresses together, and again as long as nobody said no.
async fn redeem(
    state: &State,
    code: Arc<Code>,
    addresses: Vec<Multiaddr>,
) -> Result<(), Vec<JoinFailure>> {
    let mut failures = Vec::new();
    for _ in 0..TRIES {
        failures = match attempt(state, &code, &addresses).await {
            Ok(()) => return Ok(()),
            Err(failures) => failures,
        };
        if failures.iter().any(|failure| matches!(failure, JoinFailure::Refused(_))) {
            break;
        }
    }
    Err(failures)
}

/// Dials every address once, until this node is a member or all of them failed.
async fn attempt(
    state: &State,
    code: &Arc<Code>,
    addresses: &[Multiaddr],
) -> Result<(), Vec<JoinFailure>> {
    let mut failures = state.gate.begin_join(Arc::clone(code), addresses.to_vec());
    for address in addresses {
        drop(state.orders.send(Order::DialRedeemer(address.clone())).await);
    }
    let mut views = state.core.views();
    let mut failed = Vec::new();
    loop {
        tokio::select! {
            joined = views.wait_for(|view| view.own().is_some()) => {
                return joined.map(drop).map_err(|_| failed);
            }
            failure = failures.recv(), if failed.len() < addresses.len() => {
                failed.extend(failure);
                if failed.len() == addresses.len() {
                    return Err(failed);
                }
            }
        }
    }
}

/// The one join that a node makes at a time. It ends with its request, however that ends, so that
/// the code is not kept.
struct JoinPlace(Arc<Gate>);

impl JoinPlace {
    fn take(state: &State) -> Option<Self> {
        state.gate.take_join_place().then(|| Self(Arc::clone(&state.gate)))
    }
}

impl Drop for JoinPlace {
    fn drop(&mut self) {
        self.0.end_join();
    }
}

/// A node that is a member answers a second join with what it is, if the code is for its plant.
fn joined_before(view: &View, code: &Code) -> Option<Answered<Joined>> {
    let roster = view.roster.as_ref()?;
    if !code.fingerprint().is_of(&roster.plant()) {
        let text = format!("this node belongs to the plant {:?} already", roster.name().as_str());
        return Some(Err(Failure::new(Refusal::BelongsAlready, text)));
    }
    // Whoever is thrown out rarely hears of it by record: the members hang up first, and say why
    // when they are dialled.
    let is_told = view.refused_by == Some(Refusal::Revoked);
    if is_told || roster.revoked().contains_key(&view.me) {
        return Some(Err(Refusal::Revoked.into()));
    }
    let invited = roster.invitations().get(&code.id());
    let is_same = invited.is_some_and(|invited| invited.redeemed.contains_key(&view.me));
    match describe(view, true) {
        Some(joined) if is_same => Some(Ok(joined)),
        Some(_) => Some(Err(Refusal::AlreadyMember.into())),
        None => None,
    }
}

fn describe(view: &View, again: bool) -> Option<Json<Joined>> {
    let roster = view.roster.as_ref()?;
    let own = view.own()?;
    let admitted_by = roster
        .invitations()
        .values()
        .find(|invited| invited.redeemed.contains_key(&view.me))
        .and_then(|invited| roster.member(&invited.invitation.redeemer))
        .map_or_else(|| "an admin".to_owned(), |member| member.name().as_str().to_owned());
    Some(Json(Joined {
        plant: roster.plant(),
        plant_name: roster.name().as_str().to_owned(),
        plant_words: check_words(roster.plant().as_bytes()),
        name: own.name().as_str().to_owned(),
        scope: own.scope().map(|scope| scope.as_str().to_owned()),
        roles: own.roles(),
        admitted_by,
        again,
    }))
}

/// The most telling of several failures: a refusal by the redeemer, then one of ours, then silence.
fn explain(failures: Vec<JoinFailure>) -> Failure {
    let refusals = failures.iter().filter_map(|failure| match failure {
        JoinFailure::Refused(refusal) => Some(*refusal),
        JoinFailure::Unreachable { .. } => None,
    });
    let telling = refusals.max_by_key(|refusal| match refusal {
        Refusal::NotAdmitted => 0,
        Refusal::OtherPlant | Refusal::NotTheRedeemer => 1,
        _ => 2,
    });
    match telling {
        Some(Refusal::NotAdmitted) => Refusal::InvitationUnknown.into(),
        Some(refusal) => refusal.into(),
        None => {
            let tried = failures.iter().map(|failure| match failure {
                JoinFailure::Unreachable { address, cause } => format!("{address}: {cause}"),
                JoinFailure::Refused(refusal) => refusal.to_string(),
            });
            let tried = tried.collect::<Vec<_>>().join("; ");
            let text = format!("the redeemer does not answer ({tried})");
            Failure::new(Refusal::RedeemerSilent, text)
        }
    }
}
