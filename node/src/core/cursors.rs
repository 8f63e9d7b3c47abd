//! How far a named consumer has come, as a file holds it.
//!
//! A node with a data log writes it there. An observer has none: it keeps a small file for each name
//! instead, written anew each time, so that following for years does not fill its disk.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::CursorRecord;

/// Logs of which one file tells how far its consumer has come; of further ones it begins anew.
pub const CURSOR_LOGS_MAX: usize = 16_384;

/// Bytes of such a file.
pub const CURSORS_BYTES_MAX: usize = 16 << 20;

/// Bytes of the checksum in front.
const CHECKSUM_BYTES: usize = 16;

/// The content of a file.
#[must_use]
pub fn encode(cursors: impl IntoIterator<Item = CursorRecord>) -> Vec<u8> {
    let cursors: Bounded<CursorRecord, CURSOR_LOGS_MAX> = Bounded::first_of(cursors);
    let body = codec::encode(&cursors);
    [&checksum(&body)[..], &body].concat()
}

/// What a file holds; none if it is damaged.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<CursorRecord>> {
    let (sum, body) = bytes.split_at_checked(CHECKSUM_BYTES)?;
    let cursors = codec::decode::<Bounded<CursorRecord, CURSOR_LOGS_MAX>>(body, CURSORS_BYTES_MAX);
    cursors.ok().filter(|_| sum == checksum(body)).map(Bounded::into_vec)
}

/// Against accidents: nobody but the node's owner writes there.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&blake3::hash(body).as_bytes()[..CHECKSUM_BYTES]);
    sum
}
