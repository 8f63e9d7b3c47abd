//! What can go wrong between a program and its node.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gearmesh_protocol::framing::TooLong;
use gearmesh_protocol::limits::LIVE_ALIASES_MAX;
use gearmesh_protocol::live::LiveError;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::SampleError;
use gearmesh_protocol::topic::TextError;

use crate::publishing::PENDING_BYTES_MAX;

/// Why there is no stream, or none any more.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// No node answers.
    #[error("no node answers in {}: {source}", home.display())]
    NoNode {
        /// The home.
        home: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The node said no.
    #[error("{0}")]
    Refused(ErrorBody),
    /// The node stopped, or was killed.
    #[error("the node stopped")]
    Stopped,
    /// What the node said was not understood.
    #[error("the node's answer was not understood: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// The refusal to look up: its code, what is wrong, and what mends it.
    #[must_use]
    pub fn reason(&self) -> ErrorBody {
        let refusal = match self {
            Self::Refused(body) => return body.clone(),
            Self::NoNode { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Refusal::NodeForbidden
            }
            Self::NoNode { home, .. } => {
                let mend = format!("start it: gearmesh --home {} up", home.display());
                return ErrorBody::from(Refusal::NoNode).saying(self).mended_by(mend);
            }
            Self::Stopped => return Refusal::NodeStopped.into(),
            Self::Unreadable(_) => Refusal::AnswerUnreadable,
        };
        ErrorBody::from(refusal).saying(self)
    }

    /// What a node's last frame, or a refusal, stands for.
    pub(crate) fn ended(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NodeStopped => Self::Stopped,
            refusal => Self::Refused(refusal.into()),
        }
    }
}

impl From<LiveError> for ClientError {
    fn from(error: LiveError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<TextError> for ClientError {
    fn from(error: TextError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<TooLong> for ClientError {
    fn from(error: TooLong) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Why a value was not handed to the node.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// The node has not taken what was published before.
    #[error("{PENDING_BYTES_MAX} bytes wait for the node already")]
    Full,
    /// The text is no topic.
    #[error(transparent)]
    Topic(#[from] TextError),
    /// One stream carries no more topics.
    #[error("one stream carries {LIVE_ALIASES_MAX} topics; open another")]
    TooManyTopics,
    /// A value that nobody may publish.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The stream has ended.
    #[error(transparent)]
    Ended(#[from] ClientError),
}
