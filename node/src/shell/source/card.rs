//! What a machine says of itself: maker, model, serial number and the like, as the settings give them.
//!
//! Each is a value of its own under `<scope>/machine/…`, so that whoever follows them gets them, grants
//! hold for them, and a machine that is away is shown as such, as for any other value.

use std::sync::Arc;

use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::TopicFilter;

use super::super::clock::Clock;
use super::super::core_handle::CoreHandle;
use super::super::plant::live::{Live, Publisher};
use crate::config::Card;

/// Topics below `<scope>/machine/`.
pub(in crate::shell) const MAKER: &str = "maker";
pub(in crate::shell) const MODEL: &str = "model";
pub(in crate::shell) const SERIAL: &str = "serial";
pub(in crate::shell) const FIRMWARE: &str = "firmware";
pub(in crate::shell) const CAPABILITIES: &str = "capabilities";
pub(in crate::shell) const CLOCK: &str = "clock";

/// All of them.
pub(in crate::shell) const ALL: [&str; 6] = [MAKER, MODEL, SERIAL, FIRMWARE, CAPABILITIES, CLOCK];

/// What the topics of a member's card begin with.
pub(in crate::shell) fn prefix(scope: &str) -> String {
    format!("{scope}/machine/")
}

/// The filter of a member's card.
pub(in crate::shell) fn filter(scope: &str) -> Option<TopicFilter> {
    format!("{}#", prefix(scope)).parse().ok()
}

/// Publishes the card when the node has a scope, and again when it gets another. Whoever begins to
/// follow it later is told by the board.
pub(in crate::shell) async fn run(core: CoreHandle, live: Arc<Live>, clock: Clock, card: Card) {
    let mut views = core.views();
    let mut published = None;
    // What is held stays known, however many topics this node publishes.
    let mut publishers: Vec<Publisher> = Vec::new();
    loop {
        let scope = core.view().own().and_then(|own| own.scope()).cloned();
        if scope.is_some() && scope != published {
            publishers.clear();
            for (key, text) in card.lines() {
                let topic =
                    scope.as_ref().and_then(|scope| scope.topic(&format!("machine/{key}")).ok());
                let Some(publisher) = topic.map(|topic| live.publisher(&topic)) else { continue };
                let sample = Sample::good(text.into(), clock.now().wall);
                if let Err(error) = publisher.publish(&sample) {
                    tracing::debug!(%error, "a line of the machine's card was not published");
                }
                publishers.push(publisher);
            }
            published = scope;
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}
