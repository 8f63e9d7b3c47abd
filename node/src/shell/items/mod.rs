//! Work items for the programs of this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::entry::{WorkOrigin, WorkState, WorkTerms};
use gearmesh_protocol::ids::{CommandId, PublicKey, WorkId};
use gearmesh_protocol::limits::COMMAND_TTL_MS_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::work::Attempt;
use serde_json::Value;

use super::core_handle::CoreHandle;
use super::data::{DataStore, ReadError};
use super::reading::{done_by, items_of};
use crate::core::plant::items::{ItemStatus, Offering, WorkInput};
use crate::core::plant::view::View;
use crate::core::plant::{Answer, Input, standing};

pub mod api;

use api::{Rehomed, WorkStatus};

/// Something to be done by whoever can.
#[derive(Clone, Debug)]
pub struct WorkItem {
    /// What is to be done.
    pub verb: Name,
    /// The arguments.
    pub arguments: Value,
    /// The item's id: the same again is the same item. A new one if there is none.
    pub id: Option<WorkId>,
    /// How long the machine that took it may be away until it is offered again: 1 s to 600 s.
    pub silence: Duration,
    /// How often it may be taken.
    pub tries: u8,
    /// Whether it is offered again when a program says that it cannot be done.
    pub again_if_failed: bool,
}

impl WorkItem {
    /// An item that is tried three times; a machine that is away for a minute is given up.
    #[must_use]
    pub fn new(verb: Name, arguments: Value) -> Self {
        let terms = WorkTerms::default();
        Self {
            verb,
            arguments,
            id: None,
            silence: Duration::from_millis(terms.silence_ms.into()),
            tries: terms.tries,
            again_if_failed: terms.again_if_failed,
        }
    }

    fn terms(&self) -> Result<WorkTerms, ErrorBody> {
        let silence_ms = u32::try_from(self.silence.as_millis()).unwrap_or(u32::MAX);
        if !(1000..=COMMAND_TTL_MS_MAX).contains(&silence_ms) || self.tries == 0 {
            let text = "a machine may be away for 1 s to 600 s, and an item is tried once at least";
            return Err(ErrorBody::from(Refusal::RequestMalformed).saying(text));
        }
        let again_if_failed = self.again_if_failed;
        Ok(WorkTerms { silence_ms, tries: self.tries, again_if_failed, instead_of: None })
    }
}

/// The way of programs to work items.
#[derive(Clone)]
pub(super) struct Items {
    core: CoreHandle,
    store: DataStore,
}

impl Items {
    pub(super) const fn new(core: CoreHandle, store: DataStore) -> Self {
        Self { core, store }
    }

    /// Has something done by whoever can. When this says so, that is on the disk.
    pub(super) async fn offer(&self, item: WorkItem) -> Result<WorkId, ErrorBody> {
        standing::member(&self.core.view())?;
        let terms = item.terms()?;
        let id = item.id.map_or_else(new_id, Ok)?;
        let arguments = item.arguments.to_string().into_bytes();
        self.ask(Offering { id, verb: item.verb, arguments, terms }).await
    }

    async fn ask(&self, offering: Offering) -> Result<WorkId, ErrorBody> {
        let offer = |ticket| Input::Work(WorkInput::Offer { ticket, offering });
        id_of(self.core.ask(offer).await)
    }

    /// Has an item not done that nobody has taken.
    pub(super) async fn cancel(&self, id: WorkId) -> Result<WorkId, ErrorBody> {
        let cancel = |ticket| Input::Work(WorkInput::Cancel { ticket, id });
        id_of(self.core.ask(cancel).await)
    }

    /// How the items of this node stand, and those of others as far as copies of their logs say.
    pub(super) async fn list(&self, with_others: bool) -> Result<Vec<WorkStatus>, ErrorBody> {
        let view = self.core.view();
        standing::member(&view)?;
        let list = |ticket| Input::Work(WorkInput::List { ticket });
        let own = match self.core.ask(list).await {
            Answer::Items(items) => items,
            Answer::Refused(refusal) => return Err(refusal.into()),
            _ => return Err(Refusal::Protocol.into()),
        };
        let name = |key: &PublicKey| name_of(&view, key);
        let status = |key| {
            let of = (key, !is_member(&view, &key));
            move |item| WorkStatus::of(item, of, name)
        };
        let mut all: Vec<WorkStatus> = own.into_iter().map(status(view.me)).collect();
        let others = self.store.authors().into_iter().filter(|author| *author != view.me);
        for author in others.filter(|_| with_others) {
            let items = self.copied(&view, author).await?;
            all.extend(items.0.into_iter().map(status(author)));
        }
        Ok(all)
    }

    /// Offers here what a member that is gone has offered and nobody has completed; but for what a machine
    /// did of it meanwhile, as far as its log is here.
    pub(super) async fn rehome(&self, offerer: PublicKey) -> Result<Vec<Rehomed>, ErrorBody> {
        let view = self.core.view();
        standing::member(&view)?;
        if is_member(&view, &offerer) {
            return Err(Refusal::OffererIsMember.into());
        }
        let (all, open) = self.copied(&view, offerer).await?;
        let done = self.done_meanwhile(&view, offerer, &all).await?;
        let mut rehomed = Vec::new();
        for offering in open {
            let origin = WorkOrigin { offerer, id: offering.id };
            if let Some(machine) = done.get(&offering.id) {
                let done_by = Some(name_of(&view, machine));
                rehomed.push(Rehomed { old: origin.id, id: None, done_by });
                continue;
            }
            let terms = WorkTerms { instead_of: Some(origin), ..offering.terms };
            let id = self.ask(Offering { id: origin.successor(), terms, ..offering }).await?;
            rehomed.push(Rehomed { old: origin.id, id: Some(id), done_by: None });
        }
        Ok(rehomed)
    }

    /// What machines did of items whose offerer did not live to hear of it, and which machine.
    async fn done_meanwhile(
        &self,
        view: &View,
        offerer: PublicKey,
        items: &[ItemStatus],
    ) -> Result<BTreeMap<WorkId, PublicKey>, ErrorBody> {
        let taken = items.iter().filter(|item| matches!(item.state, WorkState::Taken { .. }));
        let attempts = taken.flat_map(|item| {
            (1..=item.takes).map(|number| (Attempt { id: item.id, number }.command(), item.id))
        });
        let attempts: BTreeMap<CommandId, WorkId> = attempts.collect();
        let roster = view.roster.clone().ok_or_else(standing::no_plant)?;
        let mut done = BTreeMap::new();
        let machines = self.store.authors().into_iter().filter(|author| *author != offerer);
        for machine in machines.filter(|_| !attempts.is_empty()) {
            let of = (offerer, &attempts);
            let did = done_by(self.store.clone(), machine, &roster, of).await.map_err(unread)?;
            done.extend(did.into_iter().map(|id| (id, machine)));
        }
        Ok(done)
    }

    async fn copied(
        &self,
        view: &View,
        author: PublicKey,
    ) -> Result<super::reading::CopiedItems, ErrorBody> {
        let roster = view.roster.clone().ok_or_else(standing::no_plant)?;
        items_of(self.store.clone(), author, &roster).await.map_err(unread)
    }
}

/// A copy of a log cannot be read.
fn unread(error: ReadError) -> ErrorBody {
    ErrorBody::from(Refusal::NotStored).saying(error)
}

fn is_member(view: &View, key: &PublicKey) -> bool {
    view.roster.as_ref().is_some_and(|roster| roster.member(key).is_some())
}

fn name_of(view: &View, key: &PublicKey) -> String {
    view.roster.as_ref().map_or_else(|| key.to_string(), |roster| roster.name_of(key))
}

fn id_of(answer: Answer) -> Result<WorkId, ErrorBody> {
    match answer {
        Answer::Item(id) => Ok(id),
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

fn new_id() -> Result<WorkId, ErrorBody> {
    let mut bytes = [0; 16];
    let failed = |error| ErrorBody::from(Refusal::SystemRefused).saying(error);
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(WorkId(bytes))
}
