//! Length-prefixed frames over a stream.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use gearmesh_protocol::codec::{self, DecodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::shell) enum FrameError {
    /// The stream ended or broke.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
    /// The frame is longer than this lane allows; none of it was read.
    #[error("a frame of {bytes} bytes where at most {max} are allowed")]
    TooLong {
        /// The announced length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The frame is no message of this lane.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl FrameError {
    /// Whether the peer broke the protocol, rather than the network the stream.
    pub(in crate::shell) const fn is_malformed(&self) -> bool {
        matches!(self, Self::TooLong { .. } | Self::Decode(_))
    }
}

/// The bytes of a frame with its length.
pub(in crate::shell) fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    let body = codec::encode(message);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// Writes one message and flushes it.
pub(in crate::shell) async fn write<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> io::Result<()> {
    stream.write_all(&frame(message)).await?;
    stream.flush().await
}

/// Reads one message of at most `max` bytes.
pub(in crate::shell) async fn read<T: Serialize + DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<T, FrameError> {
    let bytes = read_bytes(stream, max).await?;
    Ok(codec::decode(&bytes, max)?)
}

/// Reads the bytes of one message of at most `max` bytes.
pub(in crate::shell) async fn read_bytes(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<Vec<u8>, FrameError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes > max {
        return Err(FrameError::TooLong { bytes, max });
    }
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::Cursor;

    #[tokio::test]
    async fn a_frame_is_read_back_and_damage_is_named() {
        let whole = frame(&7_u32);
        let read_it =
            |bytes: Vec<u8>| async move { read::<u32>(&mut Cursor::new(bytes), 16).await };
        assert_eq!(read_it(whole.clone()).await.expect("a frame"), 7);
        for length in 0..whole.len() {
            let cut = read_it(whole[..length].to_vec()).await;
            assert!(matches!(cut, Err(FrameError::Io(_))), "{length} bytes");
        }
        let oversized = read_it(vec![0, 0, 0, 17]).await;
        assert!(matches!(oversized, Err(FrameError::TooLong { bytes: 17, max: 16 })));
        let malformed = read_it(vec![0, 0, 0, 2, 0x81, 0]).await;
        assert!(matches!(malformed, Err(FrameError::Decode(_))));
    }
}
