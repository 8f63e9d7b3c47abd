//! Requests to a node that may be killed, stopped or cut off while it answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use gearmesh_protocol::durable::{DurablePublished, DurableRequest, HistoryEvent};
use gearmesh_protocol::local::{ErrorBody, Status};

/// How long a publisher waits for an answer: longer than its node waits for members.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Why something was not acknowledged.
#[derive(Clone, Debug)]
pub(super) enum Unsaid {
    /// The node said no.
    Refused(ErrorBody),
    /// It said nothing, or what was no answer. The value may appear all the same.
    Silent,
}

/// A connection that publishes.
pub(super) struct Speaker {
    stream: BufReader<UnixStream>,
}

impl Speaker {
    pub(super) fn of(home: &Path) -> io::Result<Self> {
        Ok(Self { stream: connect(home, ANSWER_MAX)? })
    }

    pub(super) fn publish(&mut self, request: &DurableRequest) -> Result<DurablePublished, Unsaid> {
        let (status, body) = self.ask(request).map_err(|_| Unsaid::Silent)?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| Unsaid::Silent);
        }
        Err(serde_json::from_slice(&body).map_or(Unsaid::Silent, Unsaid::Refused))
    }

    fn ask(&mut self, request: &DurableRequest) -> io::Result<(u16, Vec<u8>)> {
        let body = serde_json::to_vec(request)?;
        let head = format!(
            "POST /v1/durable HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        let (status, length) = head_of(&mut self.stream)?;
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}

/// All that a node shows of values published in this round or later, to the end.
pub(super) fn history(home: &Path, since: u64, max: Duration) -> Result<Vec<HistoryEvent>, String> {
    let path = format!("/v1/history?filter=%23&since={since}");
    let body = get(home, &path, max).map_err(|error| error.to_string())?;
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let event = |data: &str| serde_json::from_str(data.trim()).map_err(|error| error.to_string());
    let events: Vec<HistoryEvent> = data.map(event).collect::<Result<_, _>>()?;
    match events.last() {
        Some(HistoryEvent::End { .. }) => Ok(events),
        _ => Err(format!("a history without an end: {} events", events.len())),
    }
}

/// What a node says of itself.
pub(super) fn status(home: &Path, max: Duration) -> Option<Status> {
    serde_json::from_str(&get(home, "/v1/status", max).ok()?).ok()
}

/// A body that ends with its connection: HTTP/1.0 has no chunks to take apart.
fn get(home: &Path, path: &str, max: Duration) -> io::Result<String> {
    let mut stream = connect(home, max)?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: node\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let (status, _) = head_of(&mut stream)?;
    let mut body = String::new();
    stream.read_to_string(&mut body)?;
    match status {
        200 => Ok(body),
        _ => Err(io::Error::other(format!("{status}: {body}"))),
    }
}

fn connect(home: &Path, max: Duration) -> io::Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(home.join("node.sock"))?;
    stream.set_read_timeout(Some(max))?;
    stream.set_write_timeout(Some(max))?;
    Ok(BufReader::new(stream))
}

/// The status of an answer, and the length of its body if it says one.
fn head_of(stream: &mut impl BufRead) -> io::Result<(u16, Option<usize>)> {
    let (mut status, mut length) = (None, None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if status.is_none() {
            let word = line.split(' ').nth(1).and_then(|word| word.parse().ok());
            status = Some(word.ok_or(io::ErrorKind::InvalidData)?);
        } else if line.is_empty() {
            return Ok((status.unwrap_or_default(), length));
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
}
