//! The local API of a node, spoken by hand over its socket: HTTP/1.1 with nothing in between.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::{PublishRequest, Published, SubscribeEvent, TrustLog};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use serde::de::DeserializeOwned;

use crate::wait::DEADLINE;

/// One connection to a node's socket. It is kept for all requests.
pub struct Api {
    stream: BufReader<UnixStream>,
}

/// What the node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Api {
    /// Connects to the node of a home. None if no node answers there.
    ///
    /// # Panics
    /// The socket takes no deadline.
    #[must_use]
    pub fn try_of(home: &Path) -> Option<Self> {
        let stream = UnixStream::connect(home.join("node.sock")).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        Some(Self { stream: BufReader::new(stream) })
    }

    /// Connects to the node of a home.
    ///
    /// # Panics
    /// No node answers there.
    #[must_use]
    pub fn of(home: &Path) -> Self {
        Self::try_of(home).expect("a node that answers")
    }

    /// `GET`, whatever comes back.
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n"), &[])
    }

    /// `GET` with more headers, each ending its line, whatever comes back.
    pub fn get_with(&mut self, path: &str, headers: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: node\r\n{headers}\r\n"), &[])
    }

    /// The same `GET` many times over, each sent before the answers to those before it.
    ///
    /// # Panics
    /// The node does not take them all.
    pub fn get_many(&mut self, times: usize, path: &str, headers: &str) -> Vec<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\n{headers}\r\n");
        let requests = request.repeat(times);
        self.stream.get_mut().write_all(requests.as_bytes()).expect("requests");
        (0..times).map(|_| self.answer()).collect()
    }

    /// The connection, after an answer that turned it into something else.
    #[must_use]
    pub fn into_socket(self) -> BufReader<UnixStream> {
        self.stream
    }

    /// `POST` of JSON, whatever comes back.
    pub fn post_json(&mut self, path: &str, body: &str) -> Answer {
        self.post(path, "application/json", body.as_bytes())
    }

    /// `POST` of bytes, whatever comes back.
    pub fn post_bytes(&mut self, path: &str, body: &[u8]) -> Answer {
        self.post(path, "application/octet-stream", body)
    }

    /// Publishes a whole number, as a program beside the node does.
    pub fn publish(&mut self, topic: &str, value: i64) -> Published {
        let sample = Sample::good(Value::Integer(value), UnixMillis(0));
        self.publish_sample(topic, sample)
    }

    /// Publishes a value.
    ///
    /// # Panics
    /// It has no JSON form.
    pub fn publish_sample(&mut self, topic: &str, sample: Sample) -> Published {
        let request = PublishRequest { topic: topic.to_owned(), sample, lease: None };
        let body = serde_json::to_string(&request).expect("JSON");
        self.post_json("/v1/publish", &body).read()
    }

    /// The trust log of a key, as this node knows it.
    pub fn trust_log(&mut self, key: &PublicKey) -> TrustLog {
        self.get(&format!("/v1/trust/log?key={key}")).read()
    }

    fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.request("POST", path, kind, body)
    }

    /// Any request, whatever comes back. Without a kind the body has none.
    pub fn request(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let kind = match kind.is_empty() {
            true => String::new(),
            false => format!("content-type: {kind}\r\n"),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: node\r\n{kind}content-length: {length}\r\n\r\n"
        );
        self.ask(&head, body)
    }

    fn ask(&mut self, head: &str, body: &[u8]) -> Answer {
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("a request");
        // A node that refuses a body by its length answers and hangs up before it has read all of it.
        match stream.write_all(body) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.expect("a request's body"),
        }
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let (status, length) = self.head();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a whole answer");
        Answer { status, body: String::from_utf8(body).expect("text") }
    }

    /// The status and the length of the body of the answer that comes next.
    fn head(&mut self) -> (u16, usize) {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let mut length = 0;
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                return (status.expect("a status"), length);
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn read<T: DeserializeOwned>(self) -> T {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).expect("the promised form")
    }
}

/// A subscription whose events are read one by one, or not at all.
pub struct Follower {
    api: Api,
}

impl Follower {
    /// Follows a filter, written as it stands in a query.
    ///
    /// # Panics
    /// The node refuses.
    #[must_use]
    pub fn of(home: &Path, filter: &str) -> Self {
        let mut api = Api::of(home);
        let filter = filter.replace('+', "%2B").replace('#', "%23");
        let request = format!("GET /v1/subscribe?filter={filter} HTTP/1.1\r\nhost: node\r\n\r\n");
        api.stream.get_mut().write_all(request.as_bytes()).expect("a request");
        let (status, _) = api.head();
        assert_eq!(status, 200, "a subscription");
        Self { api }
    }

    /// The next event.
    ///
    /// # Panics
    /// None came in time.
    pub fn next_event(&mut self) -> SubscribeEvent {
        loop {
            let line = self.api.line();
            if let Some(data) = line.strip_prefix("data:") {
                return serde_json::from_str(data.trim()).expect("an event");
            }
        }
    }

    /// The next event, which must be a whole number. None where values were lost.
    ///
    /// # Panics
    /// It is a value of another kind.
    pub fn next_number(&mut self) -> Option<i64> {
        match self.next_event() {
            SubscribeEvent::Sample(delivered) => match delivered.sample.value {
                Value::Integer(number) => Some(number),
                other => panic!("{other:?}"),
            },
            SubscribeEvent::Lost { .. } => None,
        }
    }
}
