//! The core's loop: inputs in, effects carried out in order.

use std::sync::Arc;

use gearmesh_protocol::limits::GROUP_ENTRIES_MAX;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::clock::Clock;
use super::commands::CommandEffects;
use super::core_handle::OpenTickets;
use super::data_effects::DataEffects;
use super::durable::Wishes;
use super::journal::{Journal, Record as Line};
use super::leases::LeaseWatchers;
use super::plant::lanes::LaneContext;
use super::plant::swarm::Order;
use crate::core::plant::data::DataEffect;
use crate::core::plant::view::View;
use crate::core::plant::{Effect, Input, Plant, TICK};
use crate::core::record::Record;

/// What the loop works with.
pub(super) struct Runtime {
    pub(super) plant: Plant,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) lanes: LaneContext,
    pub(super) data: DataEffects,
    pub(super) commands: CommandEffects,
    pub(super) leases: Arc<LeaseWatchers>,
    pub(super) view: watch::Sender<Arc<View>>,
    pub(super) tickets: Arc<OpenTickets>,
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) wishes: Wishes,
    /// What came of writes, and where that goes.
    pub(super) written: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
}

/// Inputs that are taken together: what comes meanwhile shares a group, and nothing that is more
/// urgent waits longer for it than one group takes to be signed.
const INPUTS_AT_ONCE: usize = GROUP_ENTRIES_MAX;

/// Ended writes that wait for the loop.
pub(super) const WRITTEN_MAX: usize = 16;

impl Runtime {
    /// Runs until the node stops: then everybody hears goodbye.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut come = Vec::with_capacity(INPUTS_AT_ONCE);
        loop {
            tokio::select! {
                biased;
                Some(input) = self.written.1.recv() => come.push(input),
                _ = ticks.tick() => come.push(Input::Tick),
                count = self.inputs.recv_many(&mut come, INPUTS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                }
                true = self.wishes.come(), if self.wishes.have_room() => {
                    self.wishes.asked(&self.tickets, &mut come);
                }
            }
            let is_last = come.iter().any(|input| matches!(input, Input::Stop));
            while self.turn(&mut come) {
                // The group goes its way while the next one is signed.
                tokio::task::yield_now().await;
            }
            if is_last {
                return;
            }
        }
    }

    /// Hands over what has come. Whether a group is on its way now, and so another one may follow.
    fn turn(&mut self, come: &mut Vec<Input>) -> bool {
        let effects = self.plant.handle_all(self.clock.now(), come.drain(..));
        let is_store = |effect: &Effect| matches!(effect, Effect::Data(DataEffect::Store { .. }));
        let writes = effects.iter().any(is_store);
        for effect in effects {
            self.carry_out(effect);
        }
        writes
    }

    fn carry_out(&mut self, effect: Effect) {
        let written = &self.written.0;
        match effect {
            Effect::Persist { write, records } => self.persist(write, &records, written.clone()),
            Effect::Note { records } => {
                let (journal, lines) = (self.journal.clone(), lines(&records));
                let written = written.clone();
                tokio::spawn(async move {
                    let trouble = journal.append(lines).await.err();
                    if let Some(error) = &trouble {
                        tracing::warn!(%error, "an address could not be remembered");
                    }
                    let trouble = trouble.map(|error| error.to_string());
                    drop(written.send(Input::Noted { trouble }).await);
                });
            }
            Effect::Answer { ticket, answer } => {
                if let Some(answer) = self.wishes.answer(ticket, answer) {
                    self.tickets.answer(ticket, answer);
                }
            }
            Effect::Send { link, frame } => {
                if !self.lanes.control.send(link, frame) {
                    tracing::warn!(?link, "a member does not read its control lane; closing it");
                    self.order(Order::Close(link));
                }
            }
            Effect::Close { link, why } => {
                tracing::info!(?link, ?why, "closing a link");
                self.order(Order::Close(link));
            }
            Effect::Dial { peer, addresses } => self.order(Order::Dial { peer, addresses }),
            Effect::DialAddress { address } => self.order(Order::DialAddress(address)),
            Effect::Data(effect) => self.data.carry_out(effect, written),
            Effect::Lease(effect) => self.leases.tell(effect),
            Effect::Command(effect) => self.commands.carry_out(effect, written),
            Effect::Work(effect) => self.commands.carry_out_work(effect, written),
            Effect::Publish(view) => {
                self.data.belong(&view);
                self.lanes.live.take_view(Arc::clone(&view));
                self.view.send_replace(view);
            }
        }
    }

    fn persist(&self, write: u64, records: &[Record], written: mpsc::Sender<Input>) {
        let (journal, lines) = (self.journal.clone(), lines(records));
        tokio::spawn(async move {
            let input = match journal.append(lines).await {
                Ok(()) => Input::Persisted { write },
                Err(error) => {
                    tracing::error!(%error, "the journal could not be written");
                    Input::PersistFailed { write, cause: error.to_string() }
                }
            };
            // The loop is gone only when the node stops.
            drop(written.send(input).await);
        });
    }

    /// Gives an order without waiting: the swarm's loop may be waiting for the core's. One that
    /// finds no place is given again at a later tick, as long as it is still due.
    fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!(%error, "the swarm does not keep up");
        }
    }
}

/// Records as lines of the journal.
pub(super) fn lines(records: &[Record]) -> Vec<Line> {
    records
        .iter()
        .map(|record| {
            let (kind, payload) = record.encode();
            Line { kind, payload }
        })
        .collect()
}
