//! What machines ask each other over gearmesh, embedded: one node serves and has what is leased,
//! the other asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench_common::{Acks, CallWords, Deed, HOLD, Report, keep_in_flight, ready, settle_disks};
use bench_gearmesh::{home, name, start_as, waiting};
use clap::Parser as _;
use gearmesh_node::Node;
use gearmesh_node::commands::api::CallState;
use gearmesh_node::commands::{Offer, Request};
use gearmesh_node::leases::{Leasing, Wanted};
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::topic::Name;
use serde_json::Value;

/// What is leased.
const RESOURCE: &str = "crane";

/// The verb that leaves no trace.
const READ: &str = "read";
/// The verb that is executed at most once.
const DO: &str = "do";
/// How many of a verb may run at once.
const AT_ONCE: usize = 256;
/// How long a verb may stay unknown to who asks.
const KNOWN_MAX: Duration = Duration::from_secs(10);
/// For how long the resource is given away: that is also how long nobody gets it after a start.
const LONGEST_MS: u32 = 10_000;
/// How long is waited for it.
const WAIT: Duration = Duration::from_secs(60);

// One thread carries a node fastest, see docs/decisions/0002.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words = CallWords::parse();
    match words.deed {
        Deed::Serve => {
            let resource = Resource { name: RESOURCE.parse()?, places: 1, longest_ms: LONGEST_MS };
            let home = home(&words.folder, 0);
            let node = start_as(home, words.address, true, vec![resource]).await?;
            serve(&node).await
        }
        Deed::Query | Deed::Command | Deed::Lease | Deed::HandOver => {
            let home = home(&words.folder, 1);
            let node = Arc::new(start_as(home, words.address, false, vec![]).await?);
            ask(&node, &words).await
        }
    }
}

async fn serve(node: &Node) -> Result<()> {
    let offer = |verb: &str| {
        Ok::<_, anyhow::Error>(Offer { at_once: AT_ONCE, ..Offer::new(verb.parse()?) })
    };
    let mut queries = node.serve(Offer { is_query: true, ..offer(READ)? }).await?;
    let mut commands = node.serve(offer(DO)?).await?;
    ready()?.end_at_stop();
    loop {
        let run = tokio::select! {
            run = queries.next() => run,
            run = commands.next() => run,
        };
        let Some(mut run) = run else { return Ok(()) };
        let arguments = std::mem::take(&mut run.arguments);
        run.done(&arguments);
    }
}

async fn ask(node: &Arc<Node>, words: &CallWords) -> Result<()> {
    known(node).await?;
    if matches!(words.deed, Deed::Lease | Deed::HandOver) {
        wish(node).await?.held().await?;
    }
    settle_disks();
    let (orders, go) = waiting(ready()?, |orders| orders.wait_for_go()).await?;
    if !go {
        return Ok(());
    }
    let report = match words.deed {
        Deed::Query => call(node, words, READ).await?,
        Deed::Command => call(node, words, DO).await?,
        Deed::Lease => lease(node, words).await?,
        Deed::HandOver => hand_over(node, words).await?,
        Deed::Serve => return Ok(()),
    };
    report.print();
    waiting(orders, |orders| orders.wait_for_stop()).await?;
    Ok(())
}

/// Waits until it is known here what is served there.
async fn known(node: &Node) -> Result<()> {
    let until = Instant::now() + KNOWN_MAX;
    let machine = node.machine(&name(0))?;
    let question = || Ok::<_, anyhow::Error>(Request::new(machine, READ.parse()?, Value::Null));
    while node.query(question()?).await.map(|event| event.state) != Ok(done(Value::Null)) {
        ensure!(Instant::now() < until, "nothing is served");
        tokio::task::yield_now().await;
    }
    Ok(())
}

const fn done(result: Value) -> CallState {
    CallState::Done { result }
}

async fn call(node: &Arc<Node>, words: &CallWords, verb: &str) -> Result<Report> {
    let machine = node.machine(&name(0))?;
    let node = Arc::clone(node);
    let verb: Name = verb.parse()?;
    let is_query = verb.as_str() == READ;
    keep_in_flight(words, move |bytes| {
        // As text: half as many bytes are written with as many digits.
        let question = Value::String(HexBytes(bytes[..bytes.len() / 2].to_vec()).to_string());
        let request = Request::new(machine, verb.clone(), question.clone());
        let node = Arc::clone(&node);
        async move {
            let state = match is_query {
                true => node.query(request).await?.state,
                false => node.call(request)?.outcome().await?,
            };
            ensure!(state == done(question), "answered with {state:?}");
            Ok(())
        }
    })
    .await
}

/// What nobody else wants.
async fn lease(node: &Node, words: &CallWords) -> Result<Report> {
    let mut acks = Acks::begin(words.span());
    loop {
        let begun = Instant::now();
        let mut leasing = wish(node).await?;
        leasing.held().await?;
        leasing.release().await?;
        if !acks.count(begun, Instant::now(), 0)? {
            return acks.report();
        }
    }
}

/// Two wishes that take turns: from the release of one to the grant of the other.
async fn hand_over(node: &Node, words: &CallWords) -> Result<Report> {
    let mut acks = Acks::begin(words.span());
    let mut holds = wish(node).await?;
    holds.held().await?;
    loop {
        let mut waits = wish(node).await?;
        // The first word is that others come first.
        waits.next().await;
        tokio::time::sleep(HOLD).await;
        let begun = Instant::now();
        let (released, held) = tokio::join!(holds.release(), waits.held());
        let now = Instant::now();
        (released?, held?);
        if !acks.count(begun, now, 0)? {
            return acks.report();
        }
        holds = waits;
    }
}

async fn wish(node: &Node) -> Result<Leasing> {
    Ok(node.lease(Wanted { wait: Some(WAIT), ..Wanted::new(RESOURCE) }).await?)
}
