//! Talking to a node: that of a home over its socket, or a member elsewhere as a visitor.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::home::Home;
use gearmesh_protocol::local::{ErrorBody, REFUSED};
use gearmesh_protocol::refusal::Refusal;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::cli::Context;
use crate::exit::Failure;

mod visiting;

use visiting::Visiting;

/// Bytes of an answer that is read whole; lists of members are far below it.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often a socket that is not there is tried again, and after which pause: 1 s in all.
const CONNECT_TRIES: u32 = 10;
const CONNECT_AGAIN: Duration = Duration::from_millis(100);

/// A node that is spoken to.
#[derive(Clone)]
pub(crate) enum Client {
    /// The node of a home.
    Home {
        /// The home.
        home: PathBuf,
        /// Where its node answers.
        socket: PathBuf,
    },
    /// A member that is visited over the network.
    Member(Arc<Visiting>),
}

/// A stream that carries HTTP.
trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

impl Client {
    /// The node that a command is for.
    pub(crate) fn reach(context: &Context) -> Result<Self, Failure> {
        match context.visit {
            Some(address) => Visiting::to(context, address).map(|it| Self::Member(Arc::new(it))),
            None => Self::of(&context.home),
        }
    }

    /// The node of this home, whether it runs or not.
    pub(crate) fn of(home: &Path) -> Result<Self, Failure> {
        if !home.exists() {
            let home = home.display();
            let mend = format!(
                "found a plant: gearmesh --home {home} init NAME; \
                 or join one: gearmesh --home {home} join CODE"
            );
            return Err(Failure::from(Refusal::NoHome)
                .saying(format!("there is no node home {home}"))
                .mended_by(mend));
        }
        let home = Home::open(home)?;
        Ok(Self::Home { home: home.path().to_owned(), socket: home.socket() })
    }

    /// Whether a node answers in this home.
    pub(crate) async fn is_up(&self) -> bool {
        match self {
            Self::Home { socket, .. } => UnixStream::connect(socket).await.is_ok(),
            Self::Member(_) => false,
        }
    }

    /// The process of the node of this home, as the system says.
    pub(crate) async fn process(&self) -> Option<i32> {
        let Self::Home { socket, .. } = self else { return None };
        let stream = UnixStream::connect(socket).await.ok()?;
        stream.peer_cred().ok()?.pid()
    }

    /// `GET` with a JSON answer.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read_json(self.send(Method::GET, path, Bytes::new(), None).await?).await
    }

    /// `POST` of JSON with a JSON answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(Failure::system)?;
        let answer = self.send(Method::POST, path, body.into(), Some("application/json"));
        read_json(answer.await?).await
    }

    /// `POST` of bytes with a JSON answer.
    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let answer = self.send(Method::POST, path, body.into(), Some("application/octet-stream"));
        read_json(answer.await?).await
    }

    /// `GET` with a stream of server-sent events.
    pub(crate) async fn events(&self, path: &str) -> Result<Events, Failure> {
        let answer = self.send(Method::GET, path, Bytes::new(), None).await?;
        if !answer.status().is_success() {
            return Err(denial(answer).await);
        }
        Ok(Events { body: answer.into_body(), buffer: Vec::new(), is_refused: false })
    }

    /// `POST` of JSON with a stream of server-sent events.
    pub(crate) async fn post_events(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Events, Failure> {
        let body = serde_json::to_vec(body).map_err(Failure::system)?;
        let answer = self.send(Method::POST, path, body.into(), Some("application/json")).await?;
        if !answer.status().is_success() {
            return Err(denial(answer).await);
        }
        Ok(Events { body: answer.into_body(), buffer: Vec::new(), is_refused: false })
    }

    async fn connect(&self) -> Result<Box<dyn Carrier>, Failure> {
        match self {
            Self::Home { home, socket } => match connect(socket).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(silent(home, &error)),
            },
            Self::Member(visiting) => Ok(Box::new(visiting.stream().await?)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        kind: Option<&str>,
    ) -> Result<Response<Incoming>, Failure> {
        let stream = self.connect().await?;
        let stopped = |error| self.stopped(error);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(stopped)?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "node");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(Full::new(body)).map_err(Failure::system)?;
        sender.send_request(request).await.map_err(stopped)
    }

    /// The node was there and is gone.
    fn stopped(&self, _: hyper::Error) -> Failure {
        let failure = Failure::from(Refusal::NodeStopped);
        match self {
            Self::Home { home, .. } => {
                let home = home.display();
                failure
                    .saying(format!("the node in {home} stopped before it had answered"))
                    .mended_by(format!("start it again: gearmesh --home {home} up"))
            }
            Self::Member(visiting) => failure
                .saying(format!(
                    "the member at {} hung up before it had answered",
                    visiting.address()
                ))
                .mended_by("type it again: what was signed is handed in first, and counts once"),
        }
    }
}

/// Connects; a node that was started a moment ago gets the time to open its socket.
async fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    for _ in 0..CONNECT_TRIES {
        match UnixStream::connect(socket).await {
            Err(error) if error.kind() != ErrorKind::PermissionDenied => {
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
            result => return result,
        }
    }
    UnixStream::connect(socket).await
}

/// Nobody answers at the socket of a home, or not to this user.
fn silent(home: &Path, error: &std::io::Error) -> Failure {
    let home = home.display();
    let start = format!("start it: gearmesh --home {home} up");
    match error.kind() {
        ErrorKind::PermissionDenied => Failure::from(Refusal::NodeForbidden)
            .saying(format!("the node in {home} belongs to another user: {error}")),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::from(Refusal::NoNode)
            .saying(format!("no node is running in {home}"))
            .mended_by(start),
        _ => Failure::from(Refusal::NoNode)
            .saying(format!("no node is running in {home}: {error}"))
            .mended_by(start),
    }
}

/// A query value, percent-encoded (RFC 3986, everything but unreserved characters).
pub(crate) fn query(value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    value.bytes().map(encode).collect()
}

async fn read_json<T: DeserializeOwned>(answer: Response<Incoming>) -> Result<T, Failure> {
    if !answer.status().is_success() {
        return Err(denial(answer).await);
    }
    let body = collect(answer).await?;
    serde_json::from_slice(&body).map_err(unreadable)
}

async fn denial(answer: Response<Incoming>) -> Failure {
    let status = answer.status();
    let body = match collect(answer).await {
        Ok(body) => body,
        Err(failure) => return failure,
    };
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => body.into(),
        Err(_) => unreadable(format!("{status} {}", String::from_utf8_lossy(&body))),
    }
}

fn unreadable(what: impl std::fmt::Display) -> Failure {
    Failure::from(Refusal::AnswerUnreadable)
        .saying(format!("the node's answer was not understood: {what}"))
}

async fn collect(answer: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await.map_err(unreadable)?;
    Ok(body.to_bytes())
}

/// A stream of server-sent events (WHATWG HTML, 9.2), of which only `data` matters here, and whether
/// it is of a refusal.
pub(crate) struct Events {
    body: Incoming,
    buffer: Vec<u8>,
    is_refused: bool,
}

impl Events {
    /// The next event; none when the node ends the stream.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            while let Some(line) = self.line() {
                if line.strip_prefix("event:").is_some_and(|name| name.trim() == REFUSED) {
                    self.is_refused = true;
                }
                if let Some(data) = line.strip_prefix("data:") {
                    if self.is_refused {
                        let body: ErrorBody =
                            serde_json::from_str(data.trim()).map_err(unreadable)?;
                        return Err(body.into());
                    }
                    return serde_json::from_str(data.trim()).map(Some).map_err(unreadable);
                }
            }
            // A node that is killed breaks the stream instead of ending it.
            let Some(Ok(frame)) = self.body.frame().await else { return Ok(None) };
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(unreadable("an event without end"));
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let rest = self.buffer.split_off(end + 1);
        let line = std::mem::replace(&mut self.buffer, rest);
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_another_user_is_not_a_node_that_does_not_run() {
        for (kind, refusal) in [
            (ErrorKind::PermissionDenied, Refusal::NodeForbidden),
            (ErrorKind::NotFound, Refusal::NoNode),
            (ErrorKind::ConnectionRefused, Refusal::NoNode),
            (ErrorKind::WouldBlock, Refusal::NoNode),
        ] {
            let failure = silent(Path::new("/h"), &kind.into());
            assert_eq!(failure.body().code, refusal, "{kind}");
            assert!(failure.body().error.contains("/h"), "{kind}");
        }
    }

    #[test]
    fn filters_survive_a_query() {
        assert_eq!(query("+/host/#"), "%2B%2Fhost%2F%23");
        assert_eq!(query("press-1"), "press-1");
    }
}
