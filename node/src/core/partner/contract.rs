//! What the partner plane's core is told, and what it wants done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gearmesh_protocol::entry::{CommandState, PartnerAct};
use gearmesh_protocol::ids::{Nonce, PlantId, PublicKey, ShareId, SheetId};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::{LogId, Tip, VerifiedGroup};
use gearmesh_protocol::partner::{Addresses, Proposal, Terms};
use gearmesh_protocol::partner_gateway::{GatewayNotice, Notices, SharePapers};
use gearmesh_protocol::partner_local::{Local, PartnerCalled, PartnersStatus};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::{Signature, Signed};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Title};

use super::calling::CallWish;
use super::record::PartnerRecord;

/// A session with a partner's gateway, as the shell numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// What somebody on this machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WishId(pub u64);

/// A gossip message that waits for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageTag(pub u64);

/// Why a gateway was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// An agreement with it, or one that is being made.
    Agreement,
    /// A share link.
    Link(PublicKey),
    /// It answered where a partner's gateway was: it may say who has that one's place now.
    Notice,
    /// It receives a stream that this one does. It gets gossip, and no session.
    CoReceiver,
}

/// Who signs for this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The plant.
    pub plant: PlantId,
    /// What it calls itself.
    pub name: Title,
    /// The admin key.
    pub admin: PublicKey,
}

/// What a proposal leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onto {
    /// A stream of its own.
    New,
    /// A new sheet in place of the one of this name that stands.
    Amends,
    /// A further receiver of the stream that is sent under an agreement of this name.
    Joins(Name),
}

/// What a person on this machine wants.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Draft a proposal; nothing is kept yet.
    Draft {
        /// Who signs.
        signer: Signer,
        /// Whom it is for.
        to: Title,
        /// On which terms.
        terms: Terms,
        /// Until when it may be accepted.
        open_until: UnixMillis,
        /// Names and selections.
        local: Local,
        /// What it leads to.
        onto: Onto,
    },
    /// Withdraw what was drafted to replace a sheet.
    Withdraw {
        /// Under which name.
        name: Name,
    },
    /// Keep a draft that was signed: from here on its link may be used.
    Propose {
        /// The proposal.
        signed: Signed<Proposal>,
    },
    /// See what a link stands for.
    Look {
        /// Its id.
        link: PublicKey,
        /// Where its gateway may be reached.
        addresses: Vec<String>,
    },
    /// Take a proposal that was looked at.
    Take {
        /// Which.
        share: ShareId,
        /// Who signs.
        signer: Signer,
        /// Names and selections.
        local: Local,
    },
    /// Accept a sheet that was taken.
    Accept {
        /// Which.
        share: ShareId,
        /// The admin's signature under the sheet.
        admin: Signature,
    },
    /// Confirm what was accepted.
    Confirm {
        /// Under which name.
        name: Name,
        /// The admin's signature under the sheet.
        admin: Signature,
    },
    /// End an agreement, or withdraw a proposal.
    End {
        /// Under which name.
        name: Name,
    },
    /// Have something done at a partner's, or hear how far that is.
    Call(CallWish),
    /// Allow a call of a partner's, or do not.
    Allow {
        /// The agreement.
        name: Name,
        /// Which call under it.
        number: u64,
        /// Whether it is to be done.
        allow: bool,
    },
    /// What another gateway of this plant needs to go on with an agreement.
    Papers {
        /// Under which name.
        name: Name,
    },
    /// Let this side's place go over, as its admin has signed.
    Move {
        /// To whom, and where this side's log ends.
        signed: Signed<GatewayNotice>,
    },
    /// Take this side's place in an agreement, from its papers.
    TakeOver {
        /// With the notice that names this gateway.
        papers: Box<SharePapers>,
    },
    /// Hear that a partner has another gateway.
    Notices {
        /// All changes of its gateway.
        notices: Notices,
    },
    /// How it stands.
    Status,
}

/// What comes of a wish.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A draft, and the seed of its link.
    Draft {
        /// To be signed.
        proposal: Box<Proposal>,
        /// The link's secret.
        seed: [u8; 16],
    },
    /// What a link stands for, and the schemas that it names.
    Proposal(Signed<Proposal>, Vec<String>),
    /// A sheet to be signed.
    Sheet(Vec<u8>),
    /// A proposal is kept, under these names.
    Kept(Local),
    /// The papers of a share.
    Papers(Box<SharePapers>),
    /// It is done.
    Done,
    /// How far a call at a partner's is.
    Called(PartnerCalled),
    /// How it stands.
    Status(PartnersStatus),
    /// It cannot be done.
    Refused(ErrorBody),
}

/// Groups of a log as the store reads them for a partner.
#[derive(Clone, Debug)]
pub struct Page {
    /// Encoded, in their order.
    pub groups: Vec<Vec<u8>>,
    /// Where they begin, if what should come first is gone.
    pub after: Option<Tip>,
}

/// What the core is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A gateway was let in, or let this one in.
    SessionUp {
        /// Its session.
        session: SessionId,
        /// Its key.
        peer: PublicKey,
        /// Why.
        grounds: Grounds,
        /// Whether this gateway dialled.
        is_dialer: bool,
    },
    /// A session ended.
    SessionDown {
        /// Which.
        session: SessionId,
    },
    /// A frame of a session.
    Frame {
        /// Which.
        session: SessionId,
        /// What it says.
        frame: Box<SessionFrame>,
    },
    /// A gossip message.
    Gossip {
        /// For the verdict.
        message: MessageTag,
        /// On which topic.
        topic: Nonce,
        /// The message.
        bytes: Vec<u8>,
    },
    /// What the store was asked for.
    Page {
        /// For whom.
        session: SessionId,
        /// Under which agreement.
        sheet: SheetId,
        /// What it found.
        page: Page,
    },
    /// A link could not be followed to its gateway.
    LinkFailed {
        /// Which.
        link: PublicKey,
        /// Why.
        cause: ErrorBody,
    },
    /// Somebody showed a link that somebody else had used.
    LinkShownAgain {
        /// Which.
        link: PublicKey,
    },
    /// A gateway did what no honest one does, and was closed for it.
    Offended {
        /// Which.
        peer: PublicKey,
        /// What it did.
        how: Offence,
    },
    /// Somebody on this machine wants something.
    Wish {
        /// For the answer.
        id: WishId,
        /// What.
        wish: Box<Wish>,
    },
    /// The plant said what became of a call; none: nobody knows yet.
    CallOver {
        /// Under which agreement.
        sheet: SheetId,
        /// Which call.
        number: u64,
        /// What, and a sentence where there is more to say.
        ended: Option<(CommandState, String)>,
    },
    /// Where this gateway may be reached by others, and which of those are connected that receive what it does.
    Around {
        /// Addresses.
        listen: Addresses,
        /// Their keys.
        beside: BTreeSet<PublicKey>,
    },
    /// What was taken from a partner's log is safe in the plant.
    Delivered {
        /// Under which agreement.
        sheet: SheetId,
    },
}

/// What the core wants done, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write down, and wait until it is on the disk. If that fails the plane stops.
    Persist(PartnerRecord),
    /// Append to a share log, and wait until it is on the disk. If that fails the plane stops.
    Append(Box<VerifiedGroup>),
    /// Send a frame.
    Send {
        /// Over which session.
        session: SessionId,
        /// What.
        frame: Box<SessionFrame>,
    },
    /// Close a session once what was sent is out.
    Close(SessionId),
    /// Gossip a message.
    Publish {
        /// On which topic.
        topic: Nonce,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Hear a topic.
    Subscribe(Nonce),
    /// Hear it no more.
    Unsubscribe(Nonce),
    /// Say of a message what it is worth.
    Judge {
        /// Which.
        message: MessageTag,
        /// What.
        verdict: Verdict,
    },
    /// Read what follows in a share log.
    Read {
        /// For whom.
        session: SessionId,
        /// Under which agreement.
        sheet: SheetId,
        /// Which log.
        log: LogId,
        /// After which group; none: from the start.
        after: Option<Tip>,
    },
    /// Dial a partner's gateway.
    Dial {
        /// Its key.
        peer: PublicKey,
        /// Where.
        addresses: Vec<String>,
    },
    /// Ask whoever answers there who has the place of a partner's gateway now.
    Ask {
        /// Where.
        addresses: Vec<String>,
    },
    /// Dial the gateway that a link leads to.
    DialLink {
        /// The link.
        link: PublicKey,
    },
    /// Note in the plant's audit trail what was decided.
    Audit(Box<PartnerAct>),
    /// Answer somebody on this machine.
    Answer {
        /// Who.
        id: WishId,
        /// What.
        answer: Box<Answer>,
    },
}

/// What a gossip message is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good: it may be passed on.
    Accept,
    /// Of no use here, and nobody's fault.
    Ignore,
    /// No honest gateway sends it.
    Reject,
}

/// What no honest gateway does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It sends more than anybody can use.
    Floods,
    /// It sends messages longer than any may be, or frames that are none.
    TooLong,
    /// It sends messages that nobody signed or sealed.
    Forges,
    /// It says what is no word of a session.
    Malformed,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Floods => "sends more than anybody can use",
            Self::TooLong => "sends messages that are too long, or none",
            Self::Forges => "sends messages that nobody signed or sealed",
            Self::Malformed => "says what is no word of a session",
        })
    }
}

/// Who may come in, as the door sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doors {
    /// Gateways that this side dials.
    pub hosts: BTreeSet<PublicKey>,
    /// Gateways of partners, which may come in.
    pub peers: BTreeSet<PublicKey>,
    /// Gateways that receive what this one does: they may come in for gossip, and are dialled for it.
    pub co_receivers: BTreeSet<PublicKey>,
    /// Links, and why they may not be used any more; for whom they still may.
    pub links: BTreeMap<PublicKey, LinkState>,
    /// Topics on which this side hears partners.
    pub heard: BTreeSet<Nonce>,
    /// Topics on which this side speaks: partners may follow them here.
    pub topics: BTreeSet<Nonce>,
}

/// What a link is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Anybody who has it may look and take.
    Open,
    /// This gateway took it.
    TakenBy(PublicKey),
    /// It is over.
    Expired,
}

impl LinkState {
    /// Whether this gateway may come in with the link.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, peer: &PublicKey) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            Self::TakenBy(key) if key == peer => Ok(()),
            Self::TakenBy(_) => Err(Refusal::LinkUsed),
            Self::Expired => Err(Refusal::LinkExpired),
        }
    }
}
