//! A new sheet in place of one that stands: nothing of it flows before both have signed it, and nothing is
//! lost in between.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use gearmesh_protocol::partner_local::ShareState;
use gearmesh_tests::company::{Company, GATEWAY, accept, confirm, share};
use gearmesh_tests::wait::{DEADLINE, until, within};

const COUNT: [&str; 4] = ["--topics", "gateway-1/+/count", "--as", "output"];

fn amend(company: &Company, name: &str, more: &[&str]) -> String {
    let words = [&["amend", name, "--yes"], more].concat();
    let said = company.says(&words);
    said.split_whitespace().find(|word| word.starts_with("gs1:")).expect("a link").to_owned()
}

fn numbers(company: &Company, alias: &str) -> Vec<f64> {
    let topic = format!("partner/rossi/{alias}");
    company.came(&topic).into_iter().map(|(_, number)| number).collect()
}

#[test]
fn a_new_sheet_takes_the_old_ones_place_on_the_same_log() {
    let (mut rossi, mut acme, other) = (Company::new(), Company::new(), Company::new());
    let link = share(&rossi, "parts", &[&COUNT[..], &["--round", "0"]].concat());
    let words = accept(&acme, &link, &[]);
    confirm(&rossi, "parts", &words);
    rossi.publish_until("press/count", "1.26", || !numbers(&acme, "output").is_empty());

    // One that is withdrawn, and one that another company tries, change nothing.
    let void = amend(&rossi, "parts", &[&COUNT[..], &["--round", "2"]].concat());
    drop(other.plant.gearmesh(GATEWAY, &["accept", &void, "--yes"]).refused_with(190));
    drop(rossi.says(&["amend", "parts", "--withdraw"]));
    drop(acme.plant.gearmesh(GATEWAY, &["accept", &void, "--yes"]).refused_with(100));
    let back = [&["amend", "rossi", "--yes"], &COUNT[..]].concat();
    drop(acme.plant.gearmesh(GATEWAY, &back).refused_with(366));

    let link = amend(
        &rossi,
        "parts",
        &[&COUNT[..], &["--round", "2", "--topics", "gateway-1/+/scrap", "--as", "scrap"]].concat(),
    );
    let shown = acme.plant.gearmesh(GATEWAY, &["accept", &link]).refused_with(251);
    assert!(shown.contains("a new sheet for rossi") && shown.contains("scrap"), "{shown}");
    let words = accept(&acme, &link, &[]);
    until("it is signed", || {
        rossi.partners().shares.iter().any(|it| it.state == ShareState::Accepted).then_some(())
    });
    rossi.publish("press/count", "2.26");
    // The partner came a second time for the new sheet: what is said now must not wait for the next head.
    let came = within(DEADLINE / 3, || numbers(&acme, "output").contains(&2.0).then_some(()));
    assert!(came.is_some(), "the old sheet stands");

    // What was sent under the old sheet while the partner was away comes as it was sent.
    acme.down();
    rossi.publish("press/count", "3.26");
    let sent = until("it is sent", || {
        let sent = rossi.agreement().sent;
        (sent > numbers_before(&rossi)).then_some(sent)
    });
    confirm(&rossi, "parts", &words);
    rossi.publish("press/count", "4.26");
    rossi.publish("press/scrap", "5.26");
    until("both are sent", || (rossi.agreement().sent >= sent + 2).then_some(()));
    rossi.down();
    acme.up();
    rossi.up();
    until("it comes", || numbers(&acme, "scrap").contains(&5.26).then_some(()));
    let came = numbers(&acme, "output");
    assert!(came.ends_with(&[2.0, 3.0, 4.26]), "{came:?}");
    let agreements = [rossi.partners().agreements, acme.partners().agreements];
    assert!(agreements.iter().all(|it| it.len() == 1 && it[0].revision == 1), "{agreements:?}");
    let counted = until("both count the same", || {
        let sent = rossi.agreement().sent;
        (acme.agreement().received == sent).then_some(sent)
    });
    assert_eq!(acme.agreement().lost, 0, "of {counted}");
    drop(rossi.says(&["end", "parts", "--yes"]));
    until("the partner sees the end", || acme.agreement().ended);
}

/// Entries that were sent before the partner went away: those that it has counted.
fn numbers_before(company: &Company) -> u64 {
    company.agreement().receipts.iter().map(|receipt| receipt.delivered).min().unwrap_or(0)
}
