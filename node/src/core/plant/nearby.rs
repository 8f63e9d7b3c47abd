//! Who is there on the network, as multicast tells: anybody may say anything there, so what is kept is
//! bounded, and every key is proven before it counts.

use std::collections::BTreeMap;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::ADDRESSES_PER_MEMBER_MAX;
use gearmesh_protocol::plant::Address;

/// Keys that are kept of one look around; who comes later is counted.
pub const NEARBY_MAX: usize = 256;

/// What one look around has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nearby {
    keys: BTreeMap<PublicKey, Vec<Address>>,
    left_out: u64,
}

impl Nearby {
    /// Somebody says that `key` answers at `address`.
    pub fn learn(&mut self, key: PublicKey, address: Address) {
        if self.keys.len() >= NEARBY_MAX && !self.keys.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let known = self.keys.entry(key).or_default();
        // A machine with two network cards says two.
        if known.contains(&address) {
            return;
        }
        match known.len() < ADDRESSES_PER_MEMBER_MAX {
            true => known.push(address),
            false => self.left_out += 1,
        }
    }

    /// What was left out because there was too much.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Keys and where they may be.
    #[must_use]
    pub fn into_places(self) -> BTreeMap<PublicKey, Vec<Address>> {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn key(number: u16) -> PublicKey {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        PublicKey::of(&SigningKey::from_bytes(&seed))
    }

    fn address(number: usize) -> Address {
        format!("/ip4/192.0.2.1/tcp/{number}").try_into().expect("an address")
    }

    #[test]
    fn a_flood_of_keys_that_are_none_is_bounded_and_counted() {
        let mut nearby = Nearby::default();
        for number in 0..300 {
            nearby.learn(key(number), address(1));
        }
        assert_eq!(nearby.left_out(), 300 - NEARBY_MAX as u64);
        nearby.learn(key(0), address(2));
        assert_eq!(nearby.into_places().get(&key(0)).map(Vec::len), Some(2), "it has its place");
    }

    #[test]
    fn a_machine_with_several_network_cards_is_one_machine() {
        let mut nearby = Nearby::default();
        for number in [1, 2, 1, 2] {
            nearby.learn(key(1), address(number));
        }
        assert_eq!(nearby.left_out(), 0);
        for number in 0..ADDRESSES_PER_MEMBER_MAX {
            nearby.learn(key(1), address(10 + number));
        }
        assert_eq!(nearby.left_out(), 2);
        let places = nearby.into_places();
        assert_eq!(places.len(), 1);
        assert_eq!(places.get(&key(1)).map(Vec::len), Some(ADDRESSES_PER_MEMBER_MAX));
    }
}
