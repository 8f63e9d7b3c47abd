//! The tasks that read and write one link's four lanes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt};
use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::plant::{ControlFrame, LedgerPage};
use libp2p::swarm::Stream;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::commands::Services;
use super::super::core_handle::CoreHandle;
use super::super::counters::{Counter, Counters};
use super::commands;
use super::data;
use super::live::{self, IncomingError, LinkQueue, Live};
use crate::core::plant::{Input, LinkId};
use crate::shell::carrier::frames::{self, FrameError};

/// Control frames that may wait for one link; a member that lets more pile up is cut off, and
/// told everything again when it comes back.
pub(super) const CONTROL_FRAMES_MAX: usize = 1024;

/// Data frames that may wait for one link. Pages come one at a time, asked for; one that finds no
/// place is asked for again.
pub(super) const DATA_FRAMES_MAX: usize = 64;

/// Command frames that may wait for one link; a member that lets more pile up is cut off, and what
/// it did not hear it is told when it asks again.
pub(super) const COMMAND_FRAMES_MAX: usize = 1024;

/// Bytes that one write to a control or command lane collects at most, before the last frame.
const WRITE_BYTES: usize = 64 * 1024;

/// What the tasks of a link need.
#[derive(Clone)]
pub(in crate::shell) struct LaneContext {
    pub(in crate::shell) core: CoreHandle,
    pub(in crate::shell) control: Arc<ControlLanes>,
    pub(in crate::shell) data: Arc<DataLanes>,
    pub(in crate::shell) command: Arc<CommandLanes>,
    pub(in crate::shell) services: Arc<Services>,
    pub(in crate::shell) live: Arc<Live>,
    pub(in crate::shell) counters: Arc<Counters>,
}

impl LaneContext {
    /// What the tasks of all links share; no link has a lane yet, and nothing is served.
    pub(in crate::shell) fn new(
        core: CoreHandle,
        live: Arc<Live>,
        counters: Arc<Counters>,
    ) -> Self {
        let (control, data, command) = (Arc::default(), Arc::default(), Arc::default());
        Self { core, control, data, command, services: Arc::default(), live, counters }
    }
}

/// The ways into the control lanes of all links.
pub(in crate::shell) type ControlLanes = FrameLanes<ControlFrame, CONTROL_FRAMES_MAX>;

/// The ways into the data lanes of all links.
pub(in crate::shell) type DataLanes = FrameLanes<DataFrame, DATA_FRAMES_MAX>;

/// The ways into the command lanes of all links.
pub(in crate::shell) type CommandLanes = FrameLanes<CommandFrame, COMMAND_FRAMES_MAX>;

/// The ways into one lane of all links. The core's loop uses them without waiting for anybody, so
/// that it and the swarm's loop can never wait for each other.
pub(in crate::shell) struct FrameLanes<F, const MAX: usize> {
    lanes: Mutex<BTreeMap<LinkId, mpsc::Sender<F>>>,
}

impl<F, const MAX: usize> Default for FrameLanes<F, MAX> {
    fn default() -> Self {
        Self { lanes: Mutex::default() }
    }
}

impl<F, const MAX: usize> FrameLanes<F, MAX> {
    /// Queues a frame. False if the link cannot take more; a link that is gone takes everything.
    pub(in crate::shell) fn send(&self, link: LinkId, frame: F) -> bool {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(&link).is_none_or(|lane| lane.try_send(frame).is_ok())
    }

    /// How many frames wait for a link.
    pub(in crate::shell) fn waiting(&self, link: LinkId) -> usize {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(&link).map_or(0, |lane| lane.max_capacity() - lane.capacity())
    }

    /// Opens the lane of a link: what is queued for it comes there.
    pub(in crate::shell) fn open(&self, link: LinkId) -> mpsc::Receiver<F> {
        let (frames, waiting) = mpsc::channel(MAX);
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).insert(link, frames);
        waiting
    }

    pub(super) fn close(&self, link: LinkId) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(&link);
    }
}

/// The running tasks of one link. Dropping it ends them.
pub(super) struct LinkTasks {
    /// Kept for its drop: it aborts the tasks.
    _tasks: JoinSet<()>,
}

/// The queues of a link whose tasks do not run yet. They are opened before the core hears of the
/// link, so that its first words find them, and the tasks start after, so that the peer's first
/// words find the link.
pub(super) struct LinkQueues {
    link: LinkId,
    control: mpsc::Receiver<ControlFrame>,
    live: Arc<LinkQueue>,
    data: mpsc::Receiver<DataFrame>,
    command: mpsc::Receiver<CommandFrame>,
}

/// The streams of a link's lanes.
pub(super) struct Streams {
    pub(super) control: Stream,
    pub(super) live: Stream,
    pub(super) data: Stream,
    pub(super) command: Stream,
}

impl LinkQueues {
    /// Opens the queues of a link.
    pub(super) fn open(context: &LaneContext, link: LinkId) -> Self {
        let (control, data) = (context.control.open(link), context.data.open(link));
        let (live, command) = (context.live.open_queue(link), context.command.open(link));
        Self { link, control, live, data, command }
    }

    /// Starts the tasks of the link. `ended` hears its id when one of them ends.
    pub(super) fn start(
        self,
        context: &LaneContext,
        peer: PublicKey,
        streams: Streams,
        ended: &mpsc::Sender<LinkId>,
    ) -> LinkTasks {
        let link = self.link;
        let (control_in, control_out) = streams.control.split();
        let (live_in, live_out) = streams.live.split();
        let (data_in, data_out) = streams.data.split();
        let (command_in, command_out) = streams.command.split();
        let mut tasks = JoinSet::new();
        let context = context.clone();
        let work = [
            Work::ControlIn(control_in),
            Work::ControlOut(control_out, self.control),
            Work::LiveIn(live_in),
            Work::LiveOut(live_out, self.live),
            Work::DataIn(data_in),
            Work::DataOut(data_out, self.data),
            Work::CommandIn(command_in),
            Work::CommandOut(command_out, self.command),
        ];
        for work in work {
            let (context, ended) = (context.clone(), ended.clone());
            tasks.spawn(async move {
                work.run(&context, link, peer).await;
                // When the node stops nobody listens any more.
                ended.send(link).await.unwrap_or_default();
            });
        }
        LinkTasks { _tasks: tasks }
    }
}

enum Work {
    ControlIn(ReadHalf<Stream>),
    ControlOut(WriteHalf<Stream>, mpsc::Receiver<ControlFrame>),
    LiveIn(ReadHalf<Stream>),
    LiveOut(WriteHalf<Stream>, Arc<LinkQueue>),
    DataIn(ReadHalf<Stream>),
    DataOut(WriteHalf<Stream>, mpsc::Receiver<DataFrame>),
    CommandIn(ReadHalf<Stream>),
    CommandOut(WriteHalf<Stream>, mpsc::Receiver<CommandFrame>),
}

impl Work {
    async fn run(self, context: &LaneContext, link: LinkId, peer: PublicKey) {
        let ended = match self {
            Self::ControlIn(lane) => read_control(context, link, lane).await.map_err(Into::into),
            Self::ControlOut(lane, frames) => {
                write_together(lane, frames, &context.counters.control_bytes).await
            }
            Self::LiveIn(lane) => {
                live::read(&context.live, (link, peer), lane).await.map_err(Into::into)
            }
            Self::LiveOut(lane, queue) => live::write(&queue, lane).await.map_err(LaneError::from),
            Self::DataIn(lane) => data::read(context, link, lane).await.map_err(Into::into),
            Self::DataOut(lane, frames) => {
                data::write(context, lane, frames).await.map_err(Into::into)
            }
            Self::CommandIn(lane) => {
                commands::read(context, link, peer, lane).await.map_err(Into::into)
            }
            Self::CommandOut(lane, frames) => {
                write_together(lane, frames, &context.counters.command_bytes).await
            }
        };
        let Err(error) = ended else { return };
        if error.is_malformed() {
            context.counters.malformed_frames.add_one();
            tracing::warn!(?peer, %error, "a member broke the protocol; the link is closed");
        } else {
            tracing::debug!(?peer, %error, "a lane ended");
        }
    }
}

/// Why a lane ended.
#[derive(Debug, thiserror::Error)]
enum LaneError {
    #[error(transparent)]
    Control(#[from] FrameError),
    #[error(transparent)]
    Live(#[from] IncomingError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl LaneError {
    /// Whether the peer broke the protocol, rather than the network the lane.
    const fn is_malformed(&self) -> bool {
        match self {
            Self::Control(error) => error.is_malformed(),
            Self::Live(error) => error.is_malformed(),
            Self::Io(_) => false,
        }
    }
}

async fn read_control(
    context: &LaneContext,
    link: LinkId,
    stream: ReadHalf<Stream>,
) -> Result<(), FrameError> {
    let input = |frame| async move {
        match frame {
            ControlFrame::Ledger(page) => verified(context, link, page).await,
            frame => Input::Frame { link, frame },
        }
    };
    tell_core(context, stream, input).await
}

/// Tells the core what comes over a lane, until that breaks or the node stops.
pub(super) async fn tell_core<F: Serialize + DeserializeOwned, I: Future<Output = Input>>(
    context: &LaneContext,
    mut stream: ReadHalf<Stream>,
    input: impl Fn(F) -> I,
) -> Result<(), FrameError> {
    loop {
        let frame = frames::read(&mut stream, FRAME_BYTES_MAX).await?;
        if !context.core.tell(input(frame).await).await {
            return Ok(());
        }
    }
}

/// Checks a page's signatures here, outside the core's loop. A group that is not what its author
/// signed is left out; members pass on only what they checked, so it is worth a warning.
async fn verified(context: &LaneContext, link: LinkId, page: LedgerPage) -> Input {
    let plant = context.core.view().roster.as_ref().map(|roster| roster.plant());
    let mut groups = Vec::new();
    for group in page.groups {
        let checked = plant.and_then(|plant| group.verify(&plant).ok());
        if checked.is_none() {
            context.counters.malformed_frames.add_one();
            tracing::warn!(?link, "a member sent a group that its author did not sign");
        }
        groups.extend(checked.map(Arc::new));
        tokio::task::yield_now().await;
    }
    Input::Page { link, acts: page.acts.into_vec(), groups }
}

/// Writes frames as they come, and in one piece what has come meanwhile.
async fn write_together<F: Serialize>(
    mut stream: WriteHalf<Stream>,
    mut frames: mpsc::Receiver<F>,
    written: &Counter,
) -> Result<(), LaneError> {
    while let Some(frame) = frames.recv().await {
        let mut bytes = frames::frame(&frame);
        while bytes.len() < WRITE_BYTES {
            let Ok(frame) = frames.try_recv() else { break };
            bytes.extend_from_slice(&frames::frame(&frame));
        }
        written.add(bytes.len() as u64);
        stream.write_all(&bytes).await?;
        stream.flush().await?;
    }
    Ok(())
}
