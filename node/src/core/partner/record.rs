//! What a gateway writes down about its partners.

use gearmesh_protocol::codec::{DecodeError, decode, encode};
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::{CommandId, Nonce, PublicKey, ShareId, SheetId};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::partner::{End, Party, Proposal, Receipt};
use gearmesh_protocol::partner_agreement::{Acceptance, Agreement};
use gearmesh_protocol::partner_gateway::{GatewayNotice, SharePapers};
use gearmesh_protocol::partner_local::Local;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;

/// A line of the partner journal. What was signed is checked again when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartnerRecord {
    /// This side proposed.
    Proposed {
        /// What.
        signed: Signed<Proposal>,
        /// The nonce to which the proposal is bound.
        nonce: Nonce,
        /// Names and selections.
        local: Local,
    },
    /// Somebody took what this side proposed.
    Taken {
        /// Which.
        share: ShareId,
        /// Who.
        to: Party,
        /// The accepting side's nonce.
        nonce: Nonce,
    },
    /// The other side signed.
    Accepted {
        /// The sheet under its signatures.
        acceptance: Acceptance,
    },
    /// This side took what the other proposed.
    Took {
        /// What.
        signed: Signed<Proposal>,
        /// Who accepts here.
        to: Party,
        /// This side's nonce.
        nonce: Nonce,
        /// Names and selections.
        local: Local,
        /// Where the other's gateway may be reached.
        addresses: Vec<String>,
    },
    /// This side signed.
    Signed {
        /// The sheet under its signatures.
        acceptance: Acceptance,
    },
    /// Both sides signed, and it flows.
    Confirmed {
        /// The sheet under all signatures.
        agreement: Agreement,
    },
    /// An agreement is over.
    Ended {
        /// Which.
        sheet: SheetId,
        /// Who ended it; none: its time was up.
        by: Option<Signed<End>>,
        /// When.
        at: UnixMillis,
    },
    /// A proposal was withdrawn, or what was taken is gone.
    Dropped {
        /// Which.
        share: ShareId,
    },
    /// Entries of a partner's log that retention took before they came here.
    Lost {
        /// Under which agreement.
        sheet: SheetId,
        /// How many.
        entries: u64,
        /// Where the log goes on.
        after: Tip,
    },
    /// What has crossed, as one side counts it.
    Receipt {
        /// Whose count.
        by: PublicKey,
        /// The count.
        receipt: Signed<Receipt>,
    },
    /// This side asks for something at the partner's.
    Asked {
        /// Under which agreement.
        sheet: SheetId,
        /// Which call.
        number: u64,
        /// The call's id.
        id: CommandId,
        /// What the sheet calls it.
        verb: Name,
        /// Hash of the arguments.
        arguments: [u8; 32],
    },
    /// A call of the partner's is carried out.
    Begun {
        /// Under which agreement.
        sheet: SheetId,
        /// Which call.
        number: u64,
        /// The call's id.
        id: CommandId,
        /// What the sheet calls it.
        verb: Name,
        /// The arguments, JSON.
        arguments: Vec<u8>,
    },
    /// Calls of the partner's up to this number were let go of.
    Floor {
        /// Under which agreement.
        sheet: SheetId,
        /// Which.
        number: u64,
    },
    /// The other side's log goes on under a sheet that took another's place.
    Turned {
        /// Which.
        sheet: SheetId,
    },
    /// An agreement begins behind a group of a stream that others had before.
    Starts {
        /// Which.
        sheet: SheetId,
        /// The last group that is not for it.
        after: Tip,
    },
    /// What became of a call of the partner's that was begun.
    CallOver {
        /// Under which agreement.
        sheet: SheetId,
        /// Which call.
        number: u64,
        /// What.
        state: CommandState,
        /// The same in a sentence, where there is more to say.
        detail: String,
    },
    /// One side has another gateway.
    Notice {
        /// Which.
        signed: Signed<GatewayNotice>,
        /// Entries of the other side's log that were known of then.
        known: u64,
    },
    /// This gateway took its side's place in an agreement.
    TakenOver {
        /// What it knows of it.
        papers: Box<SharePapers>,
    },
    /// This side's log begins after this group, as the partner has said.
    Opened {
        /// Under which agreement.
        sheet: SheetId,
        /// None: at its start.
        tip: Option<Tip>,
    },
}

/// A line of the journal that this release cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its kind is not known.
    #[error("a record of the unknown kind {kind}")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// Its bytes are no record of its kind.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl PartnerRecord {
    /// Its kind and bytes, as they lie in the journal.
    #[must_use]
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Proposed { signed, nonce, local } => (1, encode(&(signed, nonce, local))),
            Self::Taken { share, to, nonce } => (2, encode(&(share, to, nonce))),
            Self::Accepted { acceptance } => (3, encode(acceptance)),
            Self::Took { signed, to, nonce, local, addresses } => {
                (4, encode(&(signed, to, nonce, local, addresses)))
            }
            Self::Signed { acceptance } => (5, encode(acceptance)),
            Self::Confirmed { agreement } => (6, encode(agreement)),
            Self::Ended { sheet, by, at } => (7, encode(&(sheet, by, at))),
            Self::Dropped { share } => (8, encode(share)),
            Self::Lost { sheet, entries, after } => (9, encode(&(sheet, entries, after))),
            Self::Receipt { by, receipt } => (10, encode(&(by, receipt))),
            Self::Asked { sheet, number, id, verb, arguments } => {
                (11, encode(&(sheet, number, id, verb, arguments)))
            }
            Self::Begun { sheet, number, id, verb, arguments } => {
                (12, encode(&(sheet, number, id, verb, arguments)))
            }
            Self::Floor { sheet, number } => (15, encode(&(sheet, number))),
            Self::Turned { sheet } => (14, encode(sheet)),
            Self::Starts { sheet, after } => (19, encode(&(sheet, after))),
            Self::CallOver { sheet, number, state, detail } => {
                (13, encode(&(sheet, number, state, detail)))
            }
            Self::Notice { signed, known } => (16, encode(&(signed, known))),
            Self::TakenOver { papers } => (17, encode(papers.as_ref())),
            Self::Opened { sheet, tip } => (18, encode(&(sheet, tip))),
        }
    }

    /// Reads a line of the journal.
    ///
    /// # Errors
    /// It is none of this release.
    pub fn decode(kind: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let max = FRAME_BYTES_MAX;
        Ok(match kind {
            1 => {
                let (signed, nonce, local) = decode(bytes, max)?;
                Self::Proposed { signed, nonce, local }
            }
            2 => {
                let (share, to, nonce) = decode(bytes, max)?;
                Self::Taken { share, to, nonce }
            }
            3 => Self::Accepted { acceptance: decode(bytes, max)? },
            4 => {
                let (signed, to, nonce, local, addresses) = decode(bytes, max)?;
                Self::Took { signed, to, nonce, local, addresses }
            }
            5 => Self::Signed { acceptance: decode(bytes, max)? },
            6 => Self::Confirmed { agreement: decode(bytes, max)? },
            7 => {
                let (sheet, by, at) = decode(bytes, max)?;
                Self::Ended { sheet, by, at }
            }
            8 => Self::Dropped { share: decode(bytes, max)? },
            9 => {
                let (sheet, entries, after) = decode(bytes, max)?;
                Self::Lost { sheet, entries, after }
            }
            10 => {
                let (by, receipt) = decode(bytes, max)?;
                Self::Receipt { by, receipt }
            }
            11 => {
                let (sheet, number, id, verb, arguments) = decode(bytes, max)?;
                Self::Asked { sheet, number, id, verb, arguments }
            }
            12 => {
                let (sheet, number, id, verb, arguments) = decode(bytes, max)?;
                Self::Begun { sheet, number, id, verb, arguments }
            }
            13 => {
                let (sheet, number, state, detail) = decode(bytes, max)?;
                Self::CallOver { sheet, number, state, detail }
            }
            14 => Self::Turned { sheet: decode(bytes, max)? },
            15 => {
                let (sheet, number) = decode(bytes, max)?;
                Self::Floor { sheet, number }
            }
            16 => {
                let (signed, known) = decode(bytes, max)?;
                Self::Notice { signed, known }
            }
            17 => Self::TakenOver { papers: Box::new(decode(bytes, max)?) },
            18 => {
                let (sheet, tip) = decode(bytes, max)?;
                Self::Opened { sheet, tip }
            }
            19 => {
                let (sheet, after) = decode(bytes, max)?;
                Self::Starts { sheet, after }
            }
            kind => return Err(RecordError::UnknownKind { kind }),
        })
    }
}
