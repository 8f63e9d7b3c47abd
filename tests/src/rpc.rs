//! Gossipsub's frames, written and read by hand: protobuf with a length in front.

/// One frame that a peer says. Fields are those of gossipsub's `RPC`.
#[derive(Clone, Debug, Default)]
pub struct Rpc {
    bytes: Vec<u8>,
}

/// What somebody heard in one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeardRpc {
    /// Topics that the other side follows.
    pub subscribed: Vec<String>,
    /// Messages: topic, and what was said.
    pub messages: Vec<(String, Vec<u8>)>,
    /// Whether it holds anything about meshes and ids.
    pub has_control: bool,
}

impl Rpc {
    /// Follows topics, or follows them no more.
    #[must_use]
    pub fn subscribe(mut self, topic: &str) -> Self {
        let inner = [field(1, 0, &[1]), bytes(2, topic.as_bytes())].concat();
        self.bytes.extend(bytes(1, &inner));
        self
    }

    /// Publishes a message.
    #[must_use]
    pub fn publish(mut self, topic: &str, data: &[u8]) -> Self {
        let inner = [bytes(2, data), bytes(4, topic.as_bytes())].concat();
        self.bytes.extend(bytes(2, &inner));
        self
    }

    /// Asks for messages by their ids.
    #[must_use]
    pub fn want(mut self, ids: &[Vec<u8>]) -> Self {
        let inner: Vec<u8> = ids.iter().flat_map(|id| bytes(1, id)).collect();
        self.bytes.extend(bytes(3, &bytes(2, &inner)));
        self
    }

    /// Wants to be in a topic's mesh.
    #[must_use]
    pub fn graft(mut self, topic: &str) -> Self {
        self.bytes.extend(bytes(3, &bytes(3, &bytes(1, topic.as_bytes()))));
        self
    }

    /// The frame with its length in front.
    #[must_use]
    pub fn framed(&self) -> Vec<u8> {
        [&number(self.bytes.len() as u64)[..], &self.bytes].concat()
    }
}

impl HeardRpc {
    /// Reads a frame without its length.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn read(frame: &[u8]) -> Self {
        let mut heard = Self::default();
        for (tag, part) in fields(frame) {
            match tag {
                1 => heard.subscribed.extend(fields(part).filter(|(tag, _)| *tag == 2).map(text)),
                2 => {
                    let find = |wanted| fields(part).find(|(tag, _)| *tag == wanted);
                    let topic = find(4).map(text).expect("a topic");
                    let data = find(2).map(|(_, data)| data.to_vec()).unwrap_or_default();
                    heard.messages.push((topic, data));
                }
                3 => heard.has_control |= !part.is_empty(),
                other => panic!("a frame has no field {other}"),
            }
        }
        heard
    }
}

fn text((_, bytes): (u64, &[u8])) -> String {
    String::from_utf8(bytes.to_vec()).expect("a topic is text")
}

/// A number as protobuf has it.
fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field(tag: u64, kind: u64, body: &[u8]) -> Vec<u8> {
    [&number(tag << 3 | kind)[..], body].concat()
}

fn bytes(tag: u64, body: &[u8]) -> Vec<u8> {
    field(tag, 2, &[&number(body.len() as u64)[..], body].concat())
}

/// The next number, and what follows it.
fn read_number(bytes: &[u8]) -> (u64, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a number ends") + 1;
    let (own, rest) = bytes.split_at(end);
    let value = own.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    (value, rest)
}

/// Fields with their tags; of numbers, nothing but the tag.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (key, after) = read_number(rest);
        let (value, after) = read_number(after);
        let length = match key & 7 {
            0 => 0,
            2 => usize::try_from(value).expect("a length"),
            kind => panic!("a frame has no kind {kind}"),
        };
        let (body, after) = after.split_at(length);
        rest = after;
        Some((key >> 3, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back() {
        let long = vec![7; 300];
        let rpc = Rpc::default().subscribe("a").publish("b", &long).want(&[vec![1]]).graft("c");
        let framed = rpc.framed();
        let (length, frame) = read_number(&framed);
        assert_eq!(usize::try_from(length).expect("a length"), frame.len());
        let messages = vec![("b".to_owned(), long)];
        let subscribed = vec!["a".to_owned()];
        assert_eq!(HeardRpc::read(frame), HeardRpc { subscribed, messages, has_control: true });
    }
}
