//! One started program: its orders, its report, and its end.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench_common::{Report, within};

/// Lines that may wait; a program says two.
const LINES_MAX: usize = 16;
/// How long a program may take until it can be reached.
const READY_MAX: Duration = Duration::from_secs(20);
/// How long it may take to stop.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How much of a log is shown when something went wrong.
const LOG_SHOWN: usize = 600;

/// A program that plays a role. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Player {
    name: String,
    process: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Player {
    /// Starts it, and waits until it can be reached.
    pub(crate) fn start(mut command: Command, name: String, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        let orders = process.stdin.take();
        let output = process.stdout.take().context("no output")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let player = Self { name, process, orders, lines, log };
        let said = player.line(READY_MAX)?;
        anyhow::ensure!(said == "ready", "{} said {said:?}", player.name);
        Ok(player)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lets a hub begin.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.order("go")
    }

    /// Waits for its report.
    pub(crate) fn report(&mut self, at_most: Duration) -> Result<Report> {
        let line = self.line(at_most)?;
        serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
    }

    /// Tells it to stop, and waits for the report that it ends with.
    pub(crate) fn stop_and_report(mut self) -> Result<Report> {
        self.order("stop")?;
        let report = self.report(STOP_MAX);
        self.end();
        report
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        // One that has ended already takes no orders.
        let _ = self.order("stop");
        self.end();
    }

    fn order(&mut self, order: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("no orders any more")?;
        writeln!(orders, "{order}").with_context(|| format!("{} takes no orders", self.name))
    }

    fn line(&self, at_most: Duration) -> Result<String> {
        match self.lines.recv_timeout(at_most) {
            Ok(line) => Ok(line),
            Err(error) => bail!("{}: {error}: {}", self.name, tail(&self.log)),
        }
    }

    fn end(&mut self) {
        drop(self.orders.take());
        // One that does not is killed when it is dropped.
        let _ = within(STOP_MAX, || self.process.try_wait().ok().flatten());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The end of a log, in one line.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let start = text.char_indices().rev().nth(LOG_SHOWN).map_or(0, |(at, _)| at);
    text[start..].split_whitespace().collect::<Vec<_>>().join(" ")
}
