//! Durable values that lines did not get live: written while this gateway was stopped, or come from a
//! member that was cut off.
//!
//! The plant's logs are read by one name, from where this gateway had come to. What came live is told
//! from what did not by its content: a durable value that no line has had within [`TWIN_WITHIN`] is
//! given to the lines now, and its live twin, if one comes after all, to none.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::{ConsumeEvent, HistoryEntry, HistoryEvent};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::super::reading::Consumers;
use crate::core::bridge::LineId;

/// The name by which a gateway reads for its partners.
const NAME: &str = "partners-of-gateway";

/// Events that wait for the loop.
const WAITING_MAX: usize = 256;

/// How long a durable value waits for the live one.
const TWIN_WITHIN: Duration = Duration::from_secs(2);

/// Values of which it is known that a line has had them; the oldest are forgotten.
const SEEN_MAX: usize = 65_536;

/// How long a reading that failed is left alone.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What is read of the plant's logs for partners.
pub(super) struct Missed {
    consumers: Consumers,
    name: Name,
    task: Option<AbortHandle>,
    came: (mpsc::Sender<ConsumeEvent>, mpsc::Receiver<ConsumeEvent>),
    /// What waits for its live twin.
    waiting: VecDeque<(Duration, u64, Option<HistoryEntry>)>,
    /// Events that are done with once what came of them has crossed.
    settling: VecDeque<(Duration, u64)>,
    live: Seen,
    late: Seen,
}

/// Values that lines have had, by their hashes.
#[derive(Default)]
struct Seen {
    counts: BTreeMap<Twin, u32>,
    order: VecDeque<Twin>,
}

/// What a value and its twin have in common, and nothing else has.
type Twin = [u8; 16];

fn twin(line: &LineId, (author, topic): (&PublicKey, &Topic), sample: &Sample) -> Twin {
    let LineId { sheet, at } = line;
    let bytes = codec::encode(&(sheet, *at as u64, author, topic, sample));
    let mut twin = [0; 16];
    twin.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    twin
}

impl Seen {
    fn add(&mut self, twin: Twin) {
        *self.counts.entry(twin).or_default() += 1;
        self.order.push_back(twin);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.take(&oldest);
        }
    }

    /// Whether it was there; it is taken out once.
    fn take(&mut self, twin: &Twin) -> bool {
        let Some(count) = self.counts.get_mut(twin) else { return false };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(twin);
        }
        true
    }
}

impl Missed {
    pub(super) fn new(consumers: Consumers, name: Name) -> Self {
        Self {
            consumers,
            name,
            task: None,
            came: mpsc::channel(WAITING_MAX),
            waiting: VecDeque::new(),
            settling: VecDeque::new(),
            live: Seen::default(),
            late: Seen::default(),
        }
    }

    /// By which name gateways read.
    pub(super) const fn name() -> &'static str {
        NAME
    }

    /// Reads from now on, if nothing is read yet: on from where this gateway had come to, or only what is
    /// new.
    pub(super) fn begin(&mut self, goes_on: bool) {
        if self.task.is_some() {
            return;
        }
        let (consumers, name, way) =
            (self.consumers.clone(), self.name.clone(), self.came.0.clone());
        let task = tokio::spawn(async move {
            let mut goes_on = goes_on;
            loop {
                if let Err(error) = read(&consumers, &name, goes_on, &way).await {
                    tracing::warn!(%error, "durable values for partners cannot be read for now");
                }
                // What was not confirmed comes again.
                goes_on = true;
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        });
        self.task = Some(task.abort_handle());
    }

    /// What is read next.
    pub(super) async fn next(&mut self) -> Option<ConsumeEvent> {
        self.came.1.recv().await
    }

    /// A durable value came; it waits for its live twin.
    pub(super) fn take(&mut self, at: Duration, ConsumeEvent { seq, event }: ConsumeEvent) {
        let entry = match event {
            HistoryEvent::Entry(entry) => Some(entry),
            HistoryEvent::Gap { .. } | HistoryEvent::End { .. } => None,
        };
        self.waiting.push_back((at + TWIN_WITHIN, seq, entry));
    }

    /// Whether a line is to have a live value: not if it has had the durable one.
    pub(super) fn is_new(
        &mut self,
        line: &LineId,
        (author, topic): (&PublicKey, &Topic),
        sample: &Sample,
    ) -> bool {
        let twin = twin(line, (author, topic), sample);
        if self.late.take(&twin) {
            return false;
        }
        self.live.add(twin);
        true
    }

    /// The next durable value that has waited for long enough, with its topic.
    pub(super) fn due(&mut self, at: Duration, settles: Duration) -> Option<(Topic, HistoryEntry)> {
        while self.waiting.front().is_some_and(|(from, ..)| *from <= at) {
            let Some((_, seq, entry)) = self.waiting.pop_front() else { break };
            self.settling.push_back((at + settles, seq));
            let value = entry.and_then(|entry| Some((entry.topic.parse().ok()?, entry)));
            if value.is_some() {
                return value;
            }
        }
        None
    }

    /// Whether a line is to have a durable value that is due: not if it had it live.
    pub(super) fn was_missed(
        &mut self,
        line: &LineId,
        topic: &Topic,
        entry: &HistoryEntry,
    ) -> bool {
        let twin = twin(line, (&entry.author_key, topic), &entry.sample);
        if self.live.take(&twin) {
            return false;
        }
        self.late.add(twin);
        true
    }

    /// What came of values has crossed by now: they are not read again.
    pub(super) fn settle(&mut self, at: Duration) {
        let mut last = None;
        while let Some((_, seq)) = self.settling.pop_front_if(|(from, _)| *from <= at) {
            last = Some(seq);
        }
        if let Some(seq) = last {
            self.consumers.confirm(&self.name, seq);
        }
    }
}

impl Drop for Missed {
    fn drop(&mut self) {
        self.task.iter().for_each(AbortHandle::abort);
    }
}

async fn read(
    consumers: &Consumers,
    name: &Name,
    goes_on: bool,
    way: &mpsc::Sender<ConsumeEvent>,
) -> Result<(), super::super::reading::ConsumeError> {
    let all = TopicFilter::all();
    let mut consumer = consumers.open_from_here(name.clone(), all, goes_on).await?;
    loop {
        let event = consumer.next().await?;
        if way.send(event).await.is_err() {
            return Ok(());
        }
    }
}
