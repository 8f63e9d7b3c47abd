//! What partners get although a gateway was stopped, what a preview shows of the past, and what the papers of
//! an agreement prove.

use gearmesh_protocol::local::Presence;
use gearmesh_tests::company::{Company, GATEWAY, accept, confirm, share};
use gearmesh_tests::daemon::free_port;
use gearmesh_tests::wait::until;

fn numbers(company: &Company) -> Vec<f64> {
    company.came("partner/rossi/output").into_iter().map(|(_, number)| number).collect()
}

/// Writes a value at Rossi's machine that must not be lost.
fn write(rossi: &Company, number: u32) {
    let words = ["pub", "count", &number.to_string(), "--durable"];
    drop(rossi.plant.gearmesh("press-1", &words).ok());
}

#[test]
fn what_was_durable_while_the_gateway_was_down_is_shared_afterwards_and_once() {
    let (mut rossi, acme) = (Company::new(), Company::new());
    // A machine of Rossi's writes; what it wrote before the agreement is not for the partner.
    rossi.plant.join("press-1");
    let _press = rossi.plant.up_at("press-1", free_port());
    rossi.plant.wait_for("press-1", GATEWAY, Presence::Online);
    write(&rossi, 1);
    let link = share(&rossi, "parts", &["--topics", "press-1/count", "--as", "output"]);
    let words = accept(&acme, &link, &[]);
    confirm(&rossi, "parts", &words);
    let mut next = 2;
    until("it flows", || {
        write(&rossi, next);
        next += 1;
        (!numbers(&acme).is_empty()).then_some(())
    });
    let first = numbers(&acme)[0];
    assert!(first >= 2.0, "{first}");
    rossi.down();
    (100..105).for_each(|number| write(&rossi, number));
    rossi.up();
    // The machine tells its last value live when the gateway is back, before the log is there.
    until("what was missed comes", || {
        let came = numbers(&acme);
        (100..105).all(|number| came.contains(&f64::from(number))).then_some(())
    });
    // What flows now comes once, although it is durable and was published live.
    rossi.plant.wait_for("press-1", GATEWAY, Presence::Online);
    for number in [200, 201] {
        write(&rossi, number);
        until("it goes on", || numbers(&acme).contains(&f64::from(number)).then_some(()));
    }
    let came = numbers(&acme);
    let twice = |number: f64| came.iter().filter(|it| **it == number).count() > 1;
    assert!(![100.0, 101.0, 102.0, 103.0, 200.0].into_iter().any(twice), "{came:?}");
}

#[test]
fn what_is_held_back_for_a_delay_survives_a_stop_and_never_comes_too_early() {
    let (mut rossi, acme) = (Company::new(), Company::new());
    let words = ["--topics", "gateway-1/+/count", "--as", "output", "--delay", "6s"];
    let link = share(&rossi, "parts", &words);
    let words = accept(&acme, &link, &[]);
    confirm(&rossi, "parts", &words);
    until("the line is followed", || rossi.agreement().is_open.then_some(()));
    rossi.publish("press/count", "7");
    rossi.stop();
    rossi.up();
    assert!(numbers(&acme).is_empty(), "it was held back");
    until("it comes", || numbers(&acme).contains(&7.0).then_some(()));
    assert_eq!(numbers(&acme).len(), 1);
}

#[test]
fn a_preview_shows_the_past_and_papers_prove_what_flowed() {
    let (rossi, mut acme) = (Company::new(), Company::new());
    rossi.write("press/count", "1.26");
    let link = share(
        &rossi,
        "parts",
        &["--topics", "gateway-1/press/count", "--as", "output", "--round", "0"],
    );
    rossi.publish("press/count", "2.74");
    let shown = until("the preview shows both", || {
        let shown = rossi.says(&["preview", "parts", "--seconds", "0"]);
        (shown.lines().count() == 2).then_some(shown)
    });
    assert!(shown.contains("output  1") && shown.contains("output  3"), "{shown}");
    let words = accept(&acme, &link, &[]);
    confirm(&rossi, "parts", &words);
    rossi.publish_until("press/count", "4.4", || !numbers(&acme).is_empty());
    for number in 5..8 {
        let before = acme.agreement().received;
        rossi.publish("press/count", &number.to_string());
        until("it comes", || (acme.agreement().received > before).then_some(()));
    }
    acme.down();
    for (company, name) in [(&rossi, "parts"), (&acme, "rossi")] {
        let said = company.says(&["verify", "--agreement", name]);
        assert!(said.contains(&words) && said.contains("Proven"), "{said}");
    }
    drop(rossi.plant.gearmesh(GATEWAY, &["verify", "--agreement", "nothing"]).refused_with(365));

    // A byte of a log that was changed is found, with what is wrong.
    let shares = acme.plant.home(GATEWAY).join("partner/shares");
    let folder = std::fs::read_dir(shares).expect("logs").next().expect("one").expect("a folder");
    let segment = std::fs::read_dir(folder.path()).expect("a log").next().expect("one");
    let path = segment.expect("a segment").path();
    let mut bytes = std::fs::read(&path).expect("a segment");
    let second = bytes.len() * 2 / 5;
    bytes[second] ^= 1;
    std::fs::write(&path, bytes).expect("a segment");
    let said = acme.plant.gearmesh(GATEWAY, &["verify", "--agreement", "rossi"]).refused_with(373);
    assert!(said.contains("1 finding"), "{said}");
}
