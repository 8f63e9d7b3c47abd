//! What a partner sends, before it enters the plant. Everything is refused that no line names.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::limits::SHARE_ENTRY_BYTES_MAX;
use gearmesh_protocol::partner::{ShareEntry, SheetTopic};
use gearmesh_protocol::sample::{Sample, SampleError};
use gearmesh_protocol::topic::{Name, TextError, Topic};
use serde_json::Value as Json;

use super::{Imported, json};

/// Values of one partner that enter a plant in a second; more wait.
pub(super) const RATE: f64 = 1_000.0;

/// Values that may enter at once after a pause.
pub(super) const BURST: f64 = 10_000.0;

/// Why a partner's value was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// No line of the agreement names it.
    #[error("no line of the agreement accepts {alias}")]
    NotAgreed {
        /// Its name.
        alias: Topic,
    },
    /// It is larger than a value may be that crosses.
    #[error("{bytes} bytes where at most {SHARE_ENTRY_BYTES_MAX} may cross")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No value that may be published.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// It does not fit the agreed schema, or that is not here.
    #[error("{alias} does not fit the agreed schema: {cause}")]
    Schema {
        /// Its name.
        alias: Topic,
        /// What is wrong.
        cause: String,
    },
    /// It has no place below the partner's name.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// The schemas that agreements name by their hash.
pub trait Schemas {
    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong with it, or that the schema is not here.
    fn check(&self, schema: &[u8; 32], value: &Json) -> Result<(), String>;
}

/// Where values of one alias land, and the schema that they must fit.
struct Place {
    topic: Result<Topic, TextError>,
    schema: Option<[u8; 32]>,
}

/// What one partner may send in.
pub(super) struct Gate {
    aliases: BTreeMap<Topic, Place>,
    /// Values that may enter, as of a moment.
    tokens: (f64, Duration),
}

impl Gate {
    pub(super) fn new<'a>(
        at: Duration,
        partner: &Name,
        lines: impl Iterator<Item = &'a SheetTopic>,
    ) -> Self {
        let aliases = lines.map(|line| {
            let topic = format!("partner/{partner}/{}", line.alias).try_into();
            (line.alias.clone(), Place { topic, schema: line.schema })
        });
        Self { aliases: aliases.collect(), tokens: (BURST, at) }
    }

    /// Whether so many values may enter now; they are counted then. A run that is larger than the
    /// burst may enter once that is full.
    pub(super) fn has_room(&mut self, at: Duration, count: usize) -> bool {
        let (left, since) = self.tokens;
        let gained = at.saturating_sub(since).as_secs_f64() * RATE;
        let left = (left + gained).min(BURST);
        let needed = (count as f64).min(BURST);
        let has_room = left >= needed;
        self.tokens = (if has_room { left - needed } else { left }, at);
        has_room
    }

    pub(super) fn admit(
        &self,
        entry: ShareEntry,
        schemas: &dyn Schemas,
    ) -> Result<Imported, ImportRefusal> {
        let bytes = codec::encode(&entry).len();
        if bytes > SHARE_ENTRY_BYTES_MAX {
            return Err(ImportRefusal::TooLarge { bytes });
        }
        let ShareEntry { alias, sample } = entry;
        let Some(Place { topic, schema }) = self.aliases.get(&alias) else {
            return Err(ImportRefusal::NotAgreed { alias });
        };
        sample.check()?;
        if let Some(schema) = schema {
            let fits = schemas.check(schema, &json::as_json(&sample.value));
            fits.map_err(|cause| ImportRefusal::Schema { alias, cause })?;
        }
        let Sample { value, quality, source_time, unit, replay } = sample;
        let sample = Sample { value, quality, source_time, unit, replay };
        Ok(Imported { topic: topic.clone()?, sample })
    }
}
