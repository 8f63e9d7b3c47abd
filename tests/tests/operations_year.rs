//! The year of a plant in docs/operations.md, typed as it stands, prints what the page shows.
//!
//! Every line goes to a shell. Codes, keys, check words, times, addresses and numbers differ from run
//! to run; all else is compared word by word. As root it runs in a network namespace of its own,
//! because nodes that are started as the page says look for others by multicast. With
//! `GEARMESH_YEAR=write` it writes the session as it went into `gearmesh-year.txt` in the folder for
//! temporary files, for the page.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use gearmesh_tests::cli::program;
use gearmesh_tests::wait::until;

const PAGE: &str = include_str!("../../docs/operations.md");

/// What stands in front of the session.
const MARK: &str = "<!-- year: tests/tests/operations_year.rs types it and compares every line -->";

/// One typed line, and what the page shows below it.
struct Typed {
    line: String,
    shown: Vec<String>,
}

fn session() -> Vec<Typed> {
    let (_, rest) = PAGE.split_once(MARK).expect("a session");
    let (_, rest) = rest.split_once("```console\n").expect("its begin");
    let (block, _) = rest.split_once("```").expect("its end");
    let mut typed: Vec<Typed> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(line) => typed.push(Typed { line: line.to_owned(), shown: Vec::new() }),
            None if line.starts_with('#') => {}
            None => typed.last_mut().expect("a command first").shown.push(line.to_owned()),
        }
    }
    typed
}

/// Where the session is typed.
struct Terminal {
    folder: tempfile::TempDir,
    namespace: Option<String>,
    jobs: Vec<Child>,
    variables: BTreeMap<String, String>,
    /// What this session printed instead of what the page shows.
    code: Option<String>,
    key: Option<String>,
}

impl Terminal {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = format!("gm-year-{}", std::process::id());
        let run = |words: &[&str]| {
            Command::new("ip").args(words).status().is_ok_and(|status| status.success())
        };
        let made = run(&["netns", "add", &name]);
        let up = made && run(&["netns", "exec", &name, "ip", "link", "set", "lo", "up"]);
        let (namespace, variables) = (up.then_some(name), BTreeMap::new());
        Self { folder, namespace, jobs: Vec::new(), variables, code: None, key: None }
    }

    /// The line with this session's code and key in place of the page's.
    fn own(&self, line: &str) -> String {
        let own = |word: &str| match (&self.code, &self.key) {
            (Some(code), _) if word.starts_with("gm1:") => code.clone(),
            (_, Some(key)) if is_key(word) => key.clone(),
            _ => word.to_owned(),
        };
        line.split(' ').map(own).collect::<Vec<_>>().join(" ")
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = match &self.namespace {
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name, "sh", "-c"]);
                command
            }
            None => {
                let mut command = Command::new("sh");
                command.arg("-c");
                command
            }
        };
        let programs = program().parent().expect("a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        command.arg(self.own(line)).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("PATH", format!("{programs}:{path}")).env("HOME", self.folder.path());
        command.env_remove("GEARMESH_HOME").env_remove("GEARMESH_LOG").envs(&self.variables);
        command
    }

    fn type_in(&mut self, line: &str) -> Vec<String> {
        if let Some(pairs) = line.strip_prefix("export ") {
            let pairs = pairs.split(' ').filter_map(|pair| pair.split_once('='));
            self.variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            return Vec::new();
        }
        if let Some(job) = line.strip_prefix("kill %") {
            self.stop(job.parse().expect("a number"));
            return Vec::new();
        }
        if let Some(line) = line.strip_suffix(" &") {
            self.start(line);
            return Vec::new();
        }
        let output = self.shell(line).output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{line}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut words = said.split_whitespace();
        self.code = words
            .clone()
            .find(|word| word.starts_with("gm1:"))
            .map(str::to_owned)
            .or(self.code.take());
        if line.ends_with("admin request") {
            self.key = words.find(|word| is_key(word)).map(str::to_owned);
        }
        said.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Starts a node, and waits until it answers.
    fn start(&mut self, line: &str) {
        let mut node = self.shell(&format!("exec {line}"));
        let node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        self.jobs.push(node);
        let home = line.strip_suffix(" up").expect("a node");
        until(line, || {
            let output = self.shell(&format!("{home} status")).output().expect("it runs");
            output.status.success().then_some(())
        });
        // Where there are others, it reaches one before the next line is typed.
        let members = || {
            let said = self.shell(&format!("{home} members --json")).output().expect("it runs");
            serde_json::from_slice::<serde_json::Value>(&said.stdout).unwrap_or_default()
        };
        until("it reaches somebody", || {
            let members = members();
            let members = members.as_array()?;
            let others: Vec<_> =
                members.iter().map(|it| &it["presence"]).filter(|it| *it != "here").collect();
            let is_alone = others.iter().all(|it| *it == "revoked");
            (is_alone || others.iter().any(|it| *it == "online")).then_some(())
        });
    }

    fn stop(&mut self, job: usize) {
        let node = &mut self.jobs[job - 1];
        let told = Command::new("kill").args(["-TERM", &node.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "kill %{job}");
        node.wait().expect("it ends");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for node in &mut self.jobs {
            let _ = node.kill();
            let _ = node.wait();
        }
        if let Some(name) = &self.namespace {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn is_key(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// How many check words there are.
const CHECK_WORDS: usize = 5;

/// A line without as many plain words at its end as check words are.
fn without_check_words(line: &str) -> &str {
    let line = line.trim_end_matches(')');
    let is_plain = |word: &&str| {
        word.trim_start_matches('(').bytes().all(|letter| letter.is_ascii_lowercase())
    };
    let last: Vec<&str> = line.rsplit(' ').take(CHECK_WORDS).take_while(is_plain).collect();
    let bytes: usize = last.iter().map(|word| word.len() + 1).sum();
    match last.len() == CHECK_WORDS {
        true => line.get(..line.len().saturating_sub(bytes)).unwrap_or_default(),
        false => line,
    }
}

/// A line without what differs from run to run.
fn masked(line: &str) -> String {
    let head = without_check_words(line);
    let mask = |word: &str| {
        let bare = word.trim_matches(|it: char| !it.is_ascii_alphanumeric());
        let is_time = bare.ends_with('Z') && bare.contains('T');
        let is_number = bare.parse::<f64>().is_ok();
        let is_digits = bare.len() >= 8 && bare.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_address = word.parse::<SocketAddr>().is_ok();
        if let Some((_, name)) = word.rsplit_once('/').filter(|_| word.starts_with('/')) {
            return format!("…/{name}");
        }
        let differs = is_time || is_number || is_digits || is_address || word.starts_with("gm1:");
        if differs { "…".to_owned() } else { word.to_owned() }
    };
    head.split_whitespace().map(mask).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_year_of_a_plant_prints_what_the_page_shows() {
    let mut terminal = Terminal::open();
    let is_written = std::env::var_os("GEARMESH_YEAR").is_some();
    let typed = session();
    assert!(typed.len() >= 20, "the session was not read");
    let mut went = String::new();
    for Typed { line, shown } in typed {
        let said = terminal.type_in(&line);
        let _ = writeln!(went, "$ {}", terminal.own(&line));
        for line in &said {
            went.push_str(line);
            went.push('\n');
        }
        let alike = |lines: &[String]| lines.iter().map(|line| masked(line)).collect::<Vec<_>>();
        if !is_written {
            assert_eq!(alike(&said), alike(&shown), "after: {line}");
        }
    }
    if is_written {
        let place = std::env::temp_dir().join("gearmesh-year.txt");
        std::fs::write(&place, went).expect("a file");
    }
}
