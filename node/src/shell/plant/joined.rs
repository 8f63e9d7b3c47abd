//! Small writes joined into large ones.
//!
//! yamux writes a header of 12 bytes and then a body. Directly on TLS each becomes a record with a
//! cipher's start and end, and often a system call. Here they wait for the flush that follows.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// Bytes that may wait for the flush.
const WAITING_MAX: usize = 256 * 1024;

/// Bytes above which memory is given back once it is empty.
const KEPT_MAX: usize = 64 * 1024;

/// A stream whose writes wait for the flush.
pub(super) struct Joined<S> {
    inner: S,
    waiting: Vec<u8>,
    written: usize,
}

impl<S> Joined<S> {
    /// Wraps a stream.
    pub(super) const fn new(inner: S) -> Self {
        Self { inner, waiting: Vec::new(), written: 0 }
    }
}

#[cfg(test)]
impl<S> Joined<S> {
    pub(super) const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncWrite + Unpin> Joined<S> {
    fn write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            let rest = &self.waiting[self.written..];
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.written = 0;
        self.waiting.clear();
        self.waiting.shrink_to(KEPT_MAX);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Joined<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Joined<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.waiting.is_empty() && self.waiting.len() + bytes.len() > WAITING_MAX {
            ready!(self.write_out(cx))?;
        }
        self.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_out(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_out(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use futures::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Counts writes, and takes at most so many bytes in each.
    struct Narrow {
        bytes: Vec<u8>,
        writes: usize,
        width: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.width);
            self.bytes.extend_from_slice(&bytes[..taken]);
            self.writes += 1;
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_header_and_its_body_go_out_in_one_write() {
        let mut joined = Joined::new(Narrow { bytes: Vec::new(), writes: 0, width: usize::MAX });
        for _ in 0..3 {
            joined.write_all(&[1; 12]).await.expect("a header");
            joined.write_all(&[2; 1000]).await.expect("a body");
        }
        assert_eq!(joined.inner.writes, 0);
        joined.flush().await.expect("a flush");
        assert_eq!((joined.inner.writes, joined.inner.bytes.len()), (1, 3 * 1012));
    }

    #[tokio::test]
    async fn no_byte_is_lost_or_moved_however_narrow_the_way() {
        let mut joined = Joined::new(Narrow { bytes: Vec::new(), writes: 0, width: 1001 });
        let bytes: Vec<u8> = (0..3 * WAITING_MAX).map(|n| n as u8).collect();
        for part in bytes.chunks(7777) {
            joined.write_all(part).await.expect("a write");
            assert!(joined.waiting.len() <= WAITING_MAX);
        }
        joined.close().await.expect("a close");
        assert!(joined.inner.bytes == bytes);
        assert!(joined.waiting.capacity() <= KEPT_MAX, "memory is given back");
        let mut read = Vec::new();
        Joined::new(Cursor::new(bytes.clone())).read_to_end(&mut read).await.expect("bytes");
        assert!(read == bytes);
    }
}
