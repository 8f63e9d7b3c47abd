//! Commands of one company at another's machines, as an agreement names them.
//!
//! ```text
//!   the gateway that asks                  the gateway that offered the verb
//!                     ◀── Moment ──        what time it is there
//!   Call(signed) ──▶
//!                     ◀── Progress ──      received, waiting for a person, begun
//!                                          … its own plant's command, under an id that follows
//!                                          from the agreement and the call's number
//!                     ◀── Outcome(signed) ──
//! ```
//!
//! Whoever asks numbers its calls under one agreement, and writes a number down before it uses it. So
//! whoever is asked knows a call that it has had, whenever it comes again.

use serde::{Deserialize, Serialize};

use crate::bounded::byte_string;
use crate::command::Moment;
use crate::entry::CommandState;
use crate::ids::{CommandId, SheetId};
use crate::signed::Signable;
use crate::topic::Name;

/// What the gateway that asks signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerCall {
    /// Under which agreement.
    pub sheet: SheetId,
    /// Counts the calls under it; a retry carries the same.
    pub number: u64,
    /// Chosen by whoever asks, for people; a retry carries the same.
    pub id: CommandId,
    /// A moment that the other gateway issued: in another life it does not begin the call.
    pub issued: Moment,
    /// How long after that moment it may still be begun, in milliseconds.
    pub ttl_ms: u32,
    /// What is to be done, as the sheet calls it.
    pub verb: Name,
    /// The arguments, JSON.
    #[serde(with = "byte_string")]
    pub arguments: Vec<u8>,
}

impl Signable for PartnerCall {
    const PURPOSE: &'static str = "gearmesh/partner/call/v1";
}

/// How far a call is that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartnerProgress {
    /// It is with the partner's gateway.
    Received,
    /// A person at the partner's is to allow it.
    Waiting,
    /// It is on the disk of the partner's gateway, and with the machine.
    Begun,
}

/// What the gateway that was asked signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerOutcome {
    /// Under which agreement.
    pub sheet: SheetId,
    /// Which call.
    pub number: u64,
    /// The call's id.
    pub id: CommandId,
    /// What became of it: never received or accepted.
    pub state: CommandState,
    /// The same in a sentence, where there is more to say than the state does.
    pub detail: String,
}

impl Signable for PartnerOutcome {
    const PURPOSE: &'static str = "gearmesh/partner/outcome/v1";
}

/// The id of the command inside the plant that a partner's call becomes: one, however often it is
/// asked for.
#[must_use]
pub fn plant_command(sheet: &SheetId, number: u64) -> CommandId {
    let bytes = [&sheet.0[..], &number.to_le_bytes()].concat();
    let digest = blake3::derive_key("gearmesh 2026 command of a partner v1", &bytes);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    CommandId(id)
}
