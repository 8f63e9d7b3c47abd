//! Data logs: what must not be lost.
//!
//! A node writes its own log and keeps copies of others'. The core decides what is written when,
//! what is asked of whom, and when something is as safe as its publisher asked for; the groups
//! themselves lie in the shell's store and pass through here only when they are new.
//!
//! ```text
//!   Publish ──► commit ── Store ─► Stored ──► acks ──► Answer::Durable
//!                                    └──► copies ── Ends ─► members
//!   Ends ──► copies ── Pull ─► Groups ── Store ─► Stored ── Ends ─► the author's acks
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::data::{DataFrame, LogEnds, LogParts};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::ReadRequest;
use gearmesh_protocol::time::UnixMillis;

use super::chain::{Extent, Gap};
use super::roster::Member;
use super::{Answer, Effect, LinkId, Now, OWN_LOG_WAIT, Plant, Ticket};

mod acks;
mod asking;
mod branches;
mod chaining;
mod checking;
mod commit;
mod copies;
mod elsewhere;
mod judging;
mod mending;
mod more;
mod noting;
mod outline;
mod pulling;
mod pulls;
mod reads;
mod remembered;
mod replicas;
mod retention;
mod settling;
mod showing;
mod trail;
mod writers;

pub use acks::{ACKS_WAITING_MAX, REPLICATED_WITHIN};
pub use asking::{
    ASKED_ABOUT_GAP_MAX, ENDS_WITHIN, Part, Question, READS_OPEN_MAX, SHOWN_WITHIN, Shown,
};
pub use branches::Branches;
pub use chaining::{Follows, follows};
pub use checking::{Odd, WrongPage};
pub use commit::{ENTRIES_WAITING_MAX, REQUEST_BYTES_MAX};
pub use elsewhere::Elsewhere;
pub use judging::{Judged, Withheld, judge};
pub use mending::GAPS_MAX;
pub use more::{More, more};
pub use outline::{LEAPS_MAX, Outline, RECENT_MAX};
pub use replicas::{FULL_COPIES_MAX, REPLICAS, is_replica, keeps_copies, replicas_of};
pub use retention::Keep;
pub use showing::show;
pub use trail::{Step, Trail};

use acks::Acks;
use commit::{Asked, Batch, By, Commit, Written};
use copies::Copies;
use mending::Mending;
use pulling::Came;
use pulls::{Pulled, Pulls};
use reads::Reads;
use remembered::{LOST_LOG_WAIT, Remembered};
use retention::Retention;
use settling::SeenOwn;
use writers::Writers;

/// What happened to data logs.
#[derive(Debug)]
pub enum DataInput {
    /// Entries of this node are to be made durable, all in one group.
    Publish {
        /// Where the answer goes.
        ticket: Ticket,
        /// The entries, encoded: at most one group of them.
        entries: Vec<Vec<u8>>,
        /// When the answer is due.
        ack: AckLevel,
    },
    /// A person decided that all branches of the own log are this node's.
    Settle {
        /// Where the answer goes.
        ticket: Ticket,
        /// The ends that the person saw.
        ends: Vec<GroupId>,
    },
    /// A member said where its copies end.
    Ends {
        /// Over which link.
        link: LinkId,
        /// Where.
        ends: Vec<LogEnds>,
    },
    /// A member said where its copies end of which something is missing.
    Parts {
        /// Over which link.
        link: LinkId,
        /// Where, and what is there.
        parts: Vec<LogParts>,
    },
    /// A member asks for what it lacks.
    Pull {
        /// Over which link.
        link: LinkId,
        /// Whose log.
        author: PublicKey,
        /// Where its copy ends.
        after: Vec<Tip>,
    },
    /// A member sent groups, verified by the shell.
    Groups {
        /// Over which link.
        link: LinkId,
        /// Whose log.
        author: PublicKey,
        /// The groups, parents before children.
        groups: Vec<Arc<VerifiedGroup>>,
        /// Entries in front of the first that the member does not have any more.
        gap: u64,
        /// Whether the member has nothing more.
        is_last: bool,
    },
    /// A member without copies asks to be shown what follows its place.
    Read {
        /// Over which link.
        link: LinkId,
        /// What it wants.
        request: ReadRequest,
    },
    /// A reader here asks for what follows its place in a log that is not kept here.
    Ask {
        /// Where the answer goes.
        ticket: Ticket,
        /// What it wants.
        question: Question,
    },
    /// A reader here waits until members have said whose logs they have.
    AskLogs {
        /// Where the answer goes.
        ticket: Ticket,
    },
    /// A person wants to know where members say that a log ends.
    AskElsewhere {
        /// Where the answer goes.
        ticket: Ticket,
        /// Whose log.
        author: PublicKey,
    },
    /// A member showed a page.
    Shown {
        /// Over which link.
        link: LinkId,
        /// Of which question.
        number: u64,
        /// The page, verified by the shell; none if that failed.
        page: Option<Shown>,
    },
    /// A member shows nothing.
    NotShown {
        /// Over which link.
        link: LinkId,
        /// Of which question.
        number: u64,
        /// Why not.
        refusal: Refusal,
    },
    /// The answer to [`DataEffect::Find`].
    Found {
        /// The link whose member has them.
        link: LinkId,
        /// Whose log.
        author: PublicKey,
        /// Whether some of them are not here.
        is_missing: bool,
    },
    /// The groups of [`DataEffect::Store`] were taken up; what was stored is durable.
    Stored {
        /// Which.
        write: u64,
        /// What became of each, in their order.
        kept: Vec<Kept>,
    },
    /// Old groups of a log were let go, as far as they might be.
    Retained {
        /// Whose log.
        author: PublicKey,
        /// Bytes that are left.
        bytes: u64,
        /// The last group of what was to go as well, had it not been needed.
        held: Option<u64>,
    },
    /// The answer to [`DataEffect::Survey`].
    Surveyed {
        /// What is missing, by author: of each log its first gaps.
        gaps: BTreeMap<PublicKey, Vec<Gap>>,
    },
    /// They were not written, and will not be.
    StoreFailed {
        /// Which.
        write: u64,
        /// What the store said.
        cause: String,
    },
}

/// What is to be done about data logs.
#[derive(Clone, Debug)]
pub enum DataEffect {
    /// Make these groups durable and answer with [`DataInput::Stored`].
    Store {
        /// Names the write.
        write: u64,
        /// The groups, all of one log.
        groups: Vec<Arc<VerifiedGroup>>,
        /// Whether the groups before the first are gone everywhere it was looked: then it is kept
        /// all the same, behind a gap.
        is_apart: bool,
    },
    /// Let old groups go, as far as they are not needed, and answer with [`DataInput::Retained`].
    Retain {
        /// Whose log.
        author: PublicKey,
        /// Bytes that stay.
        keep_bytes: u64,
        /// What came here before then goes, whatever room there is.
        since: Option<UnixMillis>,
        /// Groups from this number on stay.
        before: u64,
    },
    /// Send a frame over the data lane.
    Send {
        /// Over which link.
        link: LinkId,
        /// The frame.
        frame: DataFrame,
    },
    /// Read what follows these ends and send a page of it over the data lane.
    Serve {
        /// Over which link.
        link: LinkId,
        /// Whose log.
        author: PublicKey,
        /// What the member has.
        after: Vec<Tip>,
    },
    /// Read what follows and show a page of it over the data lane.
    Show {
        /// Over which link.
        link: LinkId,
        /// What is wanted.
        request: ReadRequest,
        /// With whose eyes: it is shown nothing that it may not see.
        sees: Box<Member>,
    },
    /// Tell readers where a log ends that is not kept here, as the member says that has most of it.
    Heard {
        /// Whose log.
        author: PublicKey,
        /// Its ends, the longest branch first.
        ends: Vec<Tip>,
    },
    /// Count that a member showed what it was not asked for, or what cannot be.
    Wrong {
        /// Over which link.
        link: LinkId,
        /// What is wrong.
        why: WrongPage,
    },
    /// See what is missing in the store and answer with [`DataInput::Surveyed`].
    Survey,
    /// See whether these groups are in the store and answer with [`DataInput::Found`].
    Find {
        /// The link whose member has them.
        link: LinkId,
        /// Whose log.
        author: PublicKey,
        /// The groups.
        tips: Vec<Tip>,
    },
}

/// What became of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether it was not here before and is now.
    pub is_new: bool,
    /// Whether it was missing until now: a group that was here names it.
    pub fills: bool,
    /// What there is of its log now.
    pub extent: Extent,
}

/// Where entries are safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The group that holds them.
    pub group: GroupId,
    /// Its number.
    pub number: u64,
    /// The place of the first of them in the log, counted in entries.
    pub entry: u64,
    /// Members besides this node that have it on their disks.
    pub replicas: usize,
    /// Whether that is as many as was asked for.
    pub is_reached: bool,
}

/// The state of this node's data logs.
#[derive(Debug, Default)]
pub(super) struct Data {
    commit: Commit,
    copies: Copies,
    pulls: Pulls,
    acks: Acks,
    mending: Mending,
    retention: Retention,
    remembered: Remembered,
    writers: Writers,
    /// What members showed of the own log, by the write that takes it to the disk.
    shown: BTreeMap<u64, SeenOwn>,
    reads: Reads,
    writes: u64,
    /// Why the store did not take the last write, if it did not.
    trouble: Option<String>,
}

impl Data {
    /// What the store holds at the start, and who wrote the ends of the own log.
    pub(super) fn holding(
        held: BTreeMap<PublicKey, Extent>,
        writers: Vec<(GroupId, Incarnation)>,
        keep: Keep,
    ) -> Self {
        let (copies, retention) = (Copies::holding(held), Retention::of(keep));
        Self { copies, retention, writers: Writers::of(writers), ..Self::default() }
    }

    /// Why the store takes nothing, if it does not.
    pub(super) const fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }

    /// Entries that this node's disk lost, by author.
    pub(super) fn missing(&self) -> BTreeMap<PublicKey, u64> {
        self.mending.missing()
    }

    /// Authors whose logs have several ends.
    pub(super) fn forked(&self) -> Vec<PublicKey> {
        self.copies.forked()
    }

    /// Where the copy of a log ends here.
    pub(super) fn ends(&self, author: &PublicKey) -> &[Tip] {
        self.copies.ends(author)
    }

    fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }
}

impl Plant {
    pub(super) fn on_data(&mut self, now: Now, input: DataInput, effects: &mut Vec<Effect>) {
        match input {
            DataInput::Publish { ticket, entries, ack } => {
                let asked = Asked { by: By::Ticket(ticket), entries, ack };
                if let Err(refusal) = self.accept(now, asked) {
                    let answer = Answer::Refused(refusal);
                    effects.push(Effect::Answer { ticket, answer });
                }
            }
            DataInput::Settle { ticket, ends } => self.on_settle(now, ticket, ends, effects),
            DataInput::Ends { link, ends } => self.on_data_ends(now, link, ends, effects),
            DataInput::Parts { link, parts } => self.on_data_parts(now, link, parts, effects),
            DataInput::Pull { link, author, after } => {
                if self.is_replicating(link) {
                    effects.push(DataEffect::Serve { link, author, after }.into());
                }
            }
            DataInput::Groups { link, author, groups, gap, is_last } => {
                let page = Came { groups, is_apart: gap > 0, is_last };
                self.on_groups(now, link, author, page, effects);
            }
            DataInput::Read { link, request } => self.on_read(now, link, request, effects),
            DataInput::Ask { ticket, question } => self.on_ask(now, ticket, question, effects),
            DataInput::AskLogs { ticket } => self.on_logs_asked(now, ticket, effects),
            DataInput::AskElsewhere { ticket, author } => {
                self.on_elsewhere_asked(ticket, author, effects);
            }
            DataInput::Shown { link, number, page } => {
                self.on_shown(now, (link, number), page, effects);
            }
            DataInput::NotShown { link, number, refusal } => {
                self.on_not_shown(now, (link, number), refusal, effects);
            }
            DataInput::Retained { author, bytes, held } => self.on_retained(&author, bytes, held),
            DataInput::Found { link, author, is_missing } => {
                self.on_found(now, link, author, is_missing, effects);
            }
            DataInput::Stored { write, kept } => self.on_stored(now, write, &kept, effects),
            DataInput::Surveyed { gaps } => self.on_surveyed(now, gaps, effects),
            DataInput::StoreFailed { write, cause } => {
                self.on_store_failed(now, write, cause, effects);
            }
        }
    }

    /// What is due with time: waits that are over, news of other authors' logs, pulls left out.
    pub(super) fn on_data_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.data.commit.is_time();
        self.data.acks.give_up(now.tick, effects);
        self.tell_own_data(now, effects);
        self.retain(now, effects);
        self.survey(now, effects);
        if self.data.copies.news_are_due(now.tick) {
            for link in self.replicating_links() {
                self.data.copies.send_news(link, effects);
            }
        }
        self.data.copies.tell_readers(self.me, now.tick, effects);
        self.pull_left_out(now, effects);
        self.end_overdue_reads(now, effects);
    }

    /// A new link hears where all copies end.
    pub(super) fn greet_with_data(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.links.get(link).map(|link| link.peer) else { return };
        if self.is_replicating(link) {
            self.data.copies.link_up(link, peer, effects);
        } else if self.keeps_copies() {
            self.data.copies.reader_up(link, peer, effects);
        }
    }

    /// A link went: what its member had is at others, or nowhere.
    pub(super) fn on_data_link_down(&mut self, now: Now, link: LinkId, effects: &mut Vec<Effect>) {
        self.data.pulls.link_down(link);
        for author in self.data.copies.link_down(link) {
            self.tell_readers(author, effects);
        }
        self.ask_elsewhere(now, link, effects);
    }

    fn accept(&mut self, now: Now, asked: Asked) -> Result<(), Refusal> {
        let roster = self.may_write_more(now)?;
        let ack = match asked.ack {
            AckLevel::Local => AckLevel::Local,
            AckLevel::Replicated(needed) => match replicas_of(roster, &self.me).count() {
                // Where nobody else could have it, this node's disk is all there is.
                0 => AckLevel::Local,
                able if usize::from(needed) > able => return Err(Refusal::ReplicasTooFew),
                _ => asked.ack,
            },
        };
        self.data.commit.take(Asked { ack, ..asked })
    }

    /// Writes the next group of the own log, if something waits and may follow what is under way.
    pub(super) fn write_group(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.data.commit.is_ready() || !self.may_write_own_data(now) {
            return;
        }
        let Some(batch) = self.data.commit.begin() else { return };
        let Batch { entries, asked, notes, settles } = batch;
        let is_settlement = settles.is_some();
        let after = match settles {
            Some(ends) => self.joined(now, &ends),
            None => Ok(self.own_end()),
        };
        match after.and_then(|after| self.sign(after, entries)) {
            Ok(group) => {
                let write = self.data.next_write();
                let before = group.header().entries_before;
                let tip = group.tip();
                let written = Written { tip, before, asked, notes, is_settlement };
                self.data.commit.write(write, written);
                let groups = vec![Arc::new(group)];
                effects.push(DataEffect::Store { write, groups, is_apart: false }.into());
            }
            Err(refusal) => self.refuse_entries(now, asked, notes, refusal, effects),
        }
    }

    fn sign(&mut self, after: Vec<Tip>, entries: Vec<Vec<u8>>) -> Result<VerifiedGroup, Refusal> {
        let roster = self.roster.as_ref().ok_or(Refusal::NotAMember)?;
        let draft = Draft {
            log: LogId { author: self.me, kind: LogKind::Data },
            incarnation: self.lives.current(),
            after,
            acting_under: roster.acting_under(&self.me).ok_or(Refusal::NotAMember)?,
            salt: Salt(self.random.bytes()),
            entries,
        };
        Group::write(&self.key, &roster.plant(), draft).map_err(|_| Refusal::LogFull)
    }

    /// Whether this node knows where its own log ends, or has asked long enough.
    fn may_write_own_data(&self, now: Now) -> bool {
        let alone = self.roster.as_ref().is_none_or(|roster| roster.members().len() <= 1);
        let wait = if self.lost_own_data() > 0 { LOST_LOG_WAIT } else { OWN_LOG_WAIT };
        alone
            || self.data.commit.has_written()
            || now.tick >= wait
            || self.data.copies.has_all_of(&self.me)
    }

    fn on_store_failed(&mut self, now: Now, write: u64, cause: String, effects: &mut Vec<Effect>) {
        self.view_is_stale = true;
        self.data.trouble = Some(cause);
        self.data.pulls.failed(write, now.tick);
        self.data.shown.remove(&write);
        if let Some(Written { asked, notes, .. }) = self.data.commit.failed(write) {
            self.refuse_entries(now, asked, notes, Refusal::NotStored, effects);
        }
    }

    fn on_stored(&mut self, now: Now, write: u64, kept: &[Kept], effects: &mut Vec<Effect>) {
        let has_news = kept.iter().any(|kept| kept.is_new);
        if self.data.commit.is_writing(write) && !has_news {
            let cause = "it does not place what this node wrote".to_owned();
            return self.on_store_failed(now, write, cause, effects);
        }
        self.view_is_stale |= self.data.trouble.take().is_some();
        self.watch_own_data(write, kept);
        let Some(last) = kept.last() else { return };
        let lost = self.lost_own_data();
        if let Some(mut written) = self.data.commit.written(write) {
            self.view_is_stale |= written.is_settlement && self.lives.accept_data();
            let is_first = self.data.ends(&self.me).is_empty();
            self.view_is_stale |= self.data.copies.set(self.me, last.extent.clone());
            let (notes, number) = (std::mem::take(&mut written.notes), written.tip.number);
            if !written.asked.is_empty() {
                self.data.copies.hurry(written.tip.number);
            }
            self.data.acks.written(written, now.tick, effects);
            if is_first {
                self.want_copied();
            }
            self.remember_own_data(effects);
            self.tell_own_data(now, effects);
            for note in notes {
                self.on_noted(now, (note, number), effects);
            }
        } else if let Some(pulled) = self.data.pulls.stored(write, now.tick, effects) {
            let Pulled { author, is_for_gap, is_over } = pulled;
            self.view_is_stale |= self.data.copies.set(author, last.extent.clone());
            if let Some((to, _)) = self.links.to(&author) {
                self.data.copies.send_one(to, author, effects);
            }
            if is_for_gap {
                effects.push(DataEffect::Survey.into());
            }
            if is_over {
                // Of a gap everybody is asked in turn, one right after the other.
                self.data.pulls.end(author, has_news || is_for_gap, now.tick);
            }
        }
        self.view_is_stale |= lost != self.lost_own_data();
    }

    fn is_replicating(&self, link: LinkId) -> bool {
        let peer = self.links.get(link).map(|link| link.peer);
        let roster = self.roster.as_ref();
        roster.zip(peer).is_some_and(|(roster, peer)| keeps_copies(roster, &peer))
    }

    /// Whether this node keeps copies of logs at all.
    fn keeps_copies(&self) -> bool {
        self.roster.as_ref().is_some_and(|roster| keeps_copies(roster, &self.me))
    }

    fn replicating_links(&self) -> Vec<LinkId> {
        let links = self.links.in_use().map(|(id, _)| id);
        links.filter(|link| self.is_replicating(*link)).collect()
    }
}

impl From<DataEffect> for Effect {
    fn from(effect: DataEffect) -> Self {
        Self::Data(effect)
    }
}
