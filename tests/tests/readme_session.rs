//! The README's session, typed on a machine with nothing prepared, prints what the README shows.
//!
//! Keys, codes, check words, times, addresses and measured values differ from run to run; all else
//! is compared word by word. As root it runs in a network namespace of its own, because a node
//! that is started as the README says looks for others by multicast.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::process::{Child, Command, Stdio};

use gearmesh_tests::cli::program;
use gearmesh_tests::wait::until;

const README: &str = include_str!("../../README.md");

/// One typed line, and what the README shows below it.
struct Typed {
    line: String,
    shown: Vec<String>,
}

fn session() -> Vec<Typed> {
    let (_, rest) = README.split_once("```console\n").expect("a session");
    let (block, _) = rest.split_once("```").expect("its end");
    let mut typed: Vec<Typed> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(line) => typed.push(Typed { line: line.to_owned(), shown: Vec::new() }),
            None => typed.last_mut().expect("a command first").shown.push(line.to_owned()),
        }
    }
    typed
}

/// Where the session is typed.
struct Terminal {
    folder: tempfile::TempDir,
    namespace: Option<String>,
    nodes: Vec<Child>,
    code: Option<String>,
}

impl Terminal {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = format!("gm-readme-{}", std::process::id());
        let run = |words: &[&str]| {
            Command::new("ip").args(words).status().is_ok_and(|status| status.success())
        };
        let made = run(&["netns", "add", &name]);
        let up = made && run(&["netns", "exec", &name, "ip", "link", "set", "lo", "up"]);
        Self { folder, namespace: up.then_some(name), nodes: Vec::new(), code: None }
    }

    /// The words of a line, the README's code replaced by the one that this session printed.
    fn words(&self, line: &str) -> Vec<String> {
        let words = line.strip_prefix("gearmesh ").expect("a gearmesh command").split_whitespace();
        words
            .map(|word| match (&self.code, word.starts_with("gm1:")) {
                (Some(code), true) => code.clone(),
                _ => word.trim_matches(['\'', '"']).to_owned(),
            })
            .collect()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = match &self.namespace {
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program());
                command
            }
            None => Command::new(program()),
        };
        command.args(self.words(line)).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("GEARMESH_HOME");
        command
    }

    /// Starts what stays in the background, and waits until it answers.
    fn start(&mut self, line: &str) {
        let mut node = self.command(line.trim_end_matches(" &"));
        let node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        self.nodes.push(node);
        let status = line.replace(" up &", " status");
        until(line, || {
            let output = self.command(&status).output().expect("it runs");
            String::from_utf8_lossy(&output.stdout).contains("Listens").then_some(())
        });
    }

    fn type_in(&mut self, line: &str) -> Vec<String> {
        let output = self.command(line).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = said.split_whitespace().find(|word| word.starts_with("gm1:"));
        self.code = code.map(ToOwned::to_owned).or(self.code.take());
        said.lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
        if let Some(name) = &self.namespace {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// A line without what differs from run to run.
fn masked(line: &str) -> String {
    let head = line.split_once("check words:").map_or(line, |(head, _)| head);
    let mask = |word: &str| {
        let is_time = word.ends_with('Z') && word.contains('T') && word.contains(':');
        let is_number = word.parse::<f64>().is_ok();
        let is_code = word.starts_with("gm1:");
        if is_time || is_number || is_code { "…".to_owned() } else { word.to_owned() }
    };
    let words: Vec<String> = head.split_whitespace().map(mask).collect();
    // In the table of members, check words and address follow; name and presence count.
    let is_row = words.get(1).is_some_and(|word| word == "here" || word == "online");
    words[..if is_row { 2 } else { words.len() }].join(" ")
}

#[test]
fn the_session_of_the_readme_prints_what_the_readme_shows() {
    let mut terminal = Terminal::open();
    let typed = session();
    assert!(typed.len() >= 8, "the session was not read");
    for Typed { line, shown } in typed {
        if line.starts_with("cargo build") {
            continue;
        }
        if line.ends_with(" &") {
            terminal.start(&line);
            continue;
        }
        let wanted: Vec<String> = shown.iter().map(|line| masked(line)).collect();
        let said: Vec<String> = terminal.type_in(&line).iter().map(|line| masked(line)).collect();
        assert_eq!(said, wanted, "after: {line}");
    }
}
