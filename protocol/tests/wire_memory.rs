//! Bytes of a stranger never cost memory out of proportion.
//!
//! A length is only a claim, and a list is only refused for its length once it is there. What that
//! costs is measured on the process, which is why this is a program of its own with one test: the
//! peak would show any other test as well.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test that cannot measure has failed")]

use gearmesh_protocol::codec::decode;
use gearmesh_protocol::limits::{ADMISSION_FRAME_BYTES_MAX, FRAME_BYTES_MAX};
use gearmesh_protocol::live::LiveFrame;
use gearmesh_protocol::log::Group;
use gearmesh_protocol::partner::Sheet;
use gearmesh_protocol::plant::{AdmissionMessage, ControlFrame};

/// A stranger's frame may cost this many times its bytes: the widest item that takes two bytes on
/// the wire, in a list that grows by doubling.
const COST_OF_A_BYTE_MAX: usize = 64;

/// Bytes of memory that the process ever used, and of address space that it ever asked for: what
/// is claimed and not filled shows in the second alone.
fn peaks() -> [usize; 2] {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux process");
    ["VmHWM:", "VmPeak:"].map(|field| {
        let line = status.lines().find(|line| line.starts_with(field)).expect("a peak");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<usize>().expect("a number") * 1024
    })
}

/// An enum's variant, a count of `count` in five bytes, and zeros up to the lane's bound.
fn claim(variant: &[u8], count: u32, bytes: usize) -> Vec<u8> {
    let mut frame = variant.to_vec();
    frame.extend((0..4).map(|group| (count >> (7 * group)) as u8 | 0x80));
    frame.push((count >> 28) as u8);
    frame.resize(bytes, 0);
    frame
}

/// What `refuse` costs at its peak, times the bytes of the frame that it refuses.
fn cost(frame_bytes: usize, refuse: impl Fn(&[u8])) -> usize {
    let before = peaks();
    for count in [1_000_000, u32::MAX] {
        for variant in 0..9 {
            refuse(&claim(&[variant], count, 64));
            refuse(&claim(&[variant], count, frame_bytes));
        }
        refuse(&claim(&[], count, frame_bytes));
    }
    let [used, asked] = peaks();
    (used - before[0]).max(asked - before[1]).div_ceil(frame_bytes)
}

#[test]
fn a_frame_never_costs_more_than_a_small_multiple_of_its_bytes() {
    let admission = cost(ADMISSION_FRAME_BYTES_MAX, |frame| {
        assert!(decode::<AdmissionMessage>(frame, ADMISSION_FRAME_BYTES_MAX).is_err());
    });
    let member = cost(FRAME_BYTES_MAX, |frame| {
        assert!(decode::<ControlFrame>(frame, FRAME_BYTES_MAX).is_err());
        // What a live frame holds lies in the bytes that were read.
        let _ = LiveFrame::decode(frame);
        assert!(decode::<Group>(frame, FRAME_BYTES_MAX).is_err());
        assert!(decode::<Sheet>(frame, FRAME_BYTES_MAX).is_err());
    });
    println!("a byte of a stranger costs {admission}, of a member {member}");
    assert!(admission <= COST_OF_A_BYTE_MAX, "a stranger's byte costs {admission}");
    assert!(member <= COST_OF_A_BYTE_MAX, "a member's byte costs {member}");
}
