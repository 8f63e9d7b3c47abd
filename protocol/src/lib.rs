//! What gearmesh signs and what it puts on the wire.
//!
//! This crate is pure: no clock, no randomness, no I/O. Time and random bytes are arguments.
//!
//! ```text
//!   limits ── codec ── ids ── signed            the ground: bounds, canonical bytes, evidence
//!      │
//!      ├── topic, sample, grant                 what flows, and who may
//!      ├── log, merkle                          how an author's entries hang together
//!      ├── trust, invite, claim                 who belongs to the plant, and why
//!      ├── entry                                what data logs hold
//!      ├── data, shown                          how members give each other data logs
//!      ├── command, lease, work                 how machines ask each other to do and to leave things
//!      ├── plant, live, framing                 frames between members
//!      ├── partner, partner_agreement           what two companies sign
//!      ├── partner_link, partner_session         how they come to it, and what their gateways say
//!      ├── partner_call                          what one company has another's machines do
//!      ├── partner_seal                          what keeps it from those who carry it
//!      ├── partner_local                         what a gateway and its tools say about partners
//!      └── local, found, stream                 what a node and programs beside it say to each other
//! ```
//!
//! **Adding to a signed or wire type.** Bytes that were signed are never re-encoded and never
//! change their meaning: add a variant at the *end* of an enum, or a new type with a new purpose.
//! Every variant has golden bytes in `protocol/tests/golden`; a change there is a change of
//! the format and needs a decision record.

pub mod audit;
mod base32;
pub mod board;
pub mod bounded;
pub mod claim;
pub mod codec;
pub mod command;
pub mod data;
pub mod durable;
pub mod entry;
pub mod export;
pub mod found;
pub mod framing;
pub mod grant;
pub mod hex;
pub mod ids;
pub mod inspect;
pub mod invite;
pub mod lease;
pub mod limits;
pub mod live;
pub mod local;
pub mod log;
pub mod membership;
pub mod merkle;
pub mod partner;
pub mod partner_agreement;
pub mod partner_call;
pub mod partner_gateway;
pub mod partner_link;
pub mod partner_local;
pub mod partner_seal;
pub mod partner_session;
pub mod plant;
pub mod refusal;
mod refusal_table;
mod refusals;
pub mod roots;
pub mod rotation;
pub mod sample;
pub mod sheet;
pub mod shown;
pub mod signed;
pub mod stream;
pub mod time;
pub mod topic;
pub mod trust;
pub mod visit;
pub mod words;
pub mod work;
