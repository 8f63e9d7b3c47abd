//! What the own log says of commands, leases and work items, for a core that has just started.

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use tokio::sync::mpsc;

use super::super::data::DataStore;
use super::source::Source;
use super::walk::Walk;
use crate::core::plant::Input;
use crate::core::plant::commands::{CommandInput, Recalled, Recorded};
use crate::core::plant::data::Trail;

/// Records that the core takes at once.
const RECORDS_AT_ONCE: usize = 1024;

/// Reads the whole log. One that cannot be read to its end is not told to be over: then nothing is
/// executed that may have been before.
pub(in crate::shell) async fn recall(
    store: DataStore,
    author: PublicKey,
    inputs: &mpsc::Sender<Input>,
) {
    let mut walk = Walk::along(Source::Store(store), author, Trail::default(), Vec::new());
    let mut said = Recalled::default();
    loop {
        let group = match walk.next().await {
            Ok(Some(group)) => group,
            Ok(None) => break,
            Err(error) => {
                return tracing::error!(%error, "the own log cannot be read; no command is taken, nothing leased or offered");
            }
        };
        for (_, entry) in group.entries() {
            let Ok(entry) = codec::decode(entry, ENTRY_BYTES_MAX) else { continue };
            if is_recalled(&entry) {
                let (life, number) = (group.header.incarnation, group.header.number);
                said.records.push(Recorded { life, number, entry });
            }
        }
        if said.records.len() >= RECORDS_AT_ONCE {
            let part = std::mem::take(&mut said);
            drop(inputs.send(Input::Command(CommandInput::Recalled(part))).await);
        }
    }
    let rest = Recalled { is_last: true, ..said };
    drop(inputs.send(Input::Command(CommandInput::Recalled(rest))).await);
}

/// Whether a core that starts wants to know of it.
const fn is_recalled(entry: &DataEntry) -> bool {
    match entry {
        DataEntry::Command(_)
        | DataEntry::CommandAgain(_)
        | DataEntry::Lease(_)
        | DataEntry::Work(_) => true,
        DataEntry::Sample { .. }
        | DataEntry::Cursor(_)
        | DataEntry::Call(_)
        | DataEntry::Partner(_)
        | DataEntry::Visit(_) => false,
    }
}
