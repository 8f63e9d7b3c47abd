//! A stream over which a program publishes, and its topics.
//!
//! A publish only appends to a buffer; a task of the stream writes the buffer as a whole whenever
//! the socket takes more, so that values published together go out together and none waits for
//! others to come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::framing::{ReadBuffer, framed};
use gearmesh_protocol::limits::LIVE_ALIASES_MAX;
use gearmesh_protocol::live::{Alias, put_body};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::stream::{AnswerFrame, put_topic, put_value_head};
use gearmesh_protocol::topic::Topic;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::error::{ClientError, PublishError};
use crate::open;

/// Bytes that wait for the node when a publish is turned away. The value that reaches the bound
/// still fits.
pub const PENDING_BYTES_MAX: usize = 256 * 1024;

/// How long the node may take to say why it hung up.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);

/// A stream that publishes. It lives as long as it or one of its topics is kept; what was published
/// before it is dropped still goes out, unless the program ends first (see [`Publishing::flush`]).
#[derive(Debug)]
pub struct Publishing {
    stream: Arc<Stream>,
}

/// One topic of a stream. It may be shared by threads.
#[derive(Clone, Debug)]
pub struct PublishHandle {
    stream: Arc<Stream>,
    alias: Alias,
}

/// The node does not publish a topic, or does so again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The topic as the program wrote it.
    pub topic: String,
    /// Why; none if its values are published again.
    pub refusal: Option<Refusal>,
}

/// What the program's side and the task share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the task.
    wake: Notify,
    /// Wakes those that wait for room or for everything to be written.
    moved: Notify,
    /// Wakes those that wait for answers.
    answered: Notify,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    is_writing: bool,
    is_closing: bool,
    ended: Option<ClientError>,
    /// By alias, which is given once.
    topics: Vec<(String, Option<Refusal>)>,
    aliases: BTreeMap<String, Alias>,
    news: BTreeSet<Alias>,
}

/// Tells the task that nobody publishes any more.
#[derive(Debug)]
struct Stream(Arc<Shared>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.lock().is_closing = true;
        self.0.wake.notify_one();
    }
}

impl Publishing {
    pub(crate) fn over((socket, unread): open::Stream) -> Self {
        let shared = Arc::new(Shared::default());
        let (reader, writer) = socket.into_split();
        tokio::spawn(run(Arc::clone(&shared), reader, writer, unread));
        Self { stream: Arc::new(Stream(shared)) }
    }

    /// A topic: relative to the node's scope, or absolute with a leading `/`. Whether the node may
    /// publish there it says itself; see [`Publishing::refused`].
    ///
    /// # Errors
    /// The text is no topic, the stream carries as many as it can, or it has ended.
    pub fn topic(&self, text: &str) -> Result<PublishHandle, PublishError> {
        let _checked: Topic = text.strip_prefix('/').unwrap_or(text).parse()?;
        let mut state = self.stream.0.lock();
        let stream = Arc::clone(&self.stream);
        if let Some(alias) = state.aliases.get(text) {
            return Ok(PublishHandle { stream, alias: *alias });
        }
        if let Some(ended) = &state.ended {
            return Err(ended.clone().into());
        }
        if state.topics.len() >= LIVE_ALIASES_MAX {
            return Err(PublishError::TooManyTopics);
        }
        let alias = Alias::in_turn(state.topics.len() as u64);
        state.topics.push((text.to_owned(), None));
        state.aliases.insert(text.to_owned(), alias);
        framed(&mut state.pending, |out| put_topic(out, alias, text));
        drop(state);
        self.stream.0.wake.notify_one();
        Ok(PublishHandle { stream, alias })
    }

    /// Waits until the node says that it does not publish a topic, or does so again.
    ///
    /// # Errors
    /// The stream has ended, and why.
    pub async fn refused(&self) -> Result<Refused, ClientError> {
        loop {
            let answered = self.stream.0.answered.notified();
            {
                let mut state = self.stream.0.lock();
                if let Some(alias) = state.news.pop_first()
                    && let Some((topic, refusal)) = state.topics.get(alias.index())
                {
                    return Ok(Refused { topic: topic.clone(), refusal: *refusal });
                }
                if let Some(ended) = &state.ended {
                    return Err(ended.clone());
                }
            }
            answered.await;
        }
    }

    /// Waits until the socket has taken everything that was published.
    ///
    /// # Errors
    /// The stream has ended, and why.
    pub async fn flush(&self) -> Result<(), ClientError> {
        loop {
            let moved = self.stream.0.moved.notified();
            {
                let state = self.stream.0.lock();
                if let Some(ended) = &state.ended {
                    return Err(ended.clone());
                }
                if state.pending.is_empty() && !state.is_writing {
                    return Ok(());
                }
            }
            moved.await;
        }
    }
}

impl PublishHandle {
    /// Publishes a value without waiting: it goes out with the next write.
    ///
    /// # Errors
    /// [`PENDING_BYTES_MAX`] bytes wait already, the sample is none that may be published, or the
    /// stream has ended.
    pub fn publish(&self, sample: &Sample) -> Result<(), PublishError> {
        sample.check()?;
        let shared = &self.stream.0;
        let mut state = shared.lock();
        if let Some(ended) = &state.ended {
            return Err(ended.clone().into());
        }
        if state.pending.len() >= PENDING_BYTES_MAX {
            return Err(PublishError::Full);
        }
        // A task that found something looks again before it sleeps.
        let was_empty = state.pending.is_empty();
        framed(&mut state.pending, |out| {
            put_value_head(out, self.alias);
            put_body(out, sample);
        });
        drop(state);
        if was_empty {
            shared.wake.notify_one();
        }
        Ok(())
    }

    /// Publishes a value once there is room for it. Over a
    /// [paced](crate::Client::paced_publisher) stream nothing is then lost to the program's own
    /// speed.
    ///
    /// # Errors
    /// As [`PublishHandle::publish`], without the bound.
    pub async fn publish_paced(&self, sample: &Sample) -> Result<(), PublishError> {
        loop {
            let moved = self.stream.0.moved.notified();
            match self.publish(sample) {
                Err(PublishError::Full) => moved.await,
                done => return done,
            }
        }
    }

    /// Why the node does not publish this topic, as far as it has said so.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let state = self.stream.0.lock();
        state.topics.get(self.alias.index()).and_then(|(_, refusal)| *refusal)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, alias: Alias, refusal: Option<Refusal>) {
        let mut state = self.lock();
        if let Some((_, last)) = state.topics.get_mut(alias.index()) {
            *last = refusal;
            state.news.insert(alias);
        }
        drop(state);
        self.answered.notify_waiters();
    }
}

/// Serves a stream until nobody publishes over it any more, or the node ends it.
async fn run(
    shared: Arc<Shared>,
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    mut unread: ReadBuffer,
) {
    let ended = tokio::select! {
        written = write(&shared, &mut writer) => match written {
            Ok(()) => return,
            Err(_) => None,
        },
        ended = read(&shared, &mut reader, &mut unread) => Some(ended),
    };
    let ended = match ended {
        Some(ended) => ended,
        // It hung up while it was written to; what it said before that is still there.
        None => {
            let said = read(&shared, &mut reader, &mut unread);
            tokio::time::timeout(LAST_WORD_MAX, said).await.unwrap_or(ClientError::Stopped)
        }
    };
    shared.lock().ended = Some(ended);
    shared.moved.notify_waiters();
    shared.answered.notify_waiters();
}

/// Writes what is published until the stream closes.
async fn write(shared: &Shared, writer: &mut OwnedWriteHalf) -> std::io::Result<()> {
    let mut out = Vec::new();
    loop {
        let wake = shared.wake.notified();
        let is_closing = {
            let mut state = shared.lock();
            std::mem::swap(&mut out, &mut state.pending);
            state.is_writing = !out.is_empty();
            state.is_closing
        };
        shared.moved.notify_waiters();
        if !out.is_empty() {
            writer.write_all(&out).await?;
            out.clear();
            out.shrink_to(2 * PENDING_BYTES_MAX);
        } else if is_closing {
            return Ok(());
        } else {
            wake.await;
        }
    }
}

/// Reads the node's answers. Why there are no more.
async fn read(shared: &Shared, reader: &mut OwnedReadHalf, unread: &mut ReadBuffer) -> ClientError {
    loop {
        loop {
            let answer = match unread.frame() {
                Ok(Some(frame)) => AnswerFrame::decode(frame),
                Ok(None) => break,
                Err(error) => return error.into(),
            };
            match answer {
                Ok(AnswerFrame::Refused { alias, refusal }) => shared.answer(alias, Some(refusal)),
                Ok(AnswerFrame::Taken { alias }) => shared.answer(alias, None),
                Ok(AnswerFrame::Ended { refusal }) => return ClientError::ended(refusal),
                Err(error) => return error.into(),
            }
        }
        match reader.read(unread.space()).await {
            Ok(read @ 1..) => unread.filled(read),
            Ok(0) | Err(_) => return ClientError::Stopped,
        }
    }
}
