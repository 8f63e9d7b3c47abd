//! A node of the measured plant: the homes are founded once, and a node of each is started anew
//! for every measurement, the hub at the address that the others dial.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use bench_common::{Load, Orders, Trips, Words, ready};
use gearmesh_node::listen::Endpoint;
use gearmesh_node::{Node, Options};
use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::sample::{Sample, SampleRef, Value, ValueRef};
use gearmesh_protocol::time::UnixMillis;

/// How long a node may take until it is linked with the hub.
const LINK_MAX: Duration = Duration::from_secs(10);

/// What a member of the measured plant is called.
#[must_use]
pub fn name(index: usize) -> String {
    format!("bench-{index}")
}

/// Its home.
#[must_use]
pub fn home(folder: &Path, index: usize) -> PathBuf {
    folder.join(name(index))
}

/// Starts the node of a home; number 0 is the hub, which the others dial and wait for.
///
/// # Errors
/// It does not start, or has no link in time.
pub async fn start(folder: &Path, index: usize, hub: SocketAddr) -> Result<Node> {
    start_at(home(folder, index), hub, index == 0).await
}

/// Starts the node of a home as the hub, or as one that dials the hub and waits for it.
///
/// # Errors
/// As [`start`].
pub async fn start_at(home: PathBuf, hub: SocketAddr, is_hub: bool) -> Result<Node> {
    start_as(home, hub, is_hub, Vec::new()).await
}

/// The same, with what is wired to its machine.
///
/// # Errors
/// As [`start`].
pub async fn start_as(
    home: PathBuf,
    hub: SocketAddr,
    is_hub: bool,
    resources: Vec<Resource>,
) -> Result<Node> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (listen, connect) =
        if is_hub { (hub, vec![]) } else { (anywhere, vec![Endpoint::of(hub)]) };
    let listen = vec![Endpoint::of(listen)];
    let options = Options { listen, connect, mdns: false, resources, ..Options::at(home) };
    let node = Node::start(options).await?;
    ensure!(!node.listening().await.is_empty(), "the node listens nowhere");
    if !is_hub {
        let linked = tokio::time::timeout(LINK_MAX, node.linked()).await;
        ensure!(linked == Ok(true), "no link with the hub");
    }
    Ok(node)
}

/// Waits for an order on another thread: this one carries the node.
///
/// # Errors
/// The thread ended without an answer.
pub async fn waiting<T: Send + 'static>(
    orders: Orders,
    wait: impl FnOnce(&Orders) -> T + Send + 'static,
) -> Result<(Orders, T)> {
    let waited = tokio::task::spawn_blocking(move || {
        let order = wait(&orders);
        (orders, order)
    });
    Ok(waited.await?)
}

/// A value taken now.
///
/// # Errors
/// The clock stands before 1970.
pub fn sample(bytes: Vec<u8>) -> Result<Sample> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Sample::good(Value::from(bytes), UnixMillis(u64::try_from(now.as_millis())?)))
}

/// The payload of a value.
///
/// # Errors
/// It is of another kind.
pub fn bytes(sample: SampleRef<'_>) -> Result<&[u8]> {
    match sample.value {
        ValueRef::Bytes(bytes) => Ok(bytes),
        other => bail!("bytes were expected, not {other:?}"),
    }
}

/// Publishes a load as fast as `put` takes it, until the bench says stop.
///
/// # Errors
/// A value cannot be published.
pub async fn publish_load(
    words: &Words,
    mut put: impl AsyncFnMut(Sample) -> Result<()>,
) -> Result<()> {
    let (mut orders, go) = waiting(ready()?, Orders::wait_for_go).await?;
    if !go {
        return Ok(());
    }
    let mut load = Load::begin(words);
    for bytes in &mut load {
        put(sample(bytes)?).await?;
    }
    let mut is_over = false;
    while !is_over {
        put(sample(load.end())?).await?;
        (orders, is_over) = waiting(orders, Orders::stopped).await?;
    }
    load.report().print();
    Ok(())
}

/// Asks and waits for the answer, one trip after the other.
///
/// # Errors
/// A question cannot be published, or an answer is not to it.
pub async fn ask(words: &Words, mut trip: impl AsyncFnMut(Sample) -> Result<Sample>) -> Result<()> {
    let (orders, go) = waiting(ready()?, Orders::wait_for_go).await?;
    if !go {
        return Ok(());
    }
    let mut trips = Trips::new(words);
    while let Some(question) = trips.ask() {
        trips.answer(bytes((&trip(sample(question)?).await?).into())?)?;
    }
    trips.report().print();
    waiting(orders, Orders::wait_for_stop).await?;
    Ok(())
}
