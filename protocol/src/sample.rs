//! One value as a machine reports it.

use serde::{Deserialize, Serialize};

use crate::bounded::byte_string;
use crate::limits::SAMPLE_BYTES_MAX;
use crate::time::UnixMillis;
use crate::topic::Unit;

mod form;

/// A value with what a reader needs to judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value itself.
    pub value: Value,
    /// How far its source trusts it.
    pub quality: Quality,
    /// When the source took it, by the source's clock.
    pub source_time: UnixMillis,
    /// Unit of measure, UCUM.
    pub unit: Option<Unit>,
    /// Whether it was played from a recording. Such a value says nothing of the machine now, and
    /// nobody takes the mark away.
    pub replay: bool,
}

/// The types of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A measured number, IEEE 754 binary64.
    Float(f64),
    /// Text for people.
    Text(String),
    /// Anything else.
    Bytes(#[serde(with = "byte_string")] Vec<u8>),
}

/// A sample where it lies, as in what was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRef<'a> {
    /// The value itself.
    pub value: ValueRef<'a>,
    /// How far its source trusts it.
    pub quality: Quality,
    /// When the source took it, by the source's clock.
    pub source_time: UnixMillis,
    /// Unit of measure, UCUM.
    pub unit: Option<&'a Unit>,
    /// Whether it was played from a recording.
    pub replay: bool,
}

/// A [`Value`] where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A measured number, IEEE 754 binary64.
    Float(f64),
    /// Text for people.
    Text(&'a str),
    /// Anything else.
    Bytes(&'a [u8]),
}

/// Quality as in OPC UA Part 8, reduced to its severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The source stands behind it.
    Good,
    /// Possibly wrong: a sensor out of calibration, a substituted value.
    Uncertain,
    /// Not usable.
    Bad,
}

/// A sample that nobody may publish or pass on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// Its value is larger than any link would carry.
    #[error("a value of {bytes} bytes; at most {max} fit one sample")]
    TooLarge {
        /// Size of the value.
        bytes: usize,
        /// Size that is allowed.
        max: usize,
    },
    /// Its value is a float without a finite number: JSON has no form for it, so it would end
    /// every reader of the local interface.
    #[error("a value that is no finite number; publish bad quality or no value instead")]
    NotFinite,
}

impl Sample {
    /// A good value without a unit.
    #[must_use]
    pub const fn good(value: Value, source_time: UnixMillis) -> Self {
        Self { value, quality: Quality::Good, source_time, unit: None, replay: false }
    }

    /// Checks what the types do not carry.
    ///
    /// # Errors
    /// Text or bytes over [`SAMPLE_BYTES_MAX`], or a float that is not finite.
    pub const fn check(&self) -> Result<(), SampleError> {
        let bytes = match &self.value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Float(value) if !value.is_finite() => return Err(SampleError::NotFinite),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => 0,
        };
        if bytes > SAMPLE_BYTES_MAX {
            return Err(SampleError::TooLarge { bytes, max: SAMPLE_BYTES_MAX });
        }
        Ok(())
    }
}

impl SampleRef<'_> {
    /// The sample in memory of its own.
    #[must_use]
    pub fn to_sample(&self) -> Sample {
        let Self { value, quality, source_time, unit, replay } = *self;
        Sample { value: value.to_value(), quality, source_time, unit: unit.cloned(), replay }
    }
}

impl<'a> From<&'a Sample> for SampleRef<'a> {
    fn from(sample: &'a Sample) -> Self {
        let Sample { value, quality, source_time, unit, replay } = sample;
        let (value, unit) = (ValueRef::from(value), unit.as_ref());
        Self { value, quality: *quality, source_time: *source_time, unit, replay: *replay }
    }
}

impl ValueRef<'_> {
    /// The value in memory of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match *self {
            Self::Bool(value) => Value::Bool(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Value {
    /// Reads a value as people type it: `true`, `42`, `3.5`, anything else is text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        if let Ok(value) = text.parse() {
            return Self::Bool(value);
        }
        if let Ok(value) = text.parse() {
            return Self::Integer(value);
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Self::Float(value),
            Ok(_) | Err(_) => Self::Text(text.to_owned()),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident,)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

value_from! {
    bool => Bool,
    i32 => Integer,
    i64 => Integer,
    f64 => Float,
    &str => Text,
    String => Text,
    Vec<u8> => Bytes,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

impl std::fmt::Display for Quality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Uncertain => "uncertain",
            Self::Bad => "bad",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_text_becomes_the_nearest_type() {
        assert_eq!(Value::from_text("true"), Value::Bool(true));
        assert_eq!(Value::from_text("-7"), Value::Integer(-7));
        assert_eq!(Value::from_text("3.5"), Value::Float(3.5));
        assert_eq!(Value::from_text("NaN"), Value::Text("NaN".to_owned()));
        assert_eq!(Value::from_text("on air"), Value::Text("on air".to_owned()));
    }

    #[test]
    fn an_oversized_value_is_named() {
        let check = |bytes| Sample::good(Value::Bytes(vec![0; bytes]), UnixMillis(0)).check();
        assert_eq!(check(SAMPLE_BYTES_MAX), Ok(()));
        let (bytes, max) = (SAMPLE_BYTES_MAX + 1, SAMPLE_BYTES_MAX);
        assert_eq!(check(bytes), Err(SampleError::TooLarge { bytes, max }));
    }

    #[test]
    fn only_finite_numbers_pass() {
        let check = |number| Sample::good(Value::Float(number), UnixMillis(0)).check();
        for number in [0.0, -0.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE] {
            assert_eq!(check(number), Ok(()), "{number}");
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(check(number), Err(SampleError::NotFinite), "{number}");
        }
    }
}
