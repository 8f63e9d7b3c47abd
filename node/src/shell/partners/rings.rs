//! What was published in the last hour on topics that a draft names: so that a preview has something to
//! show at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::partner_local::Selection;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};
use tokio::task::AbortHandle;

use super::super::Delivery;
use super::super::clock::Clock;
use super::super::values::Values;

/// Drafts whose topics are kept; the oldest goes.
const RINGS_MAX: usize = 16;

/// Values that are kept for one line; the oldest go.
const VALUES_MAX: usize = 4096;

/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// A value, and when it came.
pub(super) type Kept = (UnixMillis, Topic, Sample);

/// The values of one draft's lines, in the order in which they came.
struct Ring {
    lines: Vec<(TopicFilter, Arc<Mutex<VecDeque<Kept>>>)>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The rings of all drafts.
#[derive(Clone, Default)]
pub(super) struct Rings {
    rings: Arc<Mutex<BTreeMap<Name, Ring>>>,
}

impl Rings {
    /// Keeps what is published from now on of what a draft names.
    pub(super) fn keep(
        &self,
        name: &Name,
        selections: &[Selection],
        values: &Values,
        clock: Clock,
    ) {
        let mut ring = Ring { lines: Vec::new(), tasks: Vec::new() };
        for selection in selections {
            let Ok(subscription) = values.subscribe(selection.filter.clone()) else { continue };
            let kept: Arc<Mutex<VecDeque<Kept>>> = Arc::default();
            ring.lines.push((selection.filter.clone(), Arc::clone(&kept)));
            let task = tokio::spawn(async move {
                loop {
                    if let Delivery::Value(value) = subscription.next().await {
                        let (now, topic) = (clock.now().wall, value.topic().clone());
                        let mut kept = lock(&kept);
                        kept.push_back((now, topic, value.sample));
                        trim(&mut kept, now);
                    }
                }
            });
            ring.tasks.push(task.abort_handle());
        }
        let mut rings = lock(&self.rings);
        rings.insert(name.clone(), ring);
        if rings.len() > RINGS_MAX {
            rings.pop_first();
        }
    }

    /// Nobody looks at this draft any more.
    pub(super) fn forget(&self, name: &Name) {
        drop(lock(&self.rings).remove(name));
    }

    /// What came of one line of a draft in the last hour.
    pub(super) fn of(&self, name: &Name, filter: &TopicFilter, now: UnixMillis) -> Vec<Kept> {
        let rings = lock(&self.rings);
        let lines = rings.get(name).map(|ring| &ring.lines[..]).unwrap_or_default();
        let Some((_, kept)) = lines.iter().find(|(it, _)| it == filter) else { return Vec::new() };
        let mut kept = lock(kept);
        trim(&mut kept, now);
        kept.iter().cloned().collect()
    }
}

fn trim(kept: &mut VecDeque<Kept>, now: UnixMillis) {
    let hour = u64::try_from(KEPT_FOR.as_millis()).unwrap_or(u64::MAX);
    while kept.len() > VALUES_MAX || kept.front().is_some_and(|(at, ..)| at.0 + hour < now.0) {
        kept.pop_front();
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
