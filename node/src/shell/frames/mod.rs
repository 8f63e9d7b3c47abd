//! Files of checked records: what the [journal](super::journal) and the stores of data logs share.
//!
//! A file is a [header](Format) and then records, back to back, each with a checksum that binds it
//! to its place ([`record`]). [`Scanner`] finds the records of a file, whatever happened to it.
//! What the records mean is for the file's owner.

mod header;
mod record;
mod scan;

pub(in crate::shell) use header::{Format, HEADER_BYTES, Header};
pub(in crate::shell) use record::{FRAME_BYTES_MAX, FRAME_HEAD_BYTES, Frame};
pub use record::{RECORD_BYTES_MAX, Record};
pub(in crate::shell) use scan::Scanner;
