//! Keys that were found to be sound, so that they need not be checked again.
//!
//! Whether bytes are a sound key is a pure function of them that takes microseconds, and the frames
//! of a large plant name the same thousands of keys again and again. Each thread remembers some of
//! them, in places that the bytes themselves choose: whoever sends other keys costs a check each,
//! as without.

use std::cell::RefCell;

/// Keys that a thread remembers: 128 KiB, of which it touches what it uses.
const REMEMBERED_MAX: usize = 4096;

thread_local! {
    static REMEMBERED: RefCell<Vec<[u8; 32]>> = const { RefCell::new(Vec::new()) };
}

/// Whether `check` holds for a key. No key has only zeros, which stand for an empty place.
pub(super) fn once(key: &[u8; 32], check: impl FnOnce(&[u8; 32]) -> bool) -> bool {
    let place = usize::from(u16::from_le_bytes([key[0], key[1]])) % REMEMBERED_MAX;
    REMEMBERED.with_borrow_mut(|remembered| {
        if remembered.is_empty() {
            *remembered = vec![[0; 32]; REMEMBERED_MAX];
        }
        let is_known = remembered[place] == *key && *key != [0; 32];
        let is_sound = is_known || check(key);
        if is_sound {
            remembered[place] = *key;
        }
        is_sound
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_key_is_checked_once_and_any_other_each_time() {
        let (mut key, mut checks) = ([7; 32], 0);
        for _ in 0..3 {
            let is_sound = once(&key, |_| {
                checks += 1;
                true
            });
            assert!(is_sound);
        }
        assert_eq!(checks, 1);
        key[31] = 8;
        assert!(!once(&key, |_| false) && !once(&key, |_| false), "it has the same place");
        assert!(once(&[7; 32], |_| false), "and does not take it");
        assert!(!once(&[0; 32], |_| false));
    }
}
