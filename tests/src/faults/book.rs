//! What was asked of the nodes and what they answered: every value once, by its number.

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::durable::{DurablePublished, DurableRequest};
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;

use super::speaking::Unsaid;
use crate::world::dice::Dice;

/// Other members that a replicated value is to be on.
pub(super) const REPLICAS: u8 = 2;

/// All attempts to publish something, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Book {
    attempts: Vec<Attempt>,
    /// Stands as the time in the values of the round, so that a history can begin there.
    pub(super) round: u64,
}

/// One value that was handed to a node.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) author: &'static str,
    /// Which of the author's publishers.
    pub(super) line: usize,
    pub(super) round: u64,
    bytes: usize,
    ack: AckLevel,
    pub(super) fate: Fate,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// Nobody knows; it may appear or not.
    Open,
    /// The node said no, with this code.
    Refused(u16),
    /// The node said that it is safe.
    Told(Told),
    /// The node said so, no other member had it, and its disk was wiped after that.
    LetGo,
}

/// What the node said of a value that is safe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) group: GroupId,
    pub(super) entry: u64,
    pub(super) replicas: usize,
}

impl Attempt {
    /// What its node said, if that still holds.
    pub(super) const fn told(&self) -> Option<&Told> {
        match &self.fate {
            Fate::Told(told) => Some(told),
            Fate::Open | Fate::Refused(_) | Fate::LetGo => None,
        }
    }

    /// The whole of its topic.
    pub(super) fn topic(&self) -> String {
        format!("{}/{}", self.author, self.relative_topic())
    }

    fn relative_topic(&self) -> String {
        format!("line-{}/part", self.line)
    }

    /// The whole of its value.
    pub(super) fn text(&self, number: usize) -> String {
        text_of(number, self.bytes)
    }
}

impl Book {
    /// A new value: its number, and the request for it.
    pub(super) fn begin(
        &mut self,
        author: &'static str,
        line: usize,
        bytes: usize,
        ack: AckLevel,
    ) -> (usize, DurableRequest) {
        let (number, round) = (self.attempts.len(), self.round);
        let attempt = Attempt { author, line, round, bytes, ack, fate: Fate::Open };
        let value = Value::Text(attempt.text(number));
        let topic = attempt.relative_topic();
        let sample = Sample::good(value, UnixMillis(round));
        let request = DurableRequest { topic, sample, ack, lease: None };
        self.attempts.push(attempt);
        (number, request)
    }

    /// What the node answered.
    pub(super) fn end(&mut self, number: usize, answer: &Result<DurablePublished, Unsaid>) {
        let Some(attempt) = self.attempts.get_mut(number) else { return };
        attempt.fate = match answer {
            Ok(told) => {
                let DurablePublished { group, entry, replicas, .. } = *told;
                Fate::Told(Told { group, entry, replicas })
            }
            Err(Unsaid::Refused(body)) => Fate::Refused(body.code.code()),
            Err(Unsaid::Silent) => Fate::Open,
        };
    }

    /// Its own disk had it alone and was wiped.
    pub(super) fn let_go(&mut self, number: usize) {
        if let Some(attempt) = self.attempts.get_mut(number) {
            attempt.fate = Fate::LetGo;
        }
    }

    /// The number of the next value.
    pub(super) const fn next(&self) -> usize {
        self.attempts.len()
    }

    pub(super) fn attempt(&self, number: usize) -> Option<&Attempt> {
        self.attempts.get(number)
    }

    /// What was acknowledged and must be there, with its number.
    pub(super) fn told(&self) -> impl Iterator<Item = (usize, &Attempt, &Told)> {
        let all = self.attempts.iter().enumerate();
        all.filter_map(|(number, attempt)| Some((number, attempt, attempt.told()?)))
    }

    /// How many values were ever acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        let is_told = |fate: &Fate| matches!(fate, Fate::Told(_) | Fate::LetGo);
        self.attempts.iter().filter(|attempt| is_told(&attempt.fate)).count()
    }

    /// How many of those were let go with a wiped disk.
    pub(super) fn gone(&self) -> usize {
        self.attempts.iter().filter(|attempt| matches!(attempt.fate, Fate::LetGo)).count()
    }

    /// Whether an author was told, of a value begun at `from` or later, that it is safe with as
    /// many members as were asked for.
    pub(super) fn is_served_since(&self, author: &str, from: usize) -> bool {
        self.attempts.iter().skip(from).any(|attempt| {
            let is_enough = |told: &Told| told.replicas >= usize::from(REPLICAS);
            let is_asked = attempt.ack == AckLevel::Replicated(REPLICAS);
            attempt.author == author && is_asked && attempt.told().is_some_and(is_enough)
        })
    }

    /// Whether an author was told, of a value begun at `from` or later, that it is safe at all.
    pub(super) fn is_taken_since(&self, author: &str, from: usize) -> bool {
        let mut later = self.attempts.iter().skip(from);
        later.any(|attempt| attempt.author == author && attempt.told().is_some())
    }

    /// The codes with which an author was refused values begun at `from` or later.
    pub(super) fn refusals_since(&self, author: &str, from: usize) -> Vec<u16> {
        let later = self.attempts.iter().skip(from).filter(|attempt| attempt.author == author);
        let code = |attempt: &Attempt| match attempt.fate {
            Fate::Refused(code) => Some(code),
            Fate::Open | Fate::Told(_) | Fate::LetGo => None,
        };
        later.filter_map(code).collect()
    }
}

/// A text that begins with its number; no other value has it.
fn text_of(number: usize, bytes: usize) -> String {
    let mut text = format!("{number} ");
    let mut dice = Dice::new(number as u64);
    while text.len() < bytes {
        text.push_str(&format!("{:016x}", dice.roll()));
    }
    text
}

/// The number that such a text begins with.
pub(super) fn number_of(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => text.split(' ').next()?.parse().ok(),
        _ => None,
    }
}
