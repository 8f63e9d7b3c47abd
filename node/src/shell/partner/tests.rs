//! Companies that receive one stream and pass it on, over real swarms.

mod company;

use std::time::Duration;

use crate::core::partner::Offence;
use company::{Company, companies};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !is_so().await {
            look.tick().await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    assert!(looked.is_ok(), "{what}: not within {PATIENCE:?}");
}

/// Whether a company knows all receivers and where they may be reached.
async fn knows_all(company: &Company, receivers: usize) -> bool {
    let agreements = company.status().await.agreements;
    let others = agreements.first().map(|it| it.co_receivers.clone()).unwrap_or_default();
    others.len() + 1 == receivers && others.iter().all(|it| !it.addresses.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_of_ten_in_a_line_get_it_from_each_other() {
    let mut all = companies(11);
    // Each dials those that follow it by their keys.
    all[1..].sort_by_key(|company| company.key);
    // Each may dial its neighbours alone, and for now whoever sends, which tells it of them.
    let keys: Vec<_> = all.iter().map(|company| company.key).collect();
    for (at, company) in all.iter().enumerate().skip(1) {
        let neighbours = [at - 1, at + 1].into_iter().filter_map(|it| keys.get(it).copied());
        company.may_dial(neighbours.chain([keys[0]]).collect()).await;
    }
    for company in &all[1..] {
        until("all know each other", async || knows_all(company, 10).await).await;
    }
    for (at, company) in all.iter().enumerate().skip(1) {
        let neighbours = if at == 1 || at == 10 { 1 } else { 2 };
        until("all are connected with their neighbours", async || {
            let agreement = &company.status().await.agreements[0];
            agreement.co_receivers.iter().filter(|it| it.is_connected).count() == neighbours
        })
        .await;
    }
    for (at, company) in all.iter().enumerate().skip(2) {
        let neighbours = [at - 1, at + 1].into_iter().filter_map(|it| keys.get(it).copied());
        company.may_dial(neighbours.collect()).await;
    }
    let sender = &all[0];
    until("one alone reaches whoever sends", async || {
        let agreements = sender.status().await.agreements;
        agreements.iter().filter(|it| it.is_connected).count() == 1
    })
    .await;
    let sheet = all[1].sheet;
    for number in 0..20 {
        sender.export(sheet, number).await;
    }
    let numbers: Vec<i64> = (0..20).collect();
    for company in &all[1..] {
        until("it came in order", async || company.received().await == numbers).await;
    }
    let agreements = sender.status().await.agreements;
    assert_eq!(agreements.iter().filter(|it| it.is_connected).count(), 1);
    for company in &all[2..] {
        let agreement = &company.status().await.agreements[0];
        assert!(!agreement.is_connected, "it was not sent by whoever made it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_forges_is_kept_out_by_the_others_which_go_on() {
    let all = companies(4);
    let everybody = || all.iter().map(|company| company.key).collect();
    for company in &all {
        company.may_dial(everybody()).await;
    }
    for company in &all[1..] {
        until("all know each other", async || knows_all(company, 3).await).await;
    }
    let [sender, forger, victim, other] = &all[..] else { panic!("four") };
    sender.export(victim.sheet, 1).await;
    for company in [forger, victim, other] {
        until("it flows", async || company.received().await == [1]).await;
    }
    until("the victim names the forger", async || {
        forger.forge().await;
        victim.status().await.alarms.iter().any(|alarm| {
            alarm.contains("another receiver of stock")
                && alarm.contains(&Offence::Forges.to_string())
        })
    })
    .await;
    sender.export(victim.sheet, 2).await;
    for company in [victim, other] {
        until("it flows on", async || company.received().await == [1, 2]).await;
    }
}
