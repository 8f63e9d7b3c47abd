//! What a node and its own tools say to each other about machines that let themselves be found, as
//! JSON over the node's Unix socket. Field names are stable, as those in [`local`](crate::local).

use serde::{Deserialize, Serialize};

use crate::claim::Claiming;
use crate::ids::PublicKey;
use crate::time::UnixMillis;

/// `POST /v1/found`: where to look.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FoundRequest {
    /// Addresses, as people type them; with none, by multicast.
    pub addresses: Vec<String>,
}

/// `GET` and `POST /v1/found`: what was found at the last look.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// Machines that let themselves be found, by address.
    pub machines: Vec<FoundMachine>,
    /// How many others were asked. Most are members of some plant, and say nothing to strangers.
    pub others: u64,
    /// How many were not asked, because more were there than are asked at once.
    pub left_out: u64,
    /// Why addresses that were named are not in the list: each with its reason.
    pub missed: Vec<Missed>,
}

/// A machine that lets itself be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundMachine {
    /// Its key, as it proved it.
    pub key: PublicKey,
    /// Check words of the key, as they may stand on its label.
    pub key_words: String,
    /// Where it answered.
    pub address: String,
    /// The words of this meeting, which stand on its screen.
    pub words: String,
    /// Seconds for which it may still be claimed.
    pub closes_in_s: u32,
}

/// An address at which no machine lets itself be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The address.
    pub address: String,
    /// Why not, in words.
    pub cause: String,
}

/// `POST /v1/found/claim`: an invitation for a machine that was found.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// The machine.
    pub key: PublicKey,
    /// The code. A secret: this type has no `Debug`.
    pub code: String,
}

/// Answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// How it stands.
    pub state: Claiming,
}

/// `GET` and `POST /v1/claims`: how this machine stands, which may let itself be found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Seconds for which it may be claimed; none if it may not, or not any more.
    pub closes_in_s: Option<u64>,
    /// Whether a person here has to confirm the words.
    pub confirm: bool,
    /// Who has seen this machine, by address.
    pub lookers: Vec<Looker>,
    /// Looks that were turned away because there were too many.
    pub turned_away: u64,
    /// Who claimed this machine for the plant that it is in, if it came to it like that.
    pub claimed: Option<ClaimedBy>,
}

/// A member of some plant that has seen this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looker {
    /// Its key.
    pub key: PublicKey,
    /// Where it is.
    pub address: String,
    /// The words that its admin sees, if nobody stands between.
    pub words: String,
    /// Whether it wants this machine, and waits.
    pub waits: bool,
}

/// Who claimed a machine, as it stands in its home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedBy {
    /// The plant's name.
    pub plant: String,
    /// The plant's check words.
    pub plant_words: String,
    /// The member that carried the invitation.
    pub key: PublicKey,
    /// Where it was.
    pub address: String,
    /// The words of their meeting.
    pub words: String,
    /// Whether a person here confirmed them.
    pub confirmed: bool,
    /// When.
    pub at: UnixMillis,
}

/// `POST /v1/claims`: what a person at the machine says to a claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimDecision {
    /// The words of the claim that is meant.
    pub words: String,
    /// Whether this machine follows it.
    pub take: bool,
}
