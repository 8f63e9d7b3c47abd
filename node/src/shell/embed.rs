//! What a program that is a node itself does with it.

use std::path::PathBuf;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::{PublicKey, WorkId};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{TextError, Topic, TopicFilter};

use super::commands::api::CallEvent;
use super::commands::{Calling, Offer, Request, Serving};
use super::durable::DurablePublisher;
use super::items::WorkItem;
use super::items::api::WorkStatus;
use super::leases::{Leasing, Wanted};
use super::plant::live::{PublishError, Publisher, Subscription, TooManySubscribers};
use super::{Node, Options};
use crate::config::Card;
use crate::core::plant::data::{Acknowledgement, Keep};

/// Why there is no topic under the own scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTopic {
    /// The node has not joined a plant, or its membership names no scope.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The text is no topic.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl Options {
    /// The usual options for a home: every interface, the default port, multicast, and without the
    /// machine's own values.
    #[must_use]
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            listen: Vec::new(),
            connect: Vec::new(),
            mdns: true,
            host: false,
            keep: Keep::default(),
            resources: Vec::new(),
            follow: Vec::new(),
            card: Card::default(),
            api: None,
            partners: None,
            claimable: None,
        }
    }
}

impl Node {
    /// A handle that publishes values of one topic to whoever follows it. Whether this node may
    /// publish there is told by each publish, since it may change.
    #[must_use]
    pub fn publisher(&self, topic: &Topic) -> Publisher {
        self.live.publisher(topic)
    }

    /// A handle that makes values of one topic durable. Whether this node may publish there is told
    /// by each publish, since it may change.
    #[must_use]
    pub fn durable_publisher(&self, topic: &Topic) -> DurablePublisher {
        self.durable.publisher(topic)
    }

    /// Makes one value durable, for those that do not keep a publisher.
    ///
    /// # Errors
    /// As [`DurablePublisher::publish`].
    pub async fn publish_durable(
        &self,
        topic: &Topic,
        sample: &Sample,
        ack: AckLevel,
    ) -> Result<Acknowledgement, PublishError> {
        self.durable_publisher(topic).publish(sample, ack).await
    }

    /// Follows all topics that a filter stands for, until the subscription is dropped.
    ///
    /// # Errors
    /// As many subscriptions as a node may have run already.
    pub fn subscribe(&self, filter: TopicFilter) -> Result<Subscription, TooManySubscribers> {
        self.live.subscribe(filter)
    }

    /// Asks a machine to do something, at most once. What comes back tells how far it is; the command
    /// goes on if that is dropped.
    ///
    /// # Errors
    /// This node is no member, or the request lives longer than 600 s.
    pub fn call(&self, request: Request) -> Result<Calling, ErrorBody> {
        self.commands.call(request)
    }

    /// Asks a machine for something that it only has to read: nothing is written down, and asking
    /// again does no harm.
    ///
    /// # Errors
    /// The machine cannot be reached, or this node may not ask.
    pub async fn query(&self, request: Request) -> Result<CallEvent, ErrorBody> {
        self.commands.query(request).await
    }

    /// Serves a verb: machines and gateways of the plant can call it until what comes back is
    /// dropped.
    ///
    /// # Errors
    /// The verb is served here already, its schema is none, or this node may not serve.
    pub async fn serve(&self, offer: Offer) -> Result<Serving, ErrorBody> {
        self.commands.serve(offer).await
    }

    /// Asks for a lease of something that is wired to a machine. Dropping what comes back gives it
    /// back.
    ///
    /// # Errors
    /// There is no such resource, or this node may not hold leases.
    pub async fn lease(&self, wanted: Wanted) -> Result<Leasing, ErrorBody> {
        self.leases.acquire(wanted).await
    }

    /// Offers something to be done by whoever can. When this says so, it is on this node's disk, and
    /// somebody will do it or it is reported as failed.
    ///
    /// # Errors
    /// As many items as a node may have are open, or this node may not offer any.
    pub async fn offer(&self, item: WorkItem) -> Result<WorkId, ErrorBody> {
        self.items.offer(item).await
    }

    /// How the work items of this node stand.
    ///
    /// # Errors
    /// This node is no member.
    pub async fn items(&self) -> Result<Vec<WorkStatus>, ErrorBody> {
        self.items.list(false).await
    }

    /// The key of the member with this name.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn machine(&self, name: &str) -> Result<PublicKey, ErrorBody> {
        self.commands.machine(name)
    }

    /// The topic `<scope>/<name>` of this node.
    ///
    /// # Errors
    /// The node has no scope, or the text makes no topic.
    pub fn topic(&self, name: &str) -> Result<Topic, NoTopic> {
        let view = self.core.view();
        let own = view.own().ok_or(Refusal::NotAMember)?;
        let scope = own.scope().ok_or(Refusal::TopicNotGranted)?;
        Ok(scope.topic(name)?)
    }

    /// Waits until this node is a member of a plant. False if it stops before.
    pub async fn joined(&self) -> bool {
        self.core.views().wait_for(|view| view.own().is_some()).await.is_ok()
    }

    /// Waits until a member is linked with this node. False if it stops before.
    pub async fn linked(&self) -> bool {
        self.core.views().wait_for(|view| !view.links.is_empty()).await.is_ok()
    }

    /// How many members are linked with this node now.
    #[must_use]
    pub fn links(&self) -> usize {
        self.core.view().links.len()
    }

    /// How many members this node knows to be online, by a link or by the word of others, without
    /// itself.
    #[must_use]
    pub fn online(&self) -> usize {
        self.core.view().online()
    }
}
