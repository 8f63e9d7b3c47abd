//! Canonical bytes.
//!
//! postcard accepts overlong integers, trailing bytes and unsorted maps, so two byte strings can
//! mean one value. What is signed, hashed or compared must have one form: [`decode`] demands that
//! nothing is left over and that encoding the value again gives the very bytes that were read.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are no canonical encoding of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the place they came from allows; nothing was decoded.
    #[error("{bytes} bytes where at most {max} are allowed")]
    TooLong {
        /// Bytes that arrived.
        bytes: usize,
        /// Bytes that are allowed.
        max: usize,
    },
    /// The bytes are no such value.
    #[error("malformed {what}: {cause}")]
    Malformed {
        /// The type that was wanted.
        what: &'static str,
        /// What the decoder found.
        cause: String,
    },
    /// The value ended before the bytes did.
    #[error("{bytes} bytes follow a complete {what}")]
    Trailing {
        /// The type that was wanted.
        what: &'static str,
        /// How many bytes are left.
        bytes: usize,
    },
    /// A second spelling of a value that has a shorter one.
    #[error("{what} is not in its canonical form")]
    NotCanonical {
        /// The type that was wanted.
        what: &'static str,
    },
}

/// The canonical bytes of a value.
///
/// Our types hold no maps and no borrowed or unsized parts, which are all that postcard can
/// refuse to write into a growing buffer.
#[must_use]
#[expect(clippy::expect_used, reason = "postcard fails on none of the shapes this crate defines")]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("encoding into a vector does not fail")
}

/// The value whose canonical bytes these are.
///
/// # Errors
/// Longer than `max`, malformed, followed by more, or not canonical.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    let what = short_name::<T>();
    if bytes.len() > max {
        return Err(DecodeError::TooLong { bytes: bytes.len(), max });
    }
    let (value, rest): (T, &[u8]) = postcard::take_from_bytes(bytes)
        .map_err(|cause| DecodeError::Malformed { what, cause: cause.to_string() })?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing { what, bytes: rest.len() });
    }
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical { what });
    }
    Ok(value)
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let head = name.split('<').next().unwrap_or(name);
    head.rsplit("::").next().unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlong_integer_is_refused() {
        assert_eq!(decode::<u32>(&[0x01], 8), Ok(1));
        let refused = decode::<u32>(&[0x81, 0x00], 8);
        assert_eq!(refused, Err(DecodeError::NotCanonical { what: "u32" }));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let refused = decode::<u8>(&[1, 2], 8);
        assert_eq!(refused, Err(DecodeError::Trailing { what: "u8", bytes: 1 }));
    }

    #[test]
    fn length_is_checked_before_decoding() {
        let refused = decode::<Vec<u8>>(&[9; 9], 8);
        assert_eq!(refused, Err(DecodeError::TooLong { bytes: 9, max: 8 }));
    }
}
