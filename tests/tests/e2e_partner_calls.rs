//! What one company has another's machines do: only what the agreement names, once, and only if a
//! person allows it where that was agreed.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use gearmesh_tests::cli::Said;
use gearmesh_tests::company::{Company, GATEWAY, accept, confirm, share};
use gearmesh_tests::daemon::Daemon;
use gearmesh_tests::wait::until;

/// A company whose machine takes orders, and one that places them.
struct Trade {
    rossi: Company,
    acme: Company,
    /// Programs that serve; they end with this.
    served: Vec<Daemon>,
}

impl Trade {
    fn on(more: &[&str]) -> Self {
        let (rossi, acme) = (Company::new(), Company::new());
        let words = [&["--verb", "order=gateway-1/begin"], more].concat();
        let link = share(&rossi, "cell", &words);
        let words = accept(&acme, &link, &[]);
        confirm(&rossi, "cell", &words);
        until("both know of it", || (acme.partners().agreements.len() == 1).then_some(()));
        let mut trade = Self { rossi, acme, served: Vec::new() };
        trade.serve("begin");
        trade
    }

    fn file(&self, name: &str) -> PathBuf {
        self.rossi.plant.home(GATEWAY).with_file_name(name)
    }

    /// Serves a verb at Rossi's with a script that notes that it ran.
    fn serve(&mut self, verb: &str) {
        let (path, ran) = (self.file(verb), self.file("ran"));
        let text = format!(
            "#!/bin/sh\nread part\necho \"$GEARMESH_ID\" >> {}\n\
             echo \"{{\\\"part\\\": $part, \\\"for\\\": \\\"$GEARMESH_PARTNER\\\"}}\"\n",
            ran.display()
        );
        std::fs::write(&path, text).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("a mode");
        let script = path.display().to_string();
        self.served.push(self.rossi.plant.begin(GATEWAY, &["serve", verb, "--exec", &script]));
        until("the verb is known", || self.rossi.says(&["verbs"]).contains(verb).then_some(()));
    }

    /// How often the scripts ran.
    fn ran(&self) -> usize {
        std::fs::read_to_string(self.file("ran")).map_or(0, |text| text.lines().count())
    }

    fn call(&self, verb: &str, words: &[&str]) -> Said {
        let all = [&["call", "partner/rossi", verb], words].concat();
        self.acme.plant.gearmesh(GATEWAY, &all)
    }

    fn begin_call(&self, words: &[&str]) -> Child {
        let all = [&["call", "partner/rossi", "order"], words].concat();
        let mut command = self.acme.plant.command_at(GATEWAY, &all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("gearmesh starts")
    }

    fn waiting(&self) -> usize {
        self.rossi.partners().requests.len()
    }
}

const ID: [&str; 2] = ["--id", "0123456789abcdef0123456789abcdef"];

#[test]
fn a_partner_has_done_what_the_agreement_names_and_nothing_else() {
    let mut trade = Trade::on(&[]);
    trade.serve("secret");
    let done = trade.call("order", &["17"]);
    assert_eq!(done.ok(), "{\"for\":\"acme\",\"part\":17}\n");
    // Neither by the machine's own word nor by another that is served there.
    for verb in ["begin", "secret", "nothing"] {
        drop(trade.call(verb, &["1"]).refused_with(191));
    }
    assert_eq!(trade.ran(), 1);
    let log = trade.rossi.says(&["log"]);
    assert!(log.contains("carries out order for partner acme"), "{log}");

    // The same id is the same call, also after both gateways were killed.
    let words = [&["18"][..], &ID].concat();
    drop(trade.call("order", &words).ok());
    drop(trade.call("order", &words).ok());
    drop(trade.call("order", &[&["19"][..], &ID].concat()).refused_with(154));
    assert_eq!(trade.ran(), 2);
    trade.rossi.down();
    trade.rossi.up();
    trade.acme.down();
    trade.acme.up();
    assert_eq!(trade.call("order", &words).ok(), "{\"for\":\"acme\",\"part\":18}\n");
    assert_eq!(trade.ran(), 2);

    // Whoever offered it cannot call back, and after the end nobody can.
    let back = ["call", "partner/acme", "order", "1"];
    drop(
        trade
            .rossi
            .plant
            .gearmesh(GATEWAY, &["call", "partner/cell", "order", "1"])
            .refused_with(191),
    );
    drop(trade.rossi.plant.gearmesh(GATEWAY, &back).refused_with(365));
    drop(trade.rossi.says(&["end", "cell", "--yes"]));
    until("the partner sees the end", || trade.acme.agreement().ended);
    drop(trade.call("order", &["20"]).refused_with(365));
    assert_eq!(trade.ran(), 2);
}

#[test]
fn a_person_at_the_machine_allows_each_call_where_that_was_agreed() {
    let trade = Trade::on(&["--confirm-calls"]);
    let begin = || trade.begin_call(&["7", "--ttl", "60s"]);
    let end = |call: Child| Said::from(call.wait_with_output().expect("gearmesh ends"));
    let denied = begin();
    until("it waits", || (trade.waiting() == 1).then_some(()));
    let shown = trade.rossi.says(&["share", "requests"]);
    assert!(shown.contains("order") && shown.contains("acme"), "{shown}");
    assert_eq!(trade.ran(), 0, "nothing is done before it is allowed");
    drop(trade.rossi.says(&["share", "deny", "cell", "0"]));
    drop(end(denied).refused_with(192));
    let allowed = begin();
    until("it waits", || (trade.waiting() == 1).then_some(()));
    drop(trade.rossi.says(&["share", "allow", "cell", "1"]));
    drop(end(allowed).ok());
    let again = ["share", "allow", "cell", "1"];
    drop(trade.rossi.plant.gearmesh(GATEWAY, &again).refused_with(372));
    // Whom nobody allows in time is told that it was not begun.
    let late = trade.call("order", &["8", "--ttl", "1s"]).refused_with(297);
    assert!(late.contains("waiting for a person there"), "{late}");
    assert_eq!(trade.ran(), 1);
}

#[test]
fn a_gateway_that_dies_in_between_has_nothing_done_twice() {
    let mut trade = Trade::on(&[]);
    // The program never answers, so the outcome is not known when the gateway dies.
    let path = trade.file("slow");
    let text = format!("#!/bin/sh\necho ran >> {}\nsleep 60\n", trade.file("ran").display());
    std::fs::write(&path, text).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    trade.served.clear();
    let script = path.display().to_string();
    let serve = ["serve", "begin", "--exec", &script];
    trade.served.push(trade.rossi.plant.begin(GATEWAY, &serve));
    until("the verb is known", || trade.rossi.says(&["verbs"]).contains("begin").then_some(()));
    let call = trade.begin_call(&[&["5", "--ttl", "30s"][..], &ID].concat());
    until("the program runs", || (trade.ran() == 1).then_some(()));
    trade.rossi.down();
    trade.served.clear();
    trade.rossi.up();
    trade.serve("begin");
    let said = Said::from(call.wait_with_output().expect("gearmesh ends"));
    for said in [said, trade.call("order", &[&["5"][..], &ID].concat())] {
        assert!(said.code == Some(4) && said.err.contains("[code 298]"), "{said:?}");
    }
    assert_eq!(trade.ran(), 1, "it is not executed again");
}
