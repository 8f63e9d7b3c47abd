//! What readers without copies wait for, and what is remembered of members that were asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;

use super::super::{LinkId, Ticket};
use super::asking::{Question, Shown};

/// How long a member that answered wrongly or not at all is asked last.
const SHUNNED_FOR: Duration = Duration::from_secs(60);

/// How long it is not asked at all for the same place, unless it says something new of that log.
const DECLINED_FOR: Duration = Duration::from_secs(10);

/// All that readers wait for.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// By the number that the frames name.
    pub(super) open: BTreeMap<u64, Read>,
    /// Questions for which no member had a place.
    pub(super) parked: Vec<Read>,
    /// Readers that wait for members to say what they have, and until when.
    pub(super) waiting: BTreeMap<Ticket, Duration>,
    /// Members that are asked last, until when, and whether that is since they answered wrongly.
    shunned: BTreeMap<LinkId, (Duration, bool)>,
    /// What a member was asked for in a log when it answered wrongly or not at all.
    declined: BTreeMap<(LinkId, PublicKey), Declined>,
    numbers: u64,
}

/// A place for which a member is not asked again.
#[derive(Debug)]
struct Declined {
    leaves: Vec<Tip>,
    told: Vec<Tip>,
    until: Duration,
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) ticket: Ticket,
    pub(super) question: Question,
    /// When it was asked first.
    pub(super) since: Duration,
    /// Who was asked last, what that member had said before, and until when it may answer.
    pub(super) from: LinkId,
    pub(super) told: Vec<Tip>,
    pub(super) until: Duration,
    /// Members that were asked.
    pub(super) in_vain: BTreeSet<LinkId>,
    /// Members that had no place, and may have one later.
    pub(super) busy: BTreeSet<LinkId>,
    /// The page behind the smallest gap so far, and how many entries that is.
    pub(super) behind_gap: Option<(u64, Shown)>,
    /// What is to be said if nobody shows anything.
    pub(super) refusal: Option<Refusal>,
}

impl Reads {
    /// How many questions are open.
    pub(super) fn count(&self) -> usize {
        self.open.len() + self.parked.len()
    }

    /// Opens a question. The number by which it is asked.
    pub(super) fn ask(&mut self, read: Read) -> u64 {
        self.numbers += 1;
        self.open.insert(self.numbers, read);
        self.numbers
    }

    /// The question that a link was asked by this number.
    pub(super) fn take(&mut self, number: u64, link: LinkId) -> Option<Read> {
        let is_asked = self.open.get(&number).is_some_and(|read| read.from == link);
        is_asked.then(|| self.open.remove(&number)).flatten()
    }

    pub(super) fn take_all(&mut self, is_one: impl Fn(&Read) -> bool) -> Vec<Read> {
        let all = self.open.iter().filter(|(_, read)| is_one(read));
        let numbers: Vec<u64> = all.map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.open.remove(&number)).collect()
    }

    /// The member that was asked did not answer: it is asked last from now on, and not for the same
    /// again.
    pub(super) fn shun(&mut self, read: &Read, now: Duration) {
        let was_caught = self.is_caught(read.from);
        self.shunned.insert(read.from, (now + SHUNNED_FOR, was_caught));
        let leaves = read.question.trail.leaves().to_vec();
        let declined = Declined { leaves, told: read.told.clone(), until: now + DECLINED_FOR };
        self.declined.insert((read.from, read.question.author), declined);
    }

    /// The member that was asked answered wrongly.
    pub(super) fn catch(&mut self, read: &Read, now: Duration) {
        self.shun(read, now);
        self.shunned.insert(read.from, (now + SHUNNED_FOR, true));
    }

    pub(super) fn is_caught(&self, link: LinkId) -> bool {
        self.shunned.get(&link).is_some_and(|(_, is_caught)| *is_caught)
    }

    pub(super) fn is_shunned(&self, link: LinkId) -> bool {
        self.shunned.contains_key(&link)
    }

    /// Whether a member is not to be asked for what follows these leaves.
    pub(super) fn has_declined(
        &self,
        (link, author): (LinkId, PublicKey),
        leaves: &[Tip],
        told: &[Tip],
    ) -> bool {
        let declined = self.declined.get(&(link, author));
        declined.is_some_and(|it| it.leaves == leaves && it.told == told)
    }

    /// What was remembered long enough is forgotten.
    pub(super) fn forget(&mut self, now: Duration) {
        self.shunned.retain(|_, (until, _)| now < *until);
        self.declined.retain(|_, declined| now < declined.until);
    }

    /// A link went.
    pub(super) fn link_down(&mut self, link: LinkId) {
        self.shunned.remove(&link);
        self.declined.retain(|(asked, _), _| *asked != link);
        for read in &mut self.parked {
            read.busy.remove(&link);
        }
    }
}

impl Read {
    pub(super) fn of(ticket: Ticket, question: Question, now: Duration) -> Self {
        Self {
            ticket,
            question,
            since: now,
            from: LinkId(0),
            told: Vec::new(),
            until: now,
            in_vain: BTreeSet::new(),
            busy: BTreeSet::new(),
            behind_gap: None,
            refusal: None,
        }
    }

    /// Nothing came of asking.
    pub(super) fn fail(&mut self, refusal: Refusal) {
        self.in_vain.insert(self.from);
        self.refusal = Some(match refusal {
            // These are of the asker, not of the copy.
            Refusal::SubscribeNotGranted | Refusal::NotAMember | Refusal::Busy => refusal,
            _ => Refusal::CopiesUnusable,
        });
    }

    /// Takes a page behind a gap, if no other has a smaller one.
    pub(super) fn keep(&mut self, gap: u64, page: Shown) {
        if self.behind_gap.as_ref().is_none_or(|(best, _)| gap < *best) {
            self.behind_gap = Some((gap, page));
        }
        self.in_vain.insert(self.from);
    }
}
