//! Groups on their way to the store, in the order in which the core wants them there: a group may
//! follow one that is not durable yet.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use gearmesh_protocol::log::VerifiedGroup;
use tokio::sync::mpsc;

use super::data::{AppendError, DataStore, Outcome, Queued};
use crate::core::plant::Input;
use crate::core::plant::data::{DataInput, Kept};

/// Writes that wait here, and those that the store has not answered. The core has two of its own
/// under way and two of each log that it pulls, so there is always a place.
pub(super) const WRITES_MAX: usize = 64;

/// What the core wants written.
pub(super) struct Write {
    /// The core's number for it.
    pub(super) number: u64,
    pub(super) groups: Vec<Arc<VerifiedGroup>>,
    /// Whether a missing parent is not to hinder them.
    pub(super) is_apart: bool,
}

/// Brings writes to the store, and what became of each to `inputs`, until no more come and all that
/// came were answered.
pub(super) async fn run(
    store: DataStore,
    mut writes: mpsc::Receiver<Write>,
    inputs: mpsc::Sender<Input>,
) {
    let mut answers = FuturesOrdered::new();
    let mut are_coming = true;
    while are_coming || !answers.is_empty() {
        let stored = tokio::select! {
            biased;
            Some(stored) = answers.next() => stored,
            write = writes.recv(), if are_coming && answers.len() < WRITES_MAX => {
                match write {
                    None => are_coming = false,
                    Some(Write { number, groups, is_apart }) => {
                        let queued = store.enqueue(groups, is_apart).await;
                        answers.push_back(answered(number, queued));
                    }
                }
                continue;
            }
        };
        // The loop is gone only when the node stops.
        drop(inputs.send(Input::Data(stored)).await);
    }
}

async fn answered(write: u64, queued: Result<Queued, AppendError>) -> DataInput {
    let stored = match queued {
        Ok(queued) => queued.stored().await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(stored) => {
            let kept = stored.into_iter().map(|stored| Kept {
                is_new: stored.outcome == Outcome::New,
                fills: stored.fills,
                extent: stored.extent,
            });
            DataInput::Stored { write, kept: kept.collect() }
        }
        Err(error) => {
            tracing::error!(%error, "data could not be written");
            DataInput::StoreFailed { write, cause: error.to_string() }
        }
    }
}
