//! Values of one topic that arrived one after the other, as one piece.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::live::Bodies;
use gearmesh_protocol::sample::{Sample, SampleRef, Value};
use gearmesh_protocol::topic::{Name, Topic, Unit};

use super::subscription::{Arrived, Origin};
use crate::core::conflation::LiveSeries;

/// Values of one topic of one member that arrived one after the other: at least one, all with the same
/// unit.
///
/// Under load it is hundreds of values in one block of memory, which costs a subscriber less than each
/// value by itself:
///
/// ```
/// # fn example(series: gearmesh_node::Series) {
/// use gearmesh_protocol::sample::ValueRef;
///
/// for sample in &series {
///     if let ValueRef::Float(celsius) = sample.value {
///         println!("{} {celsius}", series.topic());
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Series {
    pub(in crate::shell) origin: Arc<Origin>,
    at: Duration,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    One(Sample),
    /// Subscribers share it.
    Shared(Arc<Sample>),
    Many(Frames),
}

/// Frames of values as they came over a link, in memory that holds nothing else; subscribers share it.
#[derive(Clone, Debug)]
struct Frames {
    bytes: Bytes,
    unit: Option<Unit>,
    values: usize,
}

/// The values of a series: one, or the bodies of several.
pub(in crate::shell) enum Parts<'a> {
    One(&'a Sample),
    Encoded(Bodies<'a>),
}

/// The samples of a [`Series`], in their order.
#[derive(Clone, Debug)]
pub struct Samples<'a>(Rest<'a>);

#[derive(Clone, Debug)]
enum Rest<'a> {
    One(Option<&'a Sample>),
    Many(Bodies<'a>, Option<&'a Unit>),
}

impl Series {
    /// One value.
    pub(super) const fn one(origin: Arc<Origin>, sample: Sample, at: Duration) -> Self {
        Self { origin, at, values: Values::One(sample) }
    }

    /// So many values in whole frames that were decoded before and have this unit.
    pub(super) fn of_frames(
        origin: Arc<Origin>,
        (frames, values): (&[u8], usize),
        unit: Option<Unit>,
        at: Duration,
    ) -> Self {
        let bytes = Bytes::copy_from_slice(frames);
        Self { origin, at, values: Values::Many(Frames { bytes, unit, values }) }
    }

    /// The same for several subscribers.
    pub(super) fn shared(self) -> Self {
        let values = match self.values {
            Values::One(sample) => Values::Shared(Arc::new(sample)),
            shared => shared,
        };
        Self { values, ..self }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.origin.topic
    }

    /// The key of the member that published it.
    #[must_use]
    pub fn author(&self) -> &PublicKey {
        &self.origin.author
    }

    /// The name of the member that published it.
    #[must_use]
    pub fn author_name(&self) -> &Name {
        &self.origin.name
    }

    /// When it arrived, by this node's monotonic clock.
    #[must_use]
    pub const fn at(&self) -> Duration {
        self.at
    }

    /// How many values it is: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub const fn len(&self) -> usize {
        match &self.values {
            Values::One(_) | Values::Shared(_) => 1,
            Values::Many(frames) => frames.values,
        }
    }

    /// The values, where they lie.
    #[must_use]
    pub fn iter(&self) -> Samples<'_> {
        Samples(match &self.values {
            Values::One(sample) => Rest::One(Some(sample)),
            Values::Shared(sample) => Rest::One(Some(sample)),
            Values::Many(Frames { bytes, unit, .. }) => {
                Rest::Many(Bodies::of_link(bytes), unit.as_ref())
            }
        })
    }

    /// The values as a stream of the local API takes them.
    pub(in crate::shell) fn parts(&self) -> Parts<'_> {
        match &self.values {
            Values::One(sample) => Parts::One(sample),
            Values::Shared(sample) => Parts::One(sample),
            Values::Many(frames) => Parts::Encoded(Bodies::of_link(&frames.bytes)),
        }
    }

    /// The oldest value by itself.
    pub(super) fn into_first(self) -> Option<Arrived> {
        let Self { origin, at, values } = self;
        let sample = match values {
            Values::One(sample) => sample,
            // The last subscriber that reads a shared value takes it; the others take a copy.
            Values::Shared(sample) => Arc::unwrap_or_clone(sample),
            Values::Many(frames) => frames.first()?,
        };
        Some(Arrived { origin, sample, at })
    }
}

impl<'a> IntoIterator for &'a Series {
    type Item = SampleRef<'a>;
    type IntoIter = Samples<'a>;

    fn into_iter(self) -> Samples<'a> {
        self.iter()
    }
}

impl<'a> Iterator for Samples<'a> {
    type Item = SampleRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<SampleRef<'a>> {
        match &mut self.0 {
            Rest::One(sample) => sample.take().map(SampleRef::from),
            Rest::Many(bodies, unit) => Some(bodies.next()?.view(*unit)),
        }
    }
}

impl Frames {
    fn first(&self) -> Option<Sample> {
        let first = Bodies::of_link(&self.bytes).next()?;
        Some(first.view(self.unit.as_ref()).to_sample())
    }

    /// Leaves the first value behind.
    fn give_up_first(&mut self) {
        let mut bodies = Bodies::of_link(&self.bytes);
        let _first = bodies.next_bytes();
        self.bytes = self.bytes.slice_ref(bodies.rest());
        self.values -= 1;
    }
}

/// A series in a subscriber's queue.
pub(super) struct Waiting(pub(super) Series);

impl LiveSeries for Waiting {
    type Topic = Arc<Origin>;

    fn topic(&self) -> &Self::Topic {
        &self.0.origin
    }

    fn bytes(&self) -> usize {
        let of = |sample: &Sample| match &sample.value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => 0,
        };
        let values = match &self.0.values {
            Values::One(sample) => of(sample),
            Values::Shared(sample) => of(sample),
            Values::Many(frames) => frames.bytes.len(),
        };
        size_of::<Self>() + values
    }

    fn values(&self) -> usize {
        self.0.len()
    }

    fn take_first(&mut self) -> Option<Self> {
        let Values::Many(frames) = &mut self.0.values else { return None };
        if frames.values < 2 {
            return None;
        }
        let first = frames.first()?;
        frames.give_up_first();
        Some(Self(Series::one(Arc::clone(&self.0.origin), first, self.0.at)))
    }

    fn give_up_first(&mut self) {
        if let Values::Many(frames) = &mut self.0.values {
            frames.give_up_first();
        }
    }

    fn alone(self) -> Self {
        let alone = match &self.0.values {
            Values::Many(frames) => frames.first(),
            Values::One(_) | Values::Shared(_) => None,
        };
        match alone {
            Some(sample) => Self(Series::one(self.0.origin, sample, self.0.at)),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests;
