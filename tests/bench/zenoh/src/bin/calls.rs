//! What machines ask each other over zenoh: a queryable with a callback, and queries.
//!
//! One at a time is asked with the calls that wait, many with those that are awaited: each is the
//! faster one there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bench_common::{Acks, CallWords, Deed, Report, keep_in_flight, ready, within};
use bench_zenoh::{open, wait_for_hub};
use clap::Parser as _;
use zenoh::{Session, Wait as _};

/// Where is asked.
const READ: &str = "bench/read";
/// How long it may stay unknown who answers.
const KNOWN_MAX: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let words = CallWords::parse();
    let serves = words.deed == Deed::Serve;
    let session = open(words.address, Some(&words.tls), serves)?;
    match words.deed {
        Deed::Serve => serve(&session),
        Deed::Query => {
            wait_for_hub(&session)?;
            query(&session, &words)
        }
        Deed::Command | Deed::Lease | Deed::HandOver => bail!("zenoh knows no such thing"),
    }
}

fn serve(session: &Session) -> Result<()> {
    let queryable = session
        .declare_queryable(READ)
        .callback(|query| {
            if let Some(question) = query.payload() {
                // Whoever is gone gets no answer.
                let _ = query.reply(READ, question.clone()).wait();
            }
        })
        .wait()
        .map_err(|error| anyhow!(error))?;
    ready()?.wait_for_stop();
    drop(queryable);
    Ok(())
}

fn query(session: &Session, words: &CallWords) -> Result<()> {
    let asked = || session.get(READ).payload([0]).wait().ok()?.recv().ok();
    within(KNOWN_MAX, asked).context("nobody answers")?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let report = match words.in_flight {
        1 => one_at_a_time(session, words)?,
        _ => tokio::runtime::Runtime::new()?.block_on(many(session, words))?,
    };
    report.print();
    orders.wait_for_stop();
    Ok(())
}

fn one_at_a_time(session: &Session, words: &CallWords) -> Result<Report> {
    let mut acks = Acks::begin(words.span());
    loop {
        let question = acks.payload();
        let begun = Instant::now();
        let get = session.get(READ).payload(question.clone()).wait();
        let reply = get.map_err(|error| anyhow!(error))?.recv().map_err(|error| anyhow!(error))?;
        check(&reply, &question)?;
        if !acks.count(begun, Instant::now(), 0)? {
            return acks.report();
        }
    }
}

async fn many(session: &Session, words: &CallWords) -> Result<Report> {
    let session = session.clone();
    keep_in_flight(words, move |question| {
        let session = session.clone();
        async move {
            let replies = session.get(READ).payload(question.clone()).await;
            let replies = replies.map_err(|error| anyhow!(error))?;
            let reply = replies.recv_async().await.map_err(|error| anyhow!(error))?;
            check(&reply, &question)
        }
    })
    .await
}

fn check(reply: &zenoh::query::Reply, question: &[u8]) -> Result<()> {
    let sample = reply.result().map_err(|error| anyhow!("{error:?}"))?;
    ensure!(*sample.payload().to_bytes() == *question, "another answer");
    Ok(())
}
