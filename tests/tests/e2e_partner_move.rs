//! A share goes over to another gateway of the plant, and on from one that was revoked.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::time::Duration;

use gearmesh_protocol::local::Presence;
use gearmesh_protocol::partner_local::{AgreementStatus, PartnersStatus};
use gearmesh_tests::company::{Company, GATEWAY, accept, confirm, share};
use gearmesh_tests::daemon::{Daemon, free_port};
use gearmesh_tests::wait::{throughout, until};

/// The other gateway of the company that shares.
const OTHER: &str = "gateway-2";

/// A company with two gateways, and its partner.
struct Scene {
    rossi: Company,
    acme: Company,
    /// Rossi's other gateway, and where it is reached.
    other: Option<Daemon>,
    ports: [String; 2],
    /// The next number that is published.
    next: u32,
}

impl Scene {
    fn new() -> Self {
        let (rossi, acme) = (Company::new(), Company::new());
        let code = rossi.plant.code(OTHER, &["--role", "gateway"]);
        drop(rossi.plant.gearmesh(OTHER, &["join", &code]).ok());
        let ports = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let mut scene = Self { rossi, acme, other: None, ports, next: 1 };
        scene.up();
        scene.rossi.plant.wait_for(OTHER, GATEWAY, Presence::Online);
        scene
    }

    /// Starts the other gateway.
    fn up(&mut self) {
        let [plant, partners] = &self.ports;
        let words = ["--listen", plant, "--partners", partners, "--no-mdns", "--no-host"];
        self.other = Some(self.rossi.plant.up_with(OTHER, &words));
    }

    fn down(&mut self) {
        self.other.take().expect("it runs").kill();
    }

    /// What a command says at the other gateway.
    fn there(&self, words: &[&str]) -> String {
        self.rossi.plant.gearmesh(OTHER, words).ok()
    }

    fn status_there(&self) -> PartnersStatus {
        serde_json::from_str(&self.there(&["agreements", "--json"])).expect("a status")
    }

    fn file(&self, name: &str) -> String {
        let path = self.rossi.plant.home(GATEWAY).with_file_name(name);
        path.to_str().expect("a path").to_owned()
    }

    /// What came to the partner.
    fn numbers(&self) -> Vec<f64> {
        let came = self.acme.came("partner/rossi/output").into_iter();
        came.map(|(_, number)| number).collect()
    }

    /// Publishes ever higher numbers at a gateway until one of them has come to the partner.
    fn flows_from(&mut self, at: &str) {
        let first = f64::from(self.next);
        until("it flows", || {
            let number = self.next.to_string();
            drop(self.rossi.plant.gearmesh(at, &["pub", "press/count", &number]).ok());
            self.next += 1;
            self.numbers().iter().any(|number| *number >= first).then_some(())
        });
        // A gateway that opens a line is told the last live value of each machine, which may have crossed before.
        let mut first: Vec<f64> = Vec::new();
        for number in self.numbers() {
            if !first.contains(&number) {
                first.push(number);
            }
        }
        assert!(first.windows(2).all(|pair| pair[0] < pair[1]), "in order: {first:?}");
    }

    /// Both gateways are there: the share goes over.
    fn moves(&mut self) {
        let (moved, early) = (self.file("parts.papers"), self.file("early.notice"));
        let to = self.there(&["share", "gateway"]);
        let rossi = &self.rossi;
        let nothing = ["share", "notice", "parts", "--out", &early];
        drop(rossi.plant.gearmesh(GATEWAY, &nothing).refused_with(378));
        drop(rossi.says(&["share", "move", "parts", "--to", to.trim(), "--out", &moved, "--yes"]));
        drop(rossi.plant.gearmesh(GATEWAY, &["share", "take", &moved]).refused_with(376));
        let said = rossi.says(&["agreements"]);
        assert!(said.contains("went over to another gateway"), "{said}");
        drop(self.there(&["share", "take", &moved]));
        self.flows_from(OTHER);
        let change = self.acme.agreement().partner_moved.expect("a change");
        assert!(change.hands_over && change.number == 1, "{change:?}");
        assert_eq!(self.acme.agreement().lost, 0);
        let counts = |agreement: &AgreementStatus| -> Vec<u64> {
            agreement.receipts.iter().map(|it| it.delivered).collect()
        };
        // Counts are told at the start of a session, and then every half minute.
        self.acme.down();
        self.acme.up();
        let sent = until("both count on", || {
            let sent = self.numbers().len() as u64;
            let all = [self.acme.agreement(), self.status_there().agreements[0].clone()];
            all.iter().all(|it| counts(it) == [sent, sent]).then_some(sent)
        });
        let checked = self.acme.says(&["verify", "--agreement", "rossi"]);
        assert!(checked.contains(&format!("Proven    {sent} values received")), "{checked}");
    }

    /// Without a registrar for a week nothing crosses, until one is there.
    fn waits_for_a_word(&mut self) {
        self.down();
        self.rossi.down();
        let word = self.rossi.plant.home(OTHER).join("partner").join("word");
        assert!(word.exists(), "it is written down");
        std::fs::write(&word, "1000000000000").expect("long ago");
        self.up();
        until("it says so", || self.status_there().silent_since);
        assert!(!self.status_there().agreements[0].is_open);
        self.rossi.up();
        until("it goes on", || self.status_there().silent_since.is_none().then_some(()));
        self.flows_from(OTHER);
    }

    /// The other gateway is revoked: nothing flows to the partner any more, and the partner sees why.
    fn is_revoked(&mut self) {
        let (gone, notice) = (self.file("gone.papers"), self.file("rossi.notice"));
        drop(self.there(&["share", "papers", "parts", "--out", &gone]));
        let words = ["revoke", OTHER, "--reason", "compromised", "--cut", "all", "--yes"];
        drop(self.rossi.says(&words));
        until("it knows", || {
            let said = self.rossi.plant.gearmesh(OTHER, &["agreements"]).out;
            said.contains("no gateway of its plant").then_some(())
        });
        let (before, number) = (self.numbers().len(), self.next.to_string());
        self.next += 1;
        throughout("nothing flows", Duration::from_secs(1), || {
            for at in [GATEWAY, OTHER] {
                drop(self.rossi.plant.gearmesh(at, &["pub", "press/count", &number]));
            }
            self.numbers().len() == before
        });
        drop(self.rossi.says(&["share", "notice", "--gone", &gone, "--out", &notice]));
        drop(self.acme.says(&["accept", "--notice", &notice]));
        let said = self.acme.says(&["agreements"]);
        assert!(said.contains("the partner's admin ended its gateway"), "{said}");
        until("it is cut off", || (!self.status_there().agreements[0].is_connected).then_some(()));
    }

    /// Its place is taken, and its image does not come in again.
    fn is_succeeded(&mut self) {
        let (gone, notice) = (self.file("gone.papers"), self.file("rossi.notice"));
        self.down();
        drop(self.rossi.says(&["share", "succeed", &gone, "--yes"]));
        drop(self.rossi.says(&["share", "notice", "parts", "--out", &notice]));
        drop(self.acme.says(&["accept", "--notice", &notice]));
        self.flows_from(GATEWAY);
        self.up();
        throughout("it stays out", Duration::from_secs(2), || {
            !self.status_there().agreements[0].is_connected
        });
        let log = self.acme.says(&["log"]);
        assert!(log.contains("hears of change 3 of partner rossi's gateway"), "{log}");
    }
}

#[test]
fn a_share_moves_and_goes_on_from_a_revoked_gateway_that_the_partner_refuses() {
    let mut scene = Scene::new();
    let link = share(&scene.rossi, "parts", &["--topics", "+/press/count", "--as", "output"]);
    let words = accept(&scene.acme, &link, &[]);
    confirm(&scene.rossi, "parts", &words);
    scene.flows_from(GATEWAY);
    scene.moves();
    scene.waits_for_a_word();
    scene.is_revoked();
    scene.is_succeeded();
}

#[test]
fn a_gateway_that_is_reached_where_the_old_one_was_tells_the_partner_itself() {
    let mut scene = Scene::new();
    let link = share(&scene.rossi, "parts", &["--topics", "+/press/count", "--as", "output"]);
    let words = accept(&scene.acme, &link, &[]);
    confirm(&scene.rossi, "parts", &words);
    scene.flows_from(GATEWAY);
    let gone = scene.file("gone.papers");
    drop(scene.rossi.says(&["share", "papers", "parts", "--out", &gone]));
    scene.down();
    scene.rossi.down();
    scene.ports[1] = format!("127.0.0.1:{}", scene.rossi.ports.1);
    scene.up();
    drop(scene.there(&["share", "succeed", &gone, "--yes"]));
    scene.flows_from(OTHER);
    let change = scene.acme.agreement().partner_moved.expect("a change");
    assert!(!change.hands_over && change.gateway == Some(scene.status_there().gateway));
}
