//! Two companies with plants of their own: what they agreed on crosses, and nothing else.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::partner_link::{Link, LinkProof};
use gearmesh_protocol::partner_session::{Knock, KnockAnswer, KnockWith, PARTNER_VERSION};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_tests::company::{Company, GATEWAY, accept, confirm, share};
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::stranger::Stranger;
use gearmesh_tests::wait::{throughout, until};

const OUTPUT: [&str; 6] = ["--topics", "gateway-1/+/count", "--as", "output", "--round", "1"];

#[test]
fn what_two_companies_agreed_on_crosses_until_one_ends_it() {
    let (rossi, mut acme) = (Company::new(), Company::new());
    let link = share(&rossi, "parts", &OUTPUT);
    let words = accept(&acme, &link, &[]);
    let wrong = ["share", "confirm", "parts", "amber", "amber", "amber", "amber", "amber"];
    rossi.publish("press/count", "1.2345");
    until("it is accepted", || rossi.partners().shares[0].sheet.clone());
    drop(rossi.plant.gearmesh(GATEWAY, &wrong).refused_with(367));
    assert!(rossi.partners().agreements.is_empty(), "nothing flows before it is confirmed");
    confirm(&rossi, "parts", &words);
    until("both know of it", || (acme.partners().agreements.len() == 1).then_some(()));

    // It flows under its alias, rounded, and nothing else does.
    let came = |acme: &Company| acme.came("partner/rossi/#");
    rossi.publish_until("press/count", "2.3456", || !came(&acme).is_empty());
    let output = |number: f64| ("partner/rossi/output".to_owned(), number);
    let first = came(&acme);
    assert!(first.iter().all(|value| [output(1.2), output(2.3)].contains(value)), "{first:?}");
    rossi.publish("press/secret", "77");

    // The partner is away, and gets what it missed, in order.
    let before = came(&acme).len();
    acme.down();
    (10..20).for_each(|number| rossi.publish("press/count", &format!("{number}.04")));
    acme.up();
    let wanted: Vec<_> = (10..20).map(|number| output(f64::from(number))).collect();
    until("it has caught up", || {
        let came = came(&acme);
        (came.len() >= before + 10).then(|| assert_eq!(came[came.len() - 10..], wanted))
    });

    // Both count the same.
    let counted = |company: &Company| -> Vec<u64> {
        company.agreement().receipts.iter().map(|receipt| receipt.delivered).collect()
    };
    let sent = rossi.agreement().sent;
    assert_eq!(acme.agreement().received, sent);
    until("the receipts are exchanged", || {
        let both = [counted(&rossi), counted(&acme)];
        both.iter().all(|counts| *counts == [sent, sent]).then_some(())
    });

    drop(rossi.says(&["end", "parts", "--yes"]));
    until("the partner sees the end", || acme.agreement().ended);
    let at_the_end = came(&acme).len();
    rossi.publish("press/count", "99.9");
    throughout("nothing comes after the end", Duration::from_secs(1), || {
        came(&acme).len() == at_the_end
    });
}

#[test]
fn values_come_in_as_agreed_and_land_below_the_partner() {
    let (rossi, acme) = (Company::new(), Company::new());
    let link = share(&rossi, "parts", &["--accept-from", "orders"]);
    let words = accept(&acme, &link, &["--send", "orders=gateway-1/erp/orders"]);
    confirm(&rossi, "parts", &words);
    acme.publish_until("erp/orders", "5", || !rossi.came("partner/acme/orders").is_empty());
    assert!(acme.came("partner/#").is_empty(), "nothing comes back");
    let err = rossi
        .plant
        .gearmesh(
            GATEWAY,
            &[
                "share",
                "loop",
                "--to",
                "Acme",
                "--yes",
                "--topics",
                "partner/acme/#",
                "--as",
                "loop",
            ],
        )
        .refused_with(366);
    assert!(err.contains("partner/acme/#"), "{err}");
}

#[test]
fn what_a_partner_sends_fits_the_schema_that_both_signed_or_stays_out() {
    let (mut rossi, acme) = (Company::new(), Company::new());
    let schema = rossi.plant.home(GATEWAY).with_file_name("order.json");
    std::fs::write(&schema, r#"{"type":"integer","minimum":1,"maximum":9}"#).expect("a schema");
    let file = schema.to_str().expect("a path");
    let words = ["--accept-from", "orders", "--schema", file];
    let nothing = ["share", "bad", "--to", "Acme", "--yes", "--accept-from", "x", "--schema"];
    let missing = [&nothing[..], &["/no/such/file"]].concat();
    drop(rossi.plant.gearmesh(GATEWAY, &missing).refused_with(293));
    std::fs::write(schema.with_file_name("bad.json"), "{").expect("no schema");
    let bad = schema.with_file_name("bad.json");
    let bad = [&nothing[..], &[bad.to_str().expect("a path")]].concat();
    drop(rossi.plant.gearmesh(GATEWAY, &bad).refused_with(293));
    let link = share(&rossi, "parts", &words);
    // The other side sees what its values must fit before it signs.
    let asked = ["accept", &link, "--name", "rossi", "--send", "orders=gateway-1/erp/orders"];
    let shown = acme.plant.gearmesh(GATEWAY, &asked).refused_with(251);
    assert!(shown.contains("\"maximum\":9"), "{shown}");
    let words = accept(&acme, &link, &["--send", "orders=gateway-1/erp/orders"]);
    confirm(&rossi, "parts", &words);
    let came = |rossi: &Company| rossi.came("partner/acme/orders");
    acme.publish_until("erp/orders", "5", || !came(&rossi).is_empty());
    rossi.down();
    rossi.up();
    acme.publish("erp/orders", "77");
    until("it is refused", || (rossi.agreement().refused > 0).then_some(()));
    acme.publish_until("erp/orders", "6", || came(&rossi).iter().any(|(_, number)| *number == 6.0));
    assert!(came(&rossi).iter().all(|(_, number)| *number < 10.0), "{:?}", came(&rossi));
}

#[test]
fn a_stolen_an_edited_and_a_used_link_lead_nowhere() {
    let (rossi, acme, thief) = (Company::new(), Company::new(), Company::new());
    let link = share(&rossi, "parts", &OUTPUT);
    let last = if link.ends_with('0') { "1" } else { "0" };
    let edited = format!("{}{last}", &link[..link.len() - 1]);
    drop(acme.plant.gearmesh(GATEWAY, &["accept", &edited, "--yes"]).refused_with(363));
    drop(acme.plant.gearmesh(GATEWAY, &["accept", "gm1:abc", "--yes"]).refused_with(362));
    let _words_of_the_thief = accept(&thief, &link, &[]);
    let err = acme.plant.gearmesh(GATEWAY, &["accept", &link, "--yes"]).refused_with(187);
    assert!(err.contains("tell the partner at once"), "{err}");
    let alarms = until("an alarm", || {
        let alarms = rossi.partners().alarms;
        (!alarms.is_empty()).then_some(alarms)
    });
    assert!(alarms[0].contains("second gateway"), "{alarms:?}");
    assert!(rossi.partners().agreements.is_empty() && thief.partners().agreements.is_empty());
    drop(rossi.says(&["end", "parts", "--yes"]));
    until("the thief is told", || thief.partners().shares.is_empty().then_some(()));
}

/// Says a first word at a company's partner port.
fn knock(company: &Company, stranger: &Stranger, with: KnockWith) -> Option<KnockAnswer> {
    let connection = stranger.dial(&format!("/ip4/127.0.0.1/tcp/{}", company.ports.1));
    let mut channel = connection.open();
    channel.send(&Knock { version: PARTNER_VERSION, with });
    let answer = channel.receive();
    if answer == Some(KnockAnswer::Welcome) {
        return answer;
    }
    connection.wait_closed();
    answer
}

#[test]
fn a_peer_without_an_agreement_gets_one_word_and_nothing_else() {
    let rossi = Company::new();
    let link: Link = share(&rossi, "parts", &OUTPUT).parse().expect("a link");
    let gateway = rossi.partners().gateway;
    assert!(link.leads_to(&gateway));
    let stranger = Stranger::unknown();
    let refused = Some(KnockAnswer::Refused(Refusal::NotAdmitted));
    assert_eq!(knock(&rossi, &stranger, KnockWith::Agreement), refused);
    let prove = |key: &SigningKey, proof: &LinkProof| {
        KnockWith::Link(Signed::sign(key, &PlantId::ZERO, proof))
    };
    let right = LinkProof { link: link.id(), from: stranger.public(), at: gateway };
    let forged = prove(&SigningKey::from_bytes(&[9; 32]), &right);
    assert_eq!(knock(&rossi, &stranger, forged), refused, "without the link's key");
    let other = PublicKey::of(&SigningKey::from_bytes(&[8; 32]));
    let overheard = prove(&link.key(), &LinkProof { from: other, ..right });
    assert_eq!(knock(&rossi, &stranger, overheard), refused, "another's proof");
    let elsewhere = prove(&link.key(), &LinkProof { at: other, ..right });
    assert_eq!(knock(&rossi, &stranger, elsewhere), refused, "for another gateway");
}

#[test]
fn a_node_that_does_not_meet_partners_says_so() {
    let plant = Plant::founded();
    let _node = plant.up(GATEWAY);
    for words in [&["shares"][..], &["agreements"], &["receipts"], &["end", "x", "--yes"]] {
        drop(plant.gearmesh(GATEWAY, words).refused_with(360));
    }
}
