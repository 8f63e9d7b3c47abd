//! What must hold for every decoder of foreign or stored bytes, whatever the bytes are.
//!
//! One function for each decoder: it is handed any bytes at all and fails if the decoder does not
//! keep its word on them. The fuzzer of `tests/fuzz` looks for bytes that make one fail; the suite
//! `corpus` replays what it found. Where a signature or a checksum would refuse nearly all bytes,
//! they are also taken for what somebody puts behind a valid one.

mod buffer;
mod commands;
mod disk;
mod export;
mod frames;
mod invitations;
mod local;
mod partner_records;
mod partners;
mod records;
mod segment;
mod signed;
mod texts;
mod tree;
mod values;

use std::fmt::Debug;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PlantId;
use serde::{Serialize, de::DeserializeOwned};

pub use buffer::read_buffer;
pub use commands::command;
pub use disk::{consumer, journal, node_key, record};
pub use export::export;
pub use frames::{admission, control, data, ledger_page};
pub use invitations::code;
pub use local::local;
pub use partner_records::partner_record;
pub use partners::{gossip, link, partner, session};
pub use records::{data_entry, trust_entry};
pub use segment::segment;
pub use signed::{act, group};
pub use texts::text;
pub use tree::proof;
pub use values::{live, stream};

/// A decoder and what must hold for it.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Name of the function, of its fuzz target and of the folder of its corpus.
    pub name: &'static str,
    /// Fails if it does not hold for these bytes.
    pub check: fn(&[u8]),
}

macro_rules! decoders {
    ($($name:ident)*) => { &[$(Decoder { name: stringify!($name), check: $name },)*] };
}

/// All of them.
pub const ALL: &[Decoder] = decoders! {
    act admission code command consumer control data data_entry export gossip group journal ledger_page link live local node_key
    partner partner_record proof read_buffer record segment session stream text trust_entry
};

/// The plant of the golden bytes.
const PLANT: PlantId = PlantId([0x50; 32]);

/// Another one.
const OTHER_PLANT: PlantId = PlantId([0x51; 32]);

/// The keys of the golden bytes: the secret is 32 times `seed`.
fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The message with these bytes, if there is one: they are its only form.
fn read<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Option<T> {
    let value = codec::decode(bytes, max).ok()?;
    assert!(bytes.len() <= max, "{} bytes were read where {max} are allowed", bytes.len());
    assert_eq!(codec::encode(&value), bytes, "a second form was read");
    Some(value)
}

/// A list that was read is within its bound.
fn within<T: Debug>(list: &[T], max: usize) {
    assert!(list.len() <= max, "{} items where {max} are allowed: {list:?}", list.len());
}
