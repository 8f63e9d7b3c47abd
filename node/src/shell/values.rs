//! The plant's values for other parts of the program: what may be followed and published, and the
//! views by which that is judged.

use std::sync::Arc;

use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::core_handle::CoreHandle;
use super::durable::{Durable, DurablePublisher};
use super::plant::live::{Live, Subscription, TooManySubscribers};

/// A way to the values of the plant.
#[derive(Clone)]
pub(super) struct Values {
    pub(super) core: CoreHandle,
    live: Arc<Live>,
    durable: Durable,
}

impl Values {
    /// The way to the values of this node.
    pub(super) fn new(core: &CoreHandle, live: &Arc<Live>, durable: &Durable) -> Self {
        Self { core: core.clone(), live: Arc::clone(live), durable: durable.clone() }
    }

    /// Follows topics.
    pub(super) fn subscribe(
        &self,
        filter: TopicFilter,
    ) -> Result<Subscription, TooManySubscribers> {
        self.live.subscribe(filter)
    }

    /// Makes entries of the node's own durable here.
    pub(super) async fn write(&self, entries: &[DataEntry]) -> Result<(), Refusal> {
        self.durable.write(entries).await
    }

    /// Makes values of a topic durable.
    pub(super) fn durable_publisher(&self, topic: &Topic) -> DurablePublisher {
        self.durable.publisher(topic)
    }
}
