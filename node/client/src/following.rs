//! A stream of values that a program follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::framing::ReadBuffer;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::live::{Alias, Body};
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::stream::FollowFrame;
use gearmesh_protocol::topic::{Name, Topic, Unit};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::error::ClientError;

/// Where values come from. All values of one topic and member share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The topic.
    pub topic: Topic,
    /// The key of the member that publishes it.
    pub author: PublicKey,
    /// The member's name.
    pub author_name: Name,
}

/// A value as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// Where it comes from.
    pub source: Arc<Source>,
    /// The value.
    pub sample: Sample,
    /// How long it was at the node when the node handed it on, in whole milliseconds.
    pub age: Duration,
}

/// What a program that follows gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// A value.
    Value(Arrived),
    /// Values that did not come: this program read too slowly, or a link was too slow.
    Lost {
        /// Where they came from, if that is known. If not, they may be of topics that this program
        /// does not follow.
        source: Option<Arc<Source>>,
        /// How many.
        count: u64,
    },
}

/// A running subscription. Dropping it ends it.
///
/// Values of one member come in the order in which it published them. A program that reads too
/// slowly holds up nobody: it loses older values for newer ones of the same topic, and hears how
/// many of which topic. Every wait may be given up and begun again.
#[derive(Debug)]
pub struct Following {
    socket: UnixStream,
    unread: ReadBuffer,
    sources: BTreeMap<Alias, Known>,
    ended: Option<ClientError>,
}

#[derive(Debug)]
struct Known {
    source: Arc<Source>,
    unit: Option<Unit>,
}

impl Following {
    pub(crate) const fn over(socket: UnixStream, unread: ReadBuffer) -> Self {
        Self { socket, unread, sources: BTreeMap::new(), ended: None }
    }

    /// The next value, or how many were lost before it.
    ///
    /// # Errors
    /// The stream has ended, and why.
    pub async fn next(&mut self) -> Result<Delivery, ClientError> {
        loop {
            if let Some(delivery) = self.take()? {
                return Ok(delivery);
            }
            self.fill().await?;
        }
    }

    /// Waits until something is there and appends it to `out`, up to `max` of it. How many that is.
    ///
    /// # Errors
    /// The stream has ended, and why. What came before that is told first.
    pub async fn next_many(
        &mut self,
        out: &mut Vec<Delivery>,
        max: usize,
    ) -> Result<usize, ClientError> {
        let before = out.len();
        while out.len() == before && max > 0 {
            while out.len() - before < max {
                match self.take() {
                    Ok(Some(delivery)) => out.push(delivery),
                    Ok(None) => break,
                    // It is kept for the next call.
                    Err(_) if out.len() > before => break,
                    Err(error) => return Err(error),
                }
            }
            if out.len() == before {
                self.fill().await?;
            }
        }
        Ok(out.len() - before)
    }

    /// What there is, of what was read already.
    fn take(&mut self) -> Result<Option<Delivery>, ClientError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let taken = self.take_frames();
        self.ended = taken.as_ref().err().cloned();
        taken
    }

    fn take_frames(&mut self) -> Result<Option<Delivery>, ClientError> {
        let Self { unread, sources, .. } = self;
        while let Some(frame) = unread.frame()? {
            match FollowFrame::decode(frame)? {
                FollowFrame::Source { alias, author, name, topic } => {
                    let (topic, author_name) = (topic.parse()?, name.parse()?);
                    let source = Arc::new(Source { topic, author, author_name });
                    sources.insert(alias, Known { source, unit: None });
                }
                FollowFrame::Arrived { alias, age_ms, body } => {
                    return arrived(known(sources, alias)?, age_ms, &body).map(Some);
                }
                FollowFrame::Lost { alias, count } => {
                    let source = Some(Arc::clone(&known(sources, alias)?.source));
                    return Ok(Some(Delivery::Lost { source, count }));
                }
                FollowFrame::LostElsewhere { count } => {
                    return Ok(Some(Delivery::Lost { source: None, count }));
                }
                FollowFrame::Ended { refusal } => return Err(ClientError::ended(refusal)),
            }
        }
        Ok(None)
    }

    /// Reads once.
    async fn fill(&mut self) -> Result<(), ClientError> {
        match self.socket.read(self.unread.space()).await {
            Ok(read @ 1..) => {
                self.unread.filled(read);
                Ok(())
            }
            Ok(0) | Err(_) => {
                self.ended = Some(ClientError::Stopped);
                Err(ClientError::Stopped)
            }
        }
    }
}

fn known(sources: &mut BTreeMap<Alias, Known>, alias: Alias) -> Result<&mut Known, ClientError> {
    let unknown = || ClientError::Unreadable("an alias that stands for nothing".to_owned());
    sources.get_mut(&alias).ok_or_else(unknown)
}

fn arrived(known: &mut Known, age_ms: u32, body: &Body<'_>) -> Result<Delivery, ClientError> {
    let sample = body.to_sample(&mut known.unit)?;
    let age = Duration::from_millis(age_ms.into());
    Ok(Delivery::Value(Arrived { source: Arc::clone(&known.source), sample, age }))
}
