//! What is done at most once over etcd, and what only one may use: a transaction that puts a key
//! that is not there, and the lock of its own service.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bench_common::{Acks, CallWords, Deed, HOLD, Report, keep_in_flight, ready, settle_disks};
use clap::Parser as _;
use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, GetOptions, Identity, LockOptions,
    TlsOptions, Txn, TxnOp,
};

/// What is locked.
const RESOURCE: &str = "bench/crane";
/// How long a lock outlives its holder, in seconds: as long as a lease of gearmesh.
const TTL: i64 = 10;
/// How long a wish may take until the server has it.
const QUEUED_MAX: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let words = CallWords::parse();
    let client = connect(&words).await?;
    settle_disks();
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let report = match words.deed {
        Deed::Command => transact(&client, &words).await?,
        Deed::Lease => lease(client, &words).await?,
        Deed::HandOver => hand_over(&client, &words).await?,
        Deed::Serve | Deed::Query => bail!("that is the server's"),
    };
    report.print();
    orders.wait_for_stop();
    Ok(())
}

async fn connect(words: &CallWords) -> Result<Client> {
    let read = |name: &str| {
        std::fs::read(words.tls.join(name)).with_context(|| format!("{name} cannot be read"))
    };
    let tls = TlsOptions::new()
        .domain_name("localhost")
        .ca_certificate(Certificate::from_pem(read("ca.pem")?))
        .identity(Identity::from_pem(read("client.pem")?, read("client.key")?));
    let options = ConnectOptions::new().with_tls(tls);
    let at = format!("https://localhost:{}", words.address.port());
    Ok(Client::connect([at], Some(options)).await?)
}

/// A key that is not there is put, once: as one would remember what was done.
async fn transact(client: &Client, words: &CallWords) -> Result<Report> {
    let kv = client.kv_client();
    keep_in_flight(words, move |bytes| {
        let mut kv = kv.clone();
        async move {
            let key = &bytes[..8];
            let is_new = Compare::version(key, CompareOp::Equal, 0);
            let put = TxnOp::put(key, &bytes[..], None);
            let done = kv.txn(Txn::new().when([is_new]).and_then([put])).await?;
            ensure!(done.succeeded(), "the key was there");
            Ok(())
        }
    })
    .await
}

async fn session(client: &mut Client) -> Result<LockOptions> {
    let lease = client.lease_grant(TTL, None).await?.id();
    let (mut keeper, mut kept) = client.lease_keep_alive(lease).await?;
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(TTL.unsigned_abs() / 3));
        loop {
            every.tick().await;
            if keeper.keep_alive().await.is_err() || kept.message().await.is_err() {
                return;
            }
        }
    });
    Ok(LockOptions::new().with_lease(lease))
}

async fn lease(mut client: Client, words: &CallWords) -> Result<Report> {
    let session = session(&mut client).await?;
    let mut acks = Acks::begin(words.span());
    loop {
        let begun = Instant::now();
        let held = client.lock(RESOURCE, Some(session.clone())).await?;
        client.unlock(held.key()).await?;
        if !acks.count(begun, Instant::now(), 0)? {
            return acks.report();
        }
    }
}

/// Two sessions that take turns: from the release of one to the grant of the other.
async fn hand_over(client: &Client, words: &CallWords) -> Result<Report> {
    let mut clients = [client.clone(), client.clone()];
    let sessions = [session(&mut clients[0]).await?, session(&mut clients[1]).await?];
    let mut acks = Acks::begin(words.span());
    let mut held = clients[0].lock(RESOURCE, Some(sessions[0].clone())).await?;
    for turn in 1.. {
        let (mut waiter, session) = (client.clone(), sessions[turn % 2].clone());
        let waits = tokio::spawn(async move {
            let held = waiter.lock(RESOURCE, Some(session)).await?;
            anyhow::Ok((held, Instant::now()))
        });
        queued(&mut clients[0]).await?;
        tokio::time::sleep(HOLD).await;
        let begun = Instant::now();
        clients[1].unlock(held.key()).await?;
        let (next, now) = waits.await??;
        if !acks.count(begun, now, 0)? {
            break;
        }
        held = next;
    }
    acks.report()
}

/// Waits until the server has a wish beside the lock.
async fn queued(client: &mut Client) -> Result<()> {
    let until = Instant::now() + QUEUED_MAX;
    let all = GetOptions::new().with_prefix().with_count_only();
    while client.get(RESOURCE, Some(all.clone())).await?.count() < 2 {
        ensure!(Instant::now() < until, "nobody waits");
    }
    Ok(())
}
