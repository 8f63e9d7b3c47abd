//! Small writes joined into large ones.
//!
//! yamux writes a header of 12 bytes and then a body, and flushes after each frame of 16 KiB. Directly
//! on TLS each write becomes a record with a cipher's start and end, and each flush a system call. Here
//! writes wait for the flush; and a flush of much waits once more, while yamux takes up the frames that
//! are ready behind it, so that a loaded link pays for few and large system calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// Bytes that may wait for the flush: as many as the allocator gives without asking the system, and
/// as the processor's cache holds beside what they are made of.
pub(super) const WAITING_MAX: usize = 120 * 1024;

/// Bytes from which on a flush waits for what may follow. A single small message goes out at once.
const MUCH: usize = 8 * 1024;

/// Bytes that stay when memory is given back.
const KEPT_MAX: usize = 4 * 1024;

/// A stream whose writes wait for the flush.
pub(in crate::shell) struct Joined<S> {
    inner: S,
    waiting: Vec<u8>,
    written: usize,
    /// Whether bytes came since a flush was last asked for.
    is_growing: bool,
}

impl<S> Joined<S> {
    /// Wraps a stream.
    pub(super) const fn new(inner: S) -> Self {
        Self { inner, waiting: Vec::new(), written: 0, is_growing: false }
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
        // A loaded link keeps its memory; one that has little to say again gives it back.
        let is_loaded = self.waiting.len() >= MUCH;
        self.waiting.clear();
        if !is_loaded {
            self.waiting.shrink_to(KEPT_MAX);
        }
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
        self.is_growing = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_growing = std::mem::take(&mut self.is_growing);
        if is_growing && self.waiting.len() >= MUCH {
            // Polled again when whatever else is ready has been written.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
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
    async fn frames_that_are_ready_one_after_the_other_go_out_together() {
        let mut joined = Joined::new(Narrow { bytes: Vec::new(), writes: 0, width: usize::MAX });
        let waker = futures::task::noop_waker();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..4 {
            joined.write_all(&[3; 16 * 1024]).await.expect("a frame");
            assert!(Pin::new(&mut joined).poll_flush(&mut cx).is_pending(), "more may follow");
        }
        assert_eq!(joined.inner.writes, 0);
        assert!(Pin::new(&mut joined).poll_flush(&mut cx).is_ready(), "nothing followed");
        assert_eq!((joined.inner.writes, joined.inner.bytes.len()), (1, 64 * 1024));
    }

    #[tokio::test]
    async fn no_byte_is_lost_or_moved_however_narrow_the_way() {
        let mut joined = Joined::new(Narrow { bytes: Vec::new(), writes: 0, width: 1001 });
        let bytes: Vec<u8> = (0..3 * WAITING_MAX + 5).map(|n| n as u8).collect();
        for part in bytes.chunks(7777) {
            joined.write_all(part).await.expect("a write");
            assert!(joined.waiting.len() <= WAITING_MAX);
        }
        joined.flush().await.expect("a flush");
        assert!(joined.inner.bytes == bytes);
        joined.write_all(b"a beat").await.expect("a write");
        joined.close().await.expect("a close");
        assert!(joined.inner.bytes.ends_with(b"a beat"));
        assert!(joined.waiting.capacity() <= KEPT_MAX, "memory is given back");
        let mut read = Vec::new();
        Joined::new(Cursor::new(bytes.clone())).read_to_end(&mut read).await.expect("bytes");
        assert!(read == bytes);
    }
}
