//! A word to the system's allocator.

use std::hint::black_box;

/// A block of this size is asked for and freed once; twice as much free memory may then stay with
/// the process.
const BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Lets the process keep what it has just freed, as far as it is little.
///
/// glibc gives free memory at the end of its heap back to the system as soon as that is more than
/// 128 KiB, and takes it again, page by page, for the next values: on a loaded link that costs more
/// than the encryption. The bound grows by itself to twice the size of the largest block that the
/// process ever freed (mallopt(3), "dynamic mmap threshold"). So one is freed here, which is
/// never written and costs no memory. Other allocators keep to ways of their own.
pub(super) fn keep_what_is_freed() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}
