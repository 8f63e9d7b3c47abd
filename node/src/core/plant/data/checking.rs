//! Whether a page that a member showed can be what it was asked for.

use std::collections::BTreeMap;

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::{LogId, LogKind, Tip};
use gearmesh_protocol::shown::VerifiedShown;
use gearmesh_protocol::topic::TopicFilter;

use super::asking::{Question, Shown};
use super::chaining::{Follows, follows};

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongPage {
    /// A group is not what its author signed, or an entry is not proven to be in its group.
    #[error("a group is not signed by its author, or an entry not proven")]
    Unproven,
    /// A group of another log than was asked for.
    #[error("group {0:?} is of another log")]
    Foreign(GroupId),
    /// A group that does not go on from what was read.
    #[error("group {0:?} does not go on from what was read")]
    Unchained(GroupId),
    /// A group that was read already.
    #[error("group {0:?} comes a second time")]
    Repeated(GroupId),
    /// An entry that was not asked for.
    #[error("an entry of group {0:?} was not asked for")]
    Unwanted(GroupId),
    /// More entries are said to be missing than can be.
    #[error("{0} entries are said to be missing where there were none")]
    Gap(u64),
    /// Nothing, where the member said that it has more.
    #[error("nothing came, and the member said that it has more")]
    Withheld,
}

/// Checks a page of a member that said that its copy has these ends.
pub(super) fn check(question: &Question, page: &Shown, told: &[Tip]) -> Result<(), WrongPage> {
    let mut known: BTreeMap<GroupId, Tip> =
        question.after.iter().map(|leaf| (leaf.group, *leaf)).collect();
    let mut highest = question.after.iter().map(|leaf| leaf.number).max();
    let Some(first) = page.groups.first() else {
        let has_more = told.iter().any(|end| highest.is_none_or(|highest| end.number > highest));
        return match (page.gap, has_more) {
            (0, false) => Ok(()),
            (0, true) => Err(WrongPage::Withheld),
            (gap, _) => Err(WrongPage::Gap(gap)),
        };
    };
    if page.gap > missing_before(first, &question.after) {
        return Err(WrongPage::Gap(page.gap));
    }
    let log = LogId { author: question.author, kind: LogKind::Data };
    for (at, group) in page.groups.iter().enumerate() {
        let (id, header) = (group.id(), group.header());
        if page.author != question.author || header.log != log {
            return Err(WrongPage::Foreign(id));
        }
        // A side branch may go on from a group that was passed long ago; only of a forked log.
        let is_beside = told.len() > 1 && highest.is_some_and(|highest| header.number <= highest);
        let begins = header.number == 0 && highest.is_none();
        let follows = follows(header, |parent| known.get(parent).copied());
        let is_behind_gap = at == 0 && page.gap > 0 && !is_old(highest, header.number);
        let is_placed = match follows {
            Follows::Parents => true,
            Follows::Apart => begins || is_behind_gap || is_beside,
            Follows::Wrongly => false,
        };
        if !is_placed {
            return Err(WrongPage::Unchained(id));
        }
        if known.insert(id, group.tip()).is_some() {
            return Err(WrongPage::Repeated(id));
        }
        highest = highest.max(Some(header.number));
        check_entries(&question.filters, group)?;
    }
    Ok(())
}

/// Entries that can be missing between what was read and a group.
fn missing_before(group: &VerifiedShown, after: &[Tip]) -> u64 {
    let header = group.header();
    let read = after.iter().filter(|leaf| leaf.number < header.number).map(|leaf| leaf.entries);
    header.entries_before.saturating_sub(read.max().unwrap_or(0))
}

fn is_old(highest: Option<u64>, number: u64) -> bool {
    highest.is_some_and(|highest| number <= highest)
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
