//! Where readers read: the own store, or members that keep copies.

use std::sync::Arc;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::TopicFilter;
use tokio::sync::futures::Notified;

use super::super::core_handle::CoreHandle;
use super::super::data::{DataStore, Page, ReadError, Shelf};
use crate::core::plant::data::{self, DataInput, More, Question, Trail, keeps_copies};
use crate::core::plant::view::View;
use crate::core::plant::{Answer, Input};

/// Bytes read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// What a reader gets of a log at once.
pub(super) enum Part {
    /// From the own store.
    Stored(Page),
    /// From members.
    Shown(data::Part),
}

/// Where a node reads.
#[derive(Clone)]
pub(in crate::shell) enum Source {
    /// A node that keeps copies has all that it reads.
    Store(DataStore),
    /// Another asks members that do.
    Members(Members),
}

/// Both sources, for whoever picks one.
#[derive(Clone)]
pub(in crate::shell) struct Sources {
    store: DataStore,
    members: Members,
}

impl Sources {
    pub(in crate::shell) const fn new(store: DataStore, members: Members) -> Self {
        Self { store, members }
    }

    /// The source of a node that stands like this, once something can be read there.
    ///
    /// # Errors
    /// It keeps no copies, and no member that does is linked or says what it has.
    pub(in crate::shell) async fn of(&self, view: &View) -> Result<Source, Refusal> {
        if has_log(view) {
            return Ok(Source::Store(self.store.clone()));
        }
        self.members.wait_for_ends().await?;
        Ok(Source::Members(self.members.clone()))
    }
}

/// Whether a node that stands like this keeps copies of logs, its own among them.
pub(in crate::shell) fn has_log(view: &View) -> bool {
    view.roster.as_ref().is_some_and(|roster| keeps_copies(roster, &view.me))
}

impl Source {
    /// Whose logs can be read.
    pub(super) fn authors(&self) -> Vec<PublicKey> {
        match self {
            Self::Store(store) => store.authors(),
            Self::Members(members) => members.heard.authors(),
        }
    }

    /// Where a log ends, the longest branch first.
    pub(super) fn ends(&self, author: &PublicKey) -> Vec<Tip> {
        match self {
            Self::Store(store) => store.ends(author),
            Self::Members(members) => members.heard.ends(author),
        }
    }

    /// Is ready when a log has grown since the call.
    pub(super) fn changed(&self) -> Notified<'_> {
        match self {
            Self::Store(store) => store.changed(),
            Self::Members(members) => members.heard.changed(),
        }
    }

    /// Whether more than these leaves of a log is said to be there. Of a store nobody needs to say.
    pub(super) fn promises(&self, author: &PublicKey, after: &[Tip]) -> bool {
        match self {
            Self::Store(_) => false,
            Self::Members(members) => {
                data::more(&members.heard.ends(author), after) == More::Surely
            }
        }
    }

    /// What follows a reader's place in a log. Of a source that is another's, entries that match no
    /// filter do not come; where more was promised and nobody has it, that is refused.
    pub(super) async fn read(
        &self,
        author: PublicKey,
        trail: &Trail,
        filters: &[TopicFilter],
        is_promised: bool,
    ) -> Result<Part, ReadError> {
        match self {
            Self::Store(store) => {
                let page = store.read(author, trail.leaves().to_vec(), PAGE_BYTES).await?;
                Ok(Part::Stored(page))
            }
            Self::Members(members) => {
                let (trail, filters) = (trail.clone(), filters.to_vec());
                let question = Question { author, trail, filters, is_promised };
                Ok(Part::Shown(members.ask(question).await?))
            }
        }
    }
}

/// The way to members that keep copies.
#[derive(Clone)]
pub(in crate::shell) struct Members {
    core: CoreHandle,
    /// Where logs end, as members say.
    heard: Arc<Shelf>,
}

impl Members {
    pub(in crate::shell) const fn new(core: CoreHandle, heard: Arc<Shelf>) -> Self {
        Self { core, heard }
    }

    /// Waits until members have said what they have.
    async fn wait_for_ends(&self) -> Result<(), Refusal> {
        match self.core.ask(|ticket| Input::Data(DataInput::AskLogs { ticket })).await {
            Answer::Ready => Ok(()),
            Answer::Refused(refusal) => Err(refusal),
            _ => Err(Refusal::Protocol),
        }
    }

    async fn ask(&self, question: Question) -> Result<data::Part, ReadError> {
        let asked = |ticket| Input::Data(DataInput::Ask { ticket, question });
        match self.core.ask(asked).await {
            Answer::Read(part) => Ok(*part),
            Answer::Refused(refusal) => Err(ReadError::Refused { refusal }),
            _ => Err(ReadError::Refused { refusal: Refusal::Protocol }),
        }
    }
}
