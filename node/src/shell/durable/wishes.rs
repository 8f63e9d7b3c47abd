//! Entries that publishers want to be made durable, on their way to the core.
//!
//! Under load many come between two turns of the core's loop. They are asked for in runs, so that
//! what a request costs is paid once for all of them.

use std::collections::BTreeMap;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::refusal::Refusal;
use tokio::sync::{mpsc, oneshot};

use super::super::core_handle::OpenTickets;
use crate::core::plant::data::{
    Acknowledgement, DataInput, ENTRIES_WAITING_MAX, REQUEST_BYTES_MAX,
};
use crate::core::plant::{Answer, Input, Ticket};

/// Wishes that wait for the loop; further publishers wait for a place.
pub(in crate::shell) const WISHES_MAX: usize = 1024;

/// Entries in one run: a group is made of whole runs, and two groups share what waits.
const RUN_ENTRIES_MAX: usize = 64;

/// Wishes that are looked at in one turn of the loop, so that nothing more urgent waits for long.
const TAKEN_MAX: usize = 256;

/// Entries that are not answered yet. Who waits for members counts too.
const OPEN_ENTRIES_MAX: usize = ENTRIES_WAITING_MAX;

/// What is in front of an entry in its group, at most.
const LENGTH_BYTES: usize = 3;

const _: () = assert!(TAKEN_MAX <= OPEN_ENTRIES_MAX);

/// What a publisher hears: where its entry is safe, or why not.
pub(super) type Told = Result<Acknowledgement, Refusal>;

/// One entry of one publisher.
#[derive(Debug)]
pub(in crate::shell) struct Wish {
    pub(super) entry: Vec<u8>,
    pub(super) ack: AckLevel,
    pub(super) told: oneshot::Sender<Told>,
}

/// The loop's end of the way.
#[derive(Debug)]
pub(in crate::shell) struct Wishes {
    coming: mpsc::Receiver<Wish>,
    taken: Vec<Wish>,
    open: BTreeMap<Ticket, Vec<oneshot::Sender<Told>>>,
    open_entries: usize,
}

/// Entries that are asked for together.
struct Run {
    ack: AckLevel,
    entries: Vec<Vec<u8>>,
    bytes: usize,
    told: Vec<oneshot::Sender<Told>>,
}

impl Wishes {
    pub(super) const fn new(coming: mpsc::Receiver<Wish>) -> Self {
        Self { coming, taken: Vec::new(), open: BTreeMap::new(), open_entries: 0 }
    }

    /// Whether more may be handed to the core.
    pub(in crate::shell) const fn have_room(&self) -> bool {
        self.open_entries + TAKEN_MAX <= OPEN_ENTRIES_MAX
    }

    /// Waits for wishes, and takes what is there. Giving it up loses none. False when nobody is left
    /// who could have any.
    pub(in crate::shell) async fn come(&mut self) -> bool {
        self.coming.recv_many(&mut self.taken, TAKEN_MAX).await > 0
    }

    /// What is asked of the core for those that were taken.
    pub(in crate::shell) fn asked(&mut self, tickets: &OpenTickets, inputs: &mut Vec<Input>) {
        for run in runs(self.taken.drain(..)) {
            let Run { ack, entries, told, .. } = run;
            let ticket = tickets.next();
            self.open_entries += told.len();
            self.open.insert(ticket, told);
            inputs.push(Input::Data(DataInput::Publish { ticket, entries, ack }));
        }
    }

    /// Hands an answer to all who wait for it; gives it back if it is for others.
    pub(in crate::shell) fn answer(&mut self, ticket: Ticket, answer: Answer) -> Option<Answer> {
        let Some(waiting) = self.open.remove(&ticket) else { return Some(answer) };
        self.open_entries -= waiting.len();
        let first = match answer {
            Answer::Durable(told) => Ok(told),
            Answer::Refused(refusal) => Err(refusal),
            _ => Err(Refusal::Protocol),
        };
        for (told, behind) in waiting.into_iter().zip(0..) {
            let entry = |first: Acknowledgement| Acknowledgement {
                entry: first.entry.saturating_add(behind),
                ..first
            };
            // Who has gone does not need it.
            let _ = told.send(first.map(entry));
        }
        None
    }
}

/// Wishes in runs that fit a request, for each level of safety in their order.
fn runs(wishes: impl Iterator<Item = Wish>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for Wish { entry, ack, told } in wishes {
        let bytes = entry.len() + LENGTH_BYTES;
        let last = runs.iter_mut().rev().find(|run| run.ack == ack);
        let room = last.filter(|run| {
            run.entries.len() < RUN_ENTRIES_MAX && run.bytes + bytes <= REQUEST_BYTES_MAX
        });
        match room {
            Some(run) => {
                run.entries.push(entry);
                run.bytes += bytes;
                run.told.push(told);
            }
            None => runs.push(Run { ack, entries: vec![entry], bytes, told: vec![told] }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(bytes: usize, ack: AckLevel) -> (Wish, oneshot::Receiver<Told>) {
        let (told, hears) = oneshot::channel();
        (Wish { entry: vec![0; bytes], ack, told }, hears)
    }

    fn lengths(wishes: Vec<(usize, AckLevel)>) -> Vec<usize> {
        let wishes = wishes.into_iter().map(|(bytes, ack)| wish(bytes, ack).0);
        runs(wishes).iter().map(|run| run.entries.len()).collect()
    }

    #[test]
    fn a_run_fits_a_request_and_has_one_level() {
        let (local, two) = (AckLevel::Local, AckLevel::Replicated(2));
        assert_eq!(lengths(vec![(10, local); 130]), [64, 64, 2]);
        assert_eq!(lengths(vec![(10, local), (10, two), (10, local)]), [2, 1]);
        let half = REQUEST_BYTES_MAX / 2;
        assert_eq!(lengths(vec![(half, local); 3]), [1, 1, 1]);
        assert_eq!(lengths(vec![(half - LENGTH_BYTES, local); 3]), [2, 1]);
    }

    #[tokio::test]
    async fn each_publisher_hears_of_its_own_entry() {
        let (sender, coming) = mpsc::channel(WISHES_MAX);
        let (mut wishes, tickets) = (Wishes::new(coming), OpenTickets::default());
        let mut hear = Vec::new();
        for _ in 0..3 {
            let (wish, hears) = wish(10, AckLevel::Local);
            sender.send(wish).await.unwrap();
            hear.push(hears);
        }
        assert!(wishes.come().await);
        let mut inputs = Vec::new();
        wishes.asked(&tickets, &mut inputs);
        let [Input::Data(DataInput::Publish { ticket, entries, .. })] = &inputs[..] else {
            panic!("{inputs:?}")
        };
        assert_eq!((entries.len(), wishes.open_entries), (3, 3));
        let group = gearmesh_protocol::ids::GroupId([7; 32]);
        let first = Acknowledgement { group, number: 1, entry: 40, replicas: 0, is_reached: true };
        assert!(wishes.answer(Ticket(99), Answer::Durable(first)).is_some(), "of others");
        assert!(wishes.answer(*ticket, Answer::Durable(first)).is_none());
        for (hears, entry) in hear.into_iter().zip(40..) {
            assert_eq!(hears.await.unwrap().unwrap().entry, entry);
        }
        assert_eq!(wishes.open_entries, 0);
        drop(sender);
        assert!(!wishes.come().await);
    }
}
