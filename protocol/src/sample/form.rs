//! A sample as JSON, for people and programs, and as bytes, which are signed.
//!
//! JSON has a field `replay` where a sample is one. In bytes the mark stands in the number of its quality, so
//! that samples without it have the form that they always had, and a release that does not know the mark
//! refuses the sample instead of taking it for one of now.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Quality, Sample, Value};
use crate::time::UnixMillis;
use crate::topic::Unit;

#[derive(Serialize, Deserialize)]
struct JsonForm<V, U> {
    value: V,
    quality: Quality,
    source_time: UnixMillis,
    unit: U,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replay: bool,
}

#[derive(Serialize, Deserialize)]
struct WireForm<V, U> {
    value: V,
    quality: Marked,
    source_time: UnixMillis,
    unit: U,
}

/// Quality and mark. The numbers of the first three are those of [`Quality`].
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Marked {
    Good,
    Uncertain,
    Bad,
    ReplayedGood,
    ReplayedUncertain,
    ReplayedBad,
}

impl Marked {
    const fn of(quality: Quality, replay: bool) -> Self {
        match (quality, replay) {
            (Quality::Good, false) => Self::Good,
            (Quality::Uncertain, false) => Self::Uncertain,
            (Quality::Bad, false) => Self::Bad,
            (Quality::Good, true) => Self::ReplayedGood,
            (Quality::Uncertain, true) => Self::ReplayedUncertain,
            (Quality::Bad, true) => Self::ReplayedBad,
        }
    }

    const fn parts(self) -> (Quality, bool) {
        match self {
            Self::Good => (Quality::Good, false),
            Self::Uncertain => (Quality::Uncertain, false),
            Self::Bad => (Quality::Bad, false),
            Self::ReplayedGood => (Quality::Good, true),
            Self::ReplayedUncertain => (Quality::Uncertain, true),
            Self::ReplayedBad => (Quality::Bad, true),
        }
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { value, quality, source_time, unit, replay } = self;
        let (quality, source_time, replay) = (*quality, *source_time, *replay);
        if to.is_human_readable() {
            return JsonForm { value, quality, source_time, unit, replay }.serialize(to);
        }
        let quality = Marked::of(quality, replay);
        WireForm { value, quality, source_time, unit }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let form = JsonForm::<Value, Option<Unit>>::deserialize(from)?;
            let JsonForm { value, quality, source_time, unit, replay } = form;
            return Ok(Self { value, quality, source_time, unit, replay });
        }
        let WireForm { value, quality, source_time, unit } =
            WireForm::<Value, Option<Unit>>::deserialize(from)?;
        let (quality, replay) = quality.parts();
        Ok(Self { value, quality, source_time, unit, replay })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn the_mark_survives_both_forms_and_changes_nothing_without_it() {
        for quality in [Quality::Good, Quality::Uncertain, Quality::Bad] {
            let plain = Sample { quality, ..Sample::good(Value::Integer(7), UnixMillis(9)) };
            let played = Sample { replay: true, ..plain.clone() };
            for sample in [&plain, &played] {
                let bytes = codec::encode(sample);
                assert_eq!(codec::decode::<Sample>(&bytes, 1024).as_ref(), Ok(sample));
                let json = serde_json::to_string(sample).expect("JSON");
                assert_eq!(json.contains("replay"), sample.replay, "{json}");
                assert_eq!(&serde_json::from_str::<Sample>(&json).expect("a sample"), sample);
            }
            let old = (Value::Integer(7), quality, UnixMillis(9), None::<Unit>);
            assert_eq!(codec::encode(&plain), codec::encode(&old));
        }
    }
}
