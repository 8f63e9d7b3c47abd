//! Work items on the local API, as JSON.
//!
//! Field names are stable: scripts read them.

use gearmesh_protocol::entry::{FencingToken, WorkState};
use gearmesh_protocol::ids::{PublicKey, WorkId};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::plant::items::ItemStatus;

/// `POST /v1/offer`: something that is to be done by whoever can.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OfferRequest {
    /// What is to be done.
    pub verb: Name,
    /// The arguments; `null` if there are none.
    #[serde(default)]
    pub arguments: Value,
    /// The item's id, 32 hexadecimal digits: the same again is the same item. A new one if there is none.
    #[serde(default)]
    pub id: Option<WorkId>,
    /// How long the machine that took it may be away until it is offered again, in milliseconds: 60,000 if
    /// nothing is said, at most 600,000.
    #[serde(default)]
    pub silence_ms: Option<u32>,
    /// How often it may be taken: 3 if nothing is said, at most 255.
    #[serde(default)]
    pub tries: Option<u8>,
    /// Whether it is offered again when a program says that it cannot be done.
    #[serde(default)]
    pub again_if_failed: bool,
}

/// `POST /v1/jobs/cancel`: which item. Also what `POST /v1/offer` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkKey {
    /// Which.
    pub id: WorkId,
}

/// `POST /v1/jobs/rehome`: whose items.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RehomeRequest {
    /// A member that was revoked, by its key.
    pub offerer: PublicKey,
}

/// One item that is offered here in place of another, or need not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehomed {
    /// The item of the node that is gone.
    pub old: WorkId,
    /// The one in its place; none if it was done.
    pub id: Option<WorkId>,
    /// What people call the machine that did it, as that machine's own log says; its node was not there any
    /// more to hear of it.
    pub done_by: Option<String>,
}

/// `GET /v1/jobs`: how a work item stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkStatus {
    /// Which.
    pub id: WorkId,
    /// What people call the node that offers it, or its key if it is no member.
    pub offerer: String,
    /// Its key.
    pub offerer_key: PublicKey,
    /// Whether that is no member any more, so that nobody arbitrates the item.
    pub orphaned: bool,
    /// What is to be done.
    pub verb: Name,
    /// How it stands.
    pub state: WorkWord,
    /// What people call the machine that took it last, or its key if it is no member.
    pub worker: Option<String>,
    /// Under which token that machine works on it.
    pub token: Option<FencingToken>,
    /// How often it was taken.
    pub takes: u32,
    /// How often it may be.
    pub tries: u8,
    /// Since when it stands so, by the clock of the node that offers it.
    pub since: UnixMillis,
    /// What came of it.
    pub result: Option<Value>,
    /// Why it failed, or why the last attempt came to nothing.
    pub trouble: Option<String>,
    /// The item of a node that is gone in place of which it is offered.
    pub instead_of: Option<WorkId>,
}

/// How a work item stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkWord {
    /// It waits for a machine.
    Offered,
    /// A machine works on it.
    Taken,
    /// It is done.
    Completed,
    /// It was given up.
    Failed,
}

impl WorkWord {
    /// The word itself.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Taken => "taken",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more becomes of the item.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl WorkStatus {
    /// How an item stands, with what people call machines.
    pub(super) fn of(
        status: ItemStatus,
        (offerer_key, orphaned): (PublicKey, bool),
        name: impl Fn(&PublicKey) -> String,
    ) -> Self {
        let ItemStatus { id, verb, state, worker, takes, terms, since, trouble } = status;
        let mut said = Self {
            id,
            offerer: name(&offerer_key),
            offerer_key,
            orphaned,
            verb,
            state: WorkWord::Offered,
            worker: worker.as_ref().map(name),
            token: None,
            takes,
            tries: terms.tries,
            since,
            result: None,
            trouble: (!trouble.is_empty()).then_some(trouble),
            instead_of: terms.instead_of.map(|origin| origin.id),
        };
        match state {
            WorkState::New(_) | WorkState::Offered | WorkState::Stands(_) => {}
            WorkState::Taken { token, .. } => {
                (said.state, said.token) = (WorkWord::Taken, Some(token));
            }
            WorkState::Completed { result } => {
                said.state = WorkWord::Completed;
                said.result = Some(serde_json::from_slice(&result).unwrap_or(Value::Null));
            }
            WorkState::Failed { message } => {
                (said.state, said.trouble) = (WorkWord::Failed, Some(message));
            }
        }
        said
    }
}
