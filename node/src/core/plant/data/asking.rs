//! Reading logs of which no copy is kept here: which member is asked, and what of its answers counts.
//!
//! A reader asks for one page at a time, of the member that has most of the log. One that goes away,
//! does not answer, says no or sends what cannot be right is passed over, and the next is asked. That
//! a member keeps the end of a log to itself cannot be proven, but where it said that it has more it
//! has to show it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::{ReadRequest, VerifiedShown};
use gearmesh_protocol::topic::TopicFilter;

use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket};
use super::checking::{WrongPage, check};
use super::{DataEffect, replicas};

/// Questions of readers that are open at once, and readers that wait for members to say what they
/// have; whoever has more is told to wait.
pub const READS_OPEN_MAX: usize = 64;

/// How long a member may take to show a page.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// How long a reader waits for linked members to say where their copies end.
pub const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// How long a member that answered wrongly or not at all is asked last.
const SHUNNED_FOR: Duration = Duration::from_secs(60);

/// What a reader wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose log.
    pub author: PublicKey,
    /// The leaves of what it read already.
    pub after: Vec<Tip>,
    /// What it wants to see; headers alone if there are none.
    pub filters: Vec<TopicFilter>,
    /// Whether it was told that more follows. If nobody shows it then, that is no end.
    pub is_promised: bool,
}

/// A part of a log as a member showed it; signatures and proofs are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose log the member says it is.
    pub author: PublicKey,
    /// Its groups, parents before children.
    pub groups: Vec<VerifiedShown>,
    /// Entries in front of the first that the member does not have any more.
    pub gap: u64,
    /// Whether the member has nothing more.
    pub is_last: bool,
}

/// All that readers wait for.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// By the number that the frames name.
    open: BTreeMap<u64, Read>,
    /// Readers that wait for members to say what they have, and until when.
    waiting: BTreeMap<Ticket, Duration>,
    /// Members that are asked last, and until when.
    shunned: BTreeMap<LinkId, Duration>,
    numbers: u64,
}

/// A question under way.
#[derive(Debug)]
struct Read {
    ticket: Ticket,
    question: Question,
    from: LinkId,
    until: Duration,
    /// Members that were asked.
    in_vain: BTreeSet<LinkId>,
    /// What is to be said if nobody shows anything.
    refusal: Option<Refusal>,
}

impl Reads {
    /// The question that a link was asked by this number.
    fn take(&mut self, number: u64, link: LinkId) -> Option<Read> {
        let is_asked = self.open.get(&number).is_some_and(|read| read.from == link);
        is_asked.then(|| self.open.remove(&number)).flatten()
    }

    fn take_all(&mut self, is_one: impl Fn(&Read) -> bool) -> Vec<Read> {
        let all = self.open.iter().filter(|(_, read)| is_one(read));
        let numbers: Vec<u64> = all.map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.open.remove(&number)).collect()
    }
}

impl Read {
    /// Nothing came of asking.
    fn fail(&mut self, refusal: Refusal) {
        self.in_vain.insert(self.from);
        self.refusal = Some(match refusal {
            // These are of the asker, not of the copy.
            Refusal::SubscribeNotGranted | Refusal::NotAMember | Refusal::Busy => refusal,
            _ => Refusal::CopiesUnusable,
        });
    }
}

impl Plant {
    /// A reader wants a page.
    pub(super) fn on_ask(
        &mut self,
        now: Now,
        ticket: Ticket,
        question: Question,
        effects: &mut Vec<Effect>,
    ) {
        if self.data.reads.open.len() >= READS_OPEN_MAX {
            return effects.push(refused(ticket, Refusal::Busy));
        }
        let (from, until) = (LinkId(0), now.tick);
        let (in_vain, refusal) = (BTreeSet::new(), None);
        self.ask_next(now, Read { ticket, question, from, until, in_vain, refusal }, effects);
    }

    /// A reader waits until it is known whose logs can be read.
    pub(super) fn on_logs_asked(&mut self, now: Now, ticket: Ticket, effects: &mut Vec<Effect>) {
        if self.data.reads.waiting.len() >= READS_OPEN_MAX {
            return effects.push(refused(ticket, Refusal::Busy));
        }
        self.data.reads.waiting.insert(ticket, now.tick + ENDS_WITHIN);
        self.answer_waiting(now, effects);
    }

    /// Answers those who wait for members to say what they have.
    pub(super) fn answer_waiting(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let (said, silent) = self.data.copies.heard();
        let refusal = match (said, silent) {
            (0, 0) => Some(Refusal::NoCopiesReached),
            (0, _) => Some(Refusal::CopiesUnusable),
            _ => None,
        };
        let is_settled = silent == 0;
        self.data.reads.waiting.retain(|ticket, until| {
            let is_over = is_settled || now.tick >= *until;
            if is_over {
                let ready = Effect::Answer { ticket: *ticket, answer: Answer::Ready };
                effects.push(refusal.map_or(ready, |refusal| refused(*ticket, refusal)));
            }
            !is_over
        });
    }

    /// A member showed a page; none if its signatures or proofs are wrong.
    pub(super) fn on_shown(
        &mut self,
        now: Now,
        (link, number): (LinkId, u64),
        page: Option<Shown>,
        effects: &mut Vec<Effect>,
    ) {
        // What nobody asked for, or no longer waits for, is not looked at.
        let Some(mut read) = self.data.reads.take(number, link) else { return };
        let checked = page.ok_or(WrongPage::Unproven).and_then(|page| {
            let told = self.data.copies.told_by(link, &read.question.author);
            check(&read.question, &page, told.unwrap_or_default()).map(|()| page)
        });
        match checked {
            Ok(page) if !page.groups.is_empty() => {
                let answer = Answer::Shown(Box::new(page));
                effects.push(Effect::Answer { ticket: read.ticket, answer });
            }
            Ok(_) => {
                read.in_vain.insert(link);
                self.ask_next(now, read, effects);
            }
            Err(why) => {
                self.shun(now, link);
                effects.push(DataEffect::Wrong { link, why }.into());
                read.fail(Refusal::CopiesUnusable);
                self.ask_next(now, read, effects);
            }
        }
    }

    /// A member says that it shows nothing.
    pub(super) fn on_not_shown(
        &mut self,
        now: Now,
        (link, number): (LinkId, u64),
        refusal: Refusal,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut read) = self.data.reads.take(number, link) else { return };
        read.fail(refusal);
        self.ask_next(now, read, effects);
    }

    /// Asks others what a link that went was asked.
    pub(in crate::core::plant) fn ask_elsewhere(
        &mut self,
        now: Now,
        link: LinkId,
        effects: &mut Vec<Effect>,
    ) {
        self.data.reads.shunned.remove(&link);
        for mut read in self.data.reads.take_all(|read| read.from == link) {
            read.fail(Refusal::CopiesUnusable);
            self.ask_next(now, read, effects);
        }
        self.answer_waiting(now, effects);
    }

    /// Gives up waiting for what did not come in time.
    pub(super) fn end_overdue_reads(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.data.reads.shunned.retain(|_, until| now.tick < *until);
        for mut read in self.data.reads.take_all(|read| now.tick >= read.until) {
            self.shun(now, read.from);
            read.fail(Refusal::CopiesUnusable);
            self.ask_next(now, read, effects);
        }
        self.answer_waiting(now, effects);
    }

    fn shun(&mut self, now: Now, link: LinkId) {
        self.data.reads.shunned.insert(link, now.tick + SHUNNED_FOR);
    }

    /// Asks the next member, or answers if there is none.
    fn ask_next(&mut self, now: Now, mut read: Read, effects: &mut Vec<Effect>) {
        let Some(link) = self.next_to_ask(&read) else {
            let is_alone = self.data.copies.heard() == (0, 0);
            let refusal = read.refusal.or(is_alone.then_some(Refusal::NoCopiesReached));
            let is_broken = read.question.is_promised;
            let refusal = refusal.or(is_broken.then_some(Refusal::CopiesUnusable));
            let author = read.question.author;
            let nothing = Shown { author, groups: Vec::new(), gap: 0, is_last: true };
            let answer = match refusal {
                Some(refusal) => Answer::Refused(refusal),
                None => Answer::Shown(Box::new(nothing)),
            };
            return effects.push(Effect::Answer { ticket: read.ticket, answer });
        };
        let reads = &mut self.data.reads;
        reads.numbers += 1;
        let (number, question) = (reads.numbers, &read.question);
        let after = Bounded::first_of(question.after.iter().copied());
        let filters = Bounded::first_of(question.filters.iter().cloned());
        let request = ReadRequest { number, author: question.author, after, filters };
        effects.push(DataEffect::Send { link, frame: DataFrame::Read(request) }.into());
        (read.from, read.until) = (link, now.tick + SHOWN_WITHIN);
        reads.open.insert(number, read);
    }

    /// The member that says that it has most of what follows; one that answered badly comes last.
    fn next_to_ask(&self, read: &Read) -> Option<LinkId> {
        let Question { author, after, .. } = &read.question;
        let roster = self.roster.as_deref()?;
        let keeps = |link: &LinkId| {
            let peer = self.links.get(*link).map(|link| link.peer);
            peer.is_some_and(|peer| replicas::keeps_copies(roster, &peer))
        };
        let holders = self.data.copies.holders(author).into_iter();
        let holders = holders.filter(|link| keeps(link) && !read.in_vain.contains(link));
        let able = holders.filter_map(|link| {
            let ends = self.data.copies.told_by(link, author)?;
            let highest = ends.iter().map(|end| end.number).max();
            let is_shunned = self.data.reads.shunned.contains_key(&link);
            has_more(ends, after).then_some((is_shunned, Reverse(highest), link))
        });
        able.min().map(|(.., link)| link)
    }
}

/// Whether a copy with these ends has something that follows the leaves of a reader. One that is
/// behind the reader would not know its place, and begin anew.
#[must_use]
pub fn has_more(ends: &[Tip], after: &[Tip]) -> bool {
    let highest = after.iter().map(|leaf| leaf.number).max();
    let knows_place = ends.iter().any(|end| after.contains(end));
    let mut unknown = ends.iter().filter(|end| !after.contains(end));
    unknown.any(|end| knows_place || highest.is_none_or(|highest| end.number > highest))
}

const fn refused(ticket: Ticket, refusal: Refusal) -> Effect {
    Effect::Answer { ticket, answer: Answer::Refused(refusal) }
}
