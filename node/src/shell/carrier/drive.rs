//! Moving a muxer while something reads or writes one of its streams.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};

/// Opens or accepts the first substream.
pub(in crate::shell) async fn first_substream(
    muxer: &mut StreamMuxerBox,
    is_initiator: bool,
) -> io::Result<SubstreamBox> {
    poll_fn(|cx| {
        let ready = match is_initiator {
            true => muxer.poll_outbound_unpin(cx),
            false => muxer.poll_inbound_unpin(cx),
        };
        if ready.is_ready() {
            return ready;
        }
        match poll_muxer(muxer, cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Runs `work`, which reads or writes a substream, and moves the muxer along with it.
pub(in crate::shell) async fn drive<T, E: From<io::Error>>(
    muxer: &mut StreamMuxerBox,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        // Incoming bytes first. A muxer that failed may still hold the peer's last words.
        let failed = poll_muxer(muxer, cx);
        if let Poll::Ready(result) = work.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        match failed.or_else(|| poll_muxer(muxer, cx)) {
            Some(error) => Poll::Ready(Err(error.into())),
            None => Poll::Pending,
        }
    })
    .await
}

/// Polls the muxer until it has nothing to do. The error, if it failed.
fn poll_muxer(muxer: &mut StreamMuxerBox, cx: &mut std::task::Context<'_>) -> Option<io::Error> {
    loop {
        match muxer.poll_unpin(cx) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Some(error),
            Poll::Pending => return None,
        }
    }
}
