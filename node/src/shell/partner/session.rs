//! The session with one gateway: its frames, in and out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner_session::SessionFrame;
use libp2p::swarm::{ConnectionId, Stream};
use tokio::sync::{Notify, mpsc};

use super::budget::Budget;
use crate::core::partner::{Grounds, Input, Offence, SessionId};
use crate::shell::carrier::frames;
use crate::shell::clock::Clock;

/// Frames that wait to be sent over one session; a session beyond is closed.
const FRAMES_MAX: usize = 256;

/// Bytes of them; a session beyond is closed, too.
const FRAMES_BYTES_MAX: usize = 16 << 20;

/// How long one frame may wait until the other side takes it.
const TAKEN_MAX: Duration = Duration::from_secs(30);

/// Frames of one session that are read in a second; more wait at whoever sends them.
const READ_RATE: u32 = 128;

/// Frames that are read at once after a pause.
const READ_BURST: u32 = 512;

/// The way out to one session.
struct Way {
    frames: mpsc::Sender<Vec<u8>>,
    /// Bytes of what waits.
    waiting: Arc<AtomicUsize>,
    /// Rung when nothing more fits in.
    full: Arc<Notify>,
}

/// The ways out to all sessions.
#[derive(Clone)]
pub(in crate::shell) struct Sessions {
    open: Arc<Mutex<BTreeMap<SessionId, Way>>>,
    clock: Clock,
}

/// A session that ended.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) connection: ConnectionId,
    pub(super) peer: PublicKey,
    /// What the other side did, if that ended it.
    pub(super) how: Option<Offence>,
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
    pub(in crate::shell) fn new(clock: Clock) -> Self {
        Self { open: Arc::default(), clock }
    }

    /// Sends a frame. A session that takes none is closed.
    pub(in crate::shell) fn send(&self, session: SessionId, frame: &SessionFrame) {
        let mut open = self.lock();
        let Some(way) = open.get(&session) else { return };
        let bytes = frames::frame(frame);
        let waiting = way.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        let fits = waiting + bytes.len() <= FRAMES_BYTES_MAX;
        if !fits || way.frames.try_send(bytes).is_err() {
            way.full.notify_one();
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
        ended: mpsc::Sender<Over>,
    ) {
        let Begun { id: session, connection, peer, grounds, is_dialer } = begun;
        let (frames, out) = mpsc::channel(FRAMES_MAX);
        let (waiting, full) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let way = Way { frames, waiting: Arc::clone(&waiting), full: Arc::clone(&full) };
        self.lock().insert(session, way);
        let (reader, writer) = stream.split();
        let mut how = None;
        if inputs.send(Input::SessionUp { session, peer, grounds, is_dialer }).await.is_ok() {
            tokio::select! {
                offence = read(session, reader, &inputs, self.clock) => how = offence,
                is_taken = write(writer, out, &waiting) => if !is_taken { say_deaf(&peer) },
                () = full.notified() => say_deaf(&peer),
            }
        }
        self.close(session);
        drop(inputs.send(Input::SessionDown { session }).await);
        let _swarm_may_be_gone = ended.send(Over { connection, peer, how }).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Way>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No offence: its line may be dead, or its machine asleep.
fn say_deaf(peer: &PublicKey) {
    tracing::warn!(%peer, "a partner takes nothing of what it is sent; its connection is closed");
}

async fn read(
    session: SessionId,
    mut reader: impl futures::AsyncRead + Unpin,
    inputs: &mpsc::Sender<Input>,
    clock: Clock,
) -> Option<Offence> {
    let mut budget = Budget::new(clock.tick(), READ_RATE, READ_BURST);
    loop {
        if let Some(pause) = budget.empty_for(clock.tick()) {
            tokio::time::sleep(pause).await;
        }
        budget.pay(1);
        match frames::read(&mut reader, FRAME_BYTES_MAX).await {
            Ok(frame) => {
                let input = Input::Frame { session, frame: Box::new(frame) };
                inputs.send(input).await.ok()?;
            }
            Err(error) => return error.is_malformed().then_some(Offence::Malformed),
        }
    }
}

/// Whether the other side took all of it.
async fn write(
    mut writer: impl futures::AsyncWrite + Unpin,
    mut out: mpsc::Receiver<Vec<u8>>,
    waiting: &AtomicUsize,
) -> bool {
    while let Some(bytes) = out.recv().await {
        let sent = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        match tokio::time::timeout(TAKEN_MAX, sent).await {
            Ok(Ok(())) => drop(waiting.fetch_sub(bytes.len(), Ordering::Relaxed)),
            Ok(Err(_)) => return true,
            Err(_) => return false,
        }
    }
    tokio::time::timeout(TAKEN_MAX, writer.close()).await.is_ok()
}
