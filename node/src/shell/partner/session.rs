//! The session with one gateway: its frames, in and out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{AsyncReadExt, AsyncWriteExt};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner_session::SessionFrame;
use libp2p::swarm::{ConnectionId, Stream};
use tokio::sync::mpsc;

use crate::core::partner::{Grounds, Input, SessionId};
use crate::shell::carrier::frames;

/// Frames that wait to be sent over one session; a session beyond is closed.
const FRAMES_MAX: usize = 256;

/// The ways out to all sessions.
#[derive(Clone, Default)]
pub(in crate::shell) struct Sessions {
    open: Arc<Mutex<BTreeMap<SessionId, mpsc::Sender<SessionFrame>>>>,
}

/// A session that begins.
pub(super) struct Begun {
    pub(super) id: SessionId,
    pub(super) connection: ConnectionId,
    pub(super) peer: PublicKey,
    pub(super) grounds: Grounds,
    pub(super) is_dialer: bool,
}

impl Sessions {
    /// Sends a frame. A session that takes none is closed.
    pub(in crate::shell) fn send(&self, session: SessionId, frame: SessionFrame) {
        let mut open = self.lock();
        if open.get(&session).is_some_and(|way| way.try_send(frame).is_err()) {
            open.remove(&session);
        }
    }

    /// Closes a session once what was sent is out.
    pub(in crate::shell) fn close(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    /// Carries the frames of a session until one side ends it.
    pub(super) async fn carry(
        self,
        begun: Begun,
        stream: Stream,
        inputs: mpsc::Sender<Input>,
        ended: mpsc::Sender<ConnectionId>,
    ) {
        let Begun { id: session, connection, peer, grounds, is_dialer } = begun;
        let (way, waiting) = mpsc::channel(FRAMES_MAX);
        self.lock().insert(session, way);
        let (reader, writer) = stream.split();
        if inputs.send(Input::SessionUp { session, peer, grounds, is_dialer }).await.is_ok() {
            tokio::select! {
                () = read(session, reader, &inputs) => {}
                () = write(writer, waiting) => {}
            }
        }
        self.close(session);
        drop(inputs.send(Input::SessionDown { session }).await);
        let _swarm_may_be_gone = ended.send(connection).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, mpsc::Sender<SessionFrame>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(
    session: SessionId,
    mut reader: impl futures::AsyncRead + Unpin,
    inputs: &mpsc::Sender<Input>,
) {
    loop {
        match frames::read(&mut reader, FRAME_BYTES_MAX).await {
            Ok(frame) => {
                if inputs.send(Input::Frame { session, frame: Box::new(frame) }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if error.is_malformed() {
                    tracing::warn!(%error, "a partner broke the protocol");
                }
                return;
            }
        }
    }
}

async fn write(
    mut writer: impl futures::AsyncWrite + Unpin,
    mut waiting: mpsc::Receiver<SessionFrame>,
) {
    while let Some(frame) = waiting.recv().await {
        if frames::write(&mut writer, &frame).await.is_err() {
            return;
        }
    }
    drop(writer.close().await);
}
