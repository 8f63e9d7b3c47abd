//! The board: the last known value of each topic that somebody follows here, and of each that this node
//! publishes; and what a member is told of the latter when it begins to follow.
//!
//! A value is fresh as long as the link stands over which it came: nobody else could say that it has
//! changed. What nobody follows any more is forgotten, for it may have changed unheard.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::body::{Body, EncodedBody, SHORT_BYTES_MAX};
use super::lock;
use super::subscription::Origin;
use crate::core::plant::LinkId;

/// Topics of members on the board: their values fit one answer of the local API.
const BOARD_VALUES_MAX: usize = 16_384;

/// Bytes of the last values of the own topics together; what does not fit is told from its next
/// publish on.
const OWN_BYTES_MAX: usize = 64 << 20;

/// How many times the bytes of a last value its memory may be, once a longer one was there.
const KEPT_SHARE: usize = 4;

/// The last value of one topic of one member.
#[derive(Clone, Debug)]
pub(in crate::shell) struct LastValue {
    pub(in crate::shell) origin: Arc<Origin>,
    pub(in crate::shell) sample: Sample,
    /// When it arrived, by this node's monotonic clock.
    pub(in crate::shell) at: Duration,
    /// The link over which it came; none of this node's own.
    pub(in crate::shell) link: Option<LinkId>,
}

/// The place of one value, kept by whoever reads its topic from a link.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Option<LastValue>>);

impl Slot {
    /// Takes a newer value.
    pub(super) fn put(&self, origin: &Arc<Origin>, sample: Sample, at: Duration, link: LinkId) {
        let origin = Arc::clone(origin);
        *lock(&self.0) = Some(LastValue { origin, sample, at, link: Some(link) });
    }
}

/// All that members published, as far as it is followed here.
#[derive(Default)]
pub(super) struct Board {
    slots: BTreeMap<Arc<Origin>, Arc<Slot>>,
    left_out: u64,
}

impl Board {
    /// The place of a member's topic; none where the board is full.
    pub(super) fn slot(&mut self, origin: &Arc<Origin>) -> Option<Arc<Slot>> {
        if let Some(slot) = self.slots.get(origin) {
            return Some(Arc::clone(slot));
        }
        if self.slots.len() >= BOARD_VALUES_MAX {
            self.left_out += 1;
            return None;
        }
        let slot = Arc::new(Slot::default());
        self.slots.insert(Arc::clone(origin), Arc::clone(&slot));
        Some(slot)
    }

    /// Forgets what nobody follows any more.
    pub(super) fn keep(&mut self, is_followed: impl Fn(&Topic) -> bool) {
        self.slots.retain(|origin, _| is_followed(&origin.topic));
        self.left_out = 0;
    }

    /// The values that match, and how many topics found no place.
    pub(super) fn matching(&self, filter: &TopicFilter) -> (Vec<LastValue>, u64) {
        let slots = self.slots.iter().filter(|(origin, _)| filter.matches(&origin.topic));
        (slots.filter_map(|(_, slot)| lock(&slot.0).clone()).collect(), self.left_out)
    }
}

/// The last value of an own topic, as it goes onto links.
#[derive(Debug)]
pub(super) struct OwnLast {
    body: Option<LastBody>,
    bytes: Arc<OwnBytes>,
}

#[derive(Debug)]
enum LastBody {
    /// A copy, whose memory the next value takes.
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl OwnLast {
    /// None yet, of those that share these bytes.
    pub(super) const fn among(bytes: Arc<OwnBytes>) -> Self {
        Self { body: None, bytes }
    }

    /// Takes a newer value, if it fits.
    pub(super) fn put(&mut self, body: &Body<'_>) {
        let before = self.body.as_ref().map_or(0, LastBody::extra_bytes);
        let fits = self.bytes.exchange(before, extra_bytes(body.bytes()));
        match (&mut self.body, body.long()) {
            _ if !fits => self.body = None,
            (last, Some(shared)) => *last = Some(LastBody::Shared(shared)),
            (Some(LastBody::Copied(last)), None) => {
                last.clear();
                last.extend_from_slice(body.bytes());
                if last.capacity() > KEPT_SHARE * last.len().max(SHORT_BYTES_MAX) {
                    last.shrink_to_fit();
                }
            }
            (last, None) => *last = Some(LastBody::Copied(body.bytes().to_vec())),
        }
    }

    pub(super) fn get(&self) -> Option<EncodedBody> {
        self.body.as_ref().map(|body| match body {
            LastBody::Copied(bytes) => EncodedBody::copied(bytes),
            LastBody::Shared(bytes) => EncodedBody::Shared(bytes.clone()),
        })
    }
}

impl LastBody {
    fn extra_bytes(&self) -> usize {
        match self {
            Self::Copied(bytes) => extra_bytes(bytes),
            Self::Shared(bytes) => extra_bytes(bytes),
        }
    }
}

/// What a body counts.
const fn extra_bytes(body: &[u8]) -> usize {
    if body.len() > SHORT_BYTES_MAX { body.len() } else { 0 }
}

impl Drop for OwnLast {
    fn drop(&mut self) {
        let last = self.body.take();
        self.bytes.exchange(last.map_or(0, |last| last.extra_bytes()), 0);
    }
}

/// Bytes of all last values of own topics that lie outside their places.
#[derive(Debug, Default)]
pub(super) struct OwnBytes(AtomicUsize);

impl OwnBytes {
    /// Gives some back and takes others. Whether these fit; if not, none are taken.
    fn exchange(&self, before: usize, after: usize) -> bool {
        if before == after {
            return true;
        }
        let rest = self.0.fetch_sub(before, Ordering::Relaxed) - before;
        let fits = rest.saturating_add(after) <= OWN_BYTES_MAX;
        if fits {
            self.0.fetch_add(after, Ordering::Relaxed);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use gearmesh_protocol::sample::Value;
    use gearmesh_protocol::time::UnixMillis;

    use super::super::body::with_body;
    use super::*;

    fn put(topic: &mut OwnLast, bytes: usize) {
        let sample = Sample::good(Value::Bytes(vec![7; bytes]), UnixMillis(1));
        with_body(&sample, |body| topic.put(body)).expect("a body");
        assert!(topic.get().is_none_or(|body| body.sample() == Some(sample)));
    }

    #[test]
    fn own_values_keep_within_their_bound_and_small_ones_cost_nothing() {
        let bytes = Arc::new(OwnBytes::default());
        let mut topics: Vec<OwnLast> =
            (0..200).map(|_| OwnLast::among(Arc::clone(&bytes))).collect();
        topics.iter_mut().for_each(|topic| put(topic, 500_000));
        let kept = topics.iter().filter(|topic| topic.get().is_some()).count();
        assert_eq!(kept, OWN_BYTES_MAX / 500_009);
        topics.truncate(150);
        for topic in &mut topics {
            for bytes in [3000, 8] {
                put(topic, bytes);
                assert!(topic.get().is_some());
            }
            let Some(LastBody::Copied(memory)) = &topic.body else { panic!("a copy") };
            assert!(memory.capacity() <= KEPT_SHARE * SHORT_BYTES_MAX);
        }
        assert_eq!(bytes.0.load(Ordering::Relaxed), 0);
    }
}
