//! A member that is visited: one connection for all that a command asks, and another when that is over.

use std::net::SocketAddr;
use std::sync::Arc;

use gearmesh_node::visit::{Visit, VisitStream};
use gearmesh_protocol::refusal::Refusal;
use tokio::sync::Mutex;

use crate::cli::Context;
use crate::exit::Failure;
use crate::keyring::Keyring;

/// A member, and the visit there, once somebody asked for something.
pub(crate) struct Visiting {
    address: SocketAddr,
    keyring: Arc<Keyring>,
    visit: Mutex<Option<Visit>>,
}

impl Visiting {
    /// The member at an address, for the admin whose keyring is here.
    pub(super) fn to(context: &Context, address: SocketAddr) -> Result<Self, Failure> {
        let keyring = context.keyring_for_visit()?;
        Ok(Self { address, keyring, visit: Mutex::default() })
    }

    /// Where it is.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A stream to it. A visit has an end; whoever waits for longer comes again.
    pub(super) async fn stream(&self) -> Result<VisitStream, Failure> {
        let mut visit = self.visit.lock().await;
        if let Some(open) = &*visit
            && let Some(stream) = open.stream().await
        {
            return Ok(stream);
        }
        let open = Visit::open(self.address, &self.keyring.plant(), self.keyring.key()).await?;
        self.keyring.keep_plant()?;
        let stream = open.stream().await.ok_or(Refusal::NodeStopped)?;
        *visit = Some(open);
        Ok(stream)
    }
}
