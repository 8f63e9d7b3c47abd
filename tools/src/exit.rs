//! Exit codes, and the failures behind them.

use gearmesh_node::daemon;
use gearmesh_node::home::HomeError;
use gearmesh_node::tokens::TokensError;
use gearmesh_node::{FoundError, StartError};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;

/// It was done.
pub(crate) const DONE: u8 = 0;
/// It was refused, or it failed.
pub(crate) const FAILED: u8 = 1;
/// The words of the command line are wrong.
pub(crate) const WRONG_WORDS: u8 = daemon::EXIT_WRONG_WORDS;
/// No node answers here, or it cannot start.
pub(crate) const NO_NODE: u8 = 3;
/// It was done in part: somebody has not joined, or not confirmed, in time. Or nobody knows whether it
/// was done: a machine did not say what became of a command.
pub(crate) const INCOMPLETE: u8 = 4;

/// Why a command did not do what it was asked to: always a refusal with its code, whoever said no.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    body: ErrorBody,
    exit: u8,
}

impl Failure {
    /// The same failure, saying more exactly what is wrong.
    pub(crate) fn saying(self, what: impl std::fmt::Display) -> Self {
        Self { body: self.body.saying(what), ..self }
    }

    /// The same failure, saying more exactly what mends it.
    pub(crate) fn mended_by(self, mend: impl Into<String>) -> Self {
        Self { body: self.body.mended_by(mend), ..self }
    }

    /// The system did not do what it nearly always does.
    pub(crate) fn system(cause: impl std::fmt::Display) -> Self {
        Self::from(Refusal::SystemRefused).saying(cause)
    }

    /// A node that was to run here does not start.
    pub(crate) fn not_started(body: ErrorBody) -> Self {
        Self { body, exit: NO_NODE }
    }

    /// Whether a node that is there in a moment would say something else.
    pub(crate) const fn is_of_a_node_that_is_away(&self) -> bool {
        matches!(self.body.code, Refusal::NoNode | Refusal::NodeStopped | Refusal::NotAMember)
    }

    /// The refusal behind it.
    pub(crate) const fn body(&self) -> &ErrorBody {
        &self.body
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> u8 {
        self.exit
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        ErrorBody::from(refusal).into()
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        let exit = match body.code.code() {
            // A node does answer there: only what wants to be that node fails with 3.
            201 => FAILED,
            200..=222 => NO_NODE,
            258 => WRONG_WORDS,
            288 | 298 | 306 | 340 => INCOMPLETE,
            _ => FAILED,
        };
        Self { body, exit }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        ErrorBody::from(&error).into()
    }
}

impl From<FoundError> for Failure {
    fn from(error: FoundError) -> Self {
        ErrorBody::from(&error).into()
    }
}

impl From<TokensError> for Failure {
    fn from(error: TokensError) -> Self {
        ErrorBody::from(&error).into()
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        ErrorBody::from(&error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_becomes_a_failure_with_its_sentence_code_and_mend() {
        for refusal in Refusal::ALL {
            let failure = Failure::from(*refusal);
            let said = failure.body().to_string();
            assert_eq!(said, format!("{} [code {}]", refusal.text(), refusal.code()));
            assert_eq!(failure.body().mend, refusal.mend());
            let exit = match refusal.code() {
                201 => FAILED,
                200..=222 => NO_NODE,
                258 => WRONG_WORDS,
                288 | 298 | 306 | 340 => INCOMPLETE,
                _ => FAILED,
            };
            assert_eq!(failure.exit(), exit, "{said}");
        }
    }

    #[test]
    fn what_is_said_more_exactly_keeps_its_code() {
        let failure = Failure::from(Refusal::NameTaken).saying("press-1 is taken").mended_by("x");
        assert_eq!(failure.body().to_string(), "press-1 is taken [code 232]");
        assert_eq!(failure.body().mend, "x");
        assert_eq!(Failure::system("no pipe").body().code, Refusal::SystemRefused);
    }
}
