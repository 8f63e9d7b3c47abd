//! Values on their way into one link: the queue, and what writes it out.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{AsyncWrite, AsyncWriteExt};
use gearmesh_protocol::framing::{framed, put_length};
use gearmesh_protocol::limits::LIVE_ALIASES_MAX;
use gearmesh_protocol::live::{self, Alias, Bodies, VALUE_HEADER_BYTES, put_framed_value};
use tokio::sync::Notify;

use super::body::{Body, EncodedBody};
use super::lock;
use super::topics::PublishedTopic;
use crate::core::conflation::{Bounds, Conflating, LiveSeries, Losses};

/// What waits for one link at most. A link that cannot carry more keeps the newest of each topic. The
/// blocks of series grow by doubling, so that their memory may be twice the bytes that are counted.
const LINK_BOUNDS: Bounds = Bounds { values: 16_384, bytes: 4 * 1024 * 1024 };

/// Bytes that wait when a publisher that paces itself begins to wait, a quarter of the bound.
const PACE_BYTES: usize = LINK_BOUNDS.bytes / 4;

/// Values that wait when a publisher that paces itself begins to wait: so few that what it adds and
/// the writer takes stays in the processor's cache.
const PACE_VALUES: usize = LINK_BOUNDS.values / 8;

/// Bytes that one write collects before it goes out.
const WRITE_BYTES: usize = 64 * 1024;

/// Bytes of a series at most, about as many as one write.
const SERIES_BYTES_MAX: usize = 32 * 1024;

/// Bytes of the longest value that is copied into a series.
const SERIES_VALUE_BYTES_MAX: usize = 4 * 1024;

/// Series whose memory is kept while a link is loaded: those that are being filled, that wait and that
/// are being written, in the usual case.
const SPARE_MAX: usize = 8;

/// Values taken from the queue at once, so that publishers never wait long for it.
const TAKE_VALUES: usize = 512;

/// A body of this size is written from where it lies instead of being copied first.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// Values of one topic that wait for a link one after the other.
pub(super) struct Outgoing {
    topic: Arc<PublishedTopic>,
    values: Values,
}

enum Values {
    One(EncodedBody),
    /// Their frames as they go onto the link, from a place on.
    Many {
        frames: Vec<u8>,
        from: usize,
        values: usize,
    },
}

impl Outgoing {
    /// One value of a topic.
    pub(super) const fn one(topic: Arc<PublishedTopic>, body: EncodedBody) -> Self {
        Self { topic, values: Values::One(body) }
    }

    /// Adds a value if there is room; `spare` is memory for it.
    fn append(&mut self, body: &Body<'_>, spare: &mut Vec<Vec<u8>>) -> bool {
        let bytes = body.bytes();
        let alias = self.topic.alias();
        if bytes.len() > SERIES_VALUE_BYTES_MAX {
            return false;
        }
        match &mut self.values {
            Values::One(first) if first.bytes().len() > SERIES_VALUE_BYTES_MAX => false,
            Values::One(first) => {
                let mut frames = spare.pop().unwrap_or_default();
                put_framed_value(&mut frames, alias, first.bytes());
                put_framed_value(&mut frames, alias, bytes);
                self.values = Values::Many { frames, from: 0, values: 2 };
                true
            }
            Values::Many { frames, .. } if frames.len() + bytes.len() > SERIES_BYTES_MAX => false,
            Values::Many { frames, values, .. } => {
                put_framed_value(frames, alias, bytes);
                *values += 1;
                true
            }
        }
    }
}

impl LiveSeries for Outgoing {
    type Topic = Arc<PublishedTopic>;

    fn topic(&self) -> &Self::Topic {
        &self.topic
    }

    fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::One(body) => body.extra_bytes(),
            Values::Many { frames, from, .. } => frames.len() - from,
        };
        size_of::<Self>() + values
    }

    fn values(&self) -> usize {
        match &self.values {
            Values::One(_) => 1,
            Values::Many { values, .. } => *values,
        }
    }

    fn take_first(&mut self) -> Option<Self> {
        let Values::Many { frames, from, values: 2.. } = &self.values else { return None };
        let first = Bodies::of_link(frames.get(*from..)?).next_bytes()?;
        let first = Self::one(Arc::clone(&self.topic), EncodedBody::copied(first));
        self.give_up_first();
        Some(first)
    }

    fn give_up_first(&mut self) {
        if let Values::Many { frames, from, values } = &mut self.values {
            let mut bodies = Bodies::of_link(&frames[*from..]);
            let _first = bodies.next_bytes();
            *from = frames.len() - bodies.rest().len();
            *values -= 1;
        }
    }

    fn alone(self) -> Self {
        let last = match &self.values {
            Values::One(_) => None,
            Values::Many { frames, from, .. } => Bodies::of_link(&frames[*from..]).next_bytes(),
        };
        match last.map(EncodedBody::copied) {
            Some(last) => Self::one(self.topic, last),
            None => self,
        }
    }
}

/// The queue of one link.
pub(in crate::shell::plant) struct LinkQueue {
    waiting: Mutex<Waiting>,
    /// Wakes the writer.
    wake: Notify,
    /// Wakes publishers that wait for room.
    room: Notify,
    is_full: AtomicBool,
}

struct Waiting {
    pieces: Conflating<Outgoing>,
    /// Memory of series that were written, for those to come.
    spare: Vec<Vec<u8>>,
}

impl Default for LinkQueue {
    fn default() -> Self {
        let (pieces, spare) = (Conflating::new(LINK_BOUNDS), Vec::new());
        Self {
            waiting: Mutex::new(Waiting { pieces, spare }),
            wake: Notify::new(),
            room: Notify::new(),
            is_full: AtomicBool::new(false),
        }
    }
}

impl LinkQueue {
    /// Adds a value. How many were given up for it.
    pub(super) fn push(&self, topic: &Arc<PublishedTopic>, body: &mut Body<'_>) -> u64 {
        let mut waiting = lock(&self.waiting);
        let Waiting { pieces, spare } = &mut *waiting;
        // A writer that found something looks again before it sleeps.
        let was_empty = !pieces.has_news();
        let appended = pieces.append(topic, |last| last.append(body, spare));
        let lost =
            appended.unwrap_or_else(|| pieces.push(Outgoing::one(Arc::clone(topic), body.keep())));
        if pieces.bytes() > PACE_BYTES || pieces.len() > PACE_VALUES {
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
        let left = waiting.pieces.len() as u64;
        while waiting.pieces.pop().is_some() {}
        waiting.spare = Vec::new();
        self.open_up();
        left
    }

    fn open_up(&self) {
        if self.is_full.swap(false, Ordering::Relaxed) {
            self.room.notify_waiters();
        }
    }

    /// Moves what waits into `taken`, up to a bound, and says what was lost before it. `written` is
    /// memory for what comes; when nothing waits, it is given back.
    fn take(
        &self,
        taken: &mut Vec<Outgoing>,
        written: &mut Vec<Vec<u8>>,
    ) -> Option<Losses<Arc<PublishedTopic>>> {
        let mut waiting = lock(&self.waiting);
        let Waiting { pieces, spare } = &mut *waiting;
        let losses = pieces.take_losses();
        let mut values = 0;
        while values < TAKE_VALUES
            && let Some(series) = pieces.pop()
        {
            values += series.values();
            taken.push(series);
        }
        spare.append(written);
        spare.truncate(if values == 0 { 0 } else { SPARE_MAX });
        if pieces.bytes() < PACE_BYTES / 2 && pieces.len() < PACE_VALUES / 2 {
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
    let (mut pieces, mut written) = (Vec::with_capacity(TAKE_VALUES), Vec::new());
    loop {
        let wake = queue.wake.notified();
        let losses = queue.take(&mut pieces, &mut written);
        if pieces.is_empty() && losses.is_none() {
            lane.flush().await?;
            wake.await;
            continue;
        }
        if let Some(losses) = losses {
            writer.put_losses(&losses);
        }
        for series in pieces.drain(..) {
            writer.introduce(&series.topic);
            match series.values {
                Values::One(body) => {
                    writer.put(&mut lane, series.topic.alias(), body.bytes()).await?
                }
                Values::Many { mut frames, from, .. } => {
                    writer.write_out(&mut lane).await?;
                    lane.write_all(&frames[from..]).await?;
                    frames.clear();
                    written.push(frames);
                }
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

    /// Takes the frame of a value, and writes when that is much.
    async fn put(
        &mut self,
        lane: &mut (impl AsyncWrite + Unpin),
        alias: Alias,
        body: &[u8],
    ) -> std::io::Result<()> {
        if body.len() > COPY_BYTES_MAX {
            put_length(&mut self.buffer, VALUE_HEADER_BYTES + body.len());
            live::put_value(&mut self.buffer, alias, &[]);
            self.write_out(lane).await?;
            return lane.write_all(body).await;
        }
        put_framed_value(&mut self.buffer, alias, body);
        match self.buffer.len() >= WRITE_BYTES {
            true => self.write_out(lane).await,
            false => Ok(()),
        }
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
