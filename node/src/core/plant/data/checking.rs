//! Whether a page that a member showed can be what it was asked for.

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::{LogId, LogKind, Tip};
use gearmesh_protocol::shown::VerifiedShown;
use gearmesh_protocol::topic::TopicFilter;

use super::asking::{Question, Shown};
use super::more::{More, more};

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongPage {
    /// A group is not what its author signed, or an entry is not proven to be in its group.
    #[error("a group is not signed by its author, or an entry not proven")]
    Unproven,
    /// A group of another log than was asked for.
    #[error("group {0:?} is of another log")]
    Foreign(GroupId),
    /// A group that does not count on from its parents.
    #[error("group {0:?} does not go on from what was read")]
    Unchained(GroupId),
    /// A group that was read already.
    #[error("group {0:?} comes a second time")]
    Repeated(GroupId),
    /// An entry that was not asked for.
    #[error("an entry of group {0:?} was not asked for")]
    Unwanted(GroupId),
    /// Nothing, where the member said that it has more.
    #[error("nothing came, and the member said that it has more")]
    Withheld,
}

/// How a group does not go on from what a reader passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// It is no newer than what was passed, and begins no branch that is known.
    Beside,
    /// It was passed.
    Repeated,
    /// It counts otherwise than from where its parents end.
    Miscounted,
    /// The log has more branches, or more is missing of it, than is kept in mind.
    TooForked,
}

/// How the groups of a page go on from what a reader passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// There are none.
    Nothing,
    /// So many do.
    Groups(usize),
    /// So many do; in front of the first so many entries are missing.
    Leap(usize, u64),
    /// The first is no newer than what was passed: it takes the log's outline to place it.
    Beside,
    /// The first cannot be placed, and that is not the member's fault.
    Unplaced,
}

/// Checks a page of a member that said, before it was asked, that its copy has these ends. What
/// comes behind a gap within the page is left for the next question.
pub(super) fn check(question: &Question, page: &Shown, told: &[Tip]) -> Result<Fit, WrongPage> {
    if page.groups.is_empty() {
        return match more(told, question.trail.leaves()) {
            More::Surely => Err(WrongPage::Withheld),
            More::Perhaps | More::Nothing => Ok(Fit::Nothing),
        };
    }
    let log = LogId { author: question.author, kind: LogKind::Data };
    let (mut trail, mut leap, mut fit) = (question.trail.clone(), None, 0);
    let mut odd = None;
    for (at, group) in page.groups.iter().enumerate() {
        let id = group.id();
        if page.author != question.author || group.header().log != log {
            return Err(WrongPage::Foreign(id));
        }
        check_entries(&question.filters, group)?;
        if odd.is_some() || fit < at {
            continue;
        }
        match trail.pass(id, group.header()) {
            Ok(step) if step.leap.is_some() && at > 0 => {}
            Ok(step) => {
                leap = leap.or(step.leap);
                fit = at + 1;
            }
            Err(Odd::Miscounted) => return Err(WrongPage::Unchained(id)),
            Err(Odd::Repeated) => return Err(WrongPage::Repeated(id)),
            Err(other) => odd = Some((other, id, group.header().number)),
        }
    }
    match (fit, odd, leap) {
        (0, Some((odd, id, number)), _) => unplaced(question, odd, id, number),
        (_, _, Some(gap)) => Ok(Fit::Leap(fit, gap)),
        (..) => Ok(Fit::Groups(fit)),
    }
}

/// What it means that the first group of a page cannot be placed.
fn unplaced(question: &Question, odd: Odd, id: GroupId, number: u64) -> Result<Fit, WrongPage> {
    let trail = &question.trail;
    let is_old = trail.leaves().iter().any(|leaf| number <= leaf.number);
    match (odd, trail.is_sure()) {
        (Odd::Beside, false) => Ok(Fit::Beside),
        (Odd::Beside, true) if is_old => Err(WrongPage::Repeated(id)),
        (..) => Ok(Fit::Unplaced),
    }
}

fn check_entries(filters: &[TopicFilter], group: &VerifiedShown) -> Result<(), WrongPage> {
    let is_wanted = |bytes: &[u8]| match codec::decode(bytes, ENTRY_BYTES_MAX) {
        Ok(DataEntry::Sample { topic, .. }) => filters.iter().any(|it| it.matches(&topic)),
        Ok(_) | Err(_) => false,
    };
    match group.entries().iter().all(|entry| is_wanted(&entry.bytes)) {
        true => Ok(()),
        false => Err(WrongPage::Unwanted(group.id())),
    }
}
