//! What two companies sign, and what their gateways carry.
//!
//! An agreement is one sheet, signed by an admin key of each side and countersigned by both
//! gateways. The forms are fixed here because both sides keep them for years.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::ids::{GroupId, Nonce, PlantId, PublicKey, ShareId, SheetId};
use crate::invite::CODE_ADDRESSES_MAX;
use crate::limits::{FAN_OUT_MAX, SEALED_KEY_BYTES, SHEET_TOPICS_MAX};
use crate::sample::Sample;
use crate::signed::Signable;
use crate::time::UnixMillis;
use crate::topic::{Name, Title, Topic};

/// One side of an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its plant.
    pub plant: PlantId,
    /// What it calls itself.
    pub name: Title,
    /// The admin key that signs for it.
    pub admin: PublicKey,
    /// The partner-plane key of its gateway.
    pub gateway: PublicKey,
}

/// Which way data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the side that offers.
    Export,
    /// To the side that offers.
    Import,
}

/// How values of one window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    /// Arithmetic mean.
    Mean,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Most recent.
    Last,
    /// How many.
    Count,
}

/// One line of a sheet.
///
/// What is selected for it inside a plant stays there: the other side sees the alias alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetTopic {
    /// Which way.
    pub direction: Direction,
    /// Under which name the receiving side sees it.
    pub alias: Topic,
    /// Which fields of a structured value cross; empty means the whole value.
    pub fields: Bounded<Name, SHEET_TOPICS_MAX>,
    /// Decimal places that cross; negative ones round to tens, hundreds and so on.
    pub round: Option<i8>,
    /// At most one value in so many milliseconds.
    pub every_ms: Option<u32>,
    /// How the values in between are summed up.
    pub aggregate: Option<Aggregate>,
    /// How long values are held back, in milliseconds.
    pub delay_ms: u64,
    /// Hash of the JSON Schema that values must fit to enter the receiving plant.
    pub schema: Option<[u8; 32]>,
}

/// What crosses, for what, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What crosses, and how.
    pub topics: Bounded<SheetTopic, SHEET_TOPICS_MAX>,
    /// Verbs the receiver may call.
    pub verbs: Bounded<Name, SHEET_TOPICS_MAX>,
    /// Whether a person at the machine confirms each call.
    pub confirm_at_machine: bool,
    /// What the data may be used for.
    pub purpose: Title,
    /// How long the receiver may keep it, in milliseconds; none: as long as it likes.
    pub retention_ms: Option<u64>,
    /// Whether receivers pass it on to each other, and so see each other.
    pub fan_out: bool,
    /// When it ends by itself.
    pub until: Option<UnixMillis>,
}

impl Terms {
    /// Values alone, to one receiver, that may keep them as long as it likes, until somebody ends it.
    #[must_use]
    pub const fn of(topics: Bounded<SheetTopic, SHEET_TOPICS_MAX>, purpose: Title) -> Self {
        Self {
            topics,
            verbs: Bounded::new(),
            confirm_at_machine: false,
            purpose,
            retention_ms: None,
            fan_out: false,
            until: None,
        }
    }
}

/// What one side offers before it knows the other's keys. Signed by its admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The stream it is for.
    pub share: ShareId,
    /// Which version of the sheet it leads to, from 0.
    pub revision: u32,
    /// Who offers.
    pub from: Party,
    /// Whom it is meant for, as the offering side calls it.
    pub to: Title,
    /// What is offered.
    pub terms: Terms,
    /// Public half of the key in the link: whoever has the link may accept.
    pub link: PublicKey,
    /// Until when it can be accepted, by the offering side's clock.
    pub open_until: UnixMillis,
    /// Binds the offering side's nonce before it sees the other's.
    pub commitment: [u8; 32],
}

impl Signable for Proposal {
    const PURPOSE: &'static str = "gearmesh/partner/proposal/v1";
}

/// What both sides sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// The stream it attaches to.
    pub share: ShareId,
    /// Which version of the sheet this is, from 0.
    pub revision: u32,
    /// Who offers.
    pub from: Party,
    /// Who receives.
    pub to: Party,
    /// On which terms.
    pub terms: Terms,
    /// Of the offering and of the accepting side; the first was bound by the proposal's commitment
    /// before the second was known, so that check words cannot be ground.
    pub nonces: (Nonce, Nonce),
}

impl Signable for Sheet {
    const PURPOSE: &'static str = "gearmesh/partner/sheet/v1";
}

/// Either side ends an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Which agreement.
    pub sheet: SheetId,
    /// When it was signed.
    pub at: UnixMillis,
}

impl Signable for End {
    const PURPOSE: &'static str = "gearmesh/partner/end/v1";
}

/// What has crossed so far under one agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which agreement.
    pub sheet: SheetId,
    /// The gateway whose log is counted.
    pub log: PublicKey,
    /// Entry of the share log at which the agreement begins.
    pub start: u64,
    /// The last group that crossed.
    pub head: GroupId,
    /// Entries delivered.
    pub delivered: u64,
    /// Entries lost to the agreed retention.
    pub lost: u64,
    /// When it was signed.
    pub at: UnixMillis,
}

impl Signable for Receipt {
    const PURPOSE: &'static str = "gearmesh/partner/receipt/v1";
}

/// An epoch key, sealed to one partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The stream.
    pub share: ShareId,
    /// Which epoch.
    pub epoch: u64,
    /// For whom: the partner-plane key of its gateway.
    pub to: PublicKey,
    /// X25519 public key that was drawn for this envelope alone.
    pub ephemeral: [u8; 32],
    /// The sealed key.
    pub sealed: Bounded<u8, SEALED_KEY_BYTES>,
}

impl Signable for Envelope {
    const PURPOSE: &'static str = "gearmesh/partner/envelope/v1";
}

/// A gateway's word on where its share log stands: shows when the last message was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareHead {
    /// The stream.
    pub share: ShareId,
    /// Its last group.
    pub head: GroupId,
    /// Entries up to and with it.
    pub entries: u64,
}

impl Signable for ShareHead {
    const PURPOSE: &'static str = "gearmesh/partner/head/v1";
}

/// Where a gateway says that it may be reached.
pub type Addresses = Bounded<SocketAddr, CODE_ADDRESSES_MAX>;

/// A gateway that receives a stream as others do, as these learn of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoReceiver {
    /// Its partner-plane key.
    pub gateway: PublicKey,
    /// Where it says that it may be reached.
    pub addresses: Addresses,
}

/// Who receives a stream whose sheets let receivers pass it on: all of them hear the same, and let each
/// other in by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoReceivers {
    /// The stream.
    pub share: ShareId,
    /// Lists follow each other in this order.
    pub number: u64,
    /// All of them, by their keys.
    pub receivers: Bounded<CoReceiver, FAN_OUT_MAX>,
}

impl Signable for CoReceivers {
    const PURPOSE: &'static str = "gearmesh/partner/co-receivers/v1";
}

/// An entry of a share log: a value as it crossed the bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareEntry {
    /// Under which name the receiving side sees it.
    pub alias: Topic,
    /// The value.
    pub sample: Sample,
}
