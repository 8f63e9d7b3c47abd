//! The loop that carries out what core and bridge decide, in their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::partner::Addresses;
use gearmesh_protocol::partner_agreement::stream_id;
use gearmesh_protocol::partner_local::{Held, PartnersStatus};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use tokio::sync::{mpsc, oneshot};

use super::super::clock::Clock;
use super::super::journal::{Journal, Record};
use super::super::partner::logs::ShareLogs;
use super::super::partner::swarm::{Listening, Order};
use super::super::partner::{Door, Sessions};
use super::addresses_of;
use super::commands::Commanding;
use super::feeds::Feeds;
use super::held::HeldFile;
use super::missed::Missed;
use super::schemas::Shelf;
use super::word::WordFile;
use crate::core::bridge::{Bridge, Crossed, speaks};
use crate::core::clock::Now;
use crate::core::partner::{Answer, Effect, Input, Partners, Wish, WishId};

/// Inputs that may wait for the core: sessions wait, gossip beyond is left out.
pub(super) const INPUTS_MAX: usize = 1024;

/// Requests of people that may wait.
pub(super) const REQUESTS_MAX: usize = 16;

/// How often time passes for the core, and what is due crosses.
const TICK: Duration = Duration::from_millis(250);

/// How often what is held back for its delay is written down.
const HELD_EVERY: Duration = Duration::from_secs(5);

/// Groups of partners that enter the plant between two looks at everything else.
const IMPORTS_AT_ONCE: usize = 16;

/// What somebody on this machine wants, and who waits for it.
pub(super) struct Request {
    pub(super) wish: Wish,
    pub(super) told: oneshot::Sender<Answer>,
}

/// The disk did not take what must be on it.
#[derive(Debug, thiserror::Error)]
#[error("what was agreed with partners cannot be written: {0}")]
struct NotWritten(String);

/// All that the loop works with.
pub(super) struct Runtime {
    pub(super) core: Partners,
    pub(super) bridge: Bridge,
    pub(super) feeds: Feeds,
    pub(super) commanding: Commanding,
    pub(super) schemas: Shelf,
    pub(super) missed: Missed,
    pub(super) held: HeldFile,
    pub(super) word: WordFile,
    /// What an earlier life held back for lines that are not open yet.
    pub(super) held_before: Vec<Held>,
    /// When the file was looked after.
    pub(super) held_at: Duration,
    /// Whether agreements of earlier lives go on, so that what was missed is to be given to them.
    pub(super) goes_on: bool,
    pub(super) journal: Journal,
    pub(super) logs: ShareLogs,
    pub(super) door: Arc<Door>,
    /// Where the plane listens.
    pub(super) listening: Listening,
    pub(super) sessions: Sessions,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) clock: Clock,
}

impl Runtime {
    /// Runs until the node stops, or the disk does not take what must be on it.
    pub(super) async fn run(
        mut self,
        first: Vec<Effect>,
        mut inputs: mpsc::Receiver<Input>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut done = self.carry_out(first, &mut waiting).await;
        self.held_before = self.held.read();
        while done.is_ok() {
            let effects = tokio::select! {
                Some(input) = inputs.recv() => self.core.handle(self.clock.now(), input),
                Some(Request { wish, told }) = requests.recv() => {
                    next += 1;
                    waiting.insert(WishId(next), told);
                    let wish = Input::Wish { id: WishId(next), wish: Box::new(wish) };
                    self.core.handle(self.clock.now(), wish)
                }
                Some((line, value)) = self.feeds.next() => {
                    let from = (value.author(), value.topic());
                    if self.missed.is_new(&line, from, &value.sample) {
                        self.bridge.offer(self.clock.now(), &line, value.topic(), &value.sample);
                    }
                    continue;
                }
                Some(event) = self.missed.next() => {
                    self.missed.take(self.clock.now().tick, event);
                    continue;
                }
                Some(over) = self.commanding.next() => self.core.handle(self.clock.now(), over),
                _ = tick.tick() => {
                    waiting.retain(|_, told: &mut oneshot::Sender<Answer>| !told.is_closed());
                    let listen = Addresses::first_of(addresses_of(&self.listening));
                    let beside = self.door.beside();
                    let around = Input::Around { listen, beside };
                    let mut effects = self.core.handle(self.clock.now(), around);
                    effects.extend(self.core.handle(self.clock.now(), Input::Tick));
                    effects
                }
            };
            done = self.carry_out(effects, &mut waiting).await;
            if done.is_ok() {
                done = self.cross(&mut waiting).await;
            }
        }
        if let Err(error) = done {
            tracing::error!(%error, "nothing is shared with partners until the node starts again");
        }
    }

    /// What the bridge alone knows of each agreement.
    fn add_what_crossed(&self, status: &mut PartnersStatus) {
        status.silent_since = self.word.silent_since();
        for agreement in &mut status.agreements {
            let is_one_of_several = agreement.is_ours && agreement.terms.fan_out;
            let stream = match is_one_of_several {
                true => stream_id(&agreement.share),
                false => agreement.sheet,
            };
            let crossed = self.bridge.crossed(&stream);
            agreement.is_open = crossed.is_some() && agreement.ended.is_none();
            let Crossed { losses, refused, .. } = crossed.unwrap_or_default();
            agreement.not_exported = losses.unfit + losses.too_large + losses.crowded_out;
            agreement.refused = refused;
        }
    }

    /// Gives lines the durable values that they did not get live.
    fn give_missed(&mut self, now: Now) {
        self.bridge.hold(now, &self.core, &mut self.held_before);
        if self.bridge.has_lines() {
            self.missed.begin(self.goes_on);
            // What is agreed from here on begins here.
            self.goes_on = false;
        }
        let settles = self.bridge.settles_within(HELD_EVERY) + TICK;
        while let Some((topic, entry)) = self.missed.due(now.tick, settles) {
            for line in self.bridge.lines_of(&topic) {
                if self.missed.was_missed(&line, &topic, &entry) {
                    self.bridge.offer(now, &line, &topic, &entry.sample);
                }
            }
        }
        self.missed.settle(now.tick);
    }

    /// Writes down what is held back, now and then.
    fn look_after_held(&mut self, now: Now) {
        if now.tick >= self.held_at + HELD_EVERY {
            self.held_at = now.tick;
            self.write_held(now);
        }
    }

    fn write_held(&mut self, now: Now) {
        let mut held = self.bridge.held(now);
        held.extend(self.held_before.iter().cloned());
        self.held.write(&held);
    }

    /// Lets cross what may cross now, in both directions.
    async fn cross(&mut self, waiting: &mut Waiting) -> Result<(), NotWritten> {
        let now = self.clock.now();
        let view = self.feeds.values.core.view();
        match self.word.is_heard(now, speaks(&view)) {
            true => self.bridge.follow(now, &self.core, &view),
            false => self.bridge.close(),
        }
        self.feeds.follow(self.bridge.filters());
        self.schemas.follow(self.core.schemas(now));
        self.give_missed(now);
        let effects = self.bridge.export(now, &mut self.core);
        self.carry_out(effects, waiting).await?;
        self.look_after_held(now);
        let (effects, commands) = self.bridge.commands(now, &mut self.core);
        self.carry_out(effects, waiting).await?;
        commands.into_iter().for_each(|command| self.commanding.begin(command));
        for _ in 0..IMPORTS_AT_ONCE {
            let imported = self.bridge.import(self.clock.now(), &self.core, &self.schemas);
            let Some((sheet, values)) = imported else { break };
            if !self.feeds.publish(&values).await {
                break;
            }
            let effects = self.core.handle(self.clock.now(), Input::Delivered { sheet });
            self.carry_out(effects, waiting).await?;
        }
        self.door.set(self.core.doors(self.clock.now()));
        Ok(())
    }

    async fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        waiting: &mut Waiting,
    ) -> Result<(), NotWritten> {
        // Whoever is let in by what just happened must find the door open.
        self.door.set(self.core.doors(self.clock.now()));
        let mut open: std::collections::VecDeque<Effect> = effects.into();
        while let Some(effect) = open.pop_front() {
            let order = match effect {
                Effect::Persist(record) => {
                    let (kind, payload) = record.encode();
                    let written = self.journal.append(vec![Record { kind, payload }]).await;
                    written.map_err(|error| NotWritten(error.to_string()))?;
                    continue;
                }
                Effect::Append(group) => {
                    let written = self.logs.append(group.header(), group.group());
                    written.map_err(|error| NotWritten(error.to_string()))?;
                    continue;
                }
                Effect::Read { session, sheet, log, after } => {
                    match self.logs.read(&log, after) {
                        Ok(page) => {
                            let input = Input::Page { session, sheet, page };
                            open.extend(self.core.handle(self.clock.now(), input));
                        }
                        Err(error) => {
                            tracing::error!(%error, "a share log cannot be read");
                            let busy = SessionFrame::Refused(Refusal::Busy);
                            self.sessions.send(session, &busy);
                        }
                    }
                    continue;
                }
                Effect::Send { session, frame } => {
                    self.sessions.send(session, &frame);
                    continue;
                }
                Effect::Audit(act) => {
                    self.commanding.note(*act);
                    continue;
                }
                Effect::Close(session) => {
                    self.sessions.close(session);
                    continue;
                }
                Effect::Answer { id, mut answer } => {
                    if let Answer::Status(status) = &mut *answer {
                        self.add_what_crossed(status);
                    }
                    if let Some(told) = waiting.remove(&id) {
                        // Whoever asked may have gone.
                        drop(told.send(*answer));
                    }
                    continue;
                }
                Effect::Publish { topic, bytes } => Order::Publish { topic, bytes },
                Effect::Subscribe(topic) => Order::Subscribe(topic),
                Effect::Unsubscribe(topic) => Order::Unsubscribe(topic),
                Effect::Judge { message, verdict } => Order::Judge { message, verdict },
                Effect::Dial { peer, addresses } => Order::Dial { peer, addresses },
                Effect::Ask { addresses } => Order::Ask { addresses },
                Effect::DialLink { link } => Order::DialLink { link },
            };
            // The swarm never waits for this loop, so this ends.
            drop(self.orders.send(order).await);
        }
        Ok(())
    }
}

type Waiting = BTreeMap<WishId, oneshot::Sender<Answer>>;

/// A program that is stopped writes down what it holds back: what crossed meanwhile does not come again.
impl Drop for Runtime {
    fn drop(&mut self) {
        self.write_held(self.clock.now());
    }
}
