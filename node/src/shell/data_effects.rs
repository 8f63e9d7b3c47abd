//! What the core wants done about data logs, done.

use std::sync::Arc;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::{DataFrame, GroupsPage};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, GROUP_BYTES_MAX};
use gearmesh_protocol::log::Tip;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use super::counters::Counters;
use super::data::{DataStore, Left, LogState, Shelf, Stay};
use super::data_writes::{self, WRITES_MAX, Write};
use super::plant::lanes::{DataLanes, LaneContext};
use super::plant::swarm::Order;
use super::showing::Showing;
use crate::core::plant::data::{DataEffect, DataInput};
use crate::core::plant::view::View;
use crate::core::plant::{Input, LinkId};

/// Bytes of groups in one page; a group that is larger comes alone. So much of a link is taken at a
/// time, and so much is in memory for each member that catches up.
const PAGE_BYTES: usize = 256 * 1024;

/// Pages that are read at once, for all members together.
const READS_MAX: usize = 32;

/// Frames that may wait for a link when a page is added. Members ask for one page of a log at a
/// time, and of eight logs; one that asks for more and reads none gets no more.
const PAGES_WAITING_MAX: usize = 16;

const _: () = assert!(PAGE_BYTES < GROUP_BYTES_MAX && GROUP_BYTES_MAX + 4096 < FRAME_BYTES_MAX);

/// What the effects are carried out with.
pub(super) struct DataEffects {
    store: DataStore,
    writes: mpsc::Sender<Write>,
    lanes: Arc<DataLanes>,
    orders: mpsc::Sender<Order>,
    reads: Arc<Semaphore>,
    showing: Showing,
    heard: Arc<Shelf>,
    counters: Arc<Counters>,
}

impl DataEffects {
    /// What comes of writes goes to `written`.
    pub(super) fn start(
        (store, heard): (DataStore, Arc<Shelf>),
        (lanes, orders): (&LaneContext, mpsc::Sender<Order>),
        written: mpsc::Sender<Input>,
    ) -> Self {
        let (writes, waiting) = mpsc::channel(WRITES_MAX);
        tokio::spawn(data_writes::run(store.clone(), waiting, written));
        let (lanes, counters) = (Arc::clone(&lanes.data), Arc::clone(&lanes.counters));
        let showing = Showing::new(store.clone(), Arc::clone(&lanes), Arc::clone(&counters));
        let reads = Arc::new(Semaphore::new(READS_MAX));
        Self { store, writes, lanes, orders, reads, showing, heard, counters }
    }

    /// Carries out one effect; what comes of it goes to `inputs`.
    pub(super) fn carry_out(&self, effect: DataEffect, inputs: &mpsc::Sender<Input>) {
        match effect {
            DataEffect::Store { write, groups, is_apart } => {
                self.store(Write { number: write, groups, is_apart }, inputs);
            }
            DataEffect::Retain { author, keep_bytes, since, before } => {
                let stay = Stay { bytes: keep_bytes, since, from: before };
                self.retain(author, stay, inputs.clone());
            }
            DataEffect::Send { link, frame } => {
                if !self.lanes.send(link, frame) {
                    tracing::warn!(?link, "a member does not read its data lane; closing it");
                    // If the swarm has no place for the order, silence ends the link.
                    drop(self.orders.try_send(Order::Close(link)));
                }
            }
            DataEffect::Serve { link, author, after } => self.serve(link, author, after),
            DataEffect::Show { link, request, sees } => self.showing.show(link, request, *sees),
            DataEffect::Heard { author, ends } => self.heard.put([(author, ends)]),
            DataEffect::Wrong { link, why } => {
                self.counters.malformed_frames.add_one();
                tracing::warn!(?link, %why, "a member showed what cannot be right");
            }
            DataEffect::Survey => {
                let (store, inputs) = (self.store.clone(), inputs.clone());
                tokio::spawn(async move {
                    let Some(gaps) = store.gaps().await else { return };
                    drop(inputs.send(Input::Data(DataInput::Surveyed { gaps })).await);
                });
            }
            DataEffect::Find { link, author, tips } => {
                let (store, inputs) = (self.store.clone(), inputs.clone());
                tokio::spawn(async move {
                    // A store that does not answer says why when something is written.
                    let is_missing = store.lacks(author, tips).await.unwrap_or(false);
                    let found = DataInput::Found { link, author, is_missing };
                    drop(inputs.send(Input::Data(found)).await);
                });
            }
        }
    }

    /// Tells the store of which plant its logs are, once that is known.
    pub(super) fn belong(&self, view: &View) {
        if let Some(roster) = &view.roster {
            self.store.belong_to(roster.plant());
        }
    }

    fn retain(&self, author: PublicKey, stay: Stay, inputs: mpsc::Sender<Input>) {
        let store = self.store.clone();
        tokio::spawn(async move {
            match store.prune(author, stay).await {
                Ok(Left { log: LogState { bytes, .. }, held }) => {
                    let retained = DataInput::Retained { author, bytes, held };
                    drop(inputs.send(Input::Data(retained)).await);
                }
                Err(error) => tracing::warn!(%error, "old data could not be let go"),
            }
        });
    }

    fn store(&self, write: Write, inputs: &mpsc::Sender<Input>) {
        let Err(TrySendError::Full(write)) = self.writes.try_send(write) else { return };
        let cause = "too much is to be written at once".to_owned();
        tracing::error!(write = write.number, "{cause}");
        let failed = DataInput::StoreFailed { write: write.number, cause };
        let inputs = inputs.clone();
        tokio::spawn(async move { drop(inputs.send(Input::Data(failed)).await) });
    }

    /// Sends a page, unless too many are on their way: the member asks again, or another one.
    fn serve(&self, link: LinkId, author: PublicKey, after: Vec<Tip>) {
        let may_read = Arc::clone(&self.reads).try_acquire_owned().ok();
        let may_read = may_read.filter(|_| self.lanes.waiting(link) < PAGES_WAITING_MAX);
        let Some(may_read) = may_read else { return self.counters.dropped_pages.add_one() };
        let (store, lanes) = (self.store.clone(), Arc::clone(&self.lanes));
        tokio::spawn(async move {
            match store.read(author, after, PAGE_BYTES).await {
                Ok(page) => {
                    let is_cut = page.groups.len() > gearmesh_protocol::limits::GROUPS_PAGE_MAX;
                    let page = GroupsPage {
                        author,
                        groups: Bounded::first_of(page.groups),
                        gap: page.gap,
                        is_last: page.is_last && !is_cut,
                    };
                    // One that finds no place is asked for again.
                    lanes.send(link, DataFrame::Groups(page));
                }
                Err(error) => tracing::error!(%error, "data could not be read"),
            }
            drop(may_read);
        });
    }
}
