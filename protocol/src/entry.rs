//! What data logs hold.
//!
//! The forms are fixed from the first release because they are signed. Samples are written by
//! durable publishes; the others are the records of coordination and consumption, each the
//! durable truth of one act.

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::codec;
use crate::ids::{CommandId, Incarnation, PublicKey, SheetId, WorkId};
use crate::limits::LEAVES_MAX;
use crate::log::{LogId, Tip};
use crate::plant::Address;
use crate::refusal::Refusal;
use crate::sample::Sample;
use crate::time::UnixMillis;
use crate::topic::{Name, Topic};
use crate::work::half;

/// One entry of a data log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DataEntry {
    /// A value that must not be lost.
    Sample {
        /// Where it belongs.
        topic: Topic,
        /// The value.
        sample: Sample,
    },
    /// What became of a command, written by its target. The first state written for an id is also
    /// the row that keeps it from being executed twice.
    Command(CommandRecord),
    /// A lease was granted, renewed or ended, written by the arbiter before it answers.
    Lease(LeaseRecord),
    /// How far a durable subscription has come.
    Cursor(CursorRecord),
    /// A work item changed its state, written by the node that offers it.
    Work(WorkRecord),
    /// What this node asked another to do, and what it heard of it.
    Call(CallRecord),
    /// What a gateway decided about a partner.
    Partner(PartnerAct),
    /// A [`DataEntry::Command`] word for word, written once more before that leaves the log: nothing new.
    CommandAgain(CommandRecord),
    /// An admin whose machine is no node came to this one.
    Visit(VisitRecord),
}

/// A [`DataEntry::Sample`] of what belongs to others, for writing it alone.
#[derive(Serialize)]
enum Lent<'a> {
    Sample { topic: &'a Topic, sample: &'a Sample },
}

impl DataEntry {
    /// The canonical bytes of a [`DataEntry::Sample`], without a copy of what is in it.
    #[must_use]
    pub fn encode_sample(topic: &Topic, sample: &Sample) -> Vec<u8> {
        codec::encode(&Lent::Sample { topic, sample })
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The command's id, chosen by the caller.
    pub id: CommandId,
    /// Who called.
    pub caller: PublicKey,
    /// What was asked for.
    pub verb: Name,
    /// Hash of the arguments: one id with two contents is refused.
    pub arguments: [u8; 32],
    /// Its new state.
    pub state: CommandState,
    /// When, by the target's clock.
    pub at: UnixMillis,
}

/// States of a command at its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandState {
    /// It arrived.
    Received,
    /// It will be executed; written and fsynced before it is.
    Accepted,
    /// It was executed.
    Done {
        /// The answer, JSON.
        result: Vec<u8>,
    },
    /// It was executed and did not succeed.
    Failed {
        /// The program's own code.
        code: i32,
        /// What it said.
        message: String,
    },
    /// It was not executed.
    Refused(Refusal),
    /// Its time ran out before it was begun.
    Expired,
    /// The target went down between accepting and finishing; it is never executed again.
    Indeterminate,
}

impl CommandState {
    /// Whether nothing more becomes of the command.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Received | Self::Accepted)
    }

    /// The state's name, as people and scripts read it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Refused(_) => "refused",
            Self::Expired => "expired",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// A call of this node's, as its caller writes it down: when it is sent, and when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The command's id.
    pub id: CommandId,
    /// Who was asked.
    pub target: PublicKey,
    /// What for.
    pub verb: Name,
    /// Hash of the arguments, as the target writes it down.
    pub arguments: [u8; 32],
    /// What is known of it.
    pub state: CallState,
    /// When, by the caller's clock.
    pub at: UnixMillis,
}

/// What a caller knows of its call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallState {
    /// It is on its way.
    Sent,
    /// What became of it, as the target said.
    Ended(CommandState),
    /// The target did not say in time.
    Unknown,
}

/// An admin whose machine is no node came to this one, for the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitRecord {
    /// The key that it proved to hold.
    pub admin: PublicKey,
    /// From where, as the host saw it.
    pub from: Address,
    /// When, by the host's clock.
    pub at: UnixMillis,
}

/// What a gateway decided about a partner, for the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerAct {
    /// What the partner is called in topics.
    pub partner: Name,
    /// Under which agreement.
    pub sheet: SheetId,
    /// What was decided.
    pub event: PartnerEvent,
    /// When, by the gateway's clock.
    pub at: UnixMillis,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartnerEvent {
    /// Both sides signed, and it flows.
    Agreed,
    /// It is over.
    Ended {
        /// Whether the partner ended it; its time was up, or it was ended here, otherwise.
        by_partner: bool,
    },
    /// A call of the partner's is carried out by a command of the plant's.
    Called {
        /// The command.
        id: CommandId,
        /// What the sheet calls it.
        verb: Name,
        /// Whether a person here allowed it.
        allowed: bool,
    },
    /// Calls of the partner's were not carried out.
    Refused {
        /// What was asked for last.
        verb: Name,
        /// Why that was refused.
        refusal: Refusal,
        /// How many were refused since this was last written down.
        count: u64,
    },
    /// One side has another gateway from here on, or none.
    Moved {
        /// Whether it is the partner's.
        by_partner: bool,
        /// Which change of that side's gateway, from 1.
        number: u32,
    },
}

/// A fencing token: it names one lease, and is good at the equipment as long as that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FencingToken {
    /// The arbiter's life that granted it; tokens of earlier lives are refused.
    pub incarnation: Incarnation,
    /// Rises with every grant and renewal after a start.
    pub number: u64,
}

/// A lease was granted, renewed or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// What is leased.
    pub resource: Name,
    /// Who holds it.
    pub holder: PublicKey,
    /// Its token.
    pub token: FencingToken,
    /// What happened.
    pub event: LeaseEvent,
    /// How long it lasts from the grant, in milliseconds.
    pub ttl_ms: u32,
    /// What the holder does when it loses the lease.
    pub on_loss: OnLoss,
}

/// What happened to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseEvent {
    /// Given out.
    Granted,
    /// Prolonged.
    Renewed,
    /// Given back.
    Released,
    /// Its time ran out.
    Expired,
    /// Its holder is no member any more.
    Revoked,
}

/// What a holder does when it loses a lease (VDA 5050's words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLoss {
    /// Stand still.
    Stop,
    /// Finish what was begun.
    Continue,
    /// Leave the place.
    Evacuate,
}

/// How far a durable subscription has come in one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRecord {
    /// The subscription's name.
    pub consumer: Name,
    /// Which log.
    pub log: LogId,
    /// The leaves delivered: what is no ancestor of them comes next. With their numbers and counts,
    /// so that a reader finds its place without a search, and knows how much it missed.
    pub leaves: Bounded<Tip, LEAVES_MAX>,
}

/// A work item changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkRecord {
    /// The item.
    pub id: WorkId,
    /// What is to be done.
    pub verb: Name,
    /// Arguments, JSON; empty when the item was offered before.
    pub arguments: Vec<u8>,
    /// Its new state.
    pub state: WorkState,
    /// When, by the offerer's clock.
    pub at: UnixMillis,
}

/// States of a work item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkState {
    /// Anybody capable may take it again.
    Offered,
    /// Somebody works on it, under a token.
    Taken {
        /// Who.
        by: PublicKey,
        /// Under which token.
        token: FencingToken,
    },
    /// Finished, once.
    Completed {
        /// The answer, JSON.
        result: Vec<u8>,
    },
    /// Given up.
    Failed {
        /// Why.
        message: String,
    },
    /// It is there, and anybody capable may take it.
    New(WorkTerms),
    /// Nothing new: how it stands, all in one record, written before what said it first leaves the log.
    Stands(Box<WorkStanding>),
}

/// How a work item stands, in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkStanding {
    /// As it was offered.
    pub terms: WorkTerms,
    /// Hash of its arguments, which are not repeated of one that is over; none if nobody knows them.
    pub content: Option<[u8; 32]>,
    /// How often it was taken.
    pub takes: u32,
    /// Who took it last.
    pub taken: Option<WorkTaken>,
    /// Where it is with that.
    pub stage: WorkStage,
}

/// Who took a work item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkTaken {
    /// Who.
    pub by: PublicKey,
    /// Under which token.
    pub token: FencingToken,
}

/// What a work item has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkStage {
    /// Anybody capable may take it.
    Open,
    /// Whoever took it last works on it.
    Taken,
    /// Finished, once.
    Completed {
        /// The answer, JSON.
        result: Vec<u8>,
    },
    /// Given up.
    Failed {
        /// Why.
        message: String,
    },
}

/// Under which terms a work item is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkTerms {
    /// How long the machine that took it may be away until it is offered again, in milliseconds.
    pub silence_ms: u32,
    /// How often it may be taken.
    pub tries: u8,
    /// Whether it is offered again when a program says that it cannot be done.
    pub again_if_failed: bool,
    /// The item of a node that is gone in place of which it is offered.
    pub instead_of: Option<WorkOrigin>,
}

impl Default for WorkTerms {
    fn default() -> Self {
        Self { silence_ms: 60_000, tries: 3, again_if_failed: false, instead_of: None }
    }
}

/// A work item of another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkOrigin {
    /// Who offered it.
    pub offerer: PublicKey,
    /// Which.
    pub id: WorkId,
}

impl WorkOrigin {
    /// The item that is offered in its place: the same, however often somebody asks for that.
    #[must_use]
    pub fn successor(&self) -> WorkId {
        let bytes = [&self.offerer.as_bytes()[..], &self.id.0].concat();
        WorkId(half(&blake3::derive_key("gearmesh 2026 work successor v1", &bytes)))
    }
}
