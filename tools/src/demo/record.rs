//! What a machine of the demo did: its own record, a line for each deed, synced before anybody hears of it.
//!
//! It stands for the equipment: whatever programs, nodes and network do before it, a deed counts when it is
//! here. So it is also the place where something is kept from being done twice. A deed that is there is
//! not done again, and one under an older token than the last is not done at all: somebody else has the
//! work by now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use gearmesh_protocol::entry::FencingToken;

use crate::commands::lease::token_text;

/// What became of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is done now.
    Now,
    /// It was done before.
    Before,
    /// Its token is older than one that was here.
    Late,
}

impl Taken {
    const fn word(self) -> &'static str {
        match self {
            Self::Now => "did",
            Self::Before => "again",
            Self::Late => "late",
        }
    }
}

/// The record of one machine.
pub(super) struct Record {
    path: PathBuf,
}

/// What a record says.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How often each deed was done: once, if all is well.
    done: BTreeMap<String, u32>,
    /// How often something was refused that was done before, or came late.
    pub(super) refused: usize,
    /// The newest token of each life that gave any, the last life at the end.
    tokens: Vec<(String, u64)>,
}

impl Record {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Does a deed, if it is to be done. The machine does one thing at a time: the file is locked.
    pub(super) fn take(&self, deed: &str, token: Option<&FencingToken>) -> io::Result<Taken> {
        let mut file = File::options().create(true).read(true).append(true).open(&self.path)?;
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let told = Told::of(&text);
        let taken = match told.done.contains_key(deed) {
            _ if token.is_some_and(|token| told.is_late(token)) => Taken::Late,
            true => Taken::Before,
            false => Taken::Now,
        };
        let token = token.map(token_text).unwrap_or_default();
        file.write_all(format!("{} {deed} {token}\n", taken.word()).as_bytes())?;
        file.sync_data()?;
        Ok(taken)
    }

    /// What it says; nothing if the machine has done nothing yet.
    pub(super) fn told(&self) -> Told {
        Told::of(&std::fs::read_to_string(&self.path).unwrap_or_default())
    }
}

impl Told {
    fn of(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(word), Some(deed)) = (words.next(), words.next()) else { continue };
            match word {
                "did" => *told.done.entry(deed.to_owned()).or_default() += 1,
                _ => told.refused += 1,
            }
            let token = words.next().and_then(|token| token.split_once(':'));
            if let Some((life, number)) = token.filter(|_| word != Taken::Late.word()) {
                told.note_token(life, number.parse().unwrap_or_default());
            }
        }
        told
    }

    fn note_token(&mut self, life: &str, number: u64) {
        match self.tokens.iter_mut().find(|(known, _)| known == life) {
            Some((_, newest)) => *newest = number.max(*newest),
            None => self.tokens.push((life.to_owned(), number)),
        }
    }

    /// Whether a token is older than the newest: of a life before the last one, or of a lower number.
    fn is_late(&self, token: &FencingToken) -> bool {
        let life = token.incarnation.to_string();
        let known = self.tokens.iter().position(|(known, _)| *known == life);
        let is_last = |at: usize| at + 1 == self.tokens.len();
        known.is_some_and(|at| !is_last(at) || token.number < self.tokens[at].1)
    }

    /// How much was done.
    pub(super) fn count(&self) -> usize {
        self.done.len()
    }

    /// Whether a deed was done.
    pub(super) fn has(&self, deed: &str) -> bool {
        self.done.contains_key(deed)
    }

    /// What was done.
    pub(super) fn deeds(&self) -> BTreeSet<&str> {
        self.done.keys().map(String::as_str).collect()
    }

    /// How much was done more often than once.
    pub(super) fn twice(&self) -> usize {
        self.done.values().filter(|times| **times > 1).count()
    }
}

#[cfg(test)]
mod tests {
    use gearmesh_protocol::ids::Incarnation;

    use super::*;

    const fn token(life: u8, number: u64) -> FencingToken {
        FencingToken { incarnation: Incarnation([life; 16]), number }
    }

    #[test]
    fn a_deed_is_done_once_and_not_under_an_older_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = Record::at(folder.path().join("press"));
        let take = |deed, token: FencingToken| record.take(deed, Some(&token)).expect("a file");
        assert_eq!(take("17", token(1, 5)), Taken::Now);
        assert_eq!(take("17", token(1, 6)), Taken::Before);
        assert_eq!(take("18", token(1, 5)), Taken::Late, "6 was here");
        assert_eq!(take("18", token(2, 1)), Taken::Now, "another life");
        assert_eq!(take("19", token(1, 9)), Taken::Late, "the life before");
        assert_eq!(take("19", token(2, 1)), Taken::Now);
        let told = record.told();
        assert_eq!((told.count(), told.refused, told.twice()), (3, 3, 0));
        assert!(told.has("18") && !told.has("20"));
    }

    #[test]
    fn what_was_done_twice_is_seen() {
        let told = Told::of("did 1 \ndid 2 \ndid 1 \n");
        assert_eq!((told.count(), told.twice()), (2, 1));
    }
}
