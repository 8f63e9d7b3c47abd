//! The demo as a technician sees it: all its steps, and a cell that loses nothing and does nothing twice
//! whatever is killed.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::File;
use std::process::{Child, Command, Stdio};

use gearmesh_tests::cli;
use gearmesh_tests::wait::until;
use serde_json::Value;
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");

/// What stands before the demo's screen in the README.
const MARK: &str = "<!-- demo: tests/tests/e2e_demo.rs compares it -->\n```text\n";

/// How the screen begins, each time that it is drawn.
const HEAD: &str = "A plant of four nodes";

/// Processes that can be killed: four nodes and six programs, and the customer's gateway.
const PROCESSES: usize = 11;

/// A demo that somebody watches.
struct Demo {
    folder: TempDir,
    process: Child,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let said = File::create(folder.path().join("said")).expect("a file");
        let mut command = Command::new(cli::program());
        command.arg("demo").env("TMPDIR", folder.path()).stdin(Stdio::null());
        let process = command.stdout(said).stderr(Stdio::null()).spawn().expect("gearmesh starts");
        Self { folder, process }
    }

    /// The last screen that was drawn to its end.
    fn screen(&self) -> Option<Vec<String>> {
        let said = std::fs::read_to_string(self.folder.path().join("said")).ok()?;
        let mut screens: Vec<&str> = said.split(HEAD).collect();
        screens.pop()?;
        let last = screens.last().filter(|screen| screen.contains("PROCESS"))?;
        Some(last.lines().map(str::to_owned).collect())
    }

    /// The numbers below a head, by their columns.
    fn counted(&self) -> Option<[usize; 7]> {
        let screen = self.screen()?;
        let head = screen.iter().position(|line| line.starts_with("OFFERED "))?;
        let row = screen.get(head + 1)?.split_whitespace().map(|word| word.parse().ok());
        row.collect::<Option<Vec<usize>>>()?.try_into().ok()
    }

    /// The processes that are alive, and how often each was started again.
    fn processes(&self) -> Option<Vec<(String, u32)>> {
        let screen = self.screen()?;
        let head = screen.iter().position(|line| line.starts_with("PROCESS "))?;
        let at = screen.get(head)?.find("PID")?;
        let rows = screen.iter().skip(head + 1).take_while(|line| !line.is_empty());
        let alive = rows.filter_map(|line| {
            let id = line.get(at..)?.split_whitespace().next()?.parse().ok()?;
            Some((line.get(..at)?.trim().to_owned(), id))
        });
        Some(alive.collect())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It takes its nodes with it, and its folder.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// A line without its numbers.
fn masked(line: &str) -> String {
    let mask = |word: &str| match word.trim_end_matches('.').parse::<f64>() {
        Ok(_) => "…".to_owned(),
        Err(_) => word.to_owned(),
    };
    line.split_whitespace().map(mask).collect::<Vec<_>>().join(" ")
}

#[test]
fn all_steps_of_the_demo_pass_with_a_node_killed_in_between() {
    let said = cli::gearmesh(&["demo", "--once", "--json"]).ok();
    let summary: Value = serde_json::from_str(&said).expect("a summary");
    assert_eq!((&summary["passed"], &summary["failed"]), (&true.into(), &Value::Null));
    let steps = summary["steps"].as_array().expect("steps");
    let has = |what: &str| steps.iter().any(|step| step["name"].as_str() == Some(what));
    assert!(has("load, press and pack four parts, and kill the press's node"), "{summary}");
    assert!(has("every part is recorded as completed once"), "{summary}");
    assert!(has("the cell makes what the customer orders"), "{summary}");
    assert!(has("end the agreement: nothing crosses any more"), "{summary}");
}

#[test]
fn the_counters_of_the_cell_agree_when_everything_was_killed_at_once() {
    let demo = Demo::start();
    until("parts are packed", || demo.counted().filter(|[_, _, _, packed, ..]| *packed > 1));
    let screen: Vec<String> =
        demo.screen().expect("a screen").iter().map(|line| masked(line)).collect();
    let (_, shown) = README.split_once(MARK).expect("the demo's screen");
    for line in shown.lines().take_while(|line| !line.starts_with("```")).map(masked) {
        assert!(screen.contains(&line), "the README shows {line:?}, and the demo: {screen:#?}");
    }
    let killed = demo.processes().expect("processes");
    assert_eq!(killed.len(), PROCESSES, "{killed:?}");
    for (name, id) in &killed {
        let asked = Command::new("kill").args(["-9", &id.to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill -9 of {name}");
    }
    let [offered, ..] = demo.counted().expect("counters");
    until("all are back", || {
        let back = demo.processes()?;
        let is_new = |process: &(String, u32)| !killed.contains(process);
        (back.len() == PROCESSES && back.iter().all(is_new)).then_some(())
    });
    let [.., twice, lost] = until("what was at work is packed", || {
        demo.counted().filter(|[_, loaded, pressed, packed, ..]| {
            [loaded, pressed, packed].into_iter().all(|count| *count >= offered)
        })
    });
    assert_eq!((twice, lost), (0, 0), "{:#?}", demo.screen());
}
