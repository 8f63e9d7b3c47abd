//! Streams of the local API: a request that turns its connection into frames, for programs to
//! which an exchange for each value is too much. What the frames are is in
//! [`gearmesh_protocol::stream`]; why they are is in `docs/decisions/0008-local-stream.md`.
//!
//! A stream ends when the program hangs up, when it breaks the form of the frames, or when the node
//! stops. In the last two cases its last frame says why.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use gearmesh_protocol::framing::{ReadBuffer, TooLong, framed};
use gearmesh_protocol::live::LiveError;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::stream::{self, put_ended};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;

use super::State;
use super::answer::Failure;

mod follow;
mod publish;
mod sources;

pub(super) use follow::follow;
pub(super) use publish::publish;

/// Streams that publish at once; those that follow are subscribers like any other.
const PUBLISH_STREAMS_MAX: usize = 128;

/// How long a frame may take from its first byte to its last.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// How long a program may take to read why its stream ends.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);

/// Places of streams that publish.
#[derive(Clone)]
pub(in crate::shell) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PUBLISH_STREAMS_MAX)))
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamEnd {
    #[error("the program hung up")]
    Left,
    #[error("the socket broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the node stops")]
    Stopping,
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error(transparent)]
    Malformed(#[from] LiveError),
    #[error("a value under the alias {0}, which stands for no topic")]
    NoTopic(usize),
    #[error("a program that follows has nothing to say")]
    Unasked,
    #[error("a frame was not finished within {FRAME_MAX:?}")]
    Stalled,
}

impl StreamEnd {
    /// What the program is told, if there is still one.
    const fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Left | Self::Io(_) => return None,
            Self::Stopping => Refusal::NodeStopped,
            Self::TooLong(_) => Refusal::StreamFrameTooLong,
            Self::NoTopic(_) | Self::Malformed(LiveError::UnknownAlias { .. }) => {
                Refusal::StreamAliasUnknown
            }
            Self::Malformed(_) | Self::Unasked => Refusal::StreamMalformed,
            Self::Stalled => Refusal::StreamStalled,
        })
    }
}

/// A request that asks for a stream.
pub(super) struct Upgrade(OnUpgrade);

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let asks = says(&parts.headers, CONNECTION.as_str(), "upgrade")
            && says(&parts.headers, UPGRADE.as_str(), stream::UPGRADE);
        let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| asks);
        upgrade.map(Self).ok_or_else(|| Refusal::NotAnUpgrade.into())
    }
}

/// Whether a header has a word in its list.
fn says(headers: &HeaderMap, name: &str, word: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

impl Upgrade {
    /// Says yes, and serves the stream from then on.
    fn serve<F>(self, serve: impl FnOnce(Connection) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        tokio::spawn(async move {
            match self.0.await {
                Ok(upgraded) => match downcast::<TokioIo<UnixStream>>(upgraded) {
                    Ok(parts) => {
                        serve(Connection::new(parts.io.into_inner(), &parts.read_buf)).await;
                    }
                    Err(_) => tracing::error!("a stream came over something that is no socket"),
                },
                Err(error) => tracing::debug!(%error, "a program did not wait for its stream"),
            }
        });
        let headers = [(CONNECTION, "Upgrade"), (UPGRADE, stream::UPGRADE)];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }
}

/// The connection of a stream.
struct Connection {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    /// What was read already, perhaps with the request.
    unread: ReadBuffer,
    out: Out,
}

impl Connection {
    fn new(socket: UnixStream, early: &[u8]) -> Self {
        let (reader, writer) = socket.into_split();
        let mut unread = ReadBuffer::default();
        unread.extend(early);
        Self { reader, writer, unread, out: Out::default() }
    }

    /// Says why the stream ends, to whom it may concern.
    async fn end(mut self, kind: &'static str, end: &StreamEnd) {
        let Some(refusal) = end.refusal() else {
            tracing::debug!(kind, %end, "a stream ended");
            return;
        };
        if !matches!(end, StreamEnd::Stopping) {
            let code = refusal.code();
            tracing::warn!(kind, code, %end, "a program broke its stream; it is disconnected");
        }
        framed(&mut self.out.bytes, |out| put_ended(out, refusal));
        // A program that does not read hears no more.
        let said = tokio::time::timeout(LAST_WORD_MAX, self.out.flush(&mut self.writer)).await;
        drop(said);
    }
}

/// Bytes on their way to a program. A write that is given up is taken up again where it stopped.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    written: usize,
}

impl Out {
    const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes once.
    async fn write(&mut self, writer: &mut OwnedWriteHalf) -> std::io::Result<()> {
        match writer.write(&self.bytes[self.written..]).await? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            written => self.written += written,
        }
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Writes everything.
    async fn flush(&mut self, writer: &mut OwnedWriteHalf) -> std::io::Result<()> {
        while !self.is_empty() {
            self.write(writer).await?;
        }
        Ok(())
    }
}

/// Waits until the node stops.
async fn stopped(state: &State) -> StreamEnd {
    // The core's last snapshot is followed by the end of the channel, which is an error.
    drop(state.core.views().wait_for(|_| false).await);
    StreamEnd::Stopping
}
