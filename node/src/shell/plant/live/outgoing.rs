//! Values on their way into one link: the queue, and what writes it out.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{AsyncWrite, AsyncWriteExt};
use gearmesh_protocol::framing::{framed, put_length};
use gearmesh_protocol::limits::LIVE_ALIASES_MAX;
use gearmesh_protocol::live::{self, VALUE_HEADER_BYTES};
use tokio::sync::Notify;

use super::body::EncodedBody;
use super::lock;
use super::topics::PublishedTopic;
use crate::core::conflation::{Bounds, Conflating, LiveValue, Losses};

/// What waits for one link at most. A link that cannot carry more keeps the newest of each topic.
const LINK_BOUNDS: Bounds = Bounds { values: 16_384, bytes: 4 * 1024 * 1024 };

/// Bytes that wait when a publisher that paces itself begins to wait, a quarter of the bound.
const PACE_BYTES: usize = LINK_BOUNDS.bytes / 4;

/// Values that wait when a publisher that paces itself begins to wait: so few that what it adds and
/// the writer takes stays in the processor's cache.
const PACE_VALUES: usize = LINK_BOUNDS.values / 8;

/// Bytes that one write collects before it goes out.
const WRITE_BYTES: usize = 64 * 1024;

/// Values taken from the queue at once, so that publishers never wait long for it.
const TAKE_VALUES: usize = 512;

/// A body of this size is written from where it lies instead of being copied first.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// One value that waits for a link.
pub(super) struct Outgoing {
    topic: Arc<PublishedTopic>,
    body: EncodedBody,
}

impl Outgoing {
    /// A value of a topic; the body as it goes onto every link.
    pub(super) const fn new(topic: Arc<PublishedTopic>, body: EncodedBody) -> Self {
        Self { topic, body }
    }
}

impl LiveValue for Outgoing {
    type Topic = Arc<PublishedTopic>;

    fn topic(&self) -> &Self::Topic {
        &self.topic
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.extra_bytes()
    }
}

/// The queue of one link.
pub(in crate::shell::plant) struct LinkQueue {
    waiting: Mutex<Conflating<Outgoing>>,
    /// Wakes the writer.
    wake: Notify,
    /// Wakes publishers that wait for room.
    room: Notify,
    is_full: AtomicBool,
}

impl Default for LinkQueue {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Conflating::new(LINK_BOUNDS)),
            wake: Notify::new(),
            room: Notify::new(),
            is_full: AtomicBool::new(false),
        }
    }
}

impl LinkQueue {
    /// Adds a value. How many were given up for it.
    pub(super) fn push(&self, value: Outgoing) -> u64 {
        let mut waiting = lock(&self.waiting);
        // A writer that found something looks again before it sleeps.
        let was_empty = !waiting.has_news();
        let lost = waiting.push(value);
        if waiting.bytes() > PACE_BYTES || waiting.len() > PACE_VALUES {
            self.is_full.store(true, Ordering::Relaxed);
        }
        drop(waiting);
        if was_empty {
            self.wake.notify_one();
        }
        lost
    }

    /// Whether a publisher that paces itself should wait.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Waits until there is room, or the link is gone.
    pub(super) async fn room(&self) {
        let room = self.room.notified();
        if self.is_full() {
            room.await;
        }
    }

    /// Drops what waits, of a link that is gone. How many values that were.
    pub(super) fn close(&self) -> u64 {
        let mut waiting = lock(&self.waiting);
        let left = waiting.len() as u64;
        while waiting.pop().is_some() {}
        self.open_up();
        left
    }

    fn open_up(&self) {
        if self.is_full.swap(false, Ordering::Relaxed) {
            self.room.notify_waiters();
        }
    }

    /// Moves what waits into `values`, up to a bound, and says what was lost before it.
    fn take(&self, values: &mut Vec<Outgoing>) -> Option<Losses<Arc<PublishedTopic>>> {
        let mut waiting = lock(&self.waiting);
        let losses = waiting.take_losses();
        values.extend(std::iter::from_fn(|| waiting.pop()).take(TAKE_VALUES));
        if waiting.bytes() < PACE_BYTES / 2 && waiting.len() < PACE_VALUES / 2 {
            self.open_up();
        }
        losses
    }
}

/// Writes a link's queue to its live lane until the lane breaks.
///
/// # Errors
/// The lane broke.
pub(in crate::shell::plant) async fn write(
    queue: &LinkQueue,
    mut lane: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut writer = Writer { buffer: Vec::with_capacity(WRITE_BYTES), aliases: Vec::new() };
    let mut values = Vec::with_capacity(TAKE_VALUES);
    loop {
        let wake = queue.wake.notified();
        let losses = queue.take(&mut values);
        if values.is_empty() && losses.is_none() {
            lane.flush().await?;
            wake.await;
            continue;
        }
        if let Some(losses) = losses {
            writer.put_losses(&losses);
        }
        for value in values.drain(..) {
            let body = value.body.bytes();
            writer.put_head(&value, body.len());
            if body.len() > COPY_BYTES_MAX {
                writer.write_out(&mut lane).await?;
                lane.write_all(body).await?;
                continue;
            }
            writer.buffer.extend_from_slice(body);
            if writer.buffer.len() >= WRITE_BYTES {
                writer.write_out(&mut lane).await?;
            }
        }
        writer.write_out(&mut lane).await?;
    }
}

/// What one link was told, and what goes out with the next write.
struct Writer {
    buffer: Vec<u8>,
    /// The number of the topic that each alias stands for, plus one.
    aliases: Vec<u64>,
}

impl Writer {
    async fn write_out(&mut self, lane: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        lane.write_all(&self.buffer).await?;
        self.buffer.clear();
        Ok(())
    }

    /// Everything of a value's frame but its body, after its topic's if the link does not know it.
    fn put_head(&mut self, value: &Outgoing, body_bytes: usize) {
        self.introduce(&value.topic);
        put_length(&mut self.buffer, VALUE_HEADER_BYTES + body_bytes);
        live::put_value(&mut self.buffer, value.topic.alias(), &[]);
    }

    fn put_losses(&mut self, losses: &Losses<Arc<PublishedTopic>>) {
        for (topic, count) in &losses.topics {
            self.introduce(topic);
            framed(&mut self.buffer, |out| live::put_lost(out, topic.alias(), *count));
        }
        if losses.elsewhere > 0 {
            framed(&mut self.buffer, |out| live::put_lost_elsewhere(out, losses.elsewhere));
        }
    }

    fn introduce(&mut self, topic: &PublishedTopic) {
        let alias = topic.alias();
        if self.aliases.is_empty() {
            self.aliases.resize(LIVE_ALIASES_MAX, 0);
        }
        if self.aliases[alias.index()] != topic.number() + 1 {
            self.aliases[alias.index()] = topic.number() + 1;
            framed(&mut self.buffer, |out| live::put_topic(out, alias, topic.topic()));
        }
    }
}

#[cfg(test)]
mod tests;
