//! What the shell and the core say to each other about commands.

use std::time::Duration;

use gearmesh_protocol::command::{Call, CommandFrame, Outcome, Progress, Query, Verb};
use gearmesh_protocol::entry::{CommandState, DataEntry, FencingToken};
use gearmesh_protocol::ids::{CommandId, Incarnation, PublicKey};
use gearmesh_protocol::signed::Verified;
use gearmesh_protocol::topic::Name;

use super::super::{LinkId, Ticket};

/// Whether arguments are what the schema of their verb takes, as the shell found; if not, why.
pub type Fit = Result<(), String>;

/// What happened to commands.
#[derive(Debug)]
pub enum CommandInput {
    /// A frame came over the command lane that needs no check.
    Frame {
        /// Over which link.
        link: LinkId,
        /// The frame.
        frame: CommandFrame,
    },
    /// A call came, signed by the member at the other end.
    Call {
        /// Over which link.
        link: LinkId,
        /// The call.
        call: Box<Verified<Call>>,
        /// Whether its arguments are what the verb takes.
        fit: Fit,
    },
    /// A target said what became of a call, with its signature.
    Outcome {
        /// Over which link.
        link: LinkId,
        /// What it said.
        outcome: Box<Verified<Outcome>>,
    },
    /// A query came.
    Query {
        /// Over which link.
        link: LinkId,
        /// The query.
        query: Query,
        /// Whether its arguments are what the verb takes.
        fit: Fit,
    },
    /// A program here serves a verb from now on.
    Serve {
        /// Where the answer goes.
        ticket: Ticket,
        /// What it serves.
        service: Service,
    },
    /// It does not any more.
    Withdraw {
        /// The verb.
        verb: Name,
    },
    /// A run is over.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        ending: Ending,
    },
    /// A program here wants something done, once.
    Ask {
        /// Where the answer goes.
        ticket: Ticket,
        /// What, and by whom.
        asked: Asked,
        /// Whether the arguments are what the verb takes, if it is this node's own.
        fit: Fit,
    },
    /// A program here wants to know something.
    AskQuery {
        /// Where the answer goes.
        ticket: Ticket,
        /// What, and of whom.
        asked: Asked,
        /// Whether the arguments are what the verb takes, if it is this node's own.
        fit: Fit,
    },
    /// The answer to [`CommandEffect::Recall`], in parts.
    Recalled(Recalled),
}

/// What is to be done about commands.
#[derive(Clone, Debug)]
pub enum CommandEffect {
    /// Send a frame over the command lane.
    Send {
        /// Over which link.
        link: LinkId,
        /// The frame.
        frame: CommandFrame,
    },
    /// Have the program that serves the verb do it, and answer with [`CommandInput::Ended`].
    Run(Box<Run>),
    /// The run took too long: nobody waits for it any more.
    Forget {
        /// Which.
        run: RunId,
    },
    /// Tell whoever asked how far a command is.
    Progress {
        /// Who asked.
        ticket: Ticket,
        /// How far.
        progress: Progress,
    },
    /// Read what the own log says of commands, leases and work items, and answer with [`CommandInput::Recalled`].
    Recall,
}

/// One execution of a verb, named by the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// What a program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Names it in the answer.
    pub id: RunId,
    /// The verb.
    pub verb: Name,
    /// The command's id; none for a query.
    pub command: Option<CommandId>,
    /// Who asks.
    pub caller: PublicKey,
    /// The arguments, JSON that the verb's schema takes.
    pub arguments: Vec<u8>,
    /// The lease under which the caller acts, if it named one.
    pub token: Option<FencingToken>,
    /// The partner for whom a gateway asks.
    pub partner: Option<Name>,
    /// How long the program may take.
    pub within: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, JSON.
    Done(Vec<u8>),
    /// Without success.
    Failed {
        /// The program's own code.
        code: i32,
        /// What it said.
        message: String,
    },
    /// Whoever ran it is gone; nobody knows how far it came.
    Lost,
}

/// A verb and how it is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What is announced.
    pub verb: Verb,
    /// How many may run at once.
    pub at_once: usize,
    /// How long one may take.
    pub within: Duration,
    /// The resource of this machine that whoever calls must hold; none of a query.
    pub resource: Option<Name>,
    /// Whether work items are taken for it.
    pub takes_work: bool,
}

/// What a program here wants of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The command's id; without meaning for a query.
    pub id: CommandId,
    /// Who is to do it.
    pub target: PublicKey,
    /// What.
    pub verb: Name,
    /// The arguments, JSON.
    pub arguments: Vec<u8>,
    /// How long it may take until it is accepted; a query, until it is answered.
    pub ttl: Duration,
    /// Whether to wait for a target that cannot be reached now.
    pub waits: bool,
    /// The lease under which it is asked.
    pub token: Option<FencingToken>,
    /// The partner for whom this gateway asks.
    pub partner: Option<Name>,
    /// How long a machine that works on it may be away until nobody knows what became of it.
    pub away_within: Duration,
}

/// What became of a command or query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The state, a final one.
    pub state: CommandState,
    /// The same in a sentence, where there is more to say.
    pub detail: String,
}

impl Ended {
    /// A state that says all there is to say.
    #[must_use]
    pub const fn plainly(state: CommandState) -> Self {
        Self { state, detail: String::new() }
    }
}

/// What the own log says of commands, leases and work items, in the order of the log.
#[derive(Debug, Default)]
pub struct Recalled {
    /// What it says.
    pub records: Vec<Recorded>,
    /// Whether that was all.
    pub is_last: bool,
}

/// A record of the own log.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The life that wrote it.
    pub life: Incarnation,
    /// The number of its group.
    pub number: u64,
    /// The record.
    pub entry: DataEntry,
}
