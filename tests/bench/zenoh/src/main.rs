//! The roles of a measurement over zenoh, peer to peer, as its documentation shows them: `put` to
//! publish, a callback to receive, a channel where an answer is awaited.
//!
//! `CongestionControl::Block` makes the publisher wait instead of dropping. Load is batched
//! (`express` off), a round trip is not: each is what zenoh offers for that use.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bench_common::{Echo, LOAD, Load, Meter, PING, PONG, Role, Trips, Words, ready, within};
use clap::Parser as _;
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::{Config, Session, Wait as _};

/// How long a program waits for its hub.
const CONNECT_MAX: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let words = Words::parse();
    let session = zenoh::open(config(&words)?).wait().map_err(|error| anyhow!(error))?;
    if !words.role.is_hub() {
        wait_for_hub(&session)?;
    }
    match words.role {
        Role::Pub => publish(&session, &words),
        Role::Sub => subscribe(&session),
        Role::Ping => ping(&session, &words),
        Role::Pong => pong(&session),
    }
}

fn config(words: &Words) -> Result<Config> {
    let mut config = Config::default();
    let mut set = |key: &str, value: String| {
        config.insert_json5(key, &value).map_err(|error| anyhow!("{key}: {error}"))
    };
    set("mode", "\"peer\"".to_owned())?;
    set("scouting/multicast/enabled", "false".to_owned())?;
    set("scouting/gossip/enabled", "false".to_owned())?;
    let scheme = if words.tls.is_some() { "tls" } else { "tcp" };
    let port = words.address.port();
    let (listen, connect) = if words.role.is_hub() {
        (format!("[\"{scheme}/127.0.0.1:{port}\"]"), "[]".to_owned())
    } else {
        ("[]".to_owned(), format!("[\"{scheme}/{}:{port}\"]", words.host()))
    };
    set("listen/endpoints", listen)?;
    set("connect/endpoints", connect)?;
    if let Some(folder) = &words.tls {
        for (key, value) in tls(folder) {
            set(&format!("transport/link/tls/{key}"), value)?;
        }
    }
    Ok(config)
}

/// Both sides show a certificate, and both are checked.
fn tls(folder: &Path) -> [(&'static str, String); 7] {
    let file = |name: &str| format!("\"{}\"", folder.join(name).display());
    [
        ("root_ca_certificate", file("ca.pem")),
        ("listen_private_key", file("server.key")),
        ("listen_certificate", file("server.pem")),
        ("connect_private_key", file("client.key")),
        ("connect_certificate", file("client.pem")),
        ("enable_mtls", "true".to_owned()),
        ("verify_name_on_connect", "true".to_owned()),
    ]
}

fn wait_for_hub(session: &Session) -> Result<()> {
    let hub = within(CONNECT_MAX, || session.info().peers_zid().wait().next());
    hub.map(|_| ()).context("no connection to the hub")
}

fn publisher(session: &Session, topic: &str, express: bool) -> Result<Publisher<'static>> {
    session
        .declare_publisher(topic.to_owned())
        .congestion_control(CongestionControl::Block)
        .express(express)
        .wait()
        .map_err(|error| anyhow!(error))
}

fn put(publisher: &Publisher<'_>, bytes: Vec<u8>) -> Result<()> {
    publisher.put(bytes).wait().map_err(|error| anyhow!(error))
}

fn publish(session: &Session, words: &Words) -> Result<()> {
    let publisher = publisher(session, LOAD, false)?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut load = Load::begin(words);
    for bytes in &mut load {
        put(&publisher, bytes)?;
    }
    put(&publisher, load.end())?;
    while !orders.stopped() {
        put(&publisher, load.end())?;
    }
    load.report().print();
    Ok(())
}

fn subscribe(session: &Session) -> Result<()> {
    let (sender, done) = sync_channel(1);
    let mut meter = Meter::default();
    let subscriber = session
        .declare_subscriber(LOAD)
        .callback_mut(move |sample| {
            if let Some(report) = meter.take(&sample.payload().to_bytes()).transpose() {
                // Ends told again after the first one find no room, and need none.
                let _ = sender.try_send(report);
            }
        })
        .wait()
        .map_err(|error| anyhow!(error))?;
    ready()?.end_at_stop();
    done.recv()??.print();
    drop(subscriber);
    Ok(())
}

fn ping(session: &Session, words: &Words) -> Result<()> {
    let publisher = publisher(session, PING, true)?;
    let answers = session.declare_subscriber(PONG).wait().map_err(|error| anyhow!(error))?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut trips = Trips::new(words);
    while let Some(question) = trips.ask() {
        put(&publisher, question)?;
        let answer = answers.recv().map_err(|error| anyhow!(error))?;
        trips.answer(&answer.payload().to_bytes())?;
    }
    trips.report().print();
    orders.wait_for_stop();
    Ok(())
}

fn pong(session: &Session) -> Result<()> {
    let publisher = publisher(session, PONG, true)?;
    let subscriber = session
        .declare_subscriber(PING)
        .callback(move |sample| {
            let payload = sample.payload();
            if Echo::saw(&payload.to_bytes()).is_ok() {
                // A hub that is gone gets no answer.
                let _ = publisher.put(payload.clone()).wait();
            }
        })
        .wait()
        .map_err(|error| anyhow!(error))?;
    Echo::report_at_stop(ready()?);
    loop {
        std::thread::park();
        let _ = &subscriber;
    }
}
