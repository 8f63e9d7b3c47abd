//! Commands on the local API, as JSON.
//!
//! Field names are stable: scripts read them.

use gearmesh_protocol::command::{Progress, Verb};
use gearmesh_protocol::entry::{CommandState, FencingToken};
use gearmesh_protocol::ids::{CommandId, LeaseId, PublicKey};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::topic::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /v1/call`: something that a machine is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallRequest {
    /// The machine, by its name or key.
    pub machine: String,
    /// What it is to do.
    pub verb: Name,
    /// The arguments; `null` if there are none.
    #[serde(default)]
    pub arguments: Value,
    /// The command's id, 32 hexadecimal digits; a new one if there is none.
    #[serde(default)]
    pub id: Option<CommandId>,
    /// How long it may take until it is begun, in milliseconds: 5,000 if nothing is said, at most
    /// 600,000. A query: until it is answered.
    #[serde(default)]
    pub ttl_ms: Option<u32>,
    /// Whether to wait that long for a machine that cannot be reached.
    #[serde(default)]
    pub wait: bool,
    /// Whether it is a query: nothing is written down, and it may be repeated.
    #[serde(default)]
    pub query: bool,
    /// The lease under which it is asked, by its token.
    #[serde(default)]
    pub token: Option<FencingToken>,
    /// The lease under which it is asked, by its id, where this machine holds it.
    #[serde(default)]
    pub lease: Option<LeaseId>,
}

/// One event of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEvent {
    /// The command's id.
    pub id: CommandId,
    /// How far it is.
    #[serde(flatten)]
    pub state: CallState,
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum CallState {
    /// It is with the machine.
    Received,
    /// It is on the machine's disk, and being executed.
    Accepted,
    /// It was executed.
    Done {
        /// The answer.
        result: Value,
    },
    /// It was executed and did not succeed.
    Failed {
        /// The program's own code.
        code: i32,
        /// What it said.
        message: String,
    },
    /// It was not executed.
    Refused(ErrorBody),
    /// Its time ran out before it was begun.
    Expired,
    /// The machine, or its program, went down in between: it may have been executed or not, and will
    /// not be again.
    Indeterminate,
    /// The machine did not say in time. Asking again with the same id does no harm.
    Unknown(ErrorBody),
}

impl From<Progress> for CallState {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Received => Self::Received,
            Progress::Accepted => Self::Accepted,
        }
    }
}

impl CallState {
    /// What a machine, or a partner, said became of it, with a sentence where it had more to say.
    #[must_use]
    pub fn said(state: CommandState, detail: &str) -> Self {
        match state {
            CommandState::Received => Self::Received,
            CommandState::Accepted => Self::Accepted,
            CommandState::Done { result } => {
                // Whoever answers does so with JSON; what is none is shown as it came.
                let result = serde_json::from_slice(&result)
                    .unwrap_or_else(|_| String::from_utf8_lossy(&result).into_owned().into());
                Self::Done { result }
            }
            CommandState::Failed { code, message } => Self::Failed { code, message },
            CommandState::Refused(refusal) => {
                let refused = ErrorBody::from(refusal);
                Self::Refused(match detail {
                    "" => refused,
                    detail => {
                        let text = format!("{}: {detail}", refused.error);
                        refused.saying(text)
                    }
                })
            }
            CommandState::Expired => Self::Expired,
            CommandState::Indeterminate => Self::Indeterminate,
        }
    }

    /// Whether nothing more becomes of the call.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Received | Self::Accepted)
    }
}

/// `POST /v1/serve`: a verb that the program serves as long as it reads the events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServeRequest {
    /// What it is called.
    pub verb: Name,
    /// A JSON Schema of its arguments; any JSON will do if there is none.
    #[serde(default)]
    pub schema: Option<Value>,
    /// Whether it is a query.
    #[serde(default)]
    pub query: bool,
    /// How many may run at once: 1 if nothing is said, at most 256.
    #[serde(default)]
    pub at_once: Option<usize>,
    /// How long one may take, in milliseconds: 60,000 if nothing is said, at most 3,600,000.
    #[serde(default)]
    pub within_ms: Option<u32>,
    /// A resource of this machine: a command is executed only for whoever holds a lease of it.
    #[serde(default)]
    pub resource: Option<Name>,
    /// Whether work items are taken for it.
    #[serde(default)]
    pub jobs: bool,
}

/// One event for a program that serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServeEvent {
    /// The verb can be called from now on.
    Serving(Name),
    /// Something is to be done.
    Run(RunOrder),
}

/// Something that a program is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunOrder {
    /// Names it in the answer.
    pub run: u64,
    /// The command's id; none for a query.
    pub id: Option<CommandId>,
    /// What people call the caller, if it is a member still.
    pub caller: Option<Name>,
    /// Its key.
    pub caller_key: PublicKey,
    /// The arguments.
    pub arguments: Value,
    /// The lease under which the caller acts, if it named one.
    pub token: Option<FencingToken>,
    /// The partner for whom the caller, a gateway, asks.
    #[serde(default)]
    pub partner: Option<Name>,
    /// How long it may take, in milliseconds.
    pub within_ms: u64,
}

/// `POST /v1/serve/answer`: a run is over. Without `failed` it is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunAnswer {
    /// Which.
    pub run: u64,
    /// The answer.
    #[serde(default)]
    pub result: Value,
    /// Why there is none.
    #[serde(default)]
    pub failed: Option<RunFailure>,
}

/// Why a run did not succeed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFailure {
    /// The program's own code.
    pub code: i32,
    /// What it said.
    pub message: String,
}

/// `GET /v1/verbs`: a verb of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerbStatus {
    /// The machine.
    pub machine: Name,
    /// Its key.
    pub machine_key: PublicKey,
    /// What the verb is called.
    pub verb: Name,
    /// Whether it is a query.
    pub query: bool,
    /// A JSON Schema of its arguments; none if any JSON will do.
    pub schema: Option<Value>,
    /// Whether the machine takes work items for it.
    #[serde(default)]
    pub jobs: bool,
}

impl VerbStatus {
    /// A verb that a member announced.
    #[must_use]
    pub fn of(machine: &Name, machine_key: PublicKey, verb: &Verb, jobs: bool) -> Self {
        Self {
            machine: machine.clone(),
            machine_key,
            verb: verb.name.clone(),
            query: verb.is_query,
            schema: serde_json::from_slice(&verb.schema).ok(),
            jobs,
        }
    }
}
