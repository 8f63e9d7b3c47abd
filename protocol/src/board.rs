//! The board on the local API: the last known values, and what machines say of themselves.

use serde::{Deserialize, Serialize};

use crate::ids::PublicKey;
use crate::local::Presence;
use crate::sample::Sample;

/// `GET /v1/board?filter=…`: the last known values, by topic and author.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BoardValues {
    /// The values.
    pub values: Vec<BoardValue>,
    /// Topics of which nothing is known because the board is full.
    pub left_out: u64,
}

/// The last known value of one topic of one member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoardValue {
    /// Where it belongs.
    pub topic: String,
    /// Name of the member that published it.
    pub author: String,
    /// Its key.
    pub author_key: PublicKey,
    /// The value.
    #[serde(flatten)]
    pub sample: Sample,
    /// How old it is at least, in milliseconds, as this node sees it: since it arrived, or since its
    /// source time by this node's clock, whichever is longer.
    pub age_ms: u64,
    /// Whether it may have changed unheard: the link over which it came does not work any more.
    pub stale: bool,
    /// How its author stands.
    pub presence: Presence,
}

/// `GET /v1/machines`: a member and what its machine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineCard {
    /// Name of the member.
    pub name: String,
    /// How it stands.
    pub presence: Presence,
    /// Where it publishes.
    pub scope: Option<String>,
    /// Who made the machine.
    pub maker: Option<String>,
    /// What it is.
    pub model: Option<String>,
    /// Its number.
    pub serial: Option<String>,
    /// The release of its own program.
    pub firmware: Option<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// How far its clock is to be trusted.
    pub clock: Option<String>,
    /// Whether that may have changed unheard.
    pub stale: bool,
}
