//! What was measured: every sample, and what is made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// What is done with a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// A message to another program and back, one at a time.
    RoundTrip,
    /// As many messages as the transport takes, to one subscriber.
    Throughput,
    /// The same, to several.
    FanOut,
    /// Nothing is published.
    Idle,
    /// Entries are made durable; the size is how many are in flight.
    Publish,
    /// A member gets what it lacks; the size is how many entries a group has.
    CatchUp,
    /// What was stored is opened; the size is how many entries there are.
    Open,
    /// Somebody is asked for what leaves no trace; the size is how many are in flight.
    Query,
    /// Somebody is asked to do something at most once; the size is how many are in flight.
    Command,
    /// What only one may use is acquired, and released.
    Lease,
    /// It is released, and another who waits gets it.
    HandOver,
    /// Other companies are given values; the size is how many companies.
    Shared,
    /// One of them is given nothing any more.
    Ended,
    /// One of them was away.
    Away,
}

/// Figures by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl<const N: usize> From<[(&str, f64); N]> for Figures {
    fn from(figures: [(&str, f64); N]) -> Self {
        Self(figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl Figures {
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}

/// One measurement in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) system: String,
    pub(crate) scenario: Scenario,
    /// Bytes of a payload, where the scenario does not say otherwise.
    pub(crate) size: usize,
    pub(crate) round: usize,
    /// What was measured; nothing, if it failed.
    pub(crate) figures: Figures,
    /// Why it failed.
    pub(crate) failure: Option<String>,
}

/// Where and with what it was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) trips: usize,
    /// The file system and the device of what is stored.
    #[serde(default)]
    pub(crate) disk: String,
    /// Load of the machine over a minute, before the first round: who else was there.
    pub(crate) load_before: f64,
    /// Versions by name.
    pub(crate) versions: BTreeMap<String, String>,
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) setting: Setting,
    /// Systems that were not measured, and why.
    pub(crate) left_out: BTreeMap<String, String>,
    pub(crate) samples: Vec<Sample>,
}

/// Median, lowest and highest of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// One row of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) system: &'a str,
    pub(crate) scenario: Scenario,
    pub(crate) size: usize,
}

impl Results {
    fn of(&self, row: Row<'_>) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| {
            sample.system == row.system
                && sample.scenario == row.scenario
                && sample.size == row.size
        })
    }

    /// What the rounds say of one figure; `None` if nothing was measured.
    pub(crate) fn spread(&self, row: Row<'_>, figure: &str) -> Option<Spread> {
        let values: Vec<f64> =
            self.of(row).filter_map(|sample| sample.figures.get(figure)).collect();
        spread(values)
    }

    /// The sum over all rounds: of losses, one round's count, not the median.
    pub(crate) fn total(&self, row: Row<'_>, figure: &str) -> f64 {
        self.of(row).filter_map(|sample| sample.figures.get(figure)).sum()
    }

    /// What failed, as sentences.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.samples.iter().filter_map(|sample| {
            let Sample { system, scenario, size, round, failure, .. } = sample;
            let why = failure.as_ref()?;
            Some(format!("{system}, {scenario:?}, {size}, round {round}: {why}"))
        });
        failed.collect()
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
    }
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    };
    Some(Spread { median, low, high })
}

#[cfg(test)]
mod tests {
    use super::{Figures, Results, Row, Sample, Scenario, Spread, spread};

    #[test]
    fn a_spread_is_median_lowest_and_highest() {
        assert_eq!(spread(vec![]), None);
        let odd = spread(vec![3.0, 1.0, 9.0]);
        assert_eq!(odd, Some(Spread { median: 3.0, low: 1.0, high: 9.0 }));
        assert_eq!(spread(vec![4.0, 2.0]).unwrap().median, 3.0);
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let sample = |value, failure| Sample {
            system: "a".to_owned(),
            scenario: Scenario::FanOut,
            size: 64,
            round: 0,
            figures: Figures::from([("lost", value)]),
            failure,
        };
        let samples = vec![sample(1.0, None), sample(2.0, Some("gone".to_owned()))];
        let results = Results { samples, ..Results::default() };
        let file = tempfile::NamedTempFile::new().unwrap();
        results.write(file.path()).unwrap();
        let read = Results::read(file.path()).unwrap();
        let row = Row { system: "a", scenario: Scenario::FanOut, size: 64 };
        assert_eq!(read.total(row, "lost"), 3.0);
        assert_eq!(read.spread(row, "lost").unwrap().median, 1.5);
        assert_eq!(read.spread(Row { size: 65, ..row }, "lost"), None);
        assert_eq!(read.failures().len(), 1);
    }
}
