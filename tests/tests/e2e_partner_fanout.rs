//! One stream for several companies, as their people type it: what they are told before they sign, who sees whom,
//! and that one may leave.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::time::Duration;

use gearmesh_tests::company::{Company, GATEWAY, accept, confirm, share};
use gearmesh_tests::wait::{throughout, until};

const PRICES: [&str; 5] = ["--topics", "gateway-1/+/price", "--as", "prices", "--fan-out"];

fn join(company: &Company, name: &str, to: &str, stream: &str) -> String {
    let said = company.says(&["share", name, "--to", to, "--join", stream, "--yes"]);
    said.split_whitespace().find(|word| word.starts_with("gs1:")).expect("a link").to_owned()
}

fn prices(company: &Company) -> Vec<f64> {
    let came = company.came("partner/rossi/prices");
    came.into_iter().map(|(_, number)| number).collect()
}

fn knows(company: &Company, others: usize) {
    until(&format!("it knows {others} others"), || {
        (company.agreement().co_receivers.len() == others).then_some(())
    });
}

#[test]
fn several_companies_receive_one_stream_and_each_may_leave_it() {
    let (rossi, acme, mut beta) = (Company::new(), Company::new(), Company::new());
    let link = share(&rossi, "prices", &PRICES);
    // Whoever signs reads what it costs.
    let shown = acme.plant.gearmesh(GATEWAY, &["accept", &link]).refused_with(251);
    assert!(shown.contains("learn each other's keys and addresses"), "{shown}");
    let words = accept(&acme, &link, &[]);
    confirm(&rossi, "prices", &words);
    rossi.publish_until("shop/price", "1.5", || !prices(&acme).is_empty());

    // A further company gets what comes from now on.
    let link = join(&rossi, "prices-beta", "Beta", "prices");
    let words = accept(&beta, &link, &[]);
    confirm(&rossi, "prices-beta", &words);
    [&acme, &beta].into_iter().for_each(|company| knows(company, 1));
    rossi.publish_until("shop/price", "2.5", || prices(&beta).contains(&2.5));
    until("both have it", || prices(&acme).contains(&2.5).then_some(()));
    assert!(!prices(&beta).contains(&1.5), "nothing of before");
    let said = acme.says(&["agreements"]);
    assert!(said.contains("others that receive it: 1"), "{said}");
    let sent: Vec<u64> = rossi.partners().agreements.iter().map(|it| it.sent).collect();
    assert_ne!(sent[0], sent[1], "each agreement counts from where it began");

    // One leaves; the other goes on, and its papers prove what it got.
    drop(acme.says(&["end", "rossi", "--yes"]));
    knows(&beta, 0);
    let before = prices(&acme).len();
    rossi.publish_until("shop/price", "3.5", || prices(&beta).contains(&3.5));
    throughout("nothing comes to whoever left", Duration::from_secs(1), || {
        prices(&acme).len() == before
    });
    beta.stop();
    drop(beta.says(&["verify", "--agreement", "rossi"]));
}

#[test]
fn a_stream_of_several_goes_one_way_on_the_terms_of_all() {
    let rossi = Company::new();
    let refused = |words: &[&str], code| {
        rossi.plant.gearmesh(GATEWAY, &[words, &["--yes"]].concat()).refused_with(code)
    };
    let _plain = share(&rossi, "parts", &["--topics", "gateway-1/+/count", "--as", "count"]);
    let said = refused(&["share", "more", "--to", "Beta", "--join", "parts"], 366);
    assert!(said.contains("one company alone"), "{said}");
    drop(refused(&["share", "more", "--to", "Beta", "--join", "nothing"], 365));
    let _stream = share(&rossi, "prices", &PRICES);
    // Before the first has accepted, the next may be offered it.
    let _link = join(&rossi, "prices-beta", "Beta", "prices");
    drop(rossi.says(&["end", "prices", "--yes"]));
    let shares = rossi.partners().shares;
    assert_eq!(shares.len(), 2, "each offer stands by itself: {shares:?}");
}
