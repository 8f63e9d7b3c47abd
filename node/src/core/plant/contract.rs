//! What the shell and the plant's core say to each other: inputs, effects, answers.

use std::sync::Arc;

use gearmesh_protocol::ids::{GroupId, PublicKey, WorkId};
use gearmesh_protocol::lease::Usage;
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::plant::{Address, ControlFrame, Greeting, LedgerPage};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::TopicFilter;
use gearmesh_protocol::trust::Act;

use super::super::record::Record;
use super::commands::{CommandEffect, CommandInput, Ended};
use super::data::{Acknowledgement, DataEffect, DataInput, Elsewhere, Part};
use super::items::{ItemStatus, WorkEffect, WorkInput};
use super::leases::holder::Told;
use super::leases::{LeaseEffect, LeaseInput};
use super::redeem::Redemption;
use super::view::View;

/// One connection that passed admission, named by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// A question of the shell that is answered by [`Effect::Answer`], once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A peer of a key that the roster does not name showed this slice of a ledger.
    Credential {
        /// Where the answer goes.
        ticket: Ticket,
        /// Its key, proven by the transport.
        peer: PublicKey,
        /// Acts of the slice.
        acts: Vec<Act>,
        /// Groups of the slice, parents first.
        groups: Vec<Arc<VerifiedGroup>>,
    },
    /// A joiner proved to hold an invitation's secret.
    Redeem {
        /// Where the answer goes.
        ticket: Ticket,
        /// Which invitation, which key.
        redemption: Redemption,
    },
    /// A redeemer sent the ledger in which this node is a member.
    Adopt {
        /// Where the answer goes.
        ticket: Ticket,
        /// Acts, the genesis first.
        acts: Vec<Act>,
        /// Groups, parents first.
        groups: Vec<Arc<VerifiedGroup>>,
    },
    /// A tool hands in a group that an admin signed.
    Store {
        /// Where the answer goes.
        ticket: Ticket,
        /// The group.
        group: Arc<VerifiedGroup>,
    },
    /// A person wants this node to leave its plant.
    Resign {
        /// Where the answer goes.
        ticket: Ticket,
        /// Where its data log ends.
        data: Vec<GroupId>,
    },
    /// A tool hands in an act that enough root keys signed.
    StoreAct {
        /// Where the answer goes.
        ticket: Ticket,
        /// The act.
        act: Act,
    },
    /// A connection passed admission.
    LinkUp(LinkUp),
    /// A connection ended.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame came over the control lane.
    Frame {
        /// Over which link.
        link: LinkId,
        /// The frame; pages come as [`Input::Page`].
        frame: ControlFrame,
    },
    /// A page of a ledger came over the control lane, its groups verified.
    Page {
        /// Over which link.
        link: LinkId,
        /// Acts of the page.
        acts: Vec<Act>,
        /// Groups of the page.
        groups: Vec<Arc<VerifiedGroup>>,
    },
    /// Whether the room that is held back on the disk for records of the plant is in use.
    DiskRoom {
        /// Whether it is.
        is_short: bool,
    },
    /// What this node's subscribers follow, all together.
    Interest {
        /// The filters.
        filters: Vec<TopicFilter>,
    },
    /// A node with this key answers at this address, or says so.
    Discovered {
        /// Its key.
        peer: PublicKey,
        /// The address.
        address: Address,
    },
    /// A member answered at this address; remembered before anything else is.
    Reached {
        /// Its key, proven by the transport.
        peer: PublicKey,
        /// The address.
        address: Address,
    },
    /// Addresses this node listens on.
    Listening {
        /// All of them.
        addresses: Vec<Address>,
    },
    /// A dial ended without a link.
    DialFailed {
        /// Whom it was for, if a member.
        peer: Option<PublicKey>,
        /// Which address, if one was asked for.
        address: Option<Address>,
        /// What the other side said, if it said anything.
        refusal: Option<Refusal>,
    },
    /// The records of [`Effect::Persist`] are on disk.
    Persisted {
        /// Which.
        write: u64,
    },
    /// They are not, and will not be.
    PersistFailed {
        /// Which.
        write: u64,
        /// What the journal said.
        cause: String,
    },
    /// What became of the records of [`Effect::Note`].
    Noted {
        /// What the journal said, if they are not written.
        trouble: Option<String>,
    },
    /// Something happened to data logs.
    Data(DataInput),
    /// Something happened to commands.
    Command(CommandInput),
    /// A program wants something about leases.
    Lease(LeaseInput),
    /// A program wants something about work items.
    Work(WorkInput),
    /// The node is about to stop.
    Stop,
}

/// A connection that passed admission.
#[derive(Clone, Debug)]
pub struct LinkUp {
    /// Its name.
    pub link: LinkId,
    /// The member at the other end.
    pub peer: PublicKey,
    /// Whether this node dialled it.
    pub is_dialer: bool,
    /// What this node said.
    pub ours: Greeting,
    /// What the other said.
    pub theirs: Greeting,
    /// The other end's address.
    pub address: Address,
}

/// What the shell is to do, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make these records durable and answer with [`Input::Persisted`].
    Persist {
        /// Names the write.
        write: u64,
        /// What to write, all or nothing.
        records: Vec<Record>,
    },
    /// Write these records when there is time; nothing depends on them.
    Note {
        /// What to write.
        records: Vec<Record>,
    },
    /// Answer a question.
    Answer {
        /// Which.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// Send a frame over the control lane.
    Send {
        /// Over which link.
        link: LinkId,
        /// The frame.
        frame: ControlFrame,
    },
    /// Close a connection.
    Close {
        /// Which.
        link: LinkId,
        /// Why, for the log.
        why: CloseReason,
    },
    /// Dial a member.
    Dial {
        /// Its key: whoever else answers is refused.
        peer: PublicKey,
        /// Where to try.
        addresses: Vec<Address>,
    },
    /// Dial an address at which some member is expected.
    DialAddress {
        /// The address.
        address: Address,
    },
    /// Something is to be done about data logs.
    Data(DataEffect),
    /// Something is to be done about commands.
    Command(CommandEffect),
    /// Something happened to a lease of a program's.
    Lease(LeaseEffect),
    /// Something is to be done about work items.
    Work(WorkEffect),
    /// The snapshot changed.
    Publish(Arc<View>),
}

/// Why a connection is closed from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer is no member any more.
    NotAMember,
    /// Another connection to the same member stays.
    Duplicate,
    /// Nothing came for too long.
    Silent,
    /// Neither side has needed it for long.
    Unneeded,
    /// This node has as many links as it may.
    Full,
}

/// The answer to a question of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The peer is a member.
    Admitted,
    /// The joiner is a member; this is the ledger that says so.
    Redeemed(Vec<LedgerPage>),
    /// This node is a member now.
    Adopted,
    /// The group is on disk.
    Stored(GroupId),
    /// The act is on disk.
    StoredAct,
    /// This node is a member no more; these members know.
    Left(Vec<PublicKey>),
    /// Entries are safe.
    Durable(Acknowledgement),
    /// What members showed of a log.
    Read(Box<Part>),
    /// Members said whose logs they have.
    Ready,
    /// Where they say that a log ends.
    Elsewhere(Elsewhere),
    /// The verb can be called from now on.
    Serving,
    /// What became of a command or a query.
    Ended(Box<Ended>),
    /// A lease is asked for.
    Asked,
    /// What became of a lease.
    Lease(Told),
    /// Who holds a resource, if there is one.
    Usage(Option<Box<Usage>>),
    /// What becomes of a work item is on the disk.
    Item(WorkId),
    /// How all work items of this node stand.
    Items(Vec<ItemStatus>),
    /// No.
    Refused(Refusal),
}
