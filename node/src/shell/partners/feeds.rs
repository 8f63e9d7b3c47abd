//! Values of the plant on their way to the bridge, and of partners on their way into the plant.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Topic, TopicFilter};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::super::durable::DurablePublisher;
use super::super::values::Values;
use super::super::{Arrived, Delivery};
use crate::core::bridge::{Imported, LineId};

/// Values that wait for the bridge; where there is no room the subscription thins them out.
const WAITING_MAX: usize = 1024;

/// Publishers that are kept; more than all aliases of a busy gateway.
const PUBLISHERS_MAX: usize = 1024;

/// A value for a line.
pub(super) type Offered = (LineId, Arrived);

/// What is followed for the lines that are open, and the ways into the plant.
pub(super) struct Feeds {
    pub(super) values: Values,
    followed: BTreeMap<LineId, AbortHandle>,
    offered: (mpsc::Sender<Offered>, mpsc::Receiver<Offered>),
    publishers: BTreeMap<Topic, DurablePublisher>,
}

impl Feeds {
    pub(super) fn new(values: Values) -> Self {
        let (followed, publishers) = (BTreeMap::new(), BTreeMap::new());
        Self { values, followed, offered: mpsc::channel(WAITING_MAX), publishers }
    }

    /// Follows what the lines stand for, and nothing else.
    pub(super) fn follow<'a>(&mut self, lines: impl Iterator<Item = (LineId, &'a TopicFilter)>) {
        let lines: BTreeMap<LineId, &TopicFilter> = lines.collect();
        let open: BTreeSet<&LineId> = lines.keys().collect();
        self.followed.retain(|line, task| {
            let stays = open.contains(line);
            if !stays {
                task.abort();
            }
            stays
        });
        for (line, filter) in lines {
            if self.followed.contains_key(&line) {
                continue;
            }
            match self.values.subscribe(filter.clone()) {
                Ok(subscription) => {
                    let (offered, id) = (self.offered.0.clone(), line.clone());
                    let task = tokio::spawn(async move {
                        loop {
                            if let Delivery::Value(value) = subscription.next().await
                                && offered.send((id.clone(), value)).await.is_err()
                            {
                                return;
                            }
                        }
                    });
                    self.followed.insert(line, task.abort_handle());
                }
                Err(error) => tracing::warn!(%error, %filter, "nothing is shared of this"),
            }
        }
    }

    /// The next value for a line.
    pub(super) async fn next(&mut self) -> Option<Offered> {
        self.offered.1.recv().await
    }

    /// Makes values of a partner durable in the plant, in their order. False if not all of them are:
    /// then all are to be tried again.
    pub(super) async fn publish(&mut self, imported: &[Imported]) -> bool {
        if self.publishers.len() > PUBLISHERS_MAX {
            self.publishers.clear();
        }
        for value in imported {
            if !self.publishers.contains_key(value.topic()) {
                let publisher = self.values.durable_publisher(value.topic());
                self.publishers.insert(value.topic().clone(), publisher);
            }
        }
        let publishes = imported.iter().filter_map(|value| {
            let publisher = self.publishers.get(value.topic())?;
            let sample: &Sample = value.sample();
            Some(publisher.publish(sample, AckLevel::Local))
        });
        let failed = join_all(publishes).await.into_iter().find_map(Result::err);
        if let Some(error) = &failed {
            tracing::warn!(%error, "a partner's values are not safe here yet");
        }
        failed.is_none()
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.followed.values().for_each(AbortHandle::abort);
    }
}
