//! What the journal holds, as values.

use gearmesh_protocol::codec::{self, DecodeError};
use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::log::Group;
use gearmesh_protocol::plant::MemberAddresses;
use gearmesh_protocol::trust::Act;

/// One record of the journal. The kinds are part of the format on disk and never reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A threshold act; the genesis is the first record of every plant.
    Act(Act),
    /// A group of a log.
    Group(Group),
    /// A life of this node began.
    Incarnation(Incarnation),
    /// Where a member was last reached.
    Addresses(MemberAddresses),
    /// This node's own data log had at least so many groups.
    OwnData {
        /// How many.
        groups: u64,
    },
}

/// A record that this release cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A kind from a newer release.
    #[error("record kind {kind} is not known to this release")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// Bytes that are no such record.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Record {
    const ACT: u8 = 1;
    const GROUP: u8 = 2;
    const INCARNATION: u8 = 3;
    const ADDRESSES: u8 = 4;
    const OWN_DATA: u8 = 6;

    /// The record's kind and bytes.
    #[must_use]
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Act(act) => (Self::ACT, codec::encode(act)),
            Self::Group(group) => (Self::GROUP, codec::encode(group)),
            Self::Incarnation(incarnation) => (Self::INCARNATION, codec::encode(incarnation)),
            Self::Addresses(addresses) => (Self::ADDRESSES, codec::encode(addresses)),
            Self::OwnData { groups } => (Self::OWN_DATA, codec::encode(groups)),
        }
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// An unknown kind, or bytes that are no such record.
    pub fn decode(kind: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        match kind {
            Self::ACT => Ok(Self::Act(codec::decode(bytes, FRAME_BYTES_MAX)?)),
            Self::GROUP => Ok(Self::Group(codec::decode(bytes, FRAME_BYTES_MAX)?)),
            Self::INCARNATION => Ok(Self::Incarnation(codec::decode(bytes, FRAME_BYTES_MAX)?)),
            Self::ADDRESSES => Ok(Self::Addresses(codec::decode(bytes, FRAME_BYTES_MAX)?)),
            Self::OWN_DATA => Ok(Self::OwnData { groups: codec::decode(bytes, FRAME_BYTES_MAX)? }),
            kind => Err(RecordError::UnknownKind { kind }),
        }
    }
}
