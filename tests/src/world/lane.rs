//! What is on its way to one end of a connection: each lane is a stream of its own and keeps its order.

use std::collections::VecDeque;
use std::time::Duration;

use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::plant::ControlFrame;

/// Which stream of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Beats, heads, pages of trust.
    Control,
    /// Durable values.
    Data,
    /// Commands.
    Command,
}

/// What is sent over a lane.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Over the control lane.
    Control(Box<ControlFrame>),
    /// Over the data lane.
    Data(Box<DataFrame>),
    /// Over the command lane.
    Command(Box<CommandFrame>),
}

impl Frame {
    /// Over which lane it goes.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Control(_) => Lane::Control,
            Self::Data(_) => Lane::Data,
            Self::Command(_) => Lane::Command,
        }
    }
}

/// What is on its way to an end over all lanes.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    control: Stream,
    data: Stream,
    command: Stream,
}

/// What is on its way over one lane.
#[derive(Clone, Debug, Default)]
struct Stream {
    frames: VecDeque<Frame>,
    /// When the last of them arrives.
    arrives: Duration,
    /// How many arrived while nobody read the lane yet.
    early: usize,
}

impl Inbox {
    /// Sends a frame that would arrive at a moment if nothing were before it. When it does.
    pub fn send(&mut self, frame: Frame, at: Duration) -> Duration {
        let stream = self.stream(frame.lane());
        stream.arrives = stream.arrives.max(at);
        stream.frames.push_back(frame);
        stream.arrives
    }

    /// One more frame has arrived, and nobody reads the lane yet.
    pub const fn wait(&mut self, lane: Lane) {
        self.stream(lane).early += 1;
    }

    /// From now on all lanes are read. How many frames wait on each.
    pub fn begin(&mut self) -> [(Lane, usize); 3] {
        [Lane::Control, Lane::Data, Lane::Command]
            .map(|lane| (lane, std::mem::take(&mut self.stream(lane).early)))
    }

    /// The frame that comes next over a lane.
    pub fn next(&mut self, lane: Lane) -> Option<Frame> {
        self.stream(lane).frames.pop_front()
    }

    /// When the last of all arrives.
    #[must_use]
    pub fn arrives(&self) -> Duration {
        self.control.arrives.max(self.data.arrives).max(self.command.arrives)
    }

    const fn stream(&mut self, lane: Lane) -> &mut Stream {
        match lane {
            Lane::Control => &mut self.control,
            Lane::Data => &mut self.data,
            Lane::Command => &mut self.command,
        }
    }
}
