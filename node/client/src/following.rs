//! A stream of values that a program follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::framing::{LENGTH_BYTES, ReadBuffer};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::live::{Alias, Body};
use gearmesh_protocol::sample::{Sample, SampleRef};
use gearmesh_protocol::stream::{FollowFrame, arrived_bodies};
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

/// What a program that follows gets if it takes series.
#[derive(Clone, Debug)]
pub enum SeriesDelivery<'a> {
    /// Values that came one after the other.
    Series(Series<'a>),
    /// Values that did not come, as in [`Delivery::Lost`].
    Lost {
        /// Where they came from, if that is known.
        source: Option<Arc<Source>>,
        /// How many.
        count: u64,
    },
}

/// Values of one source that came one after the other, where they were read: at least one.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// Where they come from.
    pub source: Arc<Source>,
    /// How long they were at the node when the node handed them on, in whole milliseconds.
    pub age: Duration,
    unit: Option<Unit>,
    values: usize,
    frames: &'a [u8],
}

impl Series<'_> {
    /// How many values it is.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub const fn len(&self) -> usize {
        self.values
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = SampleRef<'_>> {
        arrived_bodies(self.frames).map(|body| body.view(self.unit.as_ref()))
    }
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

/// What became of a frame.
enum Taken {
    Delivery(Delivery),
    Other,
    /// No whole frame is there.
    Nothing,
}

/// Values that are taken together, and what they have in common.
struct Begun {
    alias: Alias,
    source: Arc<Source>,
    age_ms: u32,
    unit: Option<Unit>,
    values: usize,
    bytes: usize,
}

impl Begun {
    /// Takes one more value, if it is like them.
    fn takes(&mut self, alias: Alias, age_ms: u32, body: &Body<'_>, bytes: usize) -> bool {
        let is_like = (alias, age_ms) == (self.alias, self.age_ms)
            && self.unit.as_ref().map(Unit::as_str) == body.unit();
        if is_like {
            self.values += 1;
            self.bytes += bytes;
        }
        is_like
    }
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

    /// Values that came one after the other, or how many were lost before them: the cheapest way to
    /// read fast topics, since nothing is copied.
    ///
    /// ```no_run
    /// # async fn example(mut following: gearmesh_client::Following)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// use gearmesh_client::SeriesDelivery;
    /// use gearmesh_protocol::sample::ValueRef;
    ///
    /// let mut most = 0.0_f64;
    /// while let SeriesDelivery::Series(series) = following.next_series().await? {
    ///     for sample in series.iter() {
    ///         if let ValueRef::Float(newtons) = sample.value {
    ///             most = most.max(newtons);
    ///         }
    ///     }
    ///     println!("{}  {most} N at most", series.source.topic);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The stream has ended, and why.
    pub async fn next_series(&mut self) -> Result<SeriesDelivery<'_>, ClientError> {
        loop {
            if let Some(begun) = self.unless_ended(Self::take_series)? {
                let Begun { source, age_ms, unit, values, bytes, .. } = begun;
                let (age, frames) =
                    (Duration::from_millis(age_ms.into()), self.unread.taken(bytes));
                return Ok(SeriesDelivery::Series(Series { source, age, unit, values, frames }));
            }
            match self.unless_ended(Self::take_frame)? {
                Taken::Delivery(Delivery::Lost { source, count }) => {
                    return Ok(SeriesDelivery::Lost { source, count });
                }
                // Values go the other way.
                Taken::Delivery(Delivery::Value(_)) | Taken::Other => {}
                Taken::Nothing => self.fill().await?,
            }
        }
    }

    /// What there is, of what was read already.
    fn take(&mut self) -> Result<Option<Delivery>, ClientError> {
        loop {
            match self.unless_ended(Self::take_frame)? {
                Taken::Delivery(delivery) => return Ok(Some(delivery)),
                Taken::Other => {}
                Taken::Nothing => return Ok(None),
            }
        }
    }

    /// Takes something. An error is the end, and stays.
    fn unless_ended<T>(
        &mut self,
        take: fn(&mut Self) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let taken = take(self);
        self.ended = taken.as_ref().err().cloned();
        taken
    }

    fn take_frame(&mut self) -> Result<Taken, ClientError> {
        let Self { unread, sources, .. } = self;
        let Some(frame) = unread.frame()? else { return Ok(Taken::Nothing) };
        match FollowFrame::decode(frame)? {
            FollowFrame::Source { alias, author, name, topic } => {
                let (topic, author_name) = (topic.parse()?, name.parse()?);
                let source = Arc::new(Source { topic, author, author_name });
                sources.insert(alias, Known { source, unit: None });
                Ok(Taken::Other)
            }
            FollowFrame::Arrived { alias, age_ms, body } => {
                arrived(known(sources, alias)?, age_ms, &body).map(Taken::Delivery)
            }
            FollowFrame::Lost { alias, count } => {
                let source = Some(Arc::clone(&known(sources, alias)?.source));
                Ok(Taken::Delivery(Delivery::Lost { source, count }))
            }
            FollowFrame::LostElsewhere { count } => {
                Ok(Taken::Delivery(Delivery::Lost { source: None, count }))
            }
            FollowFrame::Ended { refusal } => Err(ClientError::ended(refusal)),
        }
    }

    /// Takes the values that come next, as far as they are of one source and alike.
    fn take_series(&mut self) -> Result<Option<Begun>, ClientError> {
        let Self { unread, sources, .. } = self;
        let mut begun: Option<Begun> = None;
        unread.frames(|frame| {
            let FollowFrame::Arrived { alias, age_ms, body } = FollowFrame::decode(frame)? else {
                return Ok::<_, ClientError>(false);
            };
            let bytes = LENGTH_BYTES + frame.len();
            if let Some(begun) = &mut begun {
                return Ok(begun.takes(alias, age_ms, &body, bytes));
            }
            let known = known(sources, alias)?;
            let (source, unit) = (Arc::clone(&known.source), body.known_unit(&mut known.unit)?);
            begun = Some(Begun { alias, source, age_ms, unit, values: 1, bytes });
            Ok(true)
        })?;
        Ok(begun)
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
