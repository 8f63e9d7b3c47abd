//! Calling machines, and serving verbs, from programs beside the node.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt, stream};
use gearmesh_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::super::commands::api::{
    CallEvent, CallRequest, CallState, RunAnswer, RunOrder, ServeEvent, ServeRequest, VerbStatus,
};
use super::super::commands::{Offer, RUN_WITHIN, Request, Running, Serving, TTL};
use super::State;
use super::answer::{Answered, Body, Failure, Parameters};

#[derive(Deserialize)]
pub(super) struct OfMachine {
    machine: Option<String>,
}

/// The verbs of one machine, or of all that are linked.
pub(super) async fn verbs(
    Shared(state): Shared<State>,
    Parameters(OfMachine { machine }): Parameters<OfMachine>,
) -> Answered<Vec<VerbStatus>> {
    let machine = machine.map(|machine| state.commands.machine(&machine)).transpose()?;
    Ok(Json(state.commands.verbs(machine)))
}

/// Asks a machine to do something: its states as events, the last of them final.
pub(super) async fn call(
    Shared(state): Shared<State>,
    Body(request): Body<CallRequest>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let CallRequest { machine, verb, arguments, id, ttl_ms, wait, query, token, lease } = request;
    let token = lease.map_or(Ok(token), |id| state.leases.token(id).map(Some))?;
    let machine = state.commands.machine(&machine)?;
    let ttl = ttl_ms.map_or(TTL, |ms| Duration::from_millis(ms.into()));
    let (waits, partner) = (wait, None);
    let request = Request { machine, verb, arguments, id, ttl, waits, token, partner };
    let events = if query {
        let event = state.commands.query(request).await?;
        stream::iter([event]).boxed()
    } else {
        let mut calling = state.commands.call(request)?;
        let first = calling.next().await.unwrap_or_else(|| Err(Refusal::NodeStopped.into()))?;
        let rest = stream::unfold((calling, first.id), |(mut calling, id)| async move {
            let event = calling.next().await?;
            // What this node says no to later is the end of the call as far as it knows.
            let event =
                event.unwrap_or_else(|body| CallEvent { id, state: CallState::Unknown(body) });
            Some((event, (calling, id)))
        });
        stream::iter([first]).chain(rest).boxed()
    };
    Ok(Sse::new(events.map(|event| Ok(to_event(&event)))).keep_alive(KeepAlive::default()))
}

/// Serves a verb as long as the program reads the events.
pub(super) async fn serve(
    Shared(state): Shared<State>,
    Body(request): Body<ServeRequest>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let ServeRequest { verb, schema, query, at_once, within_ms, resource, jobs } = request;
    let within = within_ms.map_or(RUN_WITHIN, |ms| Duration::from_millis(ms.into()));
    let at_once = at_once.unwrap_or(1);
    let offer = Offer {
        verb: verb.clone(),
        schema,
        is_query: query,
        at_once,
        within,
        resource,
        takes_work: jobs,
    };
    let serving = state.commands.serve(offer).await?;
    let served = Served { serving, given: state.runs.begin() };
    let first = stream::iter([ServeEvent::Serving(verb)]);
    let runs = stream::unfold(served, |mut served| async move {
        let run = served.serving.next().await?;
        let order = served.given.give(run);
        Some((ServeEvent::Run(order), served))
    });
    let events = first.chain(runs).map(|event| Ok(to_event(&event)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// A run is over.
pub(super) async fn answer(
    Shared(state): Shared<State>,
    Body(RunAnswer { run, result, failed }): Body<RunAnswer>,
) -> Answered<Taken> {
    let running = state.runs.take(run).ok_or(Refusal::RunUnknown)?;
    match failed {
        None => running.done(&result),
        Some(failure) => running.failed(failure.code, failure.message),
    }
    Ok(Json(Taken { run }))
}

/// That a run's answer was taken.
#[derive(Serialize)]
pub(super) struct Taken {
    run: u64,
}

/// A program that serves, with what it was given: who goes away leaves that without an answer.
struct Served {
    serving: Serving,
    given: Given,
}

/// Runs that programs work on, by the number that their answer names.
#[derive(Clone, Default)]
pub(in crate::shell) struct Runs {
    given: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    programs: u64,
    /// With the program that each was given to.
    runs: BTreeMap<u64, (u64, Running)>,
}

/// The runs of one program; what is left when it goes away is lost.
struct Given {
    runs: Runs,
    program: u64,
}

impl Runs {
    fn begin(&self) -> Given {
        let mut table = self.lock();
        table.programs += 1;
        Given { runs: self.clone(), program: table.programs }
    }

    fn take(&self, run: u64) -> Option<Running> {
        self.lock().runs.remove(&run).map(|(_, running)| running)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn give(&self, running: Running) -> RunOrder {
        let order = RunOrder {
            run: running.id.0,
            id: running.command,
            caller: running.caller.clone(),
            caller_key: running.caller_key,
            arguments: running.arguments.clone(),
            token: running.token,
            partner: running.partner.clone(),
            within_ms: u64::try_from(running.within.as_millis()).unwrap_or(u64::MAX),
        };
        self.runs.lock().runs.insert(order.run, (self.program, running));
        order
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.runs.lock().runs.retain(|_, (program, _)| *program != self.program);
    }
}

fn to_event(event: &impl Serialize) -> Event {
    // Events of this kind always have a JSON form; a comment is the harmless alternative.
    Event::default().json_data(event).unwrap_or_else(|_| Event::default().comment("unreadable"))
}
