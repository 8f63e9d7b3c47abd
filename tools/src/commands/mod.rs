//! One file for each command.

pub(crate) mod add;
pub(crate) mod board;
pub(crate) mod call;
pub(crate) mod config;
mod consume;
mod cut;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod lease;
mod lease_run;
pub(crate) mod live;
pub(crate) mod log;
mod named;
pub(crate) mod revoke;
pub(crate) mod serve;
pub(crate) mod settle;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod verbs;
pub(crate) mod verify;
mod verify_ledger;
pub(crate) mod why;
