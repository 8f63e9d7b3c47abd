//! The roles of a measurement over zenoh, peer to peer, as its documentation shows them: `put` to
//! publish, a callback to receive, a channel where an answer is awaited.
//!
//! `CongestionControl::Block` makes the publisher wait instead of dropping. Load is batched
//! (`express` off), a round trip is not: each is what zenoh offers for that use.

use std::sync::mpsc::sync_channel;

use anyhow::{Result, anyhow};
use bench_common::{Echo, LOAD, Load, Meter, PING, PONG, Role, Trips, Words, ready};
use bench_zenoh::{open, wait_for_hub};
use clap::Parser as _;
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::{Session, Wait as _};

fn main() -> Result<()> {
    let words = Words::parse();
    let session = open(words.address, words.tls.as_deref(), words.role.is_hub())?;
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
