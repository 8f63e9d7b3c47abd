//! The board: the last known value of each topic that somebody follows here, and of each that this node
//! publishes; and what a member is told of the latter when it begins to follow.
//!
//! A value is fresh as long as the link stands over which it came: nobody else could say that it has
//! changed. What nobody follows any more is forgotten, for it may have changed unheard.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::body::EncodedBody;
use super::lock;
use super::subscription::{Arrived, Origin};
use crate::core::plant::LinkId;

/// Topics of members on the board: their values fit one answer of the local API.
const BOARD_VALUES_MAX: usize = 16_384;

/// Bytes of the last values of the own topics together; what does not fit is told from its next
/// publish on.
const OWN_BYTES_MAX: usize = 64 << 20;

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
    pub(super) fn put(&self, value: &Arrived, link: LinkId) {
        let Arrived { origin, sample, at } = value.clone();
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
    body: Mutex<Option<EncodedBody>>,
    bytes: Arc<OwnBytes>,
}

impl OwnLast {
    /// None yet, of those that share these bytes.
    pub(super) const fn among(bytes: Arc<OwnBytes>) -> Self {
        Self { body: Mutex::new(None), bytes }
    }

    /// Takes a newer value, if it fits.
    pub(super) fn put(&self, body: &EncodedBody) {
        let mut last = lock(&self.body);
        let before = last.as_ref().map_or(0, EncodedBody::extra_bytes);
        *last = self.bytes.exchange(before, body.extra_bytes()).then(|| body.clone());
    }

    pub(super) fn get(&self) -> Option<EncodedBody> {
        lock(&self.body).clone()
    }
}

impl Drop for OwnLast {
    fn drop(&mut self) {
        let last = lock(&self.body).take();
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

    use super::*;

    fn body(bytes: usize) -> EncodedBody {
        let sample = Sample::good(Value::Bytes(vec![7; bytes]), UnixMillis(1));
        EncodedBody::of(&sample).expect("a body")
    }

    #[test]
    fn own_values_keep_within_their_bound_and_small_ones_cost_nothing() {
        let bytes = Arc::new(OwnBytes::default());
        let mut topics: Vec<OwnLast> =
            (0..200).map(|_| OwnLast::among(Arc::clone(&bytes))).collect();
        let large = body(500_000);
        topics.iter().for_each(|topic| topic.put(&large));
        let kept = topics.iter().filter(|topic| topic.get().is_some()).count();
        assert_eq!(kept, OWN_BYTES_MAX / large.extra_bytes());
        topics.truncate(150);
        for topic in &topics {
            topic.put(&body(8));
            assert!(topic.get().is_some());
        }
        assert_eq!(bytes.0.load(Ordering::Relaxed), 0);
    }
}
