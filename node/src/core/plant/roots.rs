//! How the root stands, in the words of the local API.

use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::roots::{RootAct, RootStatus, RotationStatus};
use gearmesh_protocol::words::check_words;

use super::report::record_text;
use super::view::View;

/// Which root acts, what took the place of what, and what roots signed.
#[must_use]
pub fn status(view: &View) -> Option<RootStatus> {
    let (ledger, roster) = (view.ledger.as_ref()?, view.roster.as_ref()?);
    let line = ledger.line();
    let contest = line.contested();
    let votes = |id: RecordId| contest.and_then(|contest| contest.rivals.get(&id));
    let made: Vec<_> = line.made().collect();
    let rotations = ledger.rotations().filter_map(|(id, rotation)| {
        Some(RotationStatus {
            id,
            words: check_words(id.as_bytes()),
            at: rotation.at,
            after: rotation.after,
            before: ledger.root_made_by(&rotation.after)?.clone(),
            root: rotation.root.clone(),
            stands: made.contains(&id),
            votes: votes(id).into_iter().flatten().copied().collect(),
        })
    });
    let acts = ledger.root_records().map(|act| RootAct {
        id: act.id,
        root: act.root,
        at: act.entry.at,
        text: record_text(roster, act.entry),
        counts: line.has_act(&act.id),
    });
    let (mut rotations, mut acts) = (rotations.collect::<Vec<_>>(), acts.collect::<Vec<_>>());
    rotations.sort_by_key(|rotation| (rotation.at, rotation.id));
    acts.sort_by_key(|act| (act.at, act.id));
    Some(RootStatus {
        made_by: line.made_by(),
        words: check_words(line.made_by().as_bytes()),
        root: line.root().clone(),
        past_keys: line.past_keys().collect(),
        is_frozen: contest.is_some(),
        voters: contest.map(|it| it.voters.iter().copied().collect()).unwrap_or_default(),
        rotations,
        acts,
    })
}
