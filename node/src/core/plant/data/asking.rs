//! Reading logs of which no copy is kept here: which member is asked, and what of its answers counts.
//!
//! A reader asks for one page at a time, of the member that has most of the log. One that goes away,
//! does not answer, says no or sends what cannot be right is passed over, and the next is asked. That
//! a member keeps the end of a log to itself cannot be proven, but where it said that it has more it
//! has to show it; and where groups are missing, others are asked for them before that is told.

use std::cmp::Reverse;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::{ReadRequest, VerifiedShown};
use gearmesh_protocol::topic::TopicFilter;

use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket};
use super::checking::{Fit, WrongPage, check};
use super::more::{More, more};
use super::reads::Read;
use super::trail::Trail;
use super::{DataEffect, replicas};

/// Questions of readers that are open at once, and readers that wait for members to say what they
/// have; whoever has more is told to wait.
pub const READS_OPEN_MAX: usize = 64;

/// How long a member may take to show a page, and how long one is waited for that has no place.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// How long a reader waits for linked members to say where their copies end.
pub const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Members that are asked for what one of them does not have any more, before that is told.
pub const ASKED_ABOUT_GAP_MAX: usize = 8;

/// What a reader wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose log.
    pub author: PublicKey,
    /// What it passed already.
    pub trail: Trail,
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
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Groups that go on from what it passed, parents before children.
    pub groups: Vec<VerifiedShown>,
    /// What members say that they have behind these.
    pub rest: More,
    /// Whether what follows can be placed only by the log's outline.
    pub is_beside: bool,
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
        if self.data.reads.count() >= READS_OPEN_MAX {
            return effects.push(refused(ticket, Refusal::Busy));
        }
        self.ask_next(now, Read::of(ticket, question, now.tick), effects);
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
        // What nobody waits for any more says nothing of who sent it.
        let Some(mut read) = self.data.reads.take(number, link) else { return };
        let checked = page.ok_or(WrongPage::Unproven).and_then(|page| {
            let fit = check(&read.question, &page, &read.told)?;
            Ok((page, fit))
        });
        match checked {
            Ok((page, Fit::Groups(count))) => {
                let groups = page.groups.into_iter().take(count).collect();
                self.answer_read(read, groups, effects);
            }
            Ok((mut page, Fit::Leap(count, gap))) => {
                page.groups.truncate(count);
                read.keep(gap, page);
                self.ask_next(now, read, effects);
            }
            Ok((_, Fit::Beside)) => {
                let part = Part { groups: Vec::new(), rest: More::Perhaps, is_beside: true };
                let answer = Answer::Read(Box::new(part));
                effects.push(Effect::Answer { ticket: read.ticket, answer });
            }
            Ok((_, Fit::Nothing)) => {
                read.in_vain.insert(link);
                self.ask_next(now, read, effects);
            }
            Ok((_, Fit::Unplaced)) => {
                read.fail(Refusal::CopiesUnusable);
                self.ask_next(now, read, effects);
            }
            Err(why) => {
                effects.push(DataEffect::Wrong { link, why }.into());
                self.data.reads.catch(&read, now.tick);
                // What was only said counts for nothing against those who say otherwise.
                if why == WrongPage::Withheld && self.has_other_holders(&read.question.author) {
                    read.in_vain.insert(link);
                } else {
                    read.fail(Refusal::CopiesUnusable);
                }
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
        let is_behind = more(&read.told, read.question.trail.leaves()) != More::Surely;
        match refusal {
            Refusal::Busy => drop(read.busy.insert(link)),
            // It does not know all branches that were passed, and has nothing newer.
            Refusal::MissingParent if is_behind => drop(read.in_vain.insert(link)),
            _ => read.fail(refusal),
        }
        self.ask_next(now, read, effects);
    }

    /// Asks others what a link that went was asked.
    pub(super) fn ask_elsewhere(&mut self, now: Now, link: LinkId, effects: &mut Vec<Effect>) {
        self.data.reads.link_down(link);
        for mut read in self.data.reads.take_all(|read| read.from == link) {
            read.fail(Refusal::CopiesUnusable);
            self.ask_next(now, read, effects);
        }
        self.answer_waiting(now, effects);
    }

    /// Gives up waiting for what did not come in time, and asks again those that had no place.
    pub(super) fn end_overdue_reads(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.data.reads.forget(now.tick);
        for mut read in self.data.reads.take_all(|read| now.tick >= read.until) {
            self.data.reads.shun(&read, now.tick);
            read.fail(Refusal::CopiesUnusable);
            self.ask_next(now, read, effects);
        }
        for mut read in std::mem::take(&mut self.data.reads.parked) {
            read.busy.clear();
            self.ask_next(now, read, effects);
        }
        self.answer_waiting(now, effects);
    }

    /// Asks the next member, or answers if there is none.
    fn ask_next(&mut self, now: Now, mut read: Read, effects: &mut Vec<Effect>) {
        let Some(link) = self.next_to_ask(&read) else {
            return self.end_read(now, read, effects);
        };
        let question = &read.question;
        let told = self.data.copies.told_by(link, &question.author).unwrap_or_default().to_vec();
        let (author, after) = (question.author, question.trail.leaves().iter().copied());
        let after = Bounded::first_of(after);
        let filters = Bounded::first_of(question.filters.iter().cloned());
        (read.from, read.told, read.until) = (link, told, now.tick + SHOWN_WITHIN);
        let number = self.data.reads.ask(read);
        let request = ReadRequest { number, author, after, filters };
        effects.push(DataEffect::Send { link, frame: DataFrame::Read(request) }.into());
    }

    /// Answers a question for which nobody is left.
    fn end_read(&mut self, now: Now, mut read: Read, effects: &mut Vec<Effect>) {
        if let Some((_, page)) = read.behind_gap.take() {
            return self.answer_read(read, page.groups, effects);
        }
        if !read.busy.is_empty() && now.tick < read.since + SHOWN_WITHIN {
            return self.data.reads.parked.push(read);
        }
        let is_alone = self.data.copies.heard() == (0, 0);
        let refusal = read.refusal.or((!read.busy.is_empty()).then_some(Refusal::Busy));
        let refusal = refusal.or(is_alone.then_some(Refusal::NoCopiesReached));
        let is_broken = self.is_broken(&read.question);
        match refusal.or(is_broken.then_some(Refusal::CopiesUnusable)) {
            Some(refusal) => effects.push(refused(read.ticket, refusal)),
            None => self.answer_read(read, Vec::new(), effects),
        }
    }

    fn answer_read(&self, read: Read, groups: Vec<VerifiedShown>, effects: &mut Vec<Effect>) {
        let Read { ticket, question, .. } = read;
        let mut leaves = question.trail.leaves().to_vec();
        for group in &groups {
            Tip::grow(&mut leaves, group.id(), group.header());
        }
        let holders = self.holders_of_more(&question.author, &leaves);
        let rest = holders.map(|(more, _)| more).max().unwrap_or(More::Nothing);
        let part = Part { groups, rest, is_beside: false };
        effects.push(Effect::Answer { ticket, answer: Answer::Read(Box::new(part)) });
    }

    /// Whether more of a log was promised than is shown, or a member that has more does not show it
    /// and is not asked again. What a member promised that was caught counts for nothing, if others
    /// say otherwise.
    fn is_broken(&self, question: &Question) -> bool {
        let Question { author, trail, is_promised, .. } = question;
        let claims = |link: &LinkId| {
            let told = self.data.copies.told_by(*link, author).unwrap_or_default();
            more(told, trail.leaves()) == More::Surely
        };
        let holders = self.data.copies.holders(author);
        let is_lie = || holders.iter().any(|link| self.data.reads.is_caught(*link) && claims(link));
        if *is_promised && !(self.has_other_holders(author) && is_lie()) {
            return true;
        }
        let mut rest = self.holders_of_more(author, trail.leaves());
        rest.any(|(more, link)| more == More::Surely && self.has_declined(question, link))
    }

    fn has_declined(&self, question: &Question, link: LinkId) -> bool {
        let told = self.data.copies.told_by(link, &question.author).unwrap_or_default();
        let leaves = question.trail.leaves();
        self.data.reads.has_declined((link, question.author), leaves, told)
    }

    /// The member that says that it has most of what follows; one that answered badly comes last.
    /// For what may not be anywhere any more few are asked, and only those that answer.
    fn next_to_ask(&self, read: &Read) -> Option<LinkId> {
        let Question { author, trail, .. } = &read.question;
        let is_behind_gap = read.behind_gap.is_some();
        if is_behind_gap && read.in_vain.len() >= ASKED_ABOUT_GAP_MAX {
            return None;
        }
        let able = self.holders_of_more(author, trail.leaves()).filter_map(|(_, link)| {
            let is_shunned = self.data.reads.is_shunned(link);
            let was_asked = read.in_vain.contains(&link) || read.busy.contains(&link);
            if was_asked || (is_behind_gap && is_shunned) || self.has_declined(&read.question, link)
            {
                return None;
            }
            let ends = self.data.copies.told_by(link, author)?;
            let highest = ends.iter().map(|end| end.number).max();
            Some((is_shunned, Reverse(highest), link))
        });
        able.min().map(|(.., link)| link)
    }

    /// Whether members have copies of a log that were not caught.
    fn has_other_holders(&self, author: &PublicKey) -> bool {
        let holders = self.data.copies.holders(author);
        holders.iter().any(|link| !self.data.reads.is_caught(*link))
    }

    /// Members that say that they have, or may have, what follows these leaves. Of one that was caught
    /// no word counts, but it may be asked.
    fn holders_of_more<'a>(
        &'a self,
        author: &'a PublicKey,
        leaves: &'a [Tip],
    ) -> impl Iterator<Item = (More, LinkId)> + 'a {
        let holders = self.data.copies.holders(author).into_iter();
        holders.filter_map(move |link| {
            let (roster, peer) =
                self.roster.as_deref().zip(self.links.get(link).map(|it| it.peer))?;
            let ends = self.data.copies.told_by(link, author)?;
            let more = match more(ends, leaves) {
                More::Surely if self.data.reads.is_caught(link) => More::Perhaps,
                more => more,
            };
            (more != More::Nothing && replicas::keeps_copies(roster, &peer)).then_some((more, link))
        })
    }
}

const fn refused(ticket: Ticket, refusal: Refusal) -> Effect {
    Effect::Answer { ticket, answer: Answer::Refused(refusal) }
}
