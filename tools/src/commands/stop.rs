//! Long work that leaves nothing half done when it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;

/// Does the work on a thread of its own. On SIGINT, SIGTERM and SIGHUP it is told to stop, and waited
/// for until it has cleared up.
pub(super) async fn stopping<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::system)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::system)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::system)?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let mut running = tokio::task::spawn_blocking(move || work(&told));
    let done = tokio::select! {
        done = &mut running => Some(done),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        _ = hangup.recv() => None,
    };
    let done = match done {
        Some(done) => done,
        None => {
            stop.store(true, Ordering::Relaxed);
            running.await
        }
    };
    done.map_err(Failure::system)?
}
