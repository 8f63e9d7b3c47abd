//! A list with a named maximum, checked when it is made and when it is decoded.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// At most `MAX` items. The bound is part of the type, so a decoder cannot forget it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Bounded<T, const MAX: usize>(Vec<T>);

/// A list was longer than its type allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} items where at most {max} are allowed")]
pub struct TooMany {
    /// How many there were.
    pub count: usize,
    /// How many the type allows.
    pub max: usize,
}

impl<T, const MAX: usize> Bounded<T, MAX> {
    /// The empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The items as an ordinary vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }

    /// As many items as fit; the rest is left out. For lists in which fewer is a weaker hint,
    /// such as addresses or locators, never for anything that is signed.
    #[must_use]
    pub fn first_of(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for Bounded<T, MAX> {
    type Error = TooMany;

    fn try_from(items: Vec<T>) -> Result<Self, TooMany> {
        if items.len() > MAX {
            return Err(TooMany { count: items.len(), max: MAX });
        }
        Ok(Self(items))
    }
}

impl<T, const MAX: usize> Deref for Bounded<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> IntoIterator for Bounded<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a Bounded<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(UpTo::<T, MAX>(PhantomData))
    }
}

/// For `#[serde(with = …)]` on a byte string: read and written as a whole instead of byte by byte.
/// The form is the same.
pub(crate) mod byte_string {
    use std::fmt;

    use serde::de::{Deserializer, SeqAccess, Visitor};
    use serde::{Deserialize, Serialize, Serializer};

    pub(super) struct Lent<'a>(pub(super) &'a [u8]);

    impl Serialize for Lent<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_bytes(self.0)
        }
    }

    pub(super) struct Own(pub(super) Vec<u8>);

    impl<'de> Deserialize<'de> for Own {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_byte_buf(Bytes).map(Self)
        }
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        Lent(bytes).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Own::deserialize(from).map(|own| own.0)
    }
}

/// As [`byte_string`], for lists of them.
pub(crate) mod byte_strings {
    use serde::de::Deserializer;
    use serde::{Deserialize as _, Serializer};

    use super::Bounded;
    use super::byte_string::{Lent, Own};

    pub(crate) fn serialize<S: Serializer, const MAX: usize>(
        list: &Bounded<Vec<u8>, MAX>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|bytes| Lent(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const MAX: usize>(
        from: D,
    ) -> Result<Bounded<Vec<u8>, MAX>, D::Error> {
        let list = Bounded::<Own, MAX>::deserialize(from)?;
        Ok(Bounded(list.0.into_iter().map(|own| own.0).collect()))
    }
}

/// Reads a list and stops at the first item too many, before it has taken memory for the rest.
struct UpTo<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for UpTo<T, MAX> {
    type Value = Bounded<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let announced = items.size_hint().unwrap_or(0);
        if announced > MAX {
            return Err(A::Error::custom(TooMany { count: announced, max: MAX }));
        }
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MAX {
                return Err(A::Error::custom(TooMany { count: MAX + 1, max: MAX }));
            }
            list.push(item);
        }
        Ok(Bounded(list))
    }
}
