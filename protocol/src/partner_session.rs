//! What two gateways of different companies say to each other, and what they gossip.
//!
//! ```text
//! the first substream   Knock ──► Answer                     before anything else is reachable
//! the session           SessionFrame ◄──► SessionFrame       proposal, agreement, catch-up, receipts, calls
//! gossip                GossipMessage                        sealed groups, envelopes
//! ```

use serde::{Deserialize, Serialize};

use crate::bounded::{Bounded, byte_string, byte_strings};
use crate::command::Moment;
use crate::ids::{Nonce, SheetId};
use crate::limits::{SHARE_PAGE_MAX, SHEET_TOPICS_MAX};
use crate::log::Tip;
use crate::partner::{Addresses, CoReceivers, End, Envelope, Party, Proposal, Receipt, ShareHead};
use crate::partner_agreement::{Acceptance, Agreement};
use crate::partner_call::{PartnerCall, PartnerOutcome, PartnerProgress};
use crate::partner_gateway::Notices;
use crate::partner_link::LinkProof;
use crate::refusal::Refusal;
use crate::signed::Signed;

/// Version of the exchange, the session and the gossip.
pub const PARTNER_VERSION: u16 = 1;

/// libp2p protocol of the session.
pub const SESSION_PROTOCOL: &str = "/gearmesh/partner/session/1";

/// libp2p protocol of the gossip.
pub const GOSSIP_PROTOCOL: &str = "/gearmesh/partner/gossip/1";

/// The dialer's first and only word before it is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// [`PARTNER_VERSION`].
    pub version: u16,
    /// On what grounds.
    pub with: KnockWith,
}

/// Why a gateway should be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnockWith {
    /// Its key is in an agreement with the one it knocks at.
    Agreement,
    /// Somebody gave it a link.
    Link(Signed<LinkProof>),
    /// Both receive a stream of a third, which named them to each other. For gossip alone.
    CoReceiver,
}

/// What the dialer hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnockAnswer {
    /// Come in.
    Welcome,
    /// Stay out.
    Refused(Refusal),
}

/// One frame of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionFrame {
    /// Shows what the link is for.
    AskProposal,
    /// What is proposed.
    Proposal(Signed<Proposal>),
    /// Takes the link: nobody else can accept from here on.
    Take {
        /// Who accepts.
        to: Party,
        /// The accepting side's nonce.
        nonce: Nonce,
    },
    /// The offering side's nonce, to which its proposal was bound.
    Reveal(Nonce),
    /// The accepting side has signed.
    Accepted(Acceptance),
    /// The offering side has confirmed: from here on it flows.
    Confirmed(Agreement),
    /// Where the receiving side stands; asks for what follows.
    Follow {
        /// Under which agreement.
        sheet: SheetId,
        /// The last group that it has; none: from the agreement's start.
        after: Option<Tip>,
    },
    /// The key of the present epoch.
    Envelope(Signed<Envelope>),
    /// Groups that follow, in their order.
    Groups {
        /// Under which agreement.
        sheet: SheetId,
        /// Each an encoded group.
        #[serde(with = "byte_strings")]
        groups: Bounded<Vec<u8>, SHARE_PAGE_MAX>,
    },
    /// Entries that are gone: retention came first. The log goes on after this group.
    Gap {
        /// Under which agreement.
        sheet: SheetId,
        /// Where it goes on.
        after: Tip,
    },
    /// Where the exporting side's log stands.
    Head {
        /// Under which agreement.
        sheet: SheetId,
        /// The log's end.
        head: Signed<ShareHead>,
    },
    /// What has crossed, as the sender counts it.
    Receipt(Signed<Receipt>),
    /// It is over.
    End(Signed<End>),
    /// What was said cannot be done.
    Refused(Refusal),
    /// What time it is here: what deadlines of calls count from.
    Moment(Moment),
    /// Have this done, once.
    Call(Signed<PartnerCall>),
    /// How far a call of yours is. Only for whoever watches: the outcome counts.
    Progress {
        /// Under which agreement.
        sheet: SheetId,
        /// Which call.
        number: u64,
        /// How far.
        progress: PartnerProgress,
    },
    /// What became of a call of yours.
    Outcome(Signed<PartnerOutcome>),
    /// The texts of the schemas that the proposal names by their hashes; comes before it.
    Schemas(#[serde(with = "byte_strings")] Bounded<Vec<u8>, SHEET_TOPICS_MAX>),
    /// The sender's side has another gateway, or none: all changes so far, each under its admin's key.
    Notices(Notices),
    /// Where the receiver of a stream that is passed on may be reached by the others.
    Reachable(Addresses),
    /// Who joined a stream later begins behind this group.
    Starts {
        /// Under which agreement.
        sheet: SheetId,
        /// The last group that is not for it.
        after: Tip,
    },
    /// Who receives a stream that is passed on.
    CoReceivers(Signed<CoReceivers>),
}

/// What travels on a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GossipMessage {
    /// The key of the present epoch, for one partner.
    Envelope(Signed<Envelope>),
    /// A [`Carried`] under the key of an epoch.
    Sealed(Sealed),
}

/// What only those can read who have the epoch's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which epoch.
    pub epoch: u64,
    /// Drawn for this message.
    pub nonce: [u8; 24],
    /// XChaCha20-Poly1305.
    #[serde(with = "byte_string")]
    pub ciphertext: Vec<u8>,
}

/// What is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carried {
    /// A signed group of the share log, encoded.
    Group(#[serde(with = "byte_string")] Vec<u8>),
    /// Where the log stands, so that a lost last message shows.
    Head(Signed<ShareHead>),
    /// Who receives it, where it is passed on: for those whom no session reaches.
    CoReceivers(Signed<CoReceivers>),
}
