//! A stream of the local API, spoken by hand: well formed, or not.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use gearmesh_protocol::framing::{LENGTH_BYTES, framed};
use gearmesh_protocol::live::{Alias, put_body};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::stream::{
    AnswerFrame, FOLLOW_PATH, PUBLISH_PATH, UPGRADE, put_topic, put_value_head,
};
use gearmesh_protocol::time::UnixMillis;

use crate::api::{Answer, Api};

/// One open stream.
pub struct RawStream {
    socket: BufReader<UnixStream>,
}

/// The headers of a request for a stream.
#[must_use]
pub fn upgrade() -> String {
    format!("connection: keep-alive, Upgrade\r\nupgrade: {UPGRADE}\r\n")
}

impl RawStream {
    /// Opens a stream that publishes.
    #[must_use]
    pub fn publishing(home: &Path) -> Self {
        Self::open(home, PUBLISH_PATH)
    }

    /// Opens a stream that follows a filter, written as it stands in a query.
    #[must_use]
    pub fn following(home: &Path, filter: &str) -> Self {
        let filter = filter.replace('+', "%2B").replace('#', "%23");
        Self::open(home, &format!("{FOLLOW_PATH}?filter={filter}"))
    }

    fn open(home: &Path, path: &str) -> Self {
        Self::try_open(home, path).unwrap_or_else(|answer| panic!("{path}: {answer:?}"))
    }

    /// Opens the stream at a path.
    ///
    /// # Errors
    /// What the node answered if it says no.
    pub fn try_open(home: &Path, path: &str) -> Result<Self, Answer> {
        let mut api = Api::of(home);
        let answer = api.get_with(path, &upgrade());
        if answer.status == 101 { Ok(Self { socket: api.into_socket() }) } else { Err(answer) }
    }

    /// Writes bytes as they are. The node may have hung up already.
    pub fn send(&mut self, bytes: &[u8]) {
        _ = self.socket.get_mut().write_all(bytes);
    }

    /// Writes a frame with its length.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = Vec::new();
        framed(&mut bytes, |out| out.extend_from_slice(frame));
        self.send(&bytes);
    }

    /// Gives an alias a topic.
    pub fn send_topic(&mut self, alias: u16, topic: &str) {
        let mut frame = Vec::new();
        put_topic(&mut frame, in_range(alias), topic);
        self.send_frame(&frame);
    }

    /// Publishes a value, whether it may be or not.
    pub fn send_value(&mut self, alias: u16, value: Value) {
        let mut frame = Vec::new();
        put_value_head(&mut frame, in_range(alias));
        put_body(&mut frame, &Sample::good(value, UnixMillis(0)));
        self.send_frame(&frame);
    }

    /// The next frame without its length. None if the node hung up.
    ///
    /// # Panics
    /// None came in time.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; LENGTH_BYTES];
        match self.socket.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no frame"),
            Err(_) => return None,
        }
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
        self.socket.read_exact(&mut frame).expect("a whole frame");
        Some(frame)
    }

    /// What the node answers next to a program that publishes.
    ///
    /// # Panics
    /// It hung up.
    pub fn next_answer(&mut self) -> AnswerFrame {
        let frame = self.next_frame().expect("an answer");
        AnswerFrame::decode(&frame).expect("an answer's form")
    }

    /// The code in the last frame, which must be the next.
    ///
    /// # Panics
    /// It is another, or something follows.
    pub fn end(&mut self) -> u16 {
        match self.next_answer() {
            AnswerFrame::Ended { refusal } => {
                assert_eq!(self.next_frame(), None, "the last frame is the last");
                refusal.code()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn in_range(alias: u16) -> Alias {
    Alias::new(alias).expect("an alias")
}
