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
    Behaviour, ConfigBuilder, IdentTopic, Message, MessageAuthenticity, MessageId, PeerScoreParams,
    PeerScoreThresholds, TopicHash, TopicScoreParams, TopicSubscriptionFilter, ValidationMode,
    Version, score_parameter_decay,
};

use super::door::Door;
use super::guard::{Guard, Sieve};
use crate::shell::clock::Clock;

/// Messages that wait for one partner that takes none: at most 64 MiB. Gossip beyond is lost, and
/// shows at the next head.
const QUEUE_MAX: usize = 256;

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
pub(super) fn behaviour(door: &Arc<Door>, clock: Clock) -> Result<Guard, String> {
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
    let (sieve, tally) = Sieve::new(door);
    let mut inner = Behaviour::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        filter,
        sieve,
    )?;
    // Partners may share an address, and a loopback test has but one.
    let params = PeerScoreParams { ip_colocation_factor_weight: 0.0, ..Default::default() };
    inner.with_peer_score(params, PeerScoreThresholds::default())?;
    Ok(Guard::new(inner, tally, clock))
}

/// What a gateway's messages on a topic count for it: those that come first a little, those that no
/// honest one sends much. Silence counts nothing, since a stream may have nothing to say for days.
pub(super) fn topic_score() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -0.25,
        invalid_message_deliveries_decay: score_parameter_decay(Duration::from_secs(60)),
        ..Default::default()
    }
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
