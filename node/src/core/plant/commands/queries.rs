//! Questions that leave no trace: nothing is signed or written down, and a copy does no harm.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::command::{CommandFrame, Query, detail, is_short};
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::COMMAND_TTL_MS_MAX;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket};
use super::caller::{CALLS_OPEN_MAX, millis};
use super::contract::{Asked, CommandEffect, Ended, Ending, Fit, Run};
use super::serving::{Job, Question};
use super::target::{OUTPUT_UNFIT, refused};

/// Whom the answer to a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// The member at the other end of a link, under its number.
    Member(LinkId, u64),
    /// A program here.
    Here(Ticket),
}

/// Queries of this node that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Queries {
    open: BTreeMap<u64, Open>,
    numbers: u64,
}

/// One that is not answered yet.
#[derive(Debug)]
struct Open {
    ticket: Ticket,
    asked: Asked,
    until: Duration,
    /// The link that it was sent over, while that stands.
    sent_over: Option<LinkId>,
}

impl Queries {
    /// What was asked over a link is asked again over the next.
    pub(super) fn link_down(&mut self, link: LinkId) {
        for open in self.open.values_mut().filter(|open| open.sent_over == Some(link)) {
            open.sent_over = None;
        }
    }
}

impl Plant {
    /// A program here wants to know something.
    pub(super) fn on_query_asked(
        &mut self,
        now: Now,
        ticket: Ticket,
        asked: Asked,
        fit: Fit,
        effects: &mut Vec<Effect>,
    ) {
        let (target, until) = (asked.target, now.tick + asked.ttl);
        if target == self.me {
            let Asked { verb, arguments, .. } = asked;
            let asker = Asker::Here(ticket);
            let question = Question { asker, caller: target, arguments, until };
            return self.take_query(now, &verb, question, fit, effects);
        }
        if let Err(refusal) = self.may_begin_query(now, &asked) {
            return effects.push(answer(ticket, Answer::Refused(refusal)));
        }
        let queries = &mut self.commands.queries;
        queries.numbers += 1;
        queries.open.insert(queries.numbers, Open { ticket, asked, until, sent_over: None });
        self.send_open_queries(&target, effects);
        self.want_called();
    }

    fn may_begin_query(&self, now: Now, asked: &Asked) -> Result<(), Refusal> {
        self.may_call(now, &asked.arguments)?;
        if self.commands.queries.open.len() >= CALLS_OPEN_MAX {
            return Err(Refusal::CallsFull);
        }
        match self.may_come_to(&asked.target) || asked.waits {
            true => Ok(()),
            false => Err(Refusal::MachineUnreachable),
        }
    }

    /// Sends all queries to a member that it did not get over its link of now.
    pub(super) fn send_open_queries(&mut self, target: &PublicKey, effects: &mut Vec<Effect>) {
        let Some((link, _)) = self.links.to(target) else { return };
        for (number, open) in &mut self.commands.queries.open {
            if open.asked.target != *target || open.sent_over.is_some() {
                continue;
            }
            open.sent_over = Some(link);
            let Asked { verb, arguments, ttl, .. } = &open.asked;
            let (verb, arguments) = (verb.clone(), arguments.clone());
            let query = Query { number: *number, verb, arguments, ttl_ms: millis(*ttl) };
            let frame = CommandFrame::Query(query);
            effects.push(CommandEffect::Send { link, frame }.into());
        }
    }

    /// A member wants to know something.
    pub(super) fn on_query(
        &mut self,
        now: Now,
        link: LinkId,
        query: Query,
        fit: Fit,
        effects: &mut Vec<Effect>,
    ) {
        let Some(caller) = self.peer_of(link) else { return };
        let Query { number, verb, arguments, ttl_ms } = query;
        let ttl = Duration::from_millis(ttl_ms.min(COMMAND_TTL_MS_MAX).into());
        let asker = Asker::Member(link, number);
        let question = Question { asker, caller, arguments, until: now.tick + ttl };
        self.take_query(now, &verb, question, fit, effects);
    }

    fn take_query(
        &mut self,
        now: Now,
        verb: &Name,
        question: Question,
        fit: Fit,
        effects: &mut Vec<Effect>,
    ) {
        let caller = question.caller;
        let may = self.may_ask(now, &caller, verb, &question.arguments, true, fit);
        let may = may.and_then(|()| match self.commands.serving.has_place_to_wait(&caller) {
            true => Ok(()),
            false => Err(refused(Refusal::CommandsFull)),
        });
        if let Err(ended) = may {
            return self.tell_asker(question.asker, ended, effects);
        }
        self.commands.serving.wait(verb, Job::Query(Box::new(question)));
        self.advance(now, verb, effects);
    }

    /// A query has its place.
    pub(super) fn run_query(
        &mut self,
        now: Now,
        verb: &Name,
        question: Question,
        effects: &mut Vec<Effect>,
    ) {
        let (caller, arguments) = (question.caller, question.arguments.clone());
        let job = Job::Query(Box::new(question));
        let Some((id, within)) = self.commands.serving.run(verb, job, now.tick) else { return };
        let verb = verb.clone();
        let (token, partner) = (None, None);
        let run = Run { id, verb, command: None, caller, arguments, token, partner, within };
        effects.push(CommandEffect::Run(Box::new(run)).into());
    }

    /// The program has an answer, or none.
    pub(super) fn end_query(&self, asker: Asker, ending: Ending, effects: &mut Vec<Effect>) {
        let failed = |code, message: &str| CommandState::Failed { code, message: detail(message) };
        let state = match ending {
            Ending::Done(result) if is_short(&result) => CommandState::Done { result },
            Ending::Done(_) => failed(OUTPUT_UNFIT, "the answer is longer than 64 KiB"),
            Ending::Failed { code, message } => failed(code, &message),
            Ending::Lost => CommandState::Indeterminate,
        };
        self.tell_asker(asker, Ended::plainly(state), effects);
    }

    pub(super) fn tell_asker(&self, asker: Asker, ended: Ended, effects: &mut Vec<Effect>) {
        match asker {
            Asker::Here(ticket) => {
                effects.push(answer(ticket, Answer::Ended(Box::new(ended))));
            }
            Asker::Member(link, number) => {
                let Ended { state, detail } = ended;
                let frame = CommandFrame::Told { number, state, detail };
                effects.push(CommandEffect::Send { link, frame }.into());
            }
        }
    }

    /// A member answers a query of this node.
    pub(super) fn on_told(
        &mut self,
        link: LinkId,
        number: u64,
        ended: Ended,
        effects: &mut Vec<Effect>,
    ) {
        let open = &mut self.commands.queries.open;
        let is_asked = open.get(&number).is_some_and(|open| open.sent_over == Some(link));
        if let Some(Open { ticket, .. }) = is_asked.then(|| open.remove(&number)).flatten() {
            effects.push(answer(ticket, Answer::Ended(Box::new(ended))));
        }
    }

    /// Gives up waiting for answers.
    pub(super) fn end_overdue_queries(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.commands.queries.open.retain(|_, open| {
            if now.tick >= open.until {
                let expired = Ended::plainly(CommandState::Expired);
                effects.push(answer(
                    open.ticket,
                    match open.sent_over {
                        Some(_) => Answer::Ended(Box::new(expired)),
                        None => Answer::Refused(Refusal::MachineUnreachable),
                    },
                ));
            }
            now.tick < open.until
        });
    }

    /// Members that are to answer a query of this node.
    pub(super) fn queried(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.commands.queries.open.values().map(|open| open.asked.target)
    }
}

const fn answer(ticket: Ticket, answer: Answer) -> Effect {
    Effect::Answer { ticket, answer }
}
