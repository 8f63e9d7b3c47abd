//! One work item, as its offerer knows it.

use gearmesh_protocol::command::arguments_hash;
use gearmesh_protocol::entry::{
    WorkRecord, WorkStage, WorkStanding, WorkState, WorkTaken, WorkTerms,
};
use gearmesh_protocol::ids::WorkId;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::work::Attempt;

use super::super::Ticket;
use super::contract::{ItemStatus, Offering};

/// Bytes that the log needs for an item besides its arguments and its result, at most.
const ITEM_BYTES: usize = 256;

/// Something to be done.
#[derive(Debug)]
pub(super) struct Item {
    /// Counts the items of this node, in the order in which they came.
    pub(super) place: u64,
    pub(super) verb: Name,
    /// JSON; none any more when it is over.
    pub(super) arguments: Vec<u8>,
    /// Hash of the arguments; not known of one whose beginning is not in the log any more.
    content: Option<[u8; 32]>,
    pub(super) terms: WorkTerms,
    /// How often it was taken.
    pub(super) takes: u32,
    /// Who took it last.
    pub(super) taken: Option<WorkTaken>,
    /// Since when it stands as it does, by this node's wall clock.
    pub(super) since: UnixMillis,
    pub(super) standing: Standing,
    /// Why the last attempt came to nothing.
    pub(super) trouble: String,
    /// Who waits until what is being written is on the disk.
    pub(super) askers: Vec<Ticket>,
    /// Whether anything became of it in this life.
    pub(super) is_moved: bool,
    /// The number of the group from which on the own log says all of it; none of one that is not there
    /// yet.
    pub(super) from: Option<u64>,
}

/// How an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// This is on its way to the disk.
    Writing(WorkState),
    /// The disk did not take this yet.
    Unwritten(WorkState),
    /// It waits for somebody.
    Open,
    /// Somebody works on it.
    Taken,
    /// It is completed or has failed.
    Over(WorkState),
}

impl Standing {
    fn of(stage: WorkStage) -> Self {
        match stage {
            WorkStage::Open => Self::Open,
            WorkStage::Taken => Self::Taken,
            WorkStage::Completed { result } => Self::Over(WorkState::Completed { result }),
            WorkStage::Failed { message } => Self::Over(WorkState::Failed { message }),
        }
    }
}

impl Item {
    /// An item that nobody has heard of yet.
    pub(super) fn new(place: u64, offering: Offering, since: UnixMillis) -> Self {
        let Offering { verb, arguments, terms, .. } = offering;
        let content = Some(arguments_hash(&arguments));
        let (takes, taken, is_moved, from) = (0, None, false, None);
        let (standing, trouble, askers) = (Standing::Open, String::new(), Vec::new());
        Self {
            place,
            verb,
            arguments,
            content,
            terms,
            takes,
            taken,
            since,
            standing,
            trouble,
            askers,
            is_moved,
            from,
        }
    }

    /// The same, in its place among those of this node.
    pub(super) fn at(self, place: u64) -> Self {
        Self { place, ..self }
    }

    /// One of which a single record says all.
    pub(super) fn standing(place: u64, record: WorkRecord, standing: WorkStanding) -> Self {
        let WorkRecord { id, verb, arguments, at, .. } = record;
        let offering = Offering { id, verb, arguments, terms: standing.terms };
        let WorkStanding { content, takes, taken, stage, .. } = standing;
        let standing = Standing::of(stage);
        Self { content, takes, taken, standing, ..Self::new(place, offering, at) }
    }

    /// One that is over, of which no more is known.
    pub(super) fn ended(place: u64, record: WorkRecord) -> Self {
        let WorkRecord { id, verb, state, at, .. } = record;
        let offering = Offering { id, verb, arguments: Vec::new(), terms: WorkTerms::default() };
        let standing = Standing::Over(state);
        Self { content: None, standing, ..Self::new(place, offering, at) }
    }

    /// Whether another offering says the same.
    pub(super) fn is_same(&self, offering: &Offering) -> bool {
        let hash = arguments_hash(&offering.arguments);
        self.verb == offering.verb && self.content.is_none_or(|content| content == hash)
    }

    /// What came of it in the end.
    pub(super) fn over(&self) -> Option<WorkState> {
        match &self.standing {
            Standing::Over(state) => Some(state.clone()),
            _ => None,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.standing, Standing::Over(_))
    }

    /// The attempt that was made last, or is under way.
    pub(super) const fn last(&self, id: WorkId) -> Attempt {
        Attempt { id, number: self.takes }
    }

    /// The one that somebody may take.
    pub(super) const fn next(&self, id: WorkId) -> Attempt {
        Attempt { id, number: self.takes.saturating_add(1) }
    }

    /// What is written down of it.
    pub(super) fn record(&self, id: WorkId, state: WorkState, at: UnixMillis) -> WorkRecord {
        let is_first = matches!(state, WorkState::New(_));
        let arguments = if is_first { self.arguments.clone() } else { Vec::new() };
        WorkRecord { id, verb: self.verb.clone(), arguments, state, at }
    }

    /// All of it in one record, for a log that is about to lose its beginning; none while the next record
    /// is on its way.
    pub(super) fn record_of_all(&self, id: WorkId) -> Option<WorkRecord> {
        let stage = match &self.standing {
            Standing::Writing(_) | Standing::Unwritten(_) => return None,
            Standing::Open => WorkStage::Open,
            Standing::Taken => WorkStage::Taken,
            Standing::Over(WorkState::Completed { result }) => {
                WorkStage::Completed { result: result.clone() }
            }
            Standing::Over(WorkState::Failed { message }) => {
                WorkStage::Failed { message: message.clone() }
            }
            Standing::Over(_) => return None,
        };
        let (terms, content, takes, taken) = (self.terms, self.content, self.takes, self.taken);
        let standing = WorkStanding { terms, content, takes, taken, stage };
        let state = WorkState::Stands(Box::new(standing));
        let (verb, arguments, at) = (self.verb.clone(), self.arguments.clone(), self.since);
        Some(WorkRecord { id, verb, arguments, state, at })
    }

    /// As it was offered.
    pub(super) fn offering(&self, id: WorkId) -> Offering {
        let (verb, arguments) = (self.verb.clone(), self.arguments.clone());
        Offering { id, verb, arguments, terms: self.terms }
    }

    /// Bytes that are kept of it as long as it is not over.
    pub(super) const fn open_bytes(&self) -> usize {
        ITEM_BYTES + self.arguments.len()
    }

    /// Bytes that are kept of it, in memory and in the log.
    pub(super) fn bytes(&self) -> usize {
        let said = match &self.standing {
            Standing::Over(WorkState::Completed { result }) => result.len(),
            Standing::Over(WorkState::Failed { message }) => message.len(),
            _ => 0,
        };
        self.open_bytes() + said
    }

    /// How it stands, for people.
    pub(super) fn status(&self, id: WorkId) -> ItemStatus {
        let state = match &self.standing {
            Standing::Over(state) => state.clone(),
            Standing::Open | Standing::Writing(WorkState::New(_) | WorkState::Taken { .. }) => {
                WorkState::Offered
            }
            Standing::Taken | Standing::Writing(_) | Standing::Unwritten(_) => match self.taken {
                Some(WorkTaken { by, token }) => WorkState::Taken { by, token },
                None => WorkState::Offered,
            },
        };
        ItemStatus {
            id,
            verb: self.verb.clone(),
            state,
            worker: self.taken.map(|taken| taken.by),
            takes: self.takes,
            terms: self.terms,
            since: self.since,
            trouble: self.trouble.clone(),
        }
    }
}
