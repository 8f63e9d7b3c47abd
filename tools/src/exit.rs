//! Exit codes, and the failures behind them.

use gearmesh_node::StartError;
use gearmesh_node::home::HomeError;
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

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let (what, mend) = match error {
            StartError::Home(error) => home(&error),
            StartError::Running { home } => (
                format!("a node is running in {} already", home.display()),
                Some(format!("look at it: gearmesh --home {} status", home.display())),
            ),
            StartError::PortInUse { address } => (
                format!("{address} is taken by another program"),
                Some("choose another: --listen IP:PORT".to_owned()),
            ),
            StartError::KeyMissing { home } => (
                format!("the key of the member in {} is gone", home.display()),
                Some(
                    "restore node.key from a copy, or revoke the member and join elsewhere"
                        .to_owned(),
                ),
            ),
            StartError::JournalMissing { home, plant } => (
                format!("the journal in {} holds nothing of the plant {plant}", home.display()),
                Some(
                    "restore the file journal from a copy, or revoke the member and join elsewhere"
                        .to_owned(),
                ),
            ),
            StartError::NoPort => {
                ("no free port is left".to_owned(), Some("choose one: --listen IP:PORT".to_owned()))
            }
            other @ (StartError::Journal(_)
            | StartError::Append(_)
            | StartError::Plane(_)
            | StartError::Api(_)) => (other.to_string(), None),
        };
        Self::Other { what, mend, code: NO_NODE }
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let (what, mend) = home(&error);
        Self::Other { what, mend, code: FAILED }
    }
}

/// What is wrong with a home or a key file, and what mends it.
fn home(error: &HomeError) -> (String, Option<String>) {
    match error {
        HomeError::Open { path, mode } => (
            format!("{} can be read by others (mode {mode:o}); it holds secrets", path.display()),
            Some(format!("chmod go-rwx {}, and look who had access", path.display())),
        ),
        HomeError::BadKey { path } => (
            error.to_string(),
            Some(format!("restore {} from a copy; nothing can draw it again", path.display())),
        ),
        HomeError::PathTooLong { .. } => {
            (error.to_string(), Some("choose a home with a shorter path: --home DIR".to_owned()))
        }
        HomeError::Io { .. } | HomeError::Random(_) => (error.to_string(), None),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_keeps_a_node_from_starting_names_its_mend_once() {
        let open = HomeError::Open { path: PathBuf::from("/h/node.key"), mode: 0o644 };
        for (failure, mend) in [
            (
                Failure::from(StartError::Running { home: PathBuf::from("/h") }),
                "gearmesh --home /h status",
            ),
            (
                Failure::from(StartError::PortInUse { address: "127.0.0.1:1".to_owned() }),
                "--listen IP:PORT",
            ),
            (Failure::from(StartError::NoPort), "--listen IP:PORT"),
            (Failure::from(StartError::Home(open)), "chmod go-rwx /h/node.key"),
        ] {
            assert_eq!(failure.code(), NO_NODE, "{failure}");
            assert!(failure.mend().is_some_and(|line| line.contains(mend)), "{failure}");
        }
        let open = HomeError::Open { path: PathBuf::from("/k/root.key"), mode: 0o644 };
        let failure = Failure::from(open);
        assert_eq!(failure.code(), FAILED);
        assert!(!failure.to_string().contains("chmod"), "said twice: {failure}");
        assert!(failure.mend().is_some_and(|line| line.contains("chmod go-rwx /k/root.key")));
    }
}
