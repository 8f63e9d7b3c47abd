//! Gossip between partners' gateways, as an untrusted carrier of sealed messages.
//!
//! Gossipsub has no access control: whoever is connected may ask for any message by its id, may
//! publish where it does not listen, and is told every topic that one subscribes to. So nothing in
//! a message can be read without an epoch's key; ids are hashes; topics are random, and this side
//! subscribes only to those on which it hears a partner, never to those on which it speaks.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::ids::Nonce;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, GOSSIP_BYTES_MAX};
use gearmesh_protocol::partner_session::GOSSIP_PROTOCOL;
use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAuthenticity,
    MessageId, TopicHash, TopicSubscriptionFilter, ValidationMode, Version,
};

use super::door::Door;

/// Messages that wait for one partner; gossip beyond is lost, and shows at the next head.
const QUEUE_MAX: usize = 1024;

const _: () = assert!(2 * GOSSIP_BYTES_MAX < FRAME_BYTES_MAX, "a message is far below a frame");

/// Which topics partners may follow here: those on which this side speaks to somebody.
pub(super) struct Known {
    door: Arc<Door>,
}

impl TopicSubscriptionFilter for Known {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        let doors = self.door.doors();
        nonce_of(topic)
            .is_some_and(|topic| doors.topics.contains(&topic) || doors.heard.contains(&topic))
    }
}

/// The behaviour.
///
/// # Errors
/// The configuration contradicts itself.
pub(super) fn behaviour(door: &Arc<Door>) -> Result<Behaviour<IdentityTransform, Known>, String> {
    let config = ConfigBuilder::default()
        .protocol_id(GOSSIP_PROTOCOL, Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(id_of)
        .max_transmit_size(FRAME_BYTES_MAX)
        .heartbeat_initial_delay(Duration::from_millis(250))
        .connection_handler_queue_len(QUEUE_MAX)
        .flood_publish(true)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = Known { door: Arc::clone(door) };
    let identity = IdentityTransform;
    Behaviour::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        filter,
        identity,
    )
    .map_err(str::to_owned)
}

/// By content alone: two gateways never make one id, and nobody can guess one.
fn id_of(message: &Message) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(message.topic.as_str().as_bytes());
    hasher.update(&message.data);
    MessageId::from(hasher.finalize().as_bytes().to_vec())
}

pub(super) fn topic_of(nonce: &Nonce) -> IdentTopic {
    IdentTopic::new(nonce.to_string())
}

pub(super) fn nonce_of(topic: &TopicHash) -> Option<Nonce> {
    topic.as_str().parse().ok()
}
