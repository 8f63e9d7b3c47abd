//! The local API for admins that came over the network: HTTP on every stream of their connection, and of
//! all paths only those that an admin's work needs.
//!
//! What they may is asked again with every request and whenever the roster changes, so a visit does not
//! outlive the power of its key.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State as Known};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use gearmesh_protocol::entry::{DataEntry, VisitRecord};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::plant::Address;
use gearmesh_protocol::refusal::Refusal;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::super::carrier::drive;
use super::super::clock::Clock;
use super::super::core_handle::CoreHandle;
use super::super::durable::Durable;
use super::super::plant::visits::{Arrived, Guest};
use super::answer::Failure;
use super::routes::route;
use crate::core::plant::visiting::may_visit;

/// How long a visit lasts at most; a command that takes longer comes again.
const VISIT_MAX: Duration = Duration::from_secs(600);

/// How long a visit may last in which nothing is asked for.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Streams of one visit at once; further ones are closed.
const STREAMS_MAX: usize = 8;

/// How long the head of a request may take to come.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// How long a request may take, from its head to the head of its answer.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Bytes of a request's head, and what is read ahead of its body.
const BUFFER_MAX: usize = 64 * 1024;

/// How long a connection takes to close.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// How long the visits of one admin from one address are one line of the audit trail: what it does stands
/// there by itself, and a script that looks every second is no news.
const NOTED_FOR: Duration = Duration::from_secs(600);

/// Admins and addresses whose line is remembered; of one that is forgotten another line is written.
const NOTED_MAX: usize = 64;

/// Whose coming is in the audit trail, and since when.
#[derive(Default)]
struct Noted(BTreeMap<(PublicKey, Option<IpAddr>), Instant>);

impl Noted {
    /// Whether a visit is a line of its own.
    fn is_new(&mut self, who: (PublicKey, Option<IpAddr>), now: Instant) -> bool {
        self.0.retain(|_, since| now.duration_since(*since) < NOTED_FOR);
        if self.0.contains_key(&who) {
            return false;
        }
        let oldest = self.0.iter().min_by_key(|(_, since)| **since).map(|(who, _)| *who);
        if self.0.len() >= NOTED_MAX
            && let Some(oldest) = oldest
        {
            self.0.remove(&oldest);
        }
        self.0.insert(who, now);
        true
    }
}

/// What visits need of the node.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) core: CoreHandle,
    pub(super) clock: Clock,
    pub(super) durable: Durable,
}

/// Who asks, and of whom.
#[derive(Clone)]
struct Asking {
    host: Host,
    guest: Arc<Guest>,
}

impl Asking {
    fn judge(&self) -> Result<(), Refusal> {
        may_visit(&self.host.core.view(), &self.guest.admin, self.host.clock.now())
    }

    /// Writes down who came, for the audit trail. A node that keeps no log of its own, or whose disk is
    /// full, has it in its own log lines alone: an admin can still revoke there.
    fn note(&self) {
        let Guest { admin, from, .. } = &*self.guest;
        let (admin, host) = (*admin, self.host.clone());
        let from = from.map_or_else(|| "memory".to_owned(), |ip| ip.to_string());
        tracing::info!(?admin, from, "an admin visits");
        let Ok(from) = Address::try_from(from) else { return };
        tokio::spawn(async move {
            let visit = VisitRecord { admin, from, at: host.clock.now().wall };
            if let Err(refusal) = host.durable.write(&[DataEntry::Visit(visit)]).await {
                tracing::warn!(%refusal, "a visit is not in the audit trail");
            }
        });
    }
}

/// Serves visitors until it is dropped.
pub(super) async fn serve(host: Host, router: Router, mut arrivals: mpsc::Receiver<Arrived>) {
    let (mut visits, mut noted) = (JoinSet::new(), Noted::default());
    loop {
        tokio::select! {
            arrived = arrivals.recv() => {
                let Some(Arrived { muxer, guest }) = arrived else { return };
                let asking = Asking { host: host.clone(), guest: Arc::new(guest) };
                if noted.is_new((asking.guest.admin, asking.guest.from), Instant::now()) {
                    asking.note();
                }
                let router = router.clone().layer(from_fn_with_state(asking.clone(), guard));
                visits.spawn(visit(muxer, asking, router));
            }
            Some(_) = visits.join_next() => {}
        }
    }
}

/// Serves one visitor until it goes, its time is over, or its key has no power any more.
async fn visit(mut muxer: StreamMuxerBox, asking: Asking, router: Router) {
    let mut streams = JoinSet::new();
    let (end, mut idle) = (Instant::now() + VISIT_MAX, Instant::now() + IDLE_MAX);
    let mut views = asking.host.core.views();
    loop {
        tokio::select! {
            stream = drive::first_substream(&mut muxer, false) => {
                let Ok(stream) = stream else { break };
                idle = Instant::now() + IDLE_MAX;
                if streams.len() < STREAMS_MAX {
                    streams.spawn(connection(stream, router.clone()));
                }
            }
            Some(_) = streams.join_next() => idle = Instant::now() + IDLE_MAX,
            changed = views.changed() => {
                if changed.is_err() || asking.judge().is_err() {
                    break;
                }
            }
            () = sleep_until(end) => break,
            () = sleep_until(idle), if streams.is_empty() => break,
        }
    }
    streams.shutdown().await;
    drop(timeout(CLOSE_MAX, muxer.close()).await);
}

async fn connection(stream: SubstreamBox, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(BUFFER_MAX);
    let io = TokioIo::new(stream.compat());
    let served = http.serve_connection(io, TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a visitor's stream ended");
    }
}

/// Lets a request in that an admin's work needs, or says why not.
async fn guard(Known(asking): Known<Asking>, request: Request, next: Next) -> Response {
    if let Err(refusal) = asking.judge() {
        return Failure::from(refusal).into_response();
    }
    let wanted = route(request.method().as_str(), request.uri().path());
    if !wanted.is_some_and(|route| route.is_for_visits) {
        return Failure::from(Refusal::NotForVisits).into_response();
    }
    match timeout(REQUEST_MAX, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Failure::from(Refusal::Busy).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    #[test]
    fn whoever_comes_again_and_again_is_one_line_and_many_are_many() {
        let key = |seed: u8| PublicKey::of(&SigningKey::from_bytes(&[seed; 32]));
        let (mut noted, start) = (Noted::default(), Instant::now());
        assert!(noted.is_new((key(1), None), start));
        assert!(!noted.is_new((key(1), None), start));
        assert!(noted.is_new((key(1), Some(IpAddr::from([192, 0, 2, 1]))), start));
        assert!(noted.is_new((key(1), None), start + NOTED_FOR), "after a while it is told again");
        for seed in 0..=u8::try_from(NOTED_MAX).expect("few") {
            assert!(noted.is_new((key(seed + 2), None), start + NOTED_FOR));
            assert!(noted.0.len() <= NOTED_MAX);
        }
    }
}
