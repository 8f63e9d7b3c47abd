//! The encoded body of a value, on its way to links and while it waits for them.

use std::cell::Cell;

use bytes::Bytes;
use gearmesh_protocol::live::{self, encode_body, put_body};
use gearmesh_protocol::sample::{Sample, SampleError, Value};

/// Bytes of the longest body that lies in the queues themselves. A number with its unit fits.
pub(super) const SHORT_BYTES_MAX: usize = 87;

/// Bytes of the longest value that is copied to wherever it goes. A longer one is shared.
const COPIED_VALUE_MAX: usize = 4 * 1024;

thread_local! {
    /// Where bodies are made.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A body that is being published.
pub(super) enum Body<'a> {
    /// It is copied to where there is room for it, and otherwise shared by all that keep it by itself.
    Copied {
        bytes: &'a [u8],
        shared: Option<Bytes>,
    },
    Long(Bytes),
}

impl<'a> Body<'a> {
    /// One that was encoded elsewhere.
    pub(super) fn encoded(bytes: &'a [u8]) -> Self {
        match bytes.len() > COPIED_VALUE_MAX {
            true => Self::Long(Bytes::copy_from_slice(bytes)),
            false => Self::Copied { bytes, shared: None },
        }
    }

    /// As it goes onto links.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied { bytes, .. } => bytes,
            Self::Long(bytes) => bytes,
        }
    }

    /// What all share, of a long one.
    pub(super) fn long(&self) -> Option<Bytes> {
        match self {
            Self::Copied { .. } => None,
            Self::Long(bytes) => Some(bytes.clone()),
        }
    }

    /// What a queue keeps of it.
    pub(super) fn keep(&mut self) -> EncodedBody {
        match self {
            Self::Copied { bytes, shared } => EncodedBody::short(bytes).unwrap_or_else(|| {
                let shared = shared.get_or_insert_with(|| Bytes::copy_from_slice(bytes));
                EncodedBody::Shared(shared.clone())
            }),
            Self::Long(bytes) => EncodedBody::Shared(bytes.clone()),
        }
    }
}

/// Encodes a sample, once for all links.
///
/// # Errors
/// It is none that may be published.
pub(super) fn with_body<T>(
    sample: &Sample,
    publish: impl FnOnce(&mut Body<'_>) -> T,
) -> Result<T, SampleError> {
    let bytes = match &sample.value {
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => 0,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    };
    if bytes > COPIED_VALUE_MAX {
        return Ok(publish(&mut Body::Long(encode_body(sample)?.into())));
    }
    sample.check()?;
    // It is taken and put back, so that nothing is amiss if publishing wakes somebody who publishes.
    let mut scratch = SCRATCH.take();
    scratch.clear();
    put_body(&mut scratch, sample);
    let done = publish(&mut Body::Copied { bytes: &scratch, shared: None });
    SCRATCH.set(scratch);
    Ok(done)
}

/// A body that waits for a link by itself. Links share a long one; a short one is copied into each
/// queue, which costs less than memory of its own.
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
    /// A copy.
    pub(super) fn copied(body: &[u8]) -> Self {
        Self::short(body).unwrap_or_else(|| Self::Shared(Bytes::copy_from_slice(body)))
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
        live::Body::decode(self.bytes()).ok()?.to_sample(&mut None).ok()
    }

    /// Bytes that it takes besides its place in a queue.
    pub(super) fn extra_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Shared(bytes) => bytes.len(),
        }
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
                let expected = encode_body(&sample).expect("a body");
                let check = |body: &mut Body<'_>| {
                    assert_eq!(body.bytes(), expected);
                    assert_eq!(body.keep().bytes(), expected);
                    assert_eq!(body.keep().sample().as_ref(), Some(&sample));
                };
                with_body(&sample, check).expect("a body");
                check(&mut Body::encoded(&expected));
            }
        }
        let none = Sample::good(Value::Float(f64::NAN), UnixMillis(0));
        assert!(with_body(&none, |_| ()).is_err());
    }

    #[test]
    fn what_machines_mostly_say_needs_no_memory_of_its_own() {
        let unit = Some("Cel".parse().expect("a unit"));
        let sample = Sample { unit, ..Sample::good(Value::Float(41.5), UnixMillis(1 << 40)) };
        assert_eq!(with_body(&sample, |body| body.keep().extra_bytes()), Ok(0));
    }
}
