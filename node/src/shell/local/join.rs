//! Redeeming an invitation code through the running node.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::invite::{Code, CodeError};
use gearmesh_protocol::local::{JoinRequest, Joined};
use gearmesh_protocol::refusal::Refusal;
use libp2p::Multiaddr;

use super::super::clock::is_set;
use super::super::listen::{Endpoint, plain};
use super::super::plant::gate::{Gate, JoinFailure};
use super::super::plant::swarm::Order;
use super::State;
use super::answer::{Answered, Body, Failure};
use crate::core::plant::standing::{self, Trial};

/// How often an address is tried. A few packets lost at the wrong moment end a handshake or an
/// exchange; redeeming twice is redeeming once.
const TRIES: usize = 3;

/// How long a join may take: all tries, each of them a handshake of 5 s and an exchange of 3 s.
const JOIN_MAX: Duration = Duration::from_secs(25);

pub(super) async fn join(
    Shared(state): Shared<State>,
    Body(request): Body<JoinRequest>,
) -> Answered<Joined> {
    // Codes are pasted with the line breaks of whatever showed them.
    let text: String = request.code.split_whitespace().collect();
    let code: Code = text.parse().map_err(unread)?;
    by_code(&state, Arc::new(code)).await.map(Json)
}

/// Joins with a code that was typed, or carried here by whoever claims this machine.
pub(super) async fn by_code(state: &State, code: Arc<Code>) -> Result<Joined, Failure> {
    if let Some(answer) = standing::joined_before(&state.core.view(), &code) {
        return answer.map_err(Failure::from);
    }
    if !is_set(state.clock.now().wall) {
        return Err(Refusal::ClockUnset.into());
    }
    let addresses: Vec<Multiaddr> =
        code.addresses().iter().map(|address| Endpoint::of(*address).multiaddr().clone()).collect();
    if addresses.is_empty() {
        return Err(Failure::new(Refusal::RedeemerSilent, "the code names no address"));
    }
    let Some(place) = JoinPlace::take(state) else { return Err(Refusal::JoinUnderWay.into()) };
    let redeemed = tokio::time::timeout(JOIN_MAX, redeem(state, code, &addresses)).await;
    drop(place);
    match redeemed {
        Ok(Ok(())) => match standing::joined(&state.core.view(), false) {
            Some(joined) => Ok(joined),
            None => Err(Refusal::NotAMember.into()),
        },
        Ok(Err(failures)) => {
            let trials: Vec<Trial> = failures.into_iter().map(trial).collect();
            let asked: Vec<String> =
                addresses.iter().map(|address| plain(&address.to_string())).collect();
            Err(standing::explain(&trials, &asked).into())
        }
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
    addresses: &[Multiaddr],
) -> Result<(), Vec<JoinFailure>> {
    let mut failures = Vec::new();
    for _ in 0..TRIES {
        failures = match attempt(state, &code, addresses).await {
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

/// A failure in words. What the libraries say of a dial is for their authors.
fn trial(failure: JoinFailure) -> Trial {
    match failure {
        JoinFailure::Refused(refusal) => Trial::Refused(refusal),
        JoinFailure::Unreachable { address, cause } => {
            Trial::Silent { address: plain(&address), cause: in_words(&cause) }
        }
    }
}

/// What systems say of an address that no way leads to, this machine's own side of it included.
const NO_WAY: &[&str] = &[
    "unreachable",
    "no route",
    "cannot assign",
    "os error 99",
    "os error 100",
    "os error 101",
    "os error 113",
];

/// Why nobody answered, as far as it can be told.
fn in_words(cause: &str) -> &'static str {
    let said = cause.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["refused", "os error 111"]) {
        "nothing listens there"
    } else if says(NO_WAY) {
        "no way leads there"
    } else if says(&["timed out", "timeout", "longer than"]) {
        "no answer in time"
    } else {
        "it hung up"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_dial_is_told_in_words_and_with_an_address_that_people_type() {
        for (cause, words) in [
            ("Connection refused (os error 111)", "nothing listens there"),
            ("Other(Transport(Os { code: 113, kind: HostUnreachable }))", "no way leads there"),
            ("Network is unreachable (os error 101)", "no way leads there"),
            ("Network is down (os error 100)", "no way leads there"),
            ("Cannot assign requested address (os error 99)", "no way leads there"),
            (
                "Os { code: 99, kind: AddrNotAvailable, message: \"Cannot assign\" }",
                "no way leads there",
            ),
            ("Timeout has been reached", "no answer in time"),
            ("the exchange took longer than 3s", "no answer in time"),
            ("Handshake failed: unexpected end of file", "it hung up"),
        ] {
            let address = "/ip4/192.0.2.1/tcp/7430".to_owned();
            let failure = JoinFailure::Unreachable { address, cause: cause.to_owned() };
            let told = Trial::Silent { address: "192.0.2.1:7430".to_owned(), cause: words };
            assert_eq!(trial(failure), told, "{cause}");
        }
    }
}
