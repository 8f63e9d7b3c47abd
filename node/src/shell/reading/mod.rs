//! Reading data logs: group by group along one log, all logs together in the order of time, as lines
//! that can be checked elsewhere, and by name, so that a program goes on where it was; and looking
//! into one, so that a person can decide about it.

mod audit;
mod consumer;
mod consumers;
mod cursors;
mod export;
mod history;
mod inspect;
mod items;
mod log_reader;
mod places;
mod progress;
mod recall;
mod source;
mod surroundings;
mod walk;

use serde::Serialize;

use super::data::ReadError;

/// Something that is read piece by piece, to an end.
pub(super) trait Reading: Send + 'static {
    /// One piece of it.
    type Piece: Serialize + Send;

    /// The next piece; none after the end was told.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Piece>, ReadError>> + Send;
}

pub(super) use audit::{Newest, commands};
pub(super) use consumers::{ConsumeError, Consumers};
pub(super) use cursors::Cursors;
pub(super) use export::Export;
pub(super) use history::{History, Wanted};
pub(super) use inspect::{Look, inspect};
pub(super) use items::{CopiedItems, done_by, items_of};
pub(super) use recall::recall;
pub(super) use source::{Members, Sources, has_log};

#[cfg(test)]
mod tests;
