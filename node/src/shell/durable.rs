//! Publishing what must not be lost.

use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::Topic;
use tokio::sync::Semaphore;

use super::core_handle::CoreHandle;
use super::counters::Counters;
use super::plant::live::{Live, PublishError};
use crate::core::plant::data::{Acknowledgement, DataInput, ENTRIES_WAITING_MAX};
use crate::core::plant::{Answer, Input};

/// Publishers that wait for an answer at once; further ones wait for a place.
const PUBLISHERS_MAX: usize = ENTRIES_WAITING_MAX;

/// The way of durable values to the core.
#[derive(Clone)]
pub(super) struct Durable {
    core: CoreHandle,
    live: Arc<Live>,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
}

impl Durable {
    pub(super) fn new(core: CoreHandle, live: Arc<Live>, counters: Arc<Counters>) -> Self {
        Self { core, live, counters, places: Arc::new(Semaphore::new(PUBLISHERS_MAX)) }
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

    /// Makes a value durable, then hands it to whoever follows its topic now.
    pub(super) async fn publish(
        &self,
        topic: &Topic,
        sample: &Sample,
        ack: AckLevel,
    ) -> Result<Acknowledgement, PublishError> {
        sample.check()?;
        let refused = |refusal| PublishError::Refused { refusal, topic: topic.clone() };
        let view = self.core.view();
        let own = view.own().ok_or_else(|| refused(Refusal::NotAMember))?;
        if !own.may_publish(topic) {
            return Err(refused(Refusal::TopicNotGranted));
        }
        let entry = DataEntry::Sample { topic: topic.clone(), sample: sample.clone() };
        let entries = vec![codec::encode(&entry)];
        let place = self.places.acquire().await;
        let asked = |ticket| Input::Data(DataInput::Publish { ticket, entries, ack });
        let answer = self.core.ask(asked).await;
        drop(place);
        match answer {
            Answer::Durable(told) => {
                self.counters.durable.add_one();
                // Whoever follows it live and may not have it hears nothing; it is safe all the same.
                drop(self.live.publish(topic, sample));
                Ok(told)
            }
            Answer::Refused(refusal) => Err(refused(refusal)),
            _ => Err(refused(Refusal::Protocol)),
        }
    }
}
