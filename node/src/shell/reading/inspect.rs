//! Looking into one log as a whole: its last groups, how it forked, and how much of it counts.

use std::collections::VecDeque;

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::inspect::{
    DataCounts, DataLog, GROUPS_LISTED_MAX, GroupLine, TOPICS_NAMED_MAX,
};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::super::data::ReadError;
use super::source::Source;
use super::surroundings::Surroundings;
use super::walk::{Passed, Walk};
use crate::core::plant::data::{Branches, Judged, Trail, Withheld, judge};
use crate::core::plant::roster::{Member, Roster};

/// Who looks, and at what.
pub(in crate::shell) struct Look<'a> {
    pub(in crate::shell) roster: &'a Roster,
    /// Who looks: topics that it may not see are not named.
    pub(in crate::shell) own: Option<&'a Member>,
    /// Whose log.
    pub(in crate::shell) author: PublicKey,
    /// The first digits of the groups that are listed; of all if there are none.
    pub(in crate::shell) digits: &'a str,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    lines: VecDeque<GroupLine>,
    listed: u64,
    counted: DataCounts,
    branches: Branches,
}

/// A value of a group: its topic and its time.
type Value = (Topic, UnixMillis);

/// Reads a log from its first group to its last. That takes as long as the log is; nobody asks for
/// it but a person who has to decide something.
pub(in crate::shell) async fn inspect(
    source: Source,
    look: &Look<'_>,
) -> Result<DataLog, ReadError> {
    let ends = source.ends(&look.author);
    let mut walk = Walk::along(source, look.author, Trail::default(), vec![TopicFilter::all()]);
    let mut surroundings = Surroundings::default();
    let mut found = Found::default();
    while let Some(passed) = surroundings.next(&mut walk, look.roster).await? {
        let outline = surroundings.outline().zip(passed.place);
        let is_within = |leaves: &[GroupId]| {
            outline.is_none_or(|(outline, place)| outline.is_within(place, leaves))
        };
        let judged = judge(look.roster, &passed.header, is_within);
        found.take(look, &passed, &judged, ends.len() > 1);
    }
    let fork = found.branches.fork(&ends);
    let (counted, earlier) = (found.counted, found.listed - found.lines.len() as u64);
    Ok(DataLog { ends, groups: found.lines.into(), earlier, counted, fork })
}

impl Found {
    fn take(&mut self, look: &Look<'_>, passed: &Passed, judged: &Judged<'_>, is_forked: bool) {
        let values = values(passed);
        self.count(passed, judged, &values);
        let times = || values.iter().map(|(_, at)| *at);
        if is_forked {
            let span = times().min().zip(times().max());
            self.branches.add(passed.id, &passed.header, span);
        }
        if !passed.id.to_string().starts_with(look.digits) {
            return;
        }
        self.listed += 1;
        if self.lines.len() == GROUPS_LISTED_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(GroupLine {
            group: passed.id,
            number: passed.header.number,
            incarnation: passed.header.incarnation,
            entries: passed.header.entries,
            at: times().max(),
            topics: topics(look, &values),
        });
    }

    fn count(&mut self, passed: &Passed, judged: &Judged<'_>, values: &[Value]) {
        let counted = &mut self.counted;
        counted.missing += passed.gap;
        counted.values += values.len() as u64;
        for (topic, _) in values {
            match (judged.is_after_cut(), judged.allows(topic)) {
                (Err(Withheld::Compromised), _) => counted.compromised += 1,
                (Err(Withheld::Amended), _) => counted.amended += 1,
                (Err(Withheld::NeverMember), _) | (Ok(_), None) => counted.not_granted += 1,
                (Ok(_), Some(is_after_cut)) => counted.after_cut += u64::from(is_after_cut),
            }
        }
    }
}

fn values(passed: &Passed) -> Vec<Value> {
    let value = |(_, bytes): (u32, &[u8])| match codec::decode(bytes, ENTRY_BYTES_MAX) {
        Ok(DataEntry::Sample { topic, sample }) => Some((topic, sample.source_time)),
        Ok(_) | Err(_) => None,
    };
    passed.entries().filter_map(value).collect()
}

/// The first topics, each once, of those that may be seen.
fn topics(look: &Look<'_>, values: &[Value]) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for (topic, _) in values {
        let may_see = look.own.is_some_and(|own| own.may_see(topic));
        let is_new = !named.iter().any(|known| known == topic.as_str());
        if may_see && is_new && named.len() < TOPICS_NAMED_MAX {
            named.push(topic.as_str().to_owned());
        }
    }
    named
}
