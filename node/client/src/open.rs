//! Opening a stream: one HTTP request over the node's socket, and its answer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::framing::ReadBuffer;
use gearmesh_protocol::stream::UPGRADE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::error::ClientError;

/// How long a node may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Bytes of an answer that is not the beginning of a stream, and of the head of one that is.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A stream, and what of it was read already.
pub(crate) type Stream = (UnixStream, ReadBuffer);

/// Opens the stream at a path.
pub(crate) async fn stream(home: &Path, path: &str) -> Result<Stream, ClientError> {
    let unreachable =
        |source: io::Error| ClientError::NoNode { home: home.to_owned(), source: Arc::new(source) };
    let mut socket = UnixStream::connect(home.join("node.sock")).await.map_err(unreachable)?;
    let answered = tokio::time::timeout(ANSWER_MAX, ask(&mut socket, path)).await;
    let unread = answered.map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))??;
    Ok((socket, unread))
}

/// Asks for a stream. What of it came with the answer.
async fn ask(socket: &mut UnixStream, path: &str) -> Result<ReadBuffer, ClientError> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: node\r\nconnection: Upgrade\r\nupgrade: {UPGRADE}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.map_err(|_| ClientError::Stopped)?;
    let mut answer = Vec::new();
    let end = loop {
        if let Some(at) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(socket, &mut answer).await?;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "101" {
        let mut unread = ReadBuffer::default();
        unread.extend(&answer[end..]);
        return Ok(unread);
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or(0);
    while answer.len() < end.saturating_add(length) {
        read_more(socket, &mut answer).await?;
    }
    let body = answer.get(end..end.saturating_add(length)).unwrap_or_default();
    Err(match serde_json::from_slice(body) {
        Ok(body) => ClientError::Refused(body),
        Err(error) => ClientError::Unreadable(format!("status {status}, {error}")),
    })
}

async fn read_more(socket: &mut UnixStream, answer: &mut Vec<u8>) -> Result<(), ClientError> {
    if answer.len() > ANSWER_BYTES_MAX {
        let text = format!("its answer is longer than {ANSWER_BYTES_MAX} bytes");
        return Err(ClientError::Unreadable(text));
    }
    match socket.read_buf(answer).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(ClientError::Stopped),
    }
}

/// A text as a value in a query.
pub(crate) fn query(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_written_so_that_it_is_one_value() {
        assert_eq!(query("hall/+/a b/#"), "hall/%2B/a%20b/%23");
        assert_eq!(query("ä&=?%"), "%C3%A4%26%3D%3F%25");
    }
}
