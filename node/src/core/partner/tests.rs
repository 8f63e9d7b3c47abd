//! Two gateways of different companies, without anything between them but this file.

mod calls;
pub(crate) mod fanout;
mod hostile;
mod moves;
pub(crate) mod stage;
mod stories;
