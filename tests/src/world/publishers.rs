//! Machines that publish what must not be lost, and remember what they were told of it.

use std::time::Duration;

use gearmesh_node::core::plant::data::{Acknowledgement, DataInput};
use gearmesh_node::core::plant::{Answer, Input};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::PublicKey;

use super::admission::Question;
use super::{Event, World};

/// Something that a publisher was told to be safe.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The machine that wrote it.
    pub node: usize,
    /// Its key.
    pub author: PublicKey,
    /// What was said.
    pub told: Acknowledgement,
    /// The entry itself.
    pub entry: Vec<u8>,
    /// How many members were asked for, if that was reached.
    pub replicas: usize,
}

/// What was published.
#[derive(Debug, Default)]
pub struct Publishers {
    written: u64,
    acknowledged: Vec<Acknowledged>,
}

impl Publishers {
    /// All that was told to be safe.
    #[must_use]
    pub fn acknowledged(&self) -> &[Acknowledged] {
        &self.acknowledged
    }
}

impl World {
    /// All publish who are honest; nobody but members is taken up.
    pub(super) fn begin_publishing(&mut self) {
        for node in 0..self.machines.len() {
            if !self.machines[node].is_hostile {
                self.publish_again(node);
            }
        }
    }

    fn publish_again(&mut self, node: usize) {
        let delay = self.dice.millis(100, 1500);
        self.schedule(delay, Event::Publish { node });
    }

    pub(super) fn on_publish(&mut self, node: usize) {
        // In calm times nobody publishes, so that there is an end to what has to converge.
        if self.faults.pause == 0 {
            return;
        }
        if self.machines[node].plant.is_some() {
            for _ in 0..=self.dice.below(2) {
                self.publish(node);
            }
        }
        self.publish_again(node);
    }

    fn publish(&mut self, node: usize) {
        self.publishers.written += 1;
        let entry = self.publishers.written.to_le_bytes().to_vec();
        let ack = match self.dice.below(4) {
            0 => AckLevel::Replicated(2),
            1 => AckLevel::Replicated(1),
            _ => AckLevel::Local,
        };
        let entries = vec![entry.clone()];
        let ticket = self.ask(node, Question::Publish { entry, ack });
        self.feed(node, Input::Data(DataInput::Publish { ticket, entries, ack }));
    }

    pub(super) fn on_published(
        &mut self,
        node: usize,
        entry: Vec<u8>,
        ack: AckLevel,
        answer: &Answer,
    ) {
        let Answer::Durable(told) = *answer else { return };
        let replicas = match ack {
            AckLevel::Replicated(members) if told.is_reached && told.replicas > 0 => {
                usize::from(members)
            }
            AckLevel::Replicated(_) | AckLevel::Local => 0,
        };
        let author = self.machines[node].key;
        let acknowledged = Acknowledged { node, author, told, entry, replicas };
        self.publishers.acknowledged.push(acknowledged);
    }

    /// What publishers were told.
    #[must_use]
    pub const fn publishers(&self) -> &Publishers {
        &self.publishers
    }
}

/// How long a publisher may wait beyond all other waits: for members.
pub const REPLICATION_MAX: Duration = gearmesh_node::core::plant::data::REPLICATED_WITHIN;
