//! The README's session, typed on a machine with nothing prepared, prints what the README shows.
//!
//! Keys, codes, check words, times, addresses and measured values differ from run to run; all else
//! is compared word by word. As root it runs in a network namespace of its own, because a node
//! that is started as the README says looks for others by multicast.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::net::SocketAddr;
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
        let (asked, said) = match line.split_once(" serve ") {
            Some((program, verb)) => (format!("{program} verbs"), verb),
            None => (line.replace(" up &", " status"), "Listens"),
        };
        let said = said.split(' ').next().expect("a word");
        until(line, || {
            let output = self.command(&asked).output().expect("it runs");
            String::from_utf8_lossy(&output.stdout).contains(said).then_some(())
        });
    }

    fn type_in(&mut self, typed: &str) -> Vec<String> {
        let (line, file) = typed.split_once(" > ").unwrap_or((typed, ""));
        let output = self.command(line).output().expect("it runs");
        if !file.is_empty() {
            std::fs::write(self.folder.path().join(file), output.stdout).expect("a file");
            return Vec::new();
        }
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        if line.contains(" call ") {
            // A person sees how far the command is, and then the answer.
            said.insert_str(0, &String::from_utf8_lossy(&output.stderr));
        }
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

/// Lines without what differs from run to run. The rows of a table are masked by its columns.
fn masked(lines: &[String]) -> Vec<String> {
    let mut columns: Option<Vec<(&str, usize)>> = None;
    let masked = lines.iter().map(|line| {
        if line.starts_with("NAME ") {
            let heads = columns.insert(heads(line));
            return heads.iter().map(|(head, _)| *head).collect::<Vec<_>>().join(" | ");
        }
        columns.as_ref().map_or_else(|| masked_line(line), |columns| masked_row(line, columns))
    });
    masked.collect()
}

/// The heads of a table's columns, and where each begins.
fn heads(line: &str) -> Vec<(&str, usize)> {
    let heads = line.split("  ").map(str::trim).filter(|head| !head.is_empty());
    heads.map(|head| (head, line.find(head).expect("a part of it"))).collect()
}

/// A row of a table, cell by cell: of what differs only the form counts.
fn masked_row(line: &str, columns: &[(&str, usize)]) -> String {
    let ends = columns.iter().skip(1).map(|(_, start)| *start).chain([usize::MAX]);
    let cells = columns.iter().zip(ends).map(|((head, start), end)| {
        let width = end.saturating_sub(*start);
        let cell: String = line.chars().skip(*start).take(width).collect();
        let cell = cell.trim();
        match *head {
            "FOR" if !cell.is_empty() => "…".to_owned(),
            "CHECK WORDS" => format!("{} words", cell.split(' ').count()),
            "ADDRESS" if cell.parse::<SocketAddr>().is_ok() => "IP:PORT".to_owned(),
            _ => cell.to_owned(),
        }
    });
    cells.collect::<Vec<_>>().join(" | ")
}

/// A line of words without those that differ from run to run.
fn masked_line(line: &str) -> String {
    let head = line.split_once("check words:").map_or(line, |(head, _)| head);
    let mask = |word: &str| {
        let is_time = word.ends_with('Z') && word.contains('T') && word.contains(':');
        let is_number = word.parse::<f64>().is_ok();
        let is_code = word.starts_with("gm1:");
        if is_time || is_number || is_code { "…".to_owned() } else { word.to_owned() }
    };
    head.split_whitespace().map(mask).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_cells_of_a_table_are_compared_one_by_one() {
    let lines = [
        "NAME     PRESENCE  FOR  ROLES     SCOPE    CHECK WORDS      ADDRESS",
        "press-1  online    2 s  machine   press-1  fountain gravel  192.0.2.2:7431",
        "panel    here           observer           a b",
    ];
    let wanted = [
        "NAME | PRESENCE | FOR | ROLES | SCOPE | CHECK WORDS | ADDRESS",
        "press-1 | online | … | machine | press-1 | 2 words | IP:PORT",
        "panel | here |  | observer |  | 2 words | ",
    ];
    assert_eq!(masked(&lines.map(str::to_owned)), wanted);
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
        assert_eq!(masked(&terminal.type_in(&line)), masked(&shown), "after: {line}");
    }
}
