//! What became of each command that this node was asked for.
//!
//! A row is there before its command is executed, and stays at least as long as a copy of the call
//! could still be accepted. Beyond that rows are kept while there is room: whoever asks again hears
//! the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use gearmesh_protocol::command::Call;
use gearmesh_protocol::entry::{CommandRecord, CommandState, FencingToken};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;

use super::Key;
use super::contract::Ended;

/// Commands that a node remembers. If all of them could still arrive, it takes no more.
pub const ROWS_MAX: usize = 64 * 1024;

/// Bytes of what it remembers of them: arguments that wait, answers that were given.
pub const ROWS_BYTES_MAX: usize = 64 << 20;

/// Bytes that the log needs for a command besides its answer, at most.
const RECORD_BYTES: usize = 192;

/// Refusals that are remembered, so that a copy of a refused call on its way does not become an
/// accepted one. They carry nothing, and whoever sends calls to be refused pushes out refusals alone.
const REFUSED_MAX: usize = 1024;

/// One command.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) verb: Name,
    /// Hash of its arguments.
    pub(super) arguments: [u8; 32],
    /// Until when a copy of the call could be accepted, by this node's clock.
    pub(super) until: Duration,
    /// What is to be done, until the program has it.
    pub(super) work: Option<Work>,
    /// When what was written down of it last was, by this node's wall clock.
    pub(super) at: UnixMillis,
    /// The number of the group that says so in the own log, if one does.
    pub(super) from: Option<u64>,
    pub(super) standing: Standing,
}

/// How far a command is.
#[derive(Debug)]
pub(super) enum Standing {
    /// It waits for a place.
    Waiting,
    /// That it will be executed is on its way to the disk.
    Accepting,
    /// The program works on it.
    Running,
    /// What became of it is on its way to the disk.
    Ending(Ended),
    /// Everybody may hear what became of it.
    Over(Ended),
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) arguments: Vec<u8>,
    pub(super) token: Option<FencingToken>,
    pub(super) partner: Option<Name>,
}

impl Row {
    /// Whether a call with the same id is the same command.
    pub(super) fn is_of(&self, call: &Call, arguments: &[u8; 32]) -> bool {
        self.verb == call.verb && self.arguments == *arguments
    }

    /// How it ended, once everybody may hear it.
    pub(super) const fn over(&self) -> Option<&Ended> {
        match &self.standing {
            Standing::Over(ended) => Some(ended),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        let said = match &self.standing {
            Standing::Waiting | Standing::Accepting | Standing::Running => 0,
            Standing::Ending(ended) | Standing::Over(ended) => bytes_of(ended),
        };
        said + self.work.as_ref().map_or(0, |work| work.arguments.len())
    }
}

fn bytes_of(ended: &Ended) -> usize {
    let said = match &ended.state {
        CommandState::Done { result } => result.len(),
        CommandState::Failed { message, .. } => message.len(),
        _ => 0,
    };
    said + ended.detail.len()
}

/// The rows of all commands.
#[derive(Debug)]
pub(in crate::core::plant) struct Rows {
    rows: BTreeMap<Key, Row>,
    bytes: usize,
    /// Those that are over and on the disk: until when they could arrive, and in which order they
    /// came to be over.
    forgettable: BTreeSet<(Duration, u64, Key)>,
    places: BTreeMap<Key, (Duration, u64)>,
    ended: u64,
    refused: VecDeque<Key>,
    /// Outcomes that the disk did not take yet.
    to_note: BTreeSet<Key>,
    /// A call that could arrive until then may be one that was executed and forgotten.
    forgotten_until: Duration,
    rows_max: usize,
    bytes_max: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Self::within(ROWS_MAX, ROWS_BYTES_MAX)
    }
}

impl Rows {
    fn within(rows_max: usize, bytes_max: usize) -> Self {
        Self {
            rows: BTreeMap::new(),
            bytes: 0,
            forgettable: BTreeSet::new(),
            places: BTreeMap::new(),
            ended: 0,
            refused: VecDeque::new(),
            to_note: BTreeSet::new(),
            forgotten_until: Duration::ZERO,
            rows_max,
            bytes_max,
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    /// Whether a call that may be accepted until then could be one that was forgotten.
    pub(super) fn may_have_forgotten(&self, until: Duration) -> bool {
        until <= self.forgotten_until
    }

    /// Makes room for one more command with so many bytes, forgetting what cannot arrive any more.
    /// Whether there is room.
    pub(super) fn make_room(&mut self, bytes: usize, now: Duration) -> bool {
        while self.rows.len() >= self.rows_max || self.bytes + bytes > self.bytes_max {
            let Some((until, _, key)) = self.forgettable.first().copied() else { return false };
            if until > now {
                return false;
            }
            self.forgotten_until = self.forgotten_until.max(until);
            self.forget(&key);
        }
        true
    }

    /// Adds a row; one that is there already is replaced.
    pub(super) fn insert(&mut self, key: Key, row: Row) {
        self.forget(&key);
        self.bytes += row.bytes();
        self.rows.insert(key, row);
    }

    /// Moves a row on, if there is one.
    pub(super) fn set(&mut self, key: Key, standing: Standing) {
        let Some(row) = self.rows.get_mut(&key) else { return };
        self.bytes -= row.bytes();
        if matches!(standing, Standing::Ending(_) | Standing::Over(_)) {
            row.work = None;
        }
        row.standing = standing;
        self.bytes += row.bytes();
    }

    /// The program gets what is to be done.
    pub(super) fn run(&mut self, key: &Key) -> Option<Work> {
        let row = self.rows.get_mut(key)?;
        let work = row.work.take()?;
        self.bytes -= work.arguments.len();
        row.standing = Standing::Running;
        Some(work)
    }

    /// What became of a command is on the disk, and everybody may hear it. What.
    pub(super) fn over(&mut self, key: Key) -> Option<Ended> {
        let row = self.rows.get_mut(&key)?;
        let Standing::Ending(ended) = &row.standing else { return None };
        let (ended, until) = (ended.clone(), row.until);
        row.standing = Standing::Over(ended.clone());
        self.may_forget(key, until);
        Some(ended)
    }

    /// A command that waited ends without having been begun.
    pub(super) fn end_unbegun(&mut self, key: Key, ended: Ended) {
        let Some(until) = self.rows.get(&key).map(|row| row.until) else { return };
        self.set(key, Standing::Over(ended));
        self.may_forget(key, until);
    }

    /// A row whose command was not even taken: it is remembered while there is room for refusals.
    pub(super) fn refuse(&mut self, key: Key, row: Row) {
        self.insert(key, row);
        self.refused.push_back(key);
        if self.refused.len() > REFUSED_MAX
            && let Some(oldest) = self.refused.pop_front()
            && !self.places.contains_key(&oldest)
            && self.rows.get(&oldest).is_some_and(|row| row.over().is_some())
        {
            self.forget(&oldest);
        }
    }

    /// A row of an earlier life, from the log: later records of a command count.
    pub(super) fn recall(&mut self, key: Key, row: Row) {
        let is_own = self.rows.get(&key).is_some_and(|row| row.until > Duration::ZERO);
        if is_own || !self.make_room(row.bytes(), Duration::ZERO) {
            return;
        }
        self.insert(key, row);
        self.may_forget(key, Duration::ZERO);
    }

    /// What is being written down of a command is of that time.
    pub(super) fn stamp(&mut self, key: &Key, at: UnixMillis) {
        if let Some(row) = self.rows.get_mut(key) {
            row.at = at;
        }
    }

    /// The group of that number says how a command stands.
    pub(super) fn said(&mut self, key: Key, number: u64) {
        if let Some(row) = self.rows.get_mut(&key) {
            row.from = Some(number);
        }
    }

    /// From which group on the own log is needed: for all that is executed, and for as many of the
    /// commands that were over last as fit so many bytes there.
    pub(in crate::core::plant) fn needed_from(&self, bytes_max: usize) -> Option<u64> {
        let open = self.rows.values().filter(|row| row.over().is_none());
        let open = open.filter_map(|row| row.from).min();
        open.into_iter().chain(self.over_needed_from(bytes_max)).min()
    }

    fn over_needed_from(&self, bytes_max: usize) -> Option<u64> {
        let said = self.rows.values().filter_map(|row| {
            let size = RECORD_BYTES + bytes_of(row.over()?);
            Some((row.from?, size))
        });
        let mut said: Vec<(u64, usize)> = said.collect();
        said.sort_unstable_by_key(|(from, _)| Reverse(*from));
        let mut bytes = 0;
        let fitting = said.into_iter().take_while(|(_, size)| {
            bytes += size;
            bytes <= bytes_max
        });
        fitting.last().map(|(from, _)| from)
    }

    /// What is to be said again before the groups up to that number go: of what is over, as in
    /// [`Rows::needed_from`].
    pub(in crate::core::plant) fn to_say_again(
        &self,
        bytes_max: usize,
        number: u64,
    ) -> impl Iterator<Item = CommandRecord> + '_ {
        let needed = self.over_needed_from(bytes_max).unwrap_or(u64::MAX);
        let going = self.rows.iter().filter_map(move |(key, row)| {
            let from = row.from.filter(|from| *from <= number)?;
            let state = match &row.standing {
                Standing::Running => CommandState::Accepted,
                Standing::Over(ended) if from >= needed => ended.state.clone(),
                _ => return None,
            };
            Some((key, row, state))
        });
        going.map(|((caller, id), row, state)| {
            let (caller, id, verb) = (*caller, *id, row.verb.clone());
            CommandRecord { id, caller, verb, arguments: row.arguments, state, at: row.at }
        })
    }

    /// The disk did not take an outcome; it is tried again.
    pub(super) fn note_again(&mut self, key: Key) {
        self.to_note.insert(key);
    }

    /// Outcomes that are to be written once more.
    pub(super) fn take_to_note(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.to_note)
    }

    fn may_forget(&mut self, key: Key, until: Duration) {
        self.ended += 1;
        self.forgettable.insert((until, self.ended, key));
        self.places.insert(key, (until, self.ended));
    }

    fn forget(&mut self, key: &Key) {
        if let Some((until, number)) = self.places.remove(key) {
            self.forgettable.remove(&(until, number, *key));
        }
        if let Some(row) = self.rows.remove(key) {
            self.bytes -= row.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::{CommandId, PublicKey};

    use super::*;

    fn key(number: u8) -> Key {
        (PublicKey::of(&SigningKey::from_bytes(&[7; 32])), CommandId([number; 16]))
    }

    fn row(until: u64, standing: Standing) -> Row {
        let until = Duration::from_secs(until);
        let verb = "load".parse().expect("a name");
        let (work, at, from) = (None, UnixMillis(0), None);
        Row { verb, arguments: [0; 32], until, work, at, from, standing }
    }

    fn done(bytes: usize) -> Ended {
        Ended::plainly(CommandState::Done { result: vec![0; bytes] })
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_could_still_arrive_is_not_forgotten_and_the_rest_goes_oldest_first() {
        let mut rows = Rows::within(2, 1000);
        for number in [1, 2] {
            assert!(rows.make_room(0, at(0)));
            rows.insert(key(number), row(10 + u64::from(number), Standing::Ending(done(0))));
            rows.over(key(number));
        }
        assert!(!rows.make_room(0, at(10)), "both could still arrive");
        assert!(rows.make_room(0, at(11)));
        assert!(rows.get(&key(1)).is_none() && rows.get(&key(2)).is_some());
        assert!(rows.may_have_forgotten(at(11)) && !rows.may_have_forgotten(at(12)));
    }

    #[test]
    fn what_is_not_over_stays_and_bytes_count_too() {
        let mut rows = Rows::within(9, 100);
        rows.insert(key(1), row(1, Standing::Running));
        rows.insert(key(2), row(1, Standing::Ending(done(80))));
        assert!(!rows.make_room(30, at(5)), "nothing is on the disk yet");
        rows.over(key(2));
        assert!(rows.make_room(30, at(5)));
        assert!(rows.get(&key(1)).is_some() && rows.get(&key(2)).is_none());
        assert_eq!(rows.bytes, 0);
    }

    #[test]
    fn the_log_is_needed_for_what_runs_and_for_what_was_over_last() {
        let mut rows = Rows::default();
        for number in 1..=4_u8 {
            rows.insert(key(number), row(1, Standing::Ending(done(100))));
            rows.over(key(number));
            rows.said(key(number), u64::from(number) * 10);
        }
        let each = RECORD_BYTES + 100;
        assert_eq!(rows.needed_from(9 * each), Some(10));
        assert_eq!(rows.needed_from(2 * each), Some(30), "the newest two fit");
        assert_eq!(rows.to_say_again(2 * each, 30).count(), 1, "what is older may go");
        rows.insert(key(5), row(1, Standing::Running));
        assert_eq!(rows.needed_from(2 * each), Some(30), "it is not on the disk yet");
        rows.said(key(5), 15);
        assert_eq!(rows.needed_from(2 * each), Some(15));
        let again: Vec<_> = rows.to_say_again(2 * each, 20).map(|record| record.state).collect();
        assert_eq!(again, [CommandState::Accepted]);
        rows.said(key(5), 50);
        assert_eq!(rows.needed_from(2 * each), Some(30));
    }

    #[test]
    fn refusals_push_out_refusals_alone() {
        let mut rows = Rows::within(usize::MAX, usize::MAX);
        let refused = || Standing::Over(Ended::plainly(CommandState::Expired));
        rows.insert(key(1), row(9, Standing::Running));
        let (caller, _) = key(0);
        for number in 0..=REFUSED_MAX as u64 {
            let mut id = [0xff; 16];
            id[..8].copy_from_slice(&number.to_le_bytes());
            let refusal = gearmesh_protocol::refusal::Refusal::VerbUnknown;
            let state = Standing::Over(Ended::plainly(CommandState::Refused(refusal)));
            rows.refuse((caller, CommandId(id)), row(9, state));
        }
        assert_eq!(rows.rows.len(), REFUSED_MAX + 1);
        rows.insert(key(2), row(9, refused()));
        assert!(rows.get(&key(1)).is_some());
    }

    #[test]
    fn a_later_record_of_an_earlier_life_counts_and_never_a_row_of_this_one() {
        let mut rows = Rows::default();
        let open = Standing::Over(Ended::plainly(CommandState::Indeterminate));
        rows.recall(key(1), row(0, open));
        rows.recall(key(1), row(0, Standing::Over(done(3))));
        assert_eq!(rows.get(&key(1)).and_then(Row::over), Some(&done(3)));
        rows.insert(key(2), row(5, Standing::Running));
        rows.recall(key(2), row(0, Standing::Over(done(3))));
        assert!(rows.get(&key(2)).and_then(Row::over).is_none());
    }
}
