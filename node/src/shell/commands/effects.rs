//! What the core wants done about commands, done.

use std::sync::Arc;

use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::PublicKey;
use tokio::sync::mpsc;

use super::super::counters::Counters;
use super::super::data::DataStore;
use super::super::plant::lanes::{CommandLanes, LaneContext};
use super::super::plant::swarm::Order;
use super::super::reading::recall;
use super::{Services, Watchers};
use crate::core::plant::commands::{CommandEffect, CommandInput, Ending, Run};
use crate::core::plant::items::{WorkEffect, WorkInput};
use crate::core::plant::{Input, LinkId};

/// What the effects are carried out with.
pub(in crate::shell) struct CommandEffects {
    me: PublicKey,
    store: DataStore,
    lanes: Arc<CommandLanes>,
    orders: mpsc::Sender<Order>,
    services: Arc<Services>,
    watchers: Arc<Watchers>,
    counters: Arc<Counters>,
}

impl CommandEffects {
    pub(in crate::shell) fn new(
        me: PublicKey,
        store: DataStore,
        lanes: &LaneContext,
        watchers: Arc<Watchers>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        let (services, counters) = (Arc::clone(&lanes.services), Arc::clone(&lanes.counters));
        Self { me, store, lanes: Arc::clone(&lanes.command), orders, services, watchers, counters }
    }

    /// Carries out one effect; what comes of it goes to `inputs`.
    pub(in crate::shell) fn carry_out(&self, effect: CommandEffect, inputs: &mpsc::Sender<Input>) {
        match effect {
            CommandEffect::Send { link, frame } => self.send(link, frame),
            CommandEffect::Run(run) => self.run(*run, inputs),
            CommandEffect::Forget { run } => {
                tracing::warn!(?run, "a program did not end in its time; its outcome is unknown");
            }
            CommandEffect::Progress { ticket, progress } => self.watchers.tell(ticket, progress),
            CommandEffect::Recall => {
                let (store, me, inputs) = (self.store.clone(), self.me, inputs.clone());
                tokio::spawn(async move { recall(store, me, &inputs).await });
            }
        }
    }

    /// Carries out an effect about work items; what comes of it goes to `inputs`.
    pub(in crate::shell) fn carry_out_work(
        &self,
        effect: WorkEffect,
        inputs: &mpsc::Sender<Input>,
    ) {
        match effect {
            WorkEffect::Check(errand) => {
                let fit = self.services.fit(&errand.verb, &errand.arguments);
                let checked = Input::Work(WorkInput::Checked { errand, fit });
                let inputs = inputs.clone();
                tokio::spawn(async move { drop(inputs.send(checked).await) });
            }
            WorkEffect::Late => self.counters.late_work.add_one(),
        }
    }

    fn send(&self, link: LinkId, frame: CommandFrame) {
        if is_refusal(&frame) {
            self.counters.refused_commands.add_one();
        }
        if !self.lanes.send(link, frame) {
            tracing::warn!(?link, "a member does not read its command lane; closing it");
            // If the swarm has no place for the order, silence ends the link.
            drop(self.orders.try_send(Order::Close(link)));
        }
    }

    fn run(&self, run: Run, inputs: &mpsc::Sender<Input>) {
        match run.command {
            Some(_) => self.counters.commands.add_one(),
            None => self.counters.queries.add_one(),
        }
        if let Err(run) = self.services.run(run) {
            let ended = CommandInput::Ended { run, ending: Ending::Lost };
            let inputs = inputs.clone();
            tokio::spawn(async move { drop(inputs.send(Input::Command(ended)).await) });
        }
    }
}

/// Whether a frame tells a member that something was not executed.
fn is_refusal(frame: &CommandFrame) -> bool {
    let state = match frame {
        CommandFrame::Told { state, .. } => Some(state.clone()),
        CommandFrame::Outcome(signed) => signed.peek().ok().map(|outcome| outcome.state),
        _ => None,
    };
    matches!(state, Some(CommandState::Refused(_)))
}
