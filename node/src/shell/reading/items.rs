//! What copies of a log say of its author's work items.

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
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
    let mut walk = Walk::along(Source::Store(store), author, Trail::default(), Vec::new());
    let mut surroundings = Surroundings::default();
    let mut offerer = Offerer::new(Incarnation([0; 16]));
    while let Some(passed) = surroundings.next(&mut walk, roster).await? {
        let outline = surroundings.outline().zip(passed.place);
        let is_within = |leaves: &[GroupId]| {
            outline.is_none_or(|(outline, place)| outline.is_within(place, leaves))
        };
        if matches!(judge(roster, &passed.header, is_within), Judged::Withheld(_)) {
            continue;
        }
        for (_, entry) in passed.entries() {
            if let Ok(DataEntry::Work(record)) = codec::decode(entry, ENTRY_BYTES_MAX) {
                offerer.recall(record);
            }
        }
    }
    Ok((offerer.list(), offerer.unfinished()))
}
