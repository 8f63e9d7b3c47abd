//! What copies of a log say of its author's work items.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::{CommandState, DataEntry};
use gearmesh_protocol::ids::{CommandId, GroupId, Incarnation, PublicKey, WorkId};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;

use super::super::data::{DataStore, ReadError};
use super::source::Source;
use super::surroundings::Surroundings;
use super::walk::Walk;
use crate::core::plant::data::{Judged, Trail, judge};
use crate::core::plant::items::offerer::Offerer;
use crate::core::plant::items::{ItemStatus, Offering};
use crate::core::plant::roster::Roster;

/// How the items stand, and those that are not over as they were offered.
pub(in crate::shell) type CopiedItems = (Vec<ItemStatus>, Vec<Offering>);

/// Reads a whole log. What is not believed of it is left out.
pub(in crate::shell) async fn items_of(
    store: DataStore,
    author: PublicKey,
    roster: &Roster,
) -> Result<CopiedItems, ReadError> {
    let mut offerer = Offerer::new(Incarnation([0; 16]));
    let take = |entry| {
        if let DataEntry::Work(record) = entry {
            // Whoever else's log it is, nothing of it is let go here for what is known of it.
            offerer.recall(0, record);
        }
    };
    each_entry(store, author, roster, take).await?;
    Ok((offerer.list(), offerer.unfinished()))
}

/// Which of an offerer's attempts a machine has done, as its own log says.
pub(in crate::shell) async fn done_by(
    store: DataStore,
    machine: PublicKey,
    roster: &Roster,
    (offerer, attempts): (PublicKey, &BTreeMap<CommandId, WorkId>),
) -> Result<BTreeSet<WorkId>, ReadError> {
    let mut done = BTreeSet::new();
    let take = |entry| {
        if let DataEntry::Command(record) | DataEntry::CommandAgain(record) = entry
            && record.caller == offerer
            && matches!(record.state, CommandState::Done { .. })
        {
            done.extend(attempts.get(&record.id));
        }
    };
    each_entry(store, machine, roster, take).await?;
    Ok(done)
}

/// Hands over all that is believed of a copy, in its order.
async fn each_entry(
    store: DataStore,
    author: PublicKey,
    roster: &Roster,
    mut take: impl FnMut(DataEntry),
) -> Result<(), ReadError> {
    let mut walk = Walk::along(Source::Store(store), author, Trail::default(), Vec::new());
    let mut surroundings = Surroundings::default();
    while let Some(passed) = surroundings.next(&mut walk, roster).await? {
        let outline = surroundings.outline().zip(passed.place);
        let is_within = |leaves: &[GroupId]| {
            outline.is_none_or(|(outline, place)| outline.is_within(place, leaves))
        };
        if matches!(judge(roster, &passed.header, is_within), Judged::Withheld(_)) {
            continue;
        }
        let entries = passed.entries();
        let read = |(_, entry): (_, &_)| codec::decode(entry, ENTRY_BYTES_MAX).ok();
        entries.filter_map(read).for_each(&mut take);
    }
    Ok(())
}
