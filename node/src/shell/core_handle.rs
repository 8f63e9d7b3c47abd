//! How the rest of the shell talks to the core.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use gearmesh_protocol::refusal::Refusal;

use crate::core::plant::view::View;
use crate::core::plant::{Answer, Input, Ticket};

/// Inputs that may wait for the core.
pub(super) const INPUTS_MAX: usize = 1024;

/// A handle on the core: inputs in, answers and snapshots out.
#[derive(Clone)]
pub(super) struct CoreHandle {
    inputs: mpsc::Sender<Input>,
    view: watch::Receiver<Arc<View>>,
    open: Arc<OpenTickets>,
}

/// Questions that wait for their answer.
#[derive(Default)]
pub(super) struct OpenTickets {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<Ticket, oneshot::Sender<Answer>>>,
}

/// A question that waits, as long as whoever asked it does.
struct Open<'a> {
    tickets: &'a OpenTickets,
    ticket: Ticket,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        drop(self.tickets.take(self.ticket));
    }
}

impl OpenTickets {
    /// A ticket that nobody else has.
    pub(super) fn next(&self) -> Ticket {
        Ticket(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn open(&self) -> Open<'_> {
        let ticket = self.next();
        let (sender, answer) = oneshot::channel();
        self.lock().insert(ticket, sender);
        Open { tickets: self, ticket, answer }
    }

    /// Answers a question. Whoever asked may have gone; then nobody needs the answer.
    pub(super) fn answer(&self, ticket: Ticket, answer: Answer) {
        if let Some(sender) = self.take(ticket) {
            drop(sender.send(answer));
        }
    }

    fn take(&self, ticket: Ticket) -> Option<oneshot::Sender<Answer>> {
        self.lock().remove(&ticket)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Ticket, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CoreHandle {
    pub(super) fn new(
        inputs: mpsc::Sender<Input>,
        view: watch::Receiver<Arc<View>>,
        open: Arc<OpenTickets>,
    ) -> Self {
        Self { inputs, view, open }
    }

    /// Tells the core something. False once the node is stopping.
    pub(super) async fn tell(&self, input: Input) -> bool {
        self.inputs.send(input).await.is_ok()
    }

    /// Tells the core something, from where nobody can wait: from a `drop`, for example. What finds no
    /// place is told as soon as there is one.
    pub(super) fn tell_now(&self, input: Input) {
        let Err(mpsc::error::TrySendError::Full(input)) = self.inputs.try_send(input) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let inputs = self.inputs.clone();
            runtime.spawn(async move { inputs.send(input).await });
        }
    }

    /// Asks the core something; a node that is stopping is busy.
    pub(super) async fn ask(&self, input: impl FnOnce(Ticket) -> Input) -> Answer {
        let mut open = self.open.open();
        if !self.tell(input(open.ticket)).await {
            return Answer::Refused(Refusal::Busy);
        }
        (&mut open.answer).await.unwrap_or(Answer::Refused(Refusal::Busy))
    }

    /// The newest snapshot.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Snapshots as they come.
    pub(super) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }
}
