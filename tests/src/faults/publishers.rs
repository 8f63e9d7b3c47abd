//! Programs beside the nodes that publish all the time, one value after the other, and note what
//! they are told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gearmesh_protocol::durable::AckLevel;

use super::book::{Book, REPLICAS};
use super::speaking::{Speaker, Unsaid};
use crate::wait::within;
use crate::world::dice::Dice;

/// Publishers at each node.
const LINES: usize = 3;

/// Between two values of one publisher.
const PAUSE: Duration = Duration::from_millis(40);

/// After one that was not acknowledged.
const PAUSE_AFTER_TROUBLE: Duration = Duration::from_millis(200);

/// Bytes of the longest ordinary value.
const BYTES_MAX: usize = 200;

/// How long all of them may take to come to rest: a publisher waits for its node, and its node for
/// members.
const REST_MAX: Duration = Duration::from_secs(90);

/// The publishers of all nodes. They end with it.
pub(super) struct Publishers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    book: Mutex<Book>,
    is_open: AtomicBool,
    is_over: AtomicBool,
    resting: AtomicUsize,
    /// At which node values are large now, and how large.
    bulk: Mutex<Option<(&'static str, usize)>>,
}

impl Publishers {
    /// Publishers at these nodes, at rest.
    pub(super) fn at(nodes: &[(&'static str, PathBuf)], seed: u64) -> Self {
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            is_open: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            resting: AtomicUsize::new(0),
            bulk: Mutex::new(None),
        });
        let mut threads = Vec::new();
        for (author, home) in nodes {
            for line in 0..LINES {
                let dice = Dice::new(seed ^ threads.len() as u64);
                let (shared, home, author) = (Arc::clone(&shared), home.clone(), *author);
                threads.push(std::thread::spawn(move || shared.publish(author, line, &home, dice)));
            }
        }
        Self { shared, threads }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }

    /// Lets them publish.
    pub(super) fn go(&self) {
        self.shared.is_open.store(true, Ordering::SeqCst);
    }

    /// Lets them stop, and waits until the last has its answer.
    pub(super) fn rest(&self) {
        self.shared.is_open.store(false, Ordering::SeqCst);
        let resting = || self.shared.resting.load(Ordering::SeqCst);
        let rested = within(REST_MAX, || (resting() == self.threads.len()).then_some(()));
        assert!(rested.is_some(), "only {} publishers rest", resting());
    }

    /// Makes the values of one node so large, or all ordinary again.
    pub(super) fn bulk(&self, at: Option<(&'static str, usize)>) {
        *self.shared.bulk.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether all are there still: one that panicked publishes nothing more.
    pub(super) fn are_alive(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // What it panicked with stands in the output.
            _ = thread.join();
        }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn may_publish(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    fn publish(&self, author: &'static str, line: usize, home: &Path, mut dice: Dice) {
        let mut speaker = None;
        while !self.is_over() {
            if !self.may_publish() {
                self.resting.fetch_add(1, Ordering::SeqCst);
                while !self.is_over() && !self.may_publish() {
                    within(PAUSE, || (self.is_over() || self.may_publish()).then_some(()));
                }
                self.resting.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let is_acknowledged = self.publish_one(author, line, home, &mut speaker, &mut dice);
            let pause = if is_acknowledged { PAUSE } else { PAUSE_AFTER_TROUBLE };
            within(pause, || self.is_over().then_some(()));
        }
    }

    /// Whether it was acknowledged.
    fn publish_one(
        &self,
        author: &'static str,
        line: usize,
        home: &Path,
        speaker: &mut Option<Speaker>,
        dice: &mut Dice,
    ) -> bool {
        if speaker.is_none() {
            *speaker = Speaker::of(home).ok();
        }
        let Some(connected) = speaker else { return false };
        let bulk = *self.bulk.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match bulk {
            Some((at, bytes)) if at == author => bytes,
            _ => dice.below(BYTES_MAX),
        };
        // Much is to be written quickly: most lines do not wait for members.
        let is_quick = line > 0 && bulk.is_some_and(|(at, _)| at == author);
        let ack = match !is_quick && dice.percent(70) {
            true => AckLevel::Replicated(REPLICAS),
            false => AckLevel::Local,
        };
        let (number, request) = self.book().begin(author, line, bytes, ack);
        let answer = connected.publish(&request);
        self.book().end(number, &answer);
        if matches!(answer, Err(Unsaid::Silent)) {
            *speaker = None;
        }
        answer.is_ok()
    }
}

/// Waits until a fact about the book holds.
pub(super) fn until_book(
    publishers: &Publishers,
    what: &str,
    max: Duration,
    holds: impl Fn(&Book) -> bool,
) -> Result<(), String> {
    let held = within(max, || holds(&publishers.book()).then_some(()));
    held.ok_or_else(|| format!("{what}: not within {max:?}"))
}
