//! The target's side of a command, from its arrival to its outcome.
//!
//! Nothing is executed before its record is on the disk, nobody hears an outcome before that is, and
//! whatever arrives a second time is answered from its row.

use std::time::Duration;

use gearmesh_protocol::command::{
    Call, CommandFrame, Outcome, Progress, arguments_hash, detail, is_short,
};
use gearmesh_protocol::entry::{CommandRecord, CommandState, DataEntry, FencingToken};
use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::COMMAND_TTL_MS_MAX;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;

use super::super::{Effect, Now, Plant};
use super::contract::{CommandEffect, Ended, Ending, Fit, Run};
use super::rows::{Row, Standing, Work};
use super::serving::Job;
use super::{Key, Note};

impl Plant {
    /// A call arrived, as its caller signed it.
    pub(super) fn arrive(
        &mut self,
        now: Now,
        caller: PublicKey,
        call: Call,
        fit: Fit,
        effects: &mut Vec<Effect>,
    ) {
        let (key, arguments) = ((caller, call.id), arguments_hash(&call.arguments));
        self.keep_promise(&caller, call.id);
        if let Some(row) = self.commands.rows.get(&key) {
            let ended = match (row.is_of(&call, &arguments), row.over()) {
                (false, _) => refused(Refusal::CommandIdTaken),
                (true, Some(ended)) => ended.clone(),
                (true, None) => {
                    let is_begun = matches!(row.standing, Standing::Running | Standing::Ending(_));
                    let progress = if is_begun { Progress::Accepted } else { Progress::Received };
                    return self.tell_progress(key, progress, effects);
                }
            };
            return self.answer_caller(now, key, ended, effects);
        }
        if !self.commands.recall.is_over() {
            return match self.commands.recall.hold(caller, call, fit) {
                true => self.tell_progress(key, Progress::Received, effects),
                false => self.answer_caller(now, key, refused(Refusal::CommandsFull), effects),
            };
        }
        match self.judge(now, &caller, &call, fit) {
            Judged::Over(ended) => self.answer_caller(now, key, ended, effects),
            Judged::Refused { until, ended } => {
                let standing = Standing::Over(ended.clone());
                let (verb, at) = (call.verb, now.wall);
                let row = Row { verb, arguments, until, work: None, at, from: None, standing };
                self.commands.rows.refuse(key, row);
                self.answer_caller(now, key, ended, effects);
            }
            Judged::Taken { until } => {
                let verb = call.verb;
                let (token, partner) = (call.token, self.partner_of(now, &caller, call.partner));
                let work = Some(Work { arguments: call.arguments, token, partner });
                let standing = Standing::Waiting;
                let (at, from) = (now.wall, None);
                let row = Row { verb: verb.clone(), arguments, until, work, at, from, standing };
                self.commands.rows.insert(key, row);
                self.tell_progress(key, Progress::Received, effects);
                self.commands.serving.wait(&verb, Job::Command(key));
                self.advance(now, &verb, effects);
            }
        }
    }

    /// What is to become of a call that has no row.
    fn judge(&mut self, now: Now, caller: &PublicKey, call: &Call, fit: Fit) -> Judged {
        let is_own_life = call.issued.incarnation == self.lives.current();
        let issued = Duration::from_millis(call.issued.tick_ms);
        let is_to_come = is_own_life && issued > now.tick;
        if call.target != self.me || is_to_come || call.ttl_ms > COMMAND_TTL_MS_MAX {
            return Judged::Over(refused(Refusal::CallMisdirected));
        }
        if !is_own_life {
            // Whoever heard it does not hear otherwise when it asks again with a new moment.
            let until = now.tick + Duration::from_millis(COMMAND_TTL_MS_MAX.into());
            let ended = Ended::plainly(CommandState::Indeterminate);
            return Judged::Refused { until, ended };
        }
        let until = issued + Duration::from_millis(call.ttl_ms.into());
        if until <= now.tick {
            let was_here = self.commands.rows.may_have_forgotten(until);
            let state = if was_here { CommandState::Indeterminate } else { CommandState::Expired };
            return Judged::Over(Ended::plainly(state));
        }
        match self.may_take(now, caller, call, fit) {
            Ok(()) => Judged::Taken { until },
            Err(ended) => Judged::Refused { until, ended },
        }
    }

    fn may_take(
        &mut self,
        now: Now,
        caller: &PublicKey,
        call: &Call,
        fit: Fit,
    ) -> Result<(), Ended> {
        self.may_ask(now, caller, &call.verb, &call.arguments, false, fit)?;
        self.may_act(now, caller, &call.verb, call.token).map_err(refused)?;
        self.may_write_more(now).map_err(refused)?;
        let has_room = self.commands.rows.make_room(call.arguments.len(), now.tick);
        match has_room && self.commands.serving.has_place_to_wait(caller) {
            true => Ok(()),
            false => Err(refused(Refusal::CommandsFull)),
        }
    }

    /// Whether a caller may have a verb executed, and the arguments are what it takes.
    pub(super) fn may_ask(
        &self,
        now: Now,
        caller: &PublicKey,
        verb: &Name,
        arguments: &[u8],
        is_query: bool,
        fit: Fit,
    ) -> Result<(), Ended> {
        let roster = self.roster.as_ref().ok_or_else(|| refused(Refusal::NotAMember))?;
        let member = roster.member_at(caller, now.wall);
        if !member.is_some_and(|member| member.may_call()) {
            return Err(refused(Refusal::CallNotGranted));
        }
        let service = self.commands.serving.service(verb);
        let service = service.ok_or_else(|| refused(Refusal::VerbUnknown))?;
        if service.verb.is_query != is_query {
            return Err(refused(Refusal::VerbKind));
        }
        if !is_short(arguments) {
            return Err(refused(Refusal::CommandTooLarge));
        }
        fit.map_err(|why| Ended { detail: detail(why), ..refused(Refusal::ArgumentsUnfit) })
    }

    /// Whether a caller may have a verb executed under a token, where the verb is bound to a resource.
    fn may_act(
        &self,
        now: Now,
        caller: &PublicKey,
        verb: &Name,
        token: Option<FencingToken>,
    ) -> Result<(), Refusal> {
        let service = self.commands.serving.service(verb);
        match service.and_then(|service| service.resource.as_ref()) {
            Some(resource) => self.may_act_on(now, resource, caller, token),
            None => Ok(()),
        }
    }

    /// The partner for whom a caller says that it calls. Gateways alone speak to any.
    fn partner_of(&self, now: Now, caller: &PublicKey, partner: Option<Name>) -> Option<Name> {
        let roster = self.roster.as_ref()?;
        let roles = roster.member_at(caller, now.wall)?.roles();
        partner.filter(|_| roles.contains(&Role::Gateway))
    }

    /// That a command will be executed is on the disk: now, and not before, it is.
    pub(super) fn begin_run(&mut self, now: Now, key: Key, effects: &mut Vec<Effect>) {
        let Some(row) = self.commands.rows.get(&key) else { return };
        let (verb, until) = (row.verb.clone(), row.until);
        if until <= now.tick {
            self.commands.serving.leave(&verb);
            self.finish(now, key, Ended::plainly(CommandState::Expired));
            return self.advance(now, &verb, effects);
        }
        // The lease may have ended while the command waited, or on its way to the disk.
        let token = row.work.as_ref().and_then(|work| work.token);
        if let Err(refusal) = self.may_act(now, &key.0, &verb, token) {
            self.commands.serving.leave(&verb);
            self.finish(now, key, refused(refusal));
            return self.advance(now, &verb, effects);
        }
        let Some((id, within)) = self.commands.serving.run(&verb, Job::Command(key), now.tick)
        else {
            self.commands.serving.leave(&verb);
            return self.finish(now, key, refused(Refusal::VerbUnknown));
        };
        let Some(work) = self.commands.rows.run(&key) else { return };
        let (caller, command) = (key.0, Some(key.1));
        let Work { arguments, token, partner } = work;
        let run = Run { id, verb, command, caller, arguments, token, partner, within };
        effects.push(CommandEffect::Run(Box::new(run)).into());
        self.tell_progress(key, Progress::Accepted, effects);
    }

    /// The program has done with a command, or is gone.
    pub(super) fn end_command(&mut self, now: Now, key: Key, ending: Ending) {
        let ended = match ending {
            Ending::Done(result) if is_short(&result) => {
                Ended::plainly(CommandState::Done { result })
            }
            Ending::Done(_) => Ended::plainly(CommandState::Failed {
                code: OUTPUT_UNFIT,
                message: "the answer is longer than 64 KiB".to_owned(),
            }),
            Ending::Failed { code, message } => {
                Ended::plainly(CommandState::Failed { code, message: detail(message) })
            }
            Ending::Lost => Ended::plainly(CommandState::Indeterminate),
        };
        self.finish(now, key, ended);
    }

    /// What became of a command goes to the disk; then everybody may hear it.
    pub(super) fn finish(&mut self, now: Now, key: Key, ended: Ended) {
        let record = self.record_of(now, &key, ended.state.clone());
        self.commands.rows.stamp(&key, now.wall);
        self.commands.rows.set(key, Standing::Ending(ended));
        let Some(record) = record else { return };
        if self.note(Note::Over(key.0, key.1), &record).is_err() {
            self.commands.rows.note_again(key);
        }
    }

    /// Tries again to write down outcomes that the disk did not take.
    pub(super) fn note_outcomes_again(&mut self, now: Now) {
        for key in self.commands.rows.take_to_note() {
            let ending = self.commands.rows.get(&key).map(|row| &row.standing);
            if let Some(Standing::Ending(ended)) = ending {
                self.finish(now, key, ended.clone());
            }
        }
    }

    /// What became of a command is on the disk.
    pub(super) fn tell_outcome(&mut self, now: Now, key: Key, effects: &mut Vec<Effect>) {
        if let Some(ended) = self.commands.rows.over(key) {
            self.answer_caller(now, key, ended, effects);
        }
    }

    /// A command that was never begun ends.
    pub(super) fn end_unbegun(
        &mut self,
        now: Now,
        key: Key,
        ended: Ended,
        effects: &mut Vec<Effect>,
    ) {
        self.commands.rows.end_unbegun(key, ended.clone());
        self.answer_caller(now, key, ended, effects);
    }

    /// The disk did not take that a command will be executed, so it is not.
    pub(super) fn refuse_row(
        &mut self,
        now: Now,
        key: Key,
        refusal: Refusal,
        effects: &mut Vec<Effect>,
    ) {
        let Some(verb) = self.commands.rows.get(&key).map(|row| row.verb.clone()) else { return };
        self.commands.serving.leave(&verb);
        self.end_unbegun(now, key, refused(refusal), effects);
    }

    /// What is written down of a command that has a row.
    pub(super) fn record_of(&self, now: Now, key: &Key, state: CommandState) -> Option<DataEntry> {
        let row = self.commands.rows.get(key)?;
        Some(DataEntry::Command(CommandRecord {
            id: key.1,
            caller: key.0,
            verb: row.verb.clone(),
            arguments: row.arguments,
            state,
            at: now.wall,
        }))
    }

    fn tell_progress(&mut self, key: Key, progress: Progress, effects: &mut Vec<Effect>) {
        let (caller, id) = key;
        if caller == self.me {
            return self.on_progress(&caller, id, progress, effects);
        }
        if let Some((link, _)) = self.links.to(&caller) {
            let frame = CommandFrame::Progress { id, progress };
            effects.push(CommandEffect::Send { link, frame }.into());
        }
    }

    /// Signs and sends what became of a command. A caller without a link asks again when it has one.
    pub(super) fn answer_caller(
        &mut self,
        now: Now,
        key: Key,
        ended: Ended,
        effects: &mut Vec<Effect>,
    ) {
        let (caller, id) = key;
        let Ended { state, detail } = ended;
        let outcome = Outcome { caller, id, state, detail };
        if caller == self.me {
            return self.on_outcome(now, &caller, outcome, effects);
        }
        let plant = self.roster.as_ref().map(|roster| roster.plant());
        if let Some(((link, _), plant)) = self.links.to(&caller).zip(plant) {
            let frame = CommandFrame::Outcome(Signed::sign(&self.key, &plant, &outcome));
            effects.push(CommandEffect::Send { link, frame }.into());
        }
    }
}

/// The code of a run whose program answered what is no answer: the one that shells leave free between
/// a time that ran out (124) and a program that cannot be run (126, 127).
pub const OUTPUT_UNFIT: i32 = 125;

/// What is to become of a call.
enum Judged {
    /// There is nothing to remember: the call itself says all that follows.
    Over(Ended),
    /// It is not executed, and a copy of it is not either.
    Refused { until: Duration, ended: Ended },
    /// It waits for its place.
    Taken { until: Duration },
}

pub(super) const fn refused(refusal: Refusal) -> Ended {
    Ended::plainly(CommandState::Refused(refusal))
}
