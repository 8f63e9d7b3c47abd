//! Two gateways of different companies, without anything between them but this file.

mod calls;
mod hostile;
mod moves;
pub(in crate::core) mod stage;
mod stories;
