//! Publishing what must not be lost.

mod wishes;

use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::topic::Topic;
use tokio::sync::{mpsc, oneshot};

use super::core_handle::CoreHandle;
use super::counters::Counters;
use super::plant::live::{Live, PublishError, Publisher};
use crate::core::plant::data::{Acknowledgement, DataInput};
use crate::core::plant::{Answer, Input};
pub(super) use wishes::Wishes;
use wishes::{WISHES_MAX, Wish};

/// The way of durable values to the core.
#[derive(Clone)]
pub(super) struct Durable {
    core: CoreHandle,
    live: Arc<Live>,
    counters: Arc<Counters>,
    wishes: mpsc::Sender<Wish>,
}

/// Makes values of one topic durable.
///
/// Like a [`Publisher`] it keeps the way to those who follow the topic, so that a value costs no
/// lookup. It may be shared by threads; what is published meanwhile shares a signature and a sync.
pub struct DurablePublisher {
    way: Durable,
    live: Publisher,
}

impl Durable {
    /// The way, and its end in the core's loop.
    pub(super) fn new(
        core: CoreHandle,
        live: Arc<Live>,
        counters: Arc<Counters>,
    ) -> (Self, Wishes) {
        let (wishes, coming) = mpsc::channel(WISHES_MAX);
        (Self { core, live, counters, wishes }, Wishes::new(coming))
    }

    /// Makes entries of the node's own durable here.
    pub(super) async fn write(&self, entries: &[DataEntry]) -> Result<(), Refusal> {
        let count = entries.len() as u64;
        let entries = entries.iter().map(codec::encode).collect();
        let ack = AckLevel::Local;
        let asked = |ticket| Input::Data(DataInput::Publish { ticket, entries, ack });
        match self.core.ask(asked).await {
            Answer::Durable(_) => {
                self.counters.durable.add(count);
                Ok(())
            }
            Answer::Refused(refusal) => Err(refusal),
            _ => Err(Refusal::Protocol),
        }
    }

    /// A publisher of one topic.
    pub(super) fn publisher(&self, topic: &Topic) -> DurablePublisher {
        DurablePublisher { way: self.clone(), live: self.live.publisher(topic) }
    }

    /// Hands an entry over, and waits until it is as safe as was asked for.
    async fn make(&self, entry: Vec<u8>, ack: AckLevel) -> Result<Acknowledgement, Refusal> {
        let (told, hears) = oneshot::channel();
        let handed = self.wishes.send(Wish { entry, ack, told }).await;
        // A node that is stopping is busy.
        handed.map_err(|_| Refusal::Busy)?;
        hears.await.unwrap_or(Err(Refusal::Busy))
    }
}

impl DurablePublisher {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        self.live.topic()
    }

    /// Makes a value durable: it is on this node's disk when this comes back, and on those of other
    /// members if that was asked for and the answer says so. Then it goes to whoever follows the
    /// topic live.
    ///
    /// Dropping the future gives up the answer, not necessarily the value.
    ///
    /// # Errors
    /// This node may not publish there, the sample is none that may be published, the disk does not
    /// take it, or as many members as asked for do not keep copies.
    pub async fn publish(
        &self,
        sample: &Sample,
        ack: AckLevel,
    ) -> Result<Acknowledgement, PublishError> {
        sample.check()?;
        self.live.check()?;
        let entry = DataEntry::encode_sample(self.topic(), sample);
        let told = self.way.make(entry, ack).await;
        let refused = |refusal| PublishError::Refused { refusal, topic: self.topic().clone() };
        let told = told.map_err(refused)?;
        self.way.counters.durable.add_one();
        // Who follows it live and may not have it hears nothing; it is safe all the same.
        drop(self.live.publish(sample));
        Ok(told)
    }

    /// Makes a good value without a unit durable, taken now.
    ///
    /// # Errors
    /// As [`DurablePublisher::publish`].
    pub async fn publish_value(
        &self,
        value: impl Into<Value>,
        ack: AckLevel,
    ) -> Result<Acknowledgement, PublishError> {
        self.publish(&self.live.good(value), ack).await
    }
}
