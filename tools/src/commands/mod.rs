//! One file for each command.

pub(crate) mod add;
mod consume;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod live;
pub(crate) mod revoke;
pub(crate) mod status;
pub(crate) mod verify;
