//! The other side's stream: what came of it, in its order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, SheetId};
use gearmesh_protocol::limits::{SHARE_ENTRY_BYTES_MAX, SHARE_PAGE_MAX};
use gearmesh_protocol::log::{LogId, Tip, VerifiedGroup};
use gearmesh_protocol::partner::{ShareEntry, ShareHead};
use gearmesh_protocol::partner_seal::EpochKey;

/// Groups that wait to enter the plant; more are asked for again.
pub(super) const QUEUE_MAX: usize = 2 * SHARE_PAGE_MAX;

/// Keys of epochs that are kept: the present one, and that before, whose messages may be late.
const KEYS_MAX: usize = 2;

/// How far ahead of what is here a group is kept that others bring early.
const EARLY_MAX: u64 = 64;

/// Epochs that are remembered after that.
const RETIRED_MAX: usize = 64;

/// How long an answer may take until what is missing is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What a group is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is next.
    Next,
    /// It is here already.
    Old,
    /// It is one of the last that are here already.
    Recent,
    /// Others come first, or there is no room.
    Early,
    /// It is none of this stream.
    Foreign,
    /// It is beside what is here: a gateway that keeps its log signs none.
    Forked,
}

/// Where the other side's stream stands.
pub(super) struct Incoming {
    /// The end of what is safe here.
    pub(super) tip: Option<Tip>,
    /// What waits to enter the plant.
    queue: VecDeque<VerifiedGroup>,
    /// What came before its time where others bring it: nobody may be there to be asked for it again.
    early: Option<BTreeMap<u64, VerifiedGroup>>,
    keys: VecDeque<(u64, EpochKey)>,
    /// Epochs whose keys were let go of: whoever carries an envelope could bring it again.
    retired: VecDeque<u64>,
    /// Entries that the other side says there are, and the last group, if its head said so.
    pub(super) known: u64,
    head: Option<GroupId>,
    /// When what is missing was asked for.
    asked: Option<Duration>,
    /// Entries that retention took first.
    pub(super) lost: u64,
    /// Whether anything came in this life.
    pub(super) is_begun: bool,
}

impl Incoming {
    /// A stream that goes on behind this. Of one that receivers pass on, what comes early is kept.
    pub(super) fn after(tip: Option<Tip>, is_passed_on: bool) -> Self {
        Self {
            tip,
            queue: VecDeque::new(),
            early: is_passed_on.then(BTreeMap::new),
            keys: VecDeque::new(),
            retired: VecDeque::new(),
            known: 0,
            head: None,
            asked: None,
            lost: 0,
            is_begun: false,
        }
    }

    /// The other side says where its log ends.
    pub(super) fn hear_head(&mut self, head: &ShareHead) {
        if head.entries > self.known {
            self.known = head.entries;
            self.head = Some(head.head);
        }
    }

    /// The end of what is here if nothing more comes of a log that has so many entries. None while something
    /// waits to enter the plant.
    pub(super) fn end_without(&self, entries: u64, head: Option<Tip>) -> Option<Option<Tip>> {
        if !self.queue.is_empty() {
            return None;
        }
        let Some(tip) = self.tip else {
            let unseen = self.head.map(|group| Tip { group, number: 0, entries });
            return Some(head.or(unseen).filter(|_| entries > 0));
        };
        Some(Some(Tip { entries: entries.max(tip.entries), ..tip }))
    }

    /// What waits to enter the plant does so elsewhere.
    pub(super) fn let_go(&mut self) {
        self.queue.clear();
    }

    /// Goes on at the later of two ends.
    pub(super) fn go_on_from(&mut self, tip: Option<Tip>) {
        self.tip = later(self.tip, tip);
        self.known = self.known.max(self.entries());
    }

    /// The end of what came.
    pub(super) fn end(&self) -> Option<Tip> {
        self.queue.back().map(VerifiedGroup::tip).or(self.tip)
    }

    fn entries(&self) -> u64 {
        self.end().map_or(0, |end| end.entries)
    }

    /// Entries that came behind a start and are safe here.
    pub(super) fn delivered(&self, start: u64) -> u64 {
        self.tip.map_or(0, |tip| tip.entries).saturating_sub(self.lost).saturating_sub(start)
    }

    /// Begins behind a group, if it is not further already.
    pub(super) fn start_behind(&mut self, after: Tip) {
        if self.queue.is_empty() && self.tip.is_none_or(|tip| tip.entries < after.entries) {
            self.tip = Some(after);
            self.known = self.known.max(after.entries);
        }
    }

    pub(super) fn add_key(&mut self, epoch: u64, key: EpochKey) {
        if self.key(epoch).is_some() {
            return;
        }
        self.retired.retain(|known| *known != epoch);
        self.keys.push_front((epoch, key));
        if self.keys.len() > KEYS_MAX
            && let Some((old, _)) = self.keys.pop_back()
        {
            self.retired.push_front(old);
        }
        self.retired.truncate(RETIRED_MAX);
    }

    /// Whether an epoch's key was here and was let go of.
    pub(super) fn is_retired(&self, epoch: u64) -> bool {
        self.retired.contains(&epoch)
    }

    pub(super) fn key(&self, epoch: u64) -> Option<&EpochKey> {
        self.keys.iter().find(|(known, _)| *known == epoch).map(|(_, key)| key)
    }

    /// Takes a group if it is next.
    pub(super) fn take(&mut self, log: &LogId, group: VerifiedGroup) -> Taken {
        let header = group.header();
        if header.log != *log {
            return Taken::Foreign;
        }
        self.known = self.known.max(group.tip().entries);
        let end = self.end();
        let next = end.map_or(0, |end| end.number.saturating_add(1));
        if header.number != next {
            return match header.number {
                later if later > next => {
                    self.keep_early(later, next, group);
                    Taken::Early
                }
                number if next <= number.saturating_add(SHARE_PAGE_MAX as u64) => Taken::Recent,
                _ => Taken::Old,
            };
        }
        let taken = self.take_next(group);
        while taken == Taken::Next
            && let Some(next) = self.end().map(|end| end.number + 1)
            && let Some(group) = self.early.as_mut().and_then(|early| early.remove(&next))
            && self.take_next(group) == Taken::Next
        {}
        taken
    }

    fn take_next(&mut self, group: VerifiedGroup) -> Taken {
        let (header, end) = (group.header(), self.end());
        let parents: Vec<_> = end.map(|end| end.group).into_iter().collect();
        let follows = header.parents[..] == parents[..] && header.entries_before == self.entries();
        if !follows {
            return Taken::Forked;
        }
        if self.queue.len() >= QUEUE_MAX {
            return Taken::Early;
        }
        self.known = self.known.max(group.tip().entries);
        self.queue.push_back(group);
        self.is_begun = true;
        Taken::Next
    }

    fn keep_early(&mut self, number: u64, next: u64, group: VerifiedGroup) {
        if let Some(early) = &mut self.early {
            early.retain(|number, _| *number > next);
            if number - next <= EARLY_MAX {
                early.insert(number, group);
            }
        }
    }

    /// Goes on after entries that are gone. How many that are; none if nothing is gone.
    pub(super) fn skip_to(&mut self, after: Tip) -> Option<u64> {
        let gone = after.entries.checked_sub(self.entries()).filter(|gone| *gone > 0)?;
        if !self.queue.is_empty() {
            return None;
        }
        self.tip = Some(after);
        self.is_begun = true;
        self.lost = self.lost.saturating_add(gone);
        self.known = self.known.max(after.entries);
        Some(gone)
    }

    /// The last group that waits to enter the plant.
    pub(super) fn last(&self) -> Option<&VerifiedGroup> {
        self.queue.back()
    }

    /// What is to enter the plant next, and under which sheet it was sent.
    pub(super) fn next_entries(&self) -> Option<(SheetId, Vec<ShareEntry>)> {
        let group = self.queue.front()?;
        let (under, entries) = (SheetId(group.header().acting_under.0), group.entries().iter());
        let decoded = entries.map(|bytes| codec::decode(bytes, SHARE_ENTRY_BYTES_MAX));
        let sound = |entry: Result<_, _>| {
            entry.inspect_err(|error| tracing::warn!(%error, "no value of a partner")).ok()
        };
        Some((under, decoded.filter_map(sound).collect()))
    }

    /// What was to enter the plant has done so.
    pub(super) fn delivered_next(&mut self) -> Option<VerifiedGroup> {
        let group = self.queue.pop_front()?;
        self.tip = Some(group.tip());
        Some(group)
    }

    /// Whether what follows is to be asked for now; it is taken as asked.
    pub(super) fn asks(&mut self, at: Duration) -> bool {
        let is_behind = self.entries() < self.known;
        let has_room = self.queue.len() <= SHARE_PAGE_MAX;
        if !is_behind || !has_room || self.waits(at) {
            return false;
        }
        self.asked = Some(at);
        true
    }

    /// Whether an answer may still come.
    pub(super) fn waits(&self, at: Duration) -> bool {
        self.asked.is_some_and(|asked| at < asked + ASK_AGAIN)
    }

    /// What was asked for came, or its session ended.
    pub(super) const fn answered(&mut self) {
        self.asked = None;
    }

    /// Something is asked for in any case.
    pub(super) const fn asked(&mut self, at: Duration) {
        self.asked = Some(at);
    }
}

/// The later end of one log, or of one that another gateway goes on with.
pub(super) fn later(one: Option<Tip>, other: Option<Tip>) -> Option<Tip> {
    [one, other].into_iter().flatten().max_by_key(|tip| tip.number)
}
