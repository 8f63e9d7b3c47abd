//! The side of a program that asks a machine to do something.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gearmesh_protocol::command::Progress;
use gearmesh_protocol::entry::FencingToken;
use gearmesh_protocol::ids::{CommandId, PublicKey};
use gearmesh_protocol::local::{ErrorBody, Presence};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use serde_json::Value;
use tokio::sync::mpsc;

use super::api::{CallEvent, CallState};
use crate::core::clock::Now;
use crate::core::plant::view::View;
use crate::core::plant::{Answer, Ticket};

/// How long a command may wait to be accepted, if nobody says otherwise.
pub const TTL: Duration = Duration::from_secs(5);

/// Events of one call that wait for whoever asked; there are never more than three.
pub(super) const EVENTS_MAX: usize = 4;

/// What a program wants of a machine.
#[derive(Clone, Debug)]
pub struct Request {
    /// The machine, by its key.
    pub machine: PublicKey,
    /// What it is to do.
    pub verb: Name,
    /// The arguments.
    pub arguments: Value,
    /// The command's id: a retry gives the same and is answered with what became of the first. A new
    /// one if there is none.
    pub id: Option<CommandId>,
    /// How long it may take until it is begun, at most 600 s; a query, until it is answered.
    pub ttl: Duration,
    /// Whether to wait that long for a machine that cannot be reached.
    pub waits: bool,
    /// The lease under which it is asked.
    pub token: Option<FencingToken>,
    /// The partner for whom this gateway asks.
    pub partner: Option<Name>,
}

impl Request {
    /// A request with a new id, to be begun within 5 s.
    #[must_use]
    pub const fn new(machine: PublicKey, verb: Name, arguments: Value) -> Self {
        let (id, token, partner) = (None, None, None);
        Self { machine, verb, arguments, id, ttl: TTL, waits: false, token, partner }
    }
}

/// A call under way. Dropping it takes nothing back.
pub struct Calling {
    pub(super) events: mpsc::Receiver<Result<CallEvent, ErrorBody>>,
}

impl Calling {
    /// What happens next to the call; none after its end. It ends with its last state, or with
    /// a refusal of this node's own: then nothing is known of it, or it was not sent.
    pub async fn next(&mut self) -> Option<Result<CallEvent, ErrorBody>> {
        self.events.recv().await
    }

    /// What became of the call.
    ///
    /// # Errors
    /// This node did not send it, or nobody said what became of it.
    pub async fn outcome(mut self) -> Result<CallState, ErrorBody> {
        while let Some(event) = self.next().await {
            let state = event?.state;
            if state.is_final() {
                return Ok(state);
            }
        }
        Err(Refusal::NodeStopped.into())
    }
}

/// Who waits to hear how far calls are.
#[derive(Default)]
pub(in crate::shell) struct Watchers {
    waiting: Mutex<BTreeMap<Ticket, mpsc::Sender<Progress>>>,
}

impl Watchers {
    pub(super) fn watch(&self, ticket: Ticket, watcher: mpsc::Sender<Progress>) {
        self.lock().insert(ticket, watcher);
    }

    pub(super) fn forget(&self, ticket: Ticket) {
        self.lock().remove(&ticket);
    }

    pub(super) fn tell(&self, ticket: Ticket, progress: Progress) {
        if let Some(watcher) = self.lock().get(&ticket) {
            // There is a place for each state; who does not look needs none.
            let _ = watcher.try_send(progress);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Ticket, mpsc::Sender<Progress>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer of the core in the words of whoever asked.
pub(super) fn end_of(
    answer: Answer,
    machine: &PublicKey,
    view: &View,
    now: Now,
) -> Result<CallState, ErrorBody> {
    match answer {
        Answer::Ended(ended) => Ok(CallState::said(ended.state, &ended.detail)),
        Answer::Refused(Refusal::MachineUnreachable) => Err(unreachable(machine, view, now)),
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

/// A machine that cannot be reached, since when, and who says so.
fn unreachable(machine: &PublicKey, view: &View, now: Now) -> ErrorBody {
    let refusal = ErrorBody::from(Refusal::MachineUnreachable);
    let name = view.author(machine).map_or_else(|| machine.to_string(), |it| it.name().to_string());
    let away = view.away(machine);
    let how = match away.presence {
        Presence::Left => "was stopped",
        _ => "cannot be reached from here",
    };
    let since = now.tick.saturating_sub(away.since).as_secs();
    refusal.saying(match away.since {
        Duration::ZERO => format!("{name} {how}, since this node started {since} s ago"),
        _ => format!("{name} {how}, since {since} s"),
    })
}
