//! Commands between the core and the programs of this machine: what they serve, and what they ask
//! of others.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::command::Verb;
use gearmesh_protocol::ids::{CommandId, PublicKey};
use gearmesh_protocol::limits::COMMAND_TTL_MS_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use serde_json::Value;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::core_handle::CoreHandle;
use super::counters::Counters;
use super::data::DataStore;
use super::plant::lanes::LaneContext;
use super::plant::swarm::Order;
use crate::core::plant::commands::{
    AT_ONCE_MAX, AWAY_WITHIN, Asked, CommandInput, RUN_WITHIN_MAX, Service,
};
use crate::core::plant::{Answer, Input, standing};

pub mod api;
mod calling;
mod effects;
pub(super) mod schema;
mod services;
mod serving;

pub use calling::{Calling, Request, TTL};
pub(super) use effects::CommandEffects;
pub(super) use services::Services;
pub use serving::{Running, Serving};

use api::{CallEvent, CallState, VerbStatus};
use calling::{EVENTS_MAX, Watchers, end_of};
use schema::Schema;

/// How long a program may take, if nobody says otherwise.
pub const RUN_WITHIN: Duration = Duration::from_secs(60);

/// A verb that a program offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it is called.
    pub verb: Name,
    /// A JSON Schema of its arguments; any JSON will do if there is none.
    pub schema: Option<Value>,
    /// Whether it only reads: nothing is written down, and it may be asked any number of times.
    pub is_query: bool,
    /// How many may run at once, 1 to 256.
    pub at_once: usize,
    /// How long one may take, at most an hour.
    pub within: Duration,
    /// A resource of this machine: a command is executed only for whoever holds a lease of it, under its
    /// token.
    pub resource: Option<Name>,
    /// Whether work items are taken for it: then whoever offers one has it executed here. Not of a query, nor
    /// of what is bound to a resource.
    pub takes_work: bool,
}

impl Offer {
    /// A verb that takes any JSON, one at a time, within a minute.
    #[must_use]
    pub const fn new(verb: Name) -> Self {
        let (schema, within, resource) = (None, RUN_WITHIN, None);
        Self { verb, schema, is_query: false, at_once: 1, within, resource, takes_work: false }
    }
}

/// The way of programs to commands.
#[derive(Clone)]
pub(super) struct Commands {
    core: CoreHandle,
    services: Arc<Services>,
    watchers: Arc<Watchers>,
    counters: Arc<Counters>,
    clock: Clock,
}

impl Commands {
    /// The way beside the lanes of all links.
    pub(super) fn beside(lanes: &LaneContext, clock: Clock) -> Self {
        let (core, counters) = (lanes.core.clone(), Arc::clone(&lanes.counters));
        let services = Arc::clone(&lanes.services);
        Self { core, services, watchers: Arc::default(), counters, clock }
    }

    /// What the core wants done, done for these programs.
    pub(super) fn effects(
        &self,
        store: DataStore,
        lanes: &LaneContext,
        orders: mpsc::Sender<Order>,
    ) -> CommandEffects {
        let me = self.core.view().me;
        CommandEffects::new(me, store, lanes, Arc::clone(&self.watchers), orders)
    }

    /// Serves a verb until what comes back is dropped.
    pub(super) async fn serve(&self, offer: Offer) -> Result<Serving, ErrorBody> {
        let Offer { verb: name, schema, is_query, at_once, within, resource, takes_work } = offer;
        let fits = (1..=AT_ONCE_MAX).contains(&at_once) && within <= RUN_WITHIN_MAX;
        if !fits || within.is_zero() {
            let text = "1 to 256 may run at once, for an hour at most";
            return Err(ErrorBody::from(Refusal::RequestMalformed).saying(text));
        }
        if takes_work && (is_query || resource.is_some()) {
            let text = "work items are commands that need no lease of the machine that does them";
            return Err(ErrorBody::from(Refusal::RequestMalformed).saying(text));
        }
        let text = schema.map(|schema| schema.to_string().into_bytes());
        let unusable = |why: String| {
            ErrorBody::from(Refusal::SchemaUnusable).saying(format!("no schema: {why}"))
        };
        let schema = text.as_deref().map(Schema::ready).transpose().map_err(unusable)?;
        let verb = Verb { name: name.clone(), is_query, schema: text.unwrap_or_default() };
        let service = Service { verb, at_once, within, resource, takes_work };
        let asked = |ticket| Input::Command(CommandInput::Serve { ticket, service });
        match self.core.ask(asked).await {
            Answer::Serving => {}
            Answer::Refused(refusal) => return Err(refusal.into()),
            _ => return Err(Refusal::Protocol.into()),
        }
        let (runs, waiting) = mpsc::channel(at_once);
        self.services.add(name.clone(), schema, runs);
        let (core, services) = (self.core.clone(), Arc::clone(&self.services));
        Ok(Serving { verb: name, runs: waiting, core, services })
    }

    /// Asks a machine to do something, once.
    pub(super) fn call(&self, request: Request) -> Result<Calling, ErrorBody> {
        check_time(&request)?;
        self.call_or_recall(request)
    }

    /// As [`Commands::call`]; a request without any time asks only what became of an earlier one.
    pub(super) fn call_or_recall(&self, request: Request) -> Result<Calling, ErrorBody> {
        let (id, asked) = self.asked(request)?;
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let commands = self.clone();
        self.counters.called.add_one();
        tokio::spawn(async move { commands.follow(id, asked, &events).await });
        Ok(Calling { events: told })
    }

    /// Asks a machine for something that leaves no trace.
    pub(super) async fn query(&self, request: Request) -> Result<CallEvent, ErrorBody> {
        check_time(&request)?;
        let (id, asked) = self.asked(request)?;
        let machine = asked.target;
        let fit = self.fit_here(&asked);
        let asked = |ticket| Input::Command(CommandInput::AskQuery { ticket, asked, fit });
        let answer = self.core.ask(asked).await;
        let state = end_of(answer, &machine, &self.core.view(), self.clock.now())?;
        Ok(CallEvent { id, state })
    }

    /// Tells whoever asked what happens to a call, to its end.
    async fn follow(
        &self,
        id: CommandId,
        asked: Asked,
        events: &mpsc::Sender<Result<CallEvent, ErrorBody>>,
    ) {
        let (machine, fit) = (asked.target, self.fit_here(&asked));
        let (tell, mut told) = mpsc::channel(EVENTS_MAX);
        let mut watched = None;
        let answer = {
            let asking = self.core.ask(|ticket| {
                watched = Some(ticket);
                self.watchers.watch(ticket, tell);
                Input::Command(CommandInput::Ask { ticket, asked, fit })
            });
            let mut asking = std::pin::pin!(asking);
            loop {
                tokio::select! {
                    biased;
                    Some(progress) = told.recv() => {
                        let state = CallState::from(progress);
                        // Who asked may have gone; the call goes on.
                        drop(events.send(Ok(CallEvent { id, state })).await);
                    }
                    answer = &mut asking => break answer,
                }
            }
        };
        if let Some(ticket) = watched {
            self.watchers.forget(ticket);
        }
        let end = match end_of(answer, &machine, &self.core.view(), self.clock.now()) {
            Err(body) if body.code == Refusal::OutcomeUnknown => Ok(CallState::Unknown(body)),
            end => end,
        };
        drop(events.send(end.map(|state| CallEvent { id, state })).await);
    }

    /// A request as the core takes it, with its id.
    fn asked(&self, request: Request) -> Result<(CommandId, Asked), ErrorBody> {
        let Request { machine, verb, arguments, id, ttl, waits, token, partner } = request;
        standing::member(&self.core.view())?;
        let arguments = arguments.to_string().into_bytes();
        let id = id.map_or_else(new_id, Ok)?;
        let (target, away_within) = (machine, AWAY_WITHIN);
        Ok((id, Asked { id, target, verb, arguments, ttl, waits, token, partner, away_within }))
    }

    /// Whether the arguments are what the verb takes, where it is this node's own.
    fn fit_here(&self, asked: &Asked) -> Result<(), String> {
        match asked.target == self.core.view().me {
            true => self.services.fit(&asked.verb, &asked.arguments),
            false => Ok(()),
        }
    }

    /// The machine that people or scripts mean by its name or key.
    pub(super) fn machine(&self, text: &str) -> Result<PublicKey, ErrorBody> {
        let view = self.core.view();
        standing::member(&view)?;
        let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
        if let Ok(key) = text.parse::<PublicKey>()
            && roster.member(&key).is_some()
        {
            return Ok(key);
        }
        let named = roster.members().iter().filter(|(_, member)| member.name().as_str() == text);
        match named.map(|(key, _)| *key).collect::<Vec<_>>()[..] {
            [key] => Ok(key),
            [] => {
                let text = format!("no member is called {text:?}");
                Err(ErrorBody::from(Refusal::NameUnknown).saying(text))
            }
            [..] => Err(Refusal::NameAmbiguous.into()),
        }
    }

    /// The verbs of one machine, or of all that are linked and of this one.
    pub(super) fn verbs(&self, of: Option<PublicKey>) -> Vec<VerbStatus> {
        let view = self.core.view();
        let mut all = Vec::new();
        for (key, verbs) in view.verbs.iter().filter(|(key, _)| of.is_none_or(|of| of == **key)) {
            let Some(member) = view.author(key) else { continue };
            let takes =
                |verb: &Verb| view.takers.get(key).is_some_and(|verbs| verbs.contains(&verb.name));
            let status = |verb| VerbStatus::of(member.name(), *key, verb, takes(verb));
            all.extend(verbs.iter().map(status));
        }
        all.sort_by(|one, other| (&one.machine, &one.verb).cmp(&(&other.machine, &other.verb)));
        all
    }
}

fn check_time(request: &Request) -> Result<(), ErrorBody> {
    if request.ttl.is_zero() || request.ttl > Duration::from_millis(COMMAND_TTL_MS_MAX.into()) {
        let text = "a command lives for 1 ms to 600 s";
        return Err(ErrorBody::from(Refusal::RequestMalformed).saying(text));
    }
    Ok(())
}

fn new_id() -> Result<CommandId, ErrorBody> {
    let mut bytes = [0; 16];
    let failed = |error| ErrorBody::from(Refusal::SystemRefused).saying(error);
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(CommandId(bytes))
}
