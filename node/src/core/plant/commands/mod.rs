//! Commands and queries: what machines ask each other to do.
//!
//! ```text
//!   Ask ──► caller ── Call ─────────────► target ── note(accepted) ─► on disk ── Run ─► the program
//!             │ ▲                           │  ▲                                            │
//!   Answer ◄──┘ └── Outcome ◄── on disk ◄── note(outcome) ◄────────────────────────── Ended ┘
//! ```
//!
//! The record that the target writes before the program acts is also the row that keeps the command
//! from being executed twice: so there is no moment at which one is there without the other. What
//! has a row and no outcome when the node starts was begun in an earlier life; whether it was
//! finished nobody can know, and it is never begun again.
//!
//! ```text
//!   rows     what became of each command; the same command again is answered from there
//!   serving  the verbs of this machine, and what waits for a place
//!   target   from a call's arrival to its outcome
//!   recall   the rows of earlier lives, from the own log
//!   caller   calls of this node, until somebody says what became of them
//!   queries  questions that leave no trace, on both sides
//!   moments  what time it is at other members
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::command::{CommandFrame, Verb};
use gearmesh_protocol::entry::FencingToken;
use gearmesh_protocol::ids::{CommandId, PublicKey, WorkId};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::{Effect, LinkId, Now, Plant};

mod caller;
mod contract;
mod moments;
mod queries;
mod recall;
mod rows;
mod serving;
mod target;

pub use caller::{AWAY_WITHIN, CALLS_OPEN_MAX, OUTCOME_WITHIN};
pub use contract::{
    Asked, CommandEffect, CommandInput, Ended, Ending, Fit, Recalled, Recorded, Run, RunId, Service,
};
pub use rows::{ROWS_BYTES_MAX, ROWS_MAX};
pub use serving::{AT_ONCE_MAX, RUN_WITHIN_MAX, WAITING_MAX, WAITING_PER_CALLER_MAX};
pub use target::OUTPUT_UNFIT;

use caller::Calls;
use moments::Moments;
use queries::Queries;
use recall::Recall;
use rows::Rows;
use serving::Serving;

/// A command as its target knows it: no two callers share an id.
type Key = (PublicKey, CommandId);

/// What is written to the own log for a command, a lease or a work item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It will be executed.
    Accepted(PublicKey, CommandId),
    /// What became of it.
    Over(PublicKey, CommandId),
    /// What this node asked of another; nothing waits for it.
    Called,
    /// A lease is given.
    Granted(Name, FencingToken),
    /// A lease is over; nothing waits for it.
    LeaseOver,
    /// A work item has another state.
    Work(WorkId),
    /// This was said before, in a group that is to go.
    Again(Matter),
}

/// What the own log has to say as long as it is so: a start knows nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// What became of a command.
    Command(PublicKey, CommandId),
    /// That a lease was given.
    Lease(Name, FencingToken),
    /// How a work item stands.
    Work(WorkId),
}

impl Note {
    /// Whether nothing follows from its being on the disk: then it waits until something else is written,
    /// or for a tick.
    pub(super) const fn can_wait(&self) -> bool {
        match self {
            Self::Called | Self::LeaseOver | Self::Again(_) => true,
            Self::Accepted(..) | Self::Over(..) | Self::Granted(..) | Self::Work(_) => false,
        }
    }
}

/// All that a node knows of commands.
#[derive(Debug)]
pub(super) struct Commands {
    rows: Rows,
    serving: Serving,
    recall: Recall,
    calls: Calls,
    queries: Queries,
    moments: Moments,
    /// What linked members, and this node, say that they serve.
    verbs: Arc<BTreeMap<PublicKey, Arc<[Verb]>>>,
}

impl Commands {
    /// The state of a node that may have a log of its own: what that says of commands comes later.
    pub(super) fn beside(has_own_log: bool) -> Self {
        Self {
            rows: Rows::default(),
            serving: Serving::default(),
            recall: Recall::of(has_own_log),
            calls: Calls::default(),
            queries: Queries::default(),
            moments: Moments::default(),
            verbs: Arc::default(),
        }
    }

    /// What was made of commands here.
    pub(super) const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The group of that number says what became of a command.
    pub(super) fn said(&mut self, key: Key, number: u64) {
        self.rows.said(key, number);
    }

    /// Whether all is known that the own log says of earlier lives.
    pub(super) fn has_recalled(&self) -> bool {
        self.recall.is_over()
    }

    /// What linked members, and this node, say that they serve.
    pub(super) fn verbs(&self) -> Arc<BTreeMap<PublicKey, Arc<[Verb]>>> {
        Arc::clone(&self.verbs)
    }
}

impl Plant {
    pub(super) fn on_command(&mut self, now: Now, input: CommandInput, effects: &mut Vec<Effect>) {
        match input {
            CommandInput::Frame { link, frame } => self.on_command_frame(now, link, frame, effects),
            CommandInput::Call { link, call, fit } => {
                if self.peer_of(link) == Some(call.by()) {
                    let caller = call.by();
                    self.arrive(now, caller, call.into_value(), fit, effects);
                }
            }
            CommandInput::Outcome { link, outcome } => {
                if self.peer_of(link) == Some(outcome.by()) {
                    let target = outcome.by();
                    self.on_outcome(now, &target, outcome.into_value(), effects);
                }
            }
            CommandInput::Query { link, query, fit } => {
                self.on_query(now, link, query, fit, effects);
            }
            CommandInput::Serve { ticket, service } => {
                self.on_serve(now, ticket, service, effects);
            }
            CommandInput::Withdraw { verb } => self.on_withdraw(now, &verb, effects),
            CommandInput::Ended { run, ending } => self.on_run_ended(now, run, ending, effects),
            CommandInput::Ask { ticket, asked, fit } => {
                self.on_call_asked(now, ticket, asked, fit, effects);
            }
            CommandInput::AskQuery { ticket, asked, fit } => {
                self.on_query_asked(now, ticket, asked, fit, effects);
            }
            CommandInput::Recalled(recalled) => self.on_recalled(now, recalled, effects),
        }
    }

    fn on_command_frame(
        &mut self,
        now: Now,
        link: LinkId,
        frame: CommandFrame,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.peer_of(link) else { return };
        match frame {
            CommandFrame::Clock(moment) => {
                let is_first = self.commands.moments.of(&peer).is_none();
                self.commands.moments.heard(peer, moment, now.tick);
                self.send_open_calls(now, &peer, effects);
                self.send_open_queries(&peer, effects);
                if is_first {
                    self.ask_what_became_of_items(now, &peer, effects);
                }
            }
            CommandFrame::Verbs(verbs) => self.on_verbs(peer, verbs.into_vec()),
            CommandFrame::Progress { id, progress } => {
                self.on_progress(&peer, id, progress, effects);
            }
            CommandFrame::Told { number, state, detail } => {
                self.on_told(link, number, Ended { state, detail }, effects);
            }
            CommandFrame::Lease(frame) => self.on_lease_frame(now, (link, peer), frame, effects),
            CommandFrame::Work(frame) => self.on_work_frame(now, peer, frame, effects),
            // These come with their signature or their arguments checked.
            CommandFrame::Call(_) | CommandFrame::Outcome(_) | CommandFrame::Query(_) => {}
        }
    }

    /// What is due with time.
    pub(super) fn on_command_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.begin_recall(effects);
        self.expire_waiting(now, effects);
        self.end_overdue_runs(now, effects);
        self.note_outcomes_again(now);
        self.advance_all(now, effects);
        self.end_overdue_calls(now, effects);
        self.end_overdue_queries(now, effects);
        self.issue_moments(now, effects);
        self.want_called();
    }

    /// A new link hears what time it is here, and what is served.
    pub(super) fn greet_with_verbs(&mut self, now: Now, link: LinkId, effects: &mut Vec<Effect>) {
        // It may live another life than the one that issued the last moment.
        if let Some(peer) = self.peer_of(link) {
            self.commands.moments.forget(&peer);
        }
        self.send_moment(now, link, effects);
        if !self.commands.serving.is_empty() {
            let frame = CommandFrame::Verbs(self.commands.serving.announced());
            effects.push(CommandEffect::Send { link, frame }.into());
        }
    }

    /// A link went.
    pub(super) fn lose_command_lane(&mut self, link: LinkId) {
        self.commands.queries.link_down(link);
        let Some(peer) = self.peer_of(link) else { return };
        self.commands.calls.link_down(link);
        let is_last = self.links.peers().iter().all(|(id, other)| *id == link || *other != peer);
        if !is_last {
            return;
        }
        self.commands.moments.forget(&peer);
        self.forget_resources(&peer);
        self.forget_worker(&peer);
        if self.commands.verbs.contains_key(&peer) {
            Arc::make_mut(&mut self.commands.verbs).remove(&peer);
            self.view_is_stale = true;
        }
    }

    /// What a note was for is on the disk, in the group of that number.
    pub(super) fn on_noted(
        &mut self,
        now: Now,
        (note, number): (Note, u64),
        effects: &mut Vec<Effect>,
    ) {
        match note {
            Note::Accepted(caller, id) => {
                self.commands.rows.said((caller, id), number);
                self.begin_run(now, (caller, id), effects);
            }
            Note::Over(caller, id) => {
                self.commands.rows.said((caller, id), number);
                self.tell_outcome(now, (caller, id), effects);
            }
            Note::Granted(resource, token) => {
                self.leases.said(&resource, token, number);
                self.on_granted(now, (&resource, token), effects);
            }
            Note::Work(id) => self.on_item_noted(now, (id, number), effects),
            Note::Again(matter) => self.on_said_again(matter, Some(number)),
            Note::Called | Note::LeaseOver => {}
        }
    }

    /// It is not, and will not be.
    pub(super) fn on_not_noted(
        &mut self,
        now: Now,
        note: Note,
        refusal: Refusal,
        effects: &mut Vec<Effect>,
    ) {
        match note {
            Note::Accepted(caller, id) => self.refuse_row(now, (caller, id), refusal, effects),
            Note::Over(caller, id) => self.commands.rows.note_again((caller, id)),
            Note::Granted(resource, token) => {
                self.on_not_granted(now, (&resource, token), refusal, effects);
            }
            Note::Work(id) => self.on_item_not_noted(now, id, refusal, effects),
            Note::Again(matter) => self.on_said_again(matter, None),
            // The store is in trouble, which shows as an alarm; the call itself goes on, and the lease is
            // over.
            Note::Called | Note::LeaseOver => {}
        }
    }

    fn peer_of(&self, link: LinkId) -> Option<PublicKey> {
        self.links.get(link).map(|link| link.peer)
    }
}

impl From<CommandEffect> for Effect {
    fn from(effect: CommandEffect) -> Self {
        Self::Command(effect)
    }
}
