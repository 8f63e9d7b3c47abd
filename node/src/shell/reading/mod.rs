//! Reading data logs: group by group along one log, and all logs together in the order of time.

mod ancestry;
mod consumer;
mod history;
mod log_reader;

pub(super) use consumer::{ConsumeError, Consumers};
pub(super) use history::{History, Wanted};
