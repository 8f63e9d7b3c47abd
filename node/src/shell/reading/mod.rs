//! Reading data logs: group by group along one log, all logs together in the order of time, as lines
//! that can be checked elsewhere, and by name, so that a program goes on where it was.

mod consumer;
mod consumers;
mod export;
mod history;
mod log_reader;
mod progress;
mod walk;

pub(super) use consumers::{ConsumeError, Consumers};
pub(super) use export::Export;
pub(super) use history::{History, Wanted};
