//! Exit codes, and the failures behind them.

use gearmesh_protocol::local::ErrorBody;

/// It was done.
pub(crate) const DONE: u8 = 0;
/// It was refused, or it failed.
pub(crate) const FAILED: u8 = 1;
// 2 is clap's: the words of the command line are off.
/// No node answers here, or it cannot start.
pub(crate) const NO_NODE: u8 = 3;
/// It was done in part: somebody has not joined, or not confirmed, in time.
pub(crate) const INCOMPLETE: u8 = 4;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A node said no.
    #[error("{0}")]
    Refused(Denial),
    /// No node answers in this home.
    #[error("no node is running in {home}: {cause}")]
    NoNode {
        /// The home.
        home: String,
        /// What the system said.
        cause: String,
    },
    /// Anything else, with what mends it.
    #[error("{what}")]
    Other {
        /// What is wrong.
        what: String,
        /// What mends it.
        mend: Option<String>,
        /// The exit code.
        code: u8,
    },
}

/// A node's refusal.
#[derive(Debug, Clone)]
pub(crate) struct Denial(pub(crate) ErrorBody);

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.code {
            Some(code) => write!(f, "{} [code {code}]", self.0.error),
            None => f.write_str(&self.0.error),
        }
    }
}

impl Failure {
    /// A failure with the line that mends it.
    pub(crate) fn new(what: impl std::fmt::Display, mend: impl Into<String>) -> Self {
        Self::Other { what: what.to_string(), mend: Some(mend.into()), code: FAILED }
    }

    /// A failure that explains itself.
    pub(crate) fn plain(what: impl std::fmt::Display) -> Self {
        Self::Other { what: what.to_string(), mend: None, code: FAILED }
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => FAILED,
            Self::NoNode { .. } => NO_NODE,
            Self::Other { code, .. } => *code,
        }
    }

    /// What mends it.
    pub(crate) fn mend(&self) -> Option<String> {
        match self {
            Self::Refused(Denial(body)) => body.mend.clone(),
            Self::NoNode { home, .. } => Some(format!("start it: gearmesh --home {home} up")),
            Self::Other { mend, .. } => mend.clone(),
        }
    }
}

impl From<gearmesh_node::StartError> for Failure {
    fn from(error: gearmesh_node::StartError) -> Self {
        Self::Other { what: error.to_string(), mend: None, code: NO_NODE }
    }
}

impl From<gearmesh_node::home::HomeError> for Failure {
    fn from(error: gearmesh_node::home::HomeError) -> Self {
        Self::plain(error)
    }
}
