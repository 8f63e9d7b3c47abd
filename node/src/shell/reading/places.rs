//! How far named consumers came, as data logs say: this node's own, and those of the machines whose
//! place it took.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::topic::Name;
use tokio::time::Instant;

use super::super::core_handle::CoreHandle;
use super::super::data::ReadError;
use super::source::Source;
use super::walk::Walk;
use crate::core::plant::data::{DataInput, Elsewhere, Trail};
use crate::core::plant::{Answer, Input};

/// How long a machine that has just joined waits for what its predecessor wrote. Who is not there by
/// then may have had more; the consumer then gets values twice, and loses none.
const INHERIT_WITHIN: Duration = Duration::from_secs(10);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far a consumer had come, by the data log of one machine.
pub(super) async fn cursors_in(
    source: &Source,
    author: PublicKey,
    name: &Name,
) -> Result<BTreeMap<PublicKey, Vec<Tip>>, ReadError> {
    let mut log = Walk::along(source.clone(), author, Trail::default(), Vec::new());
    let mut found = BTreeMap::new();
    while let Some(passed) = log.next().await? {
        for (_, entry) in passed.entries() {
            if let Ok(DataEntry::Cursor(cursor)) = codec::decode(entry, ENTRY_BYTES_MAX)
                && cursor.consumer == *name
            {
                found.insert(cursor.log.author, cursor.leaves.into_vec());
            }
        }
    }
    Ok(found)
}

/// Waits until this node has all that linked members have of a log.
pub(super) async fn wait_for_all(core: &CoreHandle, source: &Source, author: PublicKey) {
    let until = Instant::now() + INHERIT_WITHIN;
    while Instant::now() < until && !has_all(core, source, author).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn has_all(core: &CoreHandle, source: &Source, author: PublicKey) -> bool {
    let Source::Store(store) = source else { return true };
    // Who was linked just now has not said yet what it has.
    drop(core.ask(|ticket| Input::Data(DataInput::AskLogs { ticket })).await);
    let asked = |ticket| Input::Data(DataInput::AskElsewhere { ticket, author });
    let Answer::Elsewhere(Elsewhere { copies, is_sure }) = core.ask(asked).await else {
        return false;
    };
    let ends = copies.into_iter().flat_map(|(_, ends)| ends).collect();
    is_sure && !store.lacks(author, ends).await.unwrap_or(true)
}
