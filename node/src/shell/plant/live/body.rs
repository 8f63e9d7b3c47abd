//! The encoded body of a value while it waits for links.

use std::cell::RefCell;

use bytes::Bytes;
use gearmesh_protocol::live::{Body, encode_body, put_body};
use gearmesh_protocol::sample::{Sample, SampleError, Value};

/// Bytes of the longest body that lies in the queues themselves. A number with its unit fits.
const SHORT_BYTES_MAX: usize = 87;

/// Bytes of the longest text or bytes of which a short body is tried: what surrounds them is short.
const SHORT_VALUE_MAX: usize = 64;

thread_local! {
    /// Where short bodies are made.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A body. Links share a long one; a short one is copied into each queue, which costs less than
/// memory of its own.
#[derive(Clone, Debug)]
pub(super) enum EncodedBody {
    /// So many of the bytes.
    Short {
        length: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    Shared(Bytes),
}

impl EncodedBody {
    /// Encodes a sample, once for all links.
    ///
    /// # Errors
    /// It is none that may be published.
    pub(super) fn of(sample: &Sample) -> Result<Self, SampleError> {
        let bytes = match &sample.value {
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        if bytes > SHORT_VALUE_MAX {
            return encode_body(sample).map(Self::from);
        }
        sample.check()?;
        let short = |scratch: &RefCell<Vec<u8>>| {
            let mut scratch = scratch.borrow_mut();
            scratch.clear();
            put_body(&mut scratch, sample);
            Self::short(&scratch).unwrap_or_else(|| Self::Shared(Bytes::copy_from_slice(&scratch)))
        };
        Ok(SCRATCH.with(short))
    }

    fn short(body: &[u8]) -> Option<Self> {
        let length = u8::try_from(body.len()).ok()?;
        let mut bytes = [0; SHORT_BYTES_MAX];
        bytes.get_mut(..body.len())?.copy_from_slice(body);
        Some(Self::Short { length, bytes })
    }

    /// As it goes onto the link.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Shared(bytes) => bytes,
        }
    }

    /// The sample in it.
    pub(super) fn sample(&self) -> Option<Sample> {
        Body::decode(self.bytes()).ok()?.to_sample(&mut None).ok()
    }

    /// Bytes that it takes besides its place in a queue.
    pub(super) fn extra_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

impl From<Vec<u8>> for EncodedBody {
    fn from(body: Vec<u8>) -> Self {
        Self::Shared(body.into())
    }
}

#[cfg(test)]
mod tests {
    use gearmesh_protocol::time::UnixMillis;

    use super::*;

    #[test]
    fn every_length_is_encoded_as_the_wire_has_it() {
        let sizes = (0..200).chain([16_384, 65_536]);
        let values = sizes.map(|size| Value::Bytes(vec![7; size]));
        for value in values.chain([Value::Float(1.5), Value::Bool(true), Value::Integer(-1)]) {
            for unit in [None, Some("Cel"), Some("m3.kg-1.s-2.aaaaaaaaaaaaaaa")] {
                let unit = unit.map(|unit| unit.parse().expect("a unit"));
                let sample = Sample { unit, ..Sample::good(value.clone(), UnixMillis(3)) };
                let body = EncodedBody::of(&sample).expect("a body");
                assert_eq!(body.bytes(), encode_body(&sample).expect("a body"));
            }
        }
        assert!(EncodedBody::of(&Sample::good(Value::Float(f64::NAN), UnixMillis(0))).is_err());
    }

    #[test]
    fn what_machines_mostly_say_needs_no_memory_of_its_own() {
        let unit = Some("Cel".parse().expect("a unit"));
        let sample = Sample { unit, ..Sample::good(Value::Float(41.5), UnixMillis(1 << 40)) };
        assert_eq!(EncodedBody::of(&sample).expect("a body").extra_bytes(), 0);
    }
}
