//! Looking into data logs over the local API: where one may be cut, how one forked, and what is
//! wrong with a member.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, Incarnation};
use crate::local::MemberStatus;
use crate::log::Tip;
use crate::time::UnixMillis;

/// Groups that one answer lists: a theft is noticed soon, or its begin is searched for by digits.
pub const GROUPS_LISTED_MAX: usize = 30;

/// Topics that are named of one group.
pub const TOPICS_NAMED_MAX: usize = 3;

/// Lives that are named of one branch.
pub const LIVES_NAMED_MAX: usize = 8;

/// `GET /v1/data/log?key=…`: how a member's data log stands here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataLog {
    /// Its ends, the longest branch first; none if nothing of it is here.
    pub ends: Vec<Tip>,
    /// Its last groups, oldest first, at most [`GROUPS_LISTED_MAX`]; with `group=DIGITS` the last of
    /// those whose ids begin so.
    pub groups: Vec<GroupLine>,
    /// Groups before those.
    pub earlier: u64,
    /// What it holds and how much of that counts.
    pub counted: DataCounts,
    /// Its branches, if it has several.
    pub fork: Option<Fork>,
}

/// One group of a data log in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    /// Its id.
    pub group: GroupId,
    /// Its number.
    pub number: u64,
    /// The life of its author that wrote it.
    pub incarnation: Incarnation,
    /// How many entries it has.
    pub entries: u32,
    /// Source time of its newest value, if it has one.
    pub at: Option<UnixMillis>,
    /// Topics of its values, at most [`TOPICS_NAMED_MAX`] of those that this node may see.
    pub topics: Vec<String>,
}

/// Values of a data log, by whether they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCounts {
    /// All that are here.
    pub values: u64,
    /// Of these, written after their author was revoked without blame: they count, and are marked.
    pub after_cut: u64,
    /// Of these, beyond the cut of a compromised key: withheld.
    pub compromised: u64,
    /// Of these, written under terms that had been changed: withheld.
    pub amended: u64,
    /// Of these, on topics that their author might not write, or by no member: withheld.
    pub not_granted: u64,
    /// Entries that are not here, whatever they hold: let go since the log had grown, or lost.
    pub missing: u64,
}

impl DataCounts {
    /// Values that are not given to anybody.
    #[must_use]
    pub const fn withheld(&self) -> u64 {
        self.compromised.saturating_add(self.amended).saturating_add(self.not_granted)
    }
}

/// A data log that has several ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The last group that all branches go on from, if it is here.
    pub after: Option<Tip>,
    /// The branches, the longest first.
    pub branches: Vec<Branch>,
}

/// One branch of a fork, from [`Fork::after`] on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Its last group.
    pub end: Tip,
    /// Groups of it.
    pub groups: u64,
    /// Entries of those.
    pub entries: u64,
    /// Source time of its oldest value.
    pub from: Option<UnixMillis>,
    /// Source time of its newest value.
    pub until: Option<UnixMillis>,
    /// The lives that wrote it, at most [`LIVES_NAMED_MAX`].
    pub lives: Vec<Incarnation>,
}

/// `POST /v1/data/settle`: a person decided that all branches of this node's own data log are its.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleRequest {
    /// The ends that the person saw. If the log has another one by now, nothing is done.
    pub ends: Vec<GroupId>,
}

/// Answer to a settlement: the log has one end, on this node's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The group that joins the branches.
    pub group: GroupId,
    /// Its number.
    pub number: u64,
}

/// `GET /v1/why?key=…`: what is wrong with a member or its logs, as seen from here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Why {
    /// Who it is and how it stands.
    pub member: MemberStatus,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
    /// How its data log stands.
    pub log: DataLog,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is, for programs.
    pub kind: FindingKind,
    /// What it is, for people.
    pub text: String,
    /// What mends it.
    pub mend: String,
}

/// Kinds of things that are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It was thrown out.
    Revoked,
    /// Two of it run.
    Clone,
    /// Its key signed what its own journal does not know. Said of this node only.
    StrangeLife,
    /// Its data log has several ends.
    Forked,
    /// Its trust log has several branches.
    ForkedTrust,
    /// An admin changed its terms, and it wrote under the old ones afterwards.
    Narrowed,
    /// Two records give it different terms at the same time.
    ConcurrentTerms,
    /// Another member has its name.
    NameTaken,
    /// Its scope overlaps that of another.
    ScopesOverlap,
    /// It wrote what it might not.
    NotGranted,
    /// This node's disk lost entries of it.
    Missing,
    /// It cannot be reached from here.
    Away,
    /// Its membership is over.
    Ended,
}
