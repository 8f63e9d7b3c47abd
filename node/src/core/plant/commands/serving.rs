//! The verbs of this machine: who may run, what waits for a place, and what is announced.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::command::{CommandFrame, Verb, fits_announcement};
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::VERBS_MAX;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::super::{Answer, Effect, Now, Plant, Ticket, standing};
use super::contract::{CommandEffect, Ended, Ending, RunId, Service};
use super::queries::Asker;
use super::rows::Standing;
use super::{Key, Note};

/// Commands and queries that wait for a place at a machine, in all and of one caller; who asks
/// beyond hears so.
pub const WAITING_MAX: usize = 1024;
/// Of these, those of one caller.
pub const WAITING_PER_CALLER_MAX: usize = 256;

/// Runs of one verb at once, at most.
pub const AT_ONCE_MAX: usize = 256;

/// How long a program may take, at most.
pub const RUN_WITHIN_MAX: Duration = Duration::from_secs(3600);

/// How much longer than its program a run is waited for: whoever runs it ends it, and says so.
const RUN_GRACE: Duration = Duration::from_secs(5);

/// One thing that waits for a place, or has one.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Command(Key),
    Query(Box<Question>),
}

/// A query at its target.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) asker: Asker,
    pub(super) caller: PublicKey,
    pub(super) arguments: Vec<u8>,
    /// Until when its caller waits.
    pub(super) until: Duration,
}

impl Job {
    const fn caller(&self) -> &PublicKey {
        match self {
            Self::Command((caller, _)) => caller,
            Self::Query(question) => &question.caller,
        }
    }
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) verb: Name,
    pub(super) job: Job,
    until: Duration,
}

/// One verb.
#[derive(Debug)]
struct Served {
    service: Service,
    waiting: VecDeque<Job>,
}

/// All verbs.
#[derive(Debug, Default)]
pub(super) struct Serving {
    verbs: BTreeMap<Name, Served>,
    /// Places that are taken, by verb: from when a command goes to the disk to the end of its run.
    taken: BTreeMap<Name, usize>,
    runs: BTreeMap<RunId, Running>,
    numbers: u64,
}

impl Serving {
    pub(super) fn is_empty(&self) -> bool {
        self.verbs.is_empty()
    }

    pub(super) fn service(&self, verb: &Name) -> Option<&Service> {
        self.verbs.get(verb).map(|served| &served.service)
    }

    /// Places of a verb that nothing has or waits for.
    fn free(&self, verb: &Name) -> usize {
        let Some(served) = self.verbs.get(verb) else { return 0 };
        let taken = self.taken.get(verb).copied().unwrap_or_default();
        served.service.at_once.saturating_sub(taken + served.waiting.len())
    }

    pub(super) fn announced(&self) -> Bounded<Verb, VERBS_MAX> {
        Bounded::first_of(self.verbs.values().map(|served| served.service.verb.clone()))
    }

    /// Whether one more of a caller's may wait.
    pub(super) fn has_place_to_wait(&self, caller: &PublicKey) -> bool {
        let waiting = || self.verbs.values().flat_map(|served| &served.waiting);
        let of_caller = waiting().filter(|job| job.caller() == caller).count();
        waiting().count() < WAITING_MAX && of_caller < WAITING_PER_CALLER_MAX
    }

    /// Has something wait for a place.
    pub(super) fn wait(&mut self, verb: &Name, job: Job) {
        if let Some(served) = self.verbs.get_mut(verb) {
            served.waiting.push_back(job);
        }
    }

    /// What may have a place now: the next in line, if one is free. It has it then.
    pub(super) fn next(&mut self, verb: &Name) -> Option<Job> {
        let served = self.verbs.get_mut(verb)?;
        let taken = self.taken.entry(verb.clone()).or_default();
        if *taken >= served.service.at_once {
            return None;
        }
        let job = served.waiting.pop_front()?;
        *taken += 1;
        Some(job)
    }

    /// Puts what could not be begun back to the front of the line, and its place back.
    pub(super) fn put_back(&mut self, verb: &Name, job: Job) {
        self.leave(verb);
        if let Some(served) = self.verbs.get_mut(verb) {
            served.waiting.push_front(job);
        }
    }

    /// A place is free again.
    pub(super) fn leave(&mut self, verb: &Name) {
        if let Some(taken) = self.taken.get_mut(verb) {
            *taken = taken.saturating_sub(1);
        }
    }

    /// A program begins to work on something.
    pub(super) fn run(
        &mut self,
        verb: &Name,
        job: Job,
        now: Duration,
    ) -> Option<(RunId, Duration)> {
        let within = self.service(verb)?.within;
        self.numbers += 1;
        let id = RunId(self.numbers);
        let until = now + within + RUN_GRACE;
        self.runs.insert(id, Running { verb: verb.clone(), job, until });
        Some((id, within))
    }

    /// A run is over.
    pub(super) fn end(&mut self, run: RunId) -> Option<Running> {
        let running = self.runs.remove(&run)?;
        self.leave(&running.verb);
        Some(running)
    }

    /// What waits and is not to wait any longer.
    pub(super) fn take_waiting(&mut self, is_over: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut over = Vec::new();
        for served in self.verbs.values_mut() {
            let waiting = std::mem::take(&mut served.waiting);
            let (gone, stay): (VecDeque<Job>, _) = waiting.into_iter().partition(&is_over);
            served.waiting = stay;
            over.extend(gone);
        }
        over
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.verbs.keys().cloned().collect()
    }

    fn overdue(&self, now: Duration) -> Vec<RunId> {
        let overdue = self.runs.iter().filter(|(_, running)| now >= running.until);
        overdue.map(|(id, _)| *id).collect()
    }
}

impl Plant {
    /// A program serves a verb from now on.
    pub(super) fn on_serve(
        &mut self,
        now: Now,
        ticket: Ticket,
        service: Service,
        effects: &mut Vec<Effect>,
    ) {
        let answer = match self.may_serve(now, &service) {
            Ok(()) => Answer::Serving,
            Err(refusal) => Answer::Refused(refusal),
        };
        let is_served = answer == Answer::Serving;
        effects.push(Effect::Answer { ticket, answer });
        if is_served {
            let (name, takes_work) = (service.verb.name.clone(), service.takes_work);
            let served = Served { service, waiting: VecDeque::new() };
            self.commands.serving.verbs.insert(name, served);
            self.announce(effects);
            if takes_work {
                self.announce_work(now, None, effects);
            }
        }
    }

    /// The verbs for which this machine takes work items.
    pub(in crate::core::plant) fn verbs_for_work(&self) -> Vec<Name> {
        let served = self.commands.serving.verbs.iter();
        let taking = served.filter(|(_, served)| served.service.takes_work);
        taking.map(|(verb, _)| verb.clone()).collect()
    }

    /// Places of a verb that nothing has or waits for.
    pub(in crate::core::plant) fn free_places(&self, verb: &Name) -> usize {
        self.commands.serving.free(verb)
    }

    fn may_serve(&self, now: Now, service: &Service) -> Result<(), Refusal> {
        let roster = self.roster.as_ref().ok_or(Refusal::NotAMember)?;
        standing(roster, &self.me, now)?;
        let own = roster.member(&self.me).ok_or(Refusal::NotAMember)?;
        if !own.may_serve() {
            return Err(Refusal::ServeNotGranted);
        }
        let serving = &self.commands.serving;
        if serving.verbs.contains_key(&service.verb.name) {
            return Err(Refusal::VerbTaken);
        }
        if service.resource.as_ref().is_some_and(|resource| !self.leases.has(resource)) {
            return Err(Refusal::ResourceUnknown);
        }
        let mut verbs = serving.announced().into_vec();
        verbs.push(service.verb.clone());
        match fits_announcement(&verbs) {
            true => Ok(()),
            false => Err(Refusal::VerbsFull),
        }
    }

    /// A program does not serve a verb any more: what waits for it is refused. What it works on it
    /// may still finish.
    pub(super) fn on_withdraw(&mut self, now: Now, verb: &Name, effects: &mut Vec<Effect>) {
        let Some(served) = self.commands.serving.verbs.remove(verb) else { return };
        let refused = Ended::plainly(CommandState::Refused(Refusal::VerbUnknown));
        for job in served.waiting {
            self.end_waiting(now, job, &refused, effects);
        }
        self.announce(effects);
        if served.service.takes_work {
            self.announce_work(now, None, effects);
        }
    }

    /// Tells everybody linked what is served.
    fn announce(&mut self, effects: &mut Vec<Effect>) {
        let verbs = self.commands.serving.announced();
        for (link, _) in self.links.in_use() {
            let frame = CommandFrame::Verbs(verbs.clone());
            effects.push(CommandEffect::Send { link, frame }.into());
        }
        self.on_verbs(self.me, verbs.into_vec());
    }

    /// A member, or this node, says what it serves.
    pub(super) fn on_verbs(&mut self, peer: PublicKey, verbs: Vec<Verb>) {
        // More than it may announce is not kept: it would be in the memory of all.
        let verbs = if fits_announcement(&verbs) { verbs } else { Vec::new() };
        Arc::make_mut(&mut self.commands.verbs).insert(peer, verbs.into());
        self.view_is_stale = true;
    }

    /// Gives free places to what waits for them.
    pub(super) fn advance(&mut self, now: Now, verb: &Name, effects: &mut Vec<Effect>) {
        while let Some(job) = self.commands.serving.next(verb) {
            let begun = match &job {
                Job::Command(key) => self.accept_command(now, verb, *key),
                Job::Query(question) => {
                    self.run_query(now, verb, question.as_ref().clone(), effects);
                    Ok(())
                }
            };
            if begun.is_err() {
                return self.commands.serving.put_back(verb, job);
            }
        }
    }

    pub(super) fn advance_all(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for verb in self.commands.serving.names() {
            self.advance(now, &verb, effects);
        }
    }

    /// A program has done with something, or is gone.
    pub(super) fn on_run_ended(
        &mut self,
        now: Now,
        run: RunId,
        ending: Ending,
        effects: &mut Vec<Effect>,
    ) {
        let Some(Running { verb, job, .. }) = self.commands.serving.end(run) else { return };
        match job {
            Job::Command(key) => self.end_command(now, key, ending),
            Job::Query(question) => self.end_query(question.asker, ending, effects),
        }
        self.advance(now, &verb, effects);
    }

    /// Gives up runs that nobody ends.
    pub(super) fn end_overdue_runs(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for run in self.commands.serving.overdue(now.tick) {
            effects.push(CommandEffect::Forget { run }.into());
            self.on_run_ended(now, run, Ending::Lost, effects);
        }
    }

    /// Ends what has waited for a place as long as it may.
    pub(super) fn expire_waiting(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let rows = &self.commands.rows;
        let is_over = |job: &Job| match job {
            Job::Command(key) => rows.get(key).is_none_or(|row| row.until <= now.tick),
            Job::Query(question) => question.until <= now.tick,
        };
        let expired = Ended::plainly(CommandState::Expired);
        for job in self.commands.serving.take_waiting(is_over) {
            self.end_waiting(now, job, &expired, effects);
        }
    }

    fn end_waiting(&mut self, now: Now, job: Job, ended: &Ended, effects: &mut Vec<Effect>) {
        match job {
            Job::Command(key) => self.end_unbegun(now, key, ended.clone(), effects),
            Job::Query(question) => self.tell_asker(question.asker, ended.clone(), effects),
        }
    }

    /// That a command will be executed goes to the disk. It has its place from now on.
    fn accept_command(&mut self, now: Now, verb: &Name, key: Key) -> Result<(), Refusal> {
        let Some(record) = self.record_of(now, &key, CommandState::Accepted) else {
            self.commands.serving.leave(verb);
            return Ok(());
        };
        self.note(Note::Accepted(key.0, key.1), &record)?;
        self.commands.rows.stamp(&key, now.wall);
        self.commands.rows.set(key, Standing::Accepting);
        Ok(())
    }
}
