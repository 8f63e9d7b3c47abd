//! Values as they come from one link: from its live lane to the subscribers here.

use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt};
use gearmesh_protocol::framing::{LENGTH_BYTES, ReadBuffer, TooLong};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::live::{Alias, Bodies, Body, LiveError, LiveFrame};
use gearmesh_protocol::topic::{Topic, Unit};

use super::series::Series;
use super::subscription::hand_over;
use super::{Live, Local};
use crate::core::plant::LinkId;

/// Bytes after which the reader lets subscribers of the same thread read.
const YIELD_BYTES: usize = 64 * 1024;

/// Bytes of a series at most: what a subscriber that takes it value by value may keep of values that it
/// has read already.
const SERIES_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the longest value in a series. A longer one is handed over by itself, in memory that its
/// reader may keep.
const SERIES_VALUE_BYTES_MAX: usize = 4 * 1024;

/// Why the live lane of a link ended.
#[derive(Debug, thiserror::Error)]
pub(in crate::shell::plant) enum IncomingError {
    /// The lane broke or ended.
    #[error("the lane broke: {0}")]
    Io(#[from] std::io::Error),
    /// A frame longer than any may be.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// What came is no frame, or a value that nobody may publish.
    #[error(transparent)]
    Malformed(#[from] LiveError),
    /// A value under an alias that was never given.
    #[error("a value under the alias {0}, which stands for no topic")]
    NoTopic(usize),
}

impl IncomingError {
    /// Whether the peer broke the protocol, rather than the network the lane.
    pub(in crate::shell::plant) const fn is_malformed(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}

/// Reads a live lane until it breaks.
///
/// # Errors
/// Why it ended; a member that breaks the protocol is cut off.
pub(in crate::shell::plant) async fn read(
    live: &Arc<Live>,
    from: (LinkId, PublicKey),
    mut lane: impl AsyncRead + Unpin,
) -> Result<(), IncomingError> {
    let mut incoming = Incoming::new(Arc::clone(live), from);
    let mut buffer = ReadBuffer::default();
    let mut since_yield = 0;
    loop {
        match lane.read(buffer.space()).await? {
            0 => return Err(IncomingError::Io(std::io::ErrorKind::UnexpectedEof.into())),
            read => {
                buffer.filled(read);
                since_yield += read;
            }
        }
        incoming.at = live.clock.tick();
        incoming.take_all(&mut buffer)?;
        if since_yield >= YIELD_BYTES {
            since_yield = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// What one link's frames mean.
pub(super) struct Incoming {
    live: Arc<Live>,
    link: LinkId,
    peer: PublicKey,
    topics: Vec<Option<Followed>>,
    /// When the bytes at hand were read.
    at: Duration,
    /// What the values have in common that are being taken together.
    series: Option<Begun>,
}

/// Values of one topic that follow each other and go to the subscribers as one piece.
struct Begun {
    alias: Alias,
    unit: Option<Unit>,
    values: usize,
    bytes: usize,
    /// Where the last of their frames begins.
    last: usize,
}

/// A topic of the link's peer, and who follows it here.
struct Followed {
    topic: Topic,
    unit: Option<Unit>,
    route: Option<Local>,
}

impl Incoming {
    pub(super) fn new(live: Arc<Live>, (link, peer): (LinkId, PublicKey)) -> Self {
        let at = live.clock.tick();
        Self { live, link, peer, topics: Vec::new(), at, series: None }
    }

    /// Takes all whole frames.
    pub(super) fn take_all(&mut self, buffer: &mut ReadBuffer) -> Result<(), IncomingError> {
        loop {
            let frames = buffer.frames(|frame| self.belongs(frame))?;
            match self.series.take() {
                Some(begun) => self.hand_over(begun, frames)?,
                None => match buffer.frame()? {
                    Some(frame) => self.take(frame)?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Whether a frame is a value that goes to the subscribers with those before it. All that may be
    /// wrong with it is found here, so that what is malformed never depends on who follows.
    fn belongs(&mut self, frame: &[u8]) -> Result<bool, IncomingError> {
        let LiveFrame::Value { alias, body } = LiveFrame::decode(frame)? else { return Ok(false) };
        let bytes = LENGTH_BYTES + frame.len();
        if let Some(series) = &mut self.series {
            return Ok(series.alias == alias && series.takes(&body, bytes));
        }
        let followed = known(&mut self.topics, alias)?;
        let unit = body.known_unit(&mut followed.unit).map_err(LiveError::from)?;
        self.series = Some(Begun { alias, unit, values: 1, bytes, last: 0 });
        Ok(true)
    }

    /// Hands over values that followed each other.
    fn hand_over(&mut self, begun: Begun, frames: &[u8]) -> Result<(), IncomingError> {
        let Begun { alias, unit, values, last, .. } = begun;
        let Self { live, link, peer, topics, at, .. } = self;
        let Followed { topic, route, .. } = known(topics, alias)?;
        let local = current(route, live, peer, topic);
        let Some(origin) = &local.origin else {
            live.refuse(peer, topic, values as u64);
            return Ok(());
        };
        live.counters.received.add(values as u64);
        let newest = frames.get(last..).and_then(|last| Bodies::of_link(last).next());
        let Some(newest) = newest.map(|body| body.view(unit.as_ref()).to_sample()) else {
            return Ok(());
        };
        if let Some(slot) = &local.slot {
            slot.put(origin, newest.clone(), *at, *link);
        }
        let series = match values {
            1 => Series::one(Arc::clone(origin), newest, *at),
            _ => Series::of_frames(Arc::clone(origin), (frames, values), unit, *at),
        };
        let lost = hand_over(&local.subscribers, series);
        live.counters.dropped_subscriber.add(lost);
        Ok(())
    }

    /// Takes one frame that is no value.
    fn take(&mut self, frame: &[u8]) -> Result<(), IncomingError> {
        let Self { live, peer, topics, .. } = self;
        match LiveFrame::decode(frame)? {
            LiveFrame::Value { .. } => Ok(()),
            LiveFrame::Topic { alias, topic } => {
                let topic = topic.parse().map_err(LiveError::from)?;
                if topics.len() <= alias.index() {
                    topics.resize_with(alias.index() + 1, || None);
                }
                topics[alias.index()] = Some(Followed { topic, unit: None, route: None });
                Ok(())
            }
            LiveFrame::Lost { alias, count } => {
                let followed = known(topics, alias)?;
                live.counters.lost_remote.add(count);
                let local = current(&mut followed.route, live, peer, &followed.topic);
                if let Some(origin) = &local.origin {
                    for subscriber in &local.subscribers {
                        subscriber.report_lost(Some(origin), count);
                    }
                }
                Ok(())
            }
            LiveFrame::LostElsewhere { count } => {
                live.counters.lost_remote.add(count);
                live.report_lost(count);
                Ok(())
            }
        }
    }
}

impl Begun {
    /// Takes one more value of the topic, if it fits.
    fn takes(&mut self, body: &Body<'_>, bytes: usize) -> bool {
        let is_like = self.unit.as_ref().map(Unit::as_str) == body.unit();
        let fits = bytes.max(self.bytes / self.values) <= SERIES_VALUE_BYTES_MAX
            && self.bytes + bytes <= SERIES_BYTES_MAX;
        if is_like && fits {
            self.last = self.bytes;
            self.values += 1;
            self.bytes += bytes;
        }
        is_like && fits
    }
}

fn known(topics: &mut [Option<Followed>], alias: Alias) -> Result<&mut Followed, IncomingError> {
    let followed = topics.get_mut(alias.index()).and_then(Option::as_mut);
    followed.ok_or(IncomingError::NoTopic(alias.index()))
}

/// Who follows a topic now; looked up again only when something has changed.
fn current<'a>(
    route: &'a mut Option<Local>,
    live: &Live,
    peer: &PublicKey,
    topic: &Topic,
) -> &'a Local {
    if route.as_ref().is_some_and(|route| !live.is_current(route.generation)) {
        *route = None;
    }
    route.get_or_insert_with(|| live.local_route(peer, topic))
}

#[cfg(test)]
mod tests;
