//! Values as they come from one link: from its live lane to the subscribers here.

use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt};
use gearmesh_protocol::framing::{ReadBuffer, TooLong};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::live::{Alias, Body, LiveError, LiveFrame};
use gearmesh_protocol::topic::{Topic, Unit};

use super::subscription::{Arrived, hand_over};
use super::{Live, Local};
use crate::core::plant::LinkId;

/// Bytes after which the reader lets subscribers of the same thread read.
const YIELD_BYTES: usize = 64 * 1024;

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
        while let Some(frame) = buffer.frame()? {
            incoming.take(frame)?;
        }
        incoming.hand_over();
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
    /// Values of one topic that came one after the other and are handed over at once.
    run: Vec<Arrived>,
    run_of: Option<Alias>,
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
        Self { live, link, peer, topics: Vec::new(), at, run: Vec::new(), run_of: None }
    }

    /// Takes one frame. What it brings is handed over when something else comes, or when asked to.
    pub(super) fn take(&mut self, frame: &[u8]) -> Result<(), IncomingError> {
        let frame = LiveFrame::decode(frame)?;
        if let LiveFrame::Value { alias, body } = frame {
            return self.on_value(alias, &body);
        }
        self.hand_over();
        match frame {
            LiveFrame::Value { .. } => Ok(()),
            LiveFrame::Topic { alias, topic } => {
                let topic = topic.parse().map_err(LiveError::from)?;
                if self.topics.len() <= alias.index() {
                    self.topics.resize_with(alias.index() + 1, || None);
                }
                self.topics[alias.index()] = Some(Followed { topic, unit: None, route: None });
                Ok(())
            }
            LiveFrame::Lost { alias, count } => {
                let Self { live, peer, topics, .. } = self;
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
                self.live.counters.lost_remote.add(count);
                self.live.report_lost(count);
                Ok(())
            }
        }
    }

    fn on_value(&mut self, alias: Alias, body: &Body<'_>) -> Result<(), IncomingError> {
        if self.run_of != Some(alias) {
            self.hand_over();
            self.run_of = Some(alias);
        }
        let Self { live, peer, topics, at, run, .. } = self;
        let Followed { topic, unit, route } = known(topics, alias)?;
        // Before anything else, so that what is malformed never depends on who follows.
        let sample = body.to_sample(unit).map_err(LiveError::from)?;
        let local = current(route, live, peer, topic);
        let Some(origin) = &local.origin else {
            live.refuse(peer, topic);
            return Ok(());
        };
        run.push(Arrived { origin: Arc::clone(origin), sample, at: *at });
        Ok(())
    }

    /// Hands over the values that came one after the other.
    pub(super) fn hand_over(&mut self) {
        let Self { live, link, peer, topics, run, run_of, .. } = self;
        let followed = run_of.take().map(|alias| known(topics, alias));
        let Some(Ok(Followed { topic, route, .. })) = followed else { return };
        live.counters.received.add(run.len() as u64);
        let local = current(route, live, peer, topic);
        if let (Some(slot), Some(last)) = (&local.slot, run.last()) {
            slot.put(last, *link);
        }
        let lost = hand_over(&local.subscribers, run.drain(..));
        live.counters.dropped_subscriber.add(lost);
        run.clear();
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
