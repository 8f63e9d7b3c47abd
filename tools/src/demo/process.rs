//! The demo's processes: whichever ends is started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often it is looked whether somebody ended a process.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How long a process that ended is left alone, so that whoever killed it sees it.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How long a process may take to stop before it is ended.
const STOP_MAX: Duration = Duration::from_secs(3);

/// One process, in all its lives. It ends when its standard input does, and so with the demo.
struct Process {
    name: String,
    words: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
    /// When it is started again, if it ended.
    again_at: Option<Instant>,
    starts: u32,
}

/// How a process stands.
pub(super) struct Standing {
    pub(super) name: String,
    /// None of one that ended and is about to be started again.
    pub(super) id: Option<u32>,
    /// How often it was started again.
    pub(super) again: u32,
}

/// All of them.
pub(super) struct Processes {
    program: PathBuf,
    all: Arc<Mutex<Vec<Process>>>,
    keeper: Option<JoinHandle<()>>,
}

impl Processes {
    pub(super) fn of(program: &Path) -> Self {
        Self { program: program.to_owned(), all: Arc::default(), keeper: None }
    }

    /// Starts one. What it says to people goes to `log`.
    pub(super) fn start(
        &self,
        name: &str,
        words: Vec<String>,
        log: PathBuf,
    ) -> std::io::Result<()> {
        let (name, again_at) = (name.to_owned(), None);
        let mut process = Process { name, words, log, child: None, again_at, starts: 0 };
        process.start(&self.program)?;
        lock(&self.all).push(process);
        Ok(())
    }

    /// Has a process started with other words when it is started again.
    pub(super) fn again_with(&self, name: &str, words: Vec<String>) {
        if let Some(process) = lock(&self.all).iter_mut().find(|process| process.name == name) {
            process.words = words;
        }
    }

    /// Starts again whatever ends, from now on.
    pub(super) fn keep(&mut self) {
        let (all, program) = (Arc::clone(&self.all), self.program.clone());
        self.keeper = Some(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                lock(&all).iter_mut().for_each(|process| process.look(&program));
            }
        }));
    }

    /// How all stand, in the order in which they were started first.
    pub(super) fn standings(&self) -> Vec<Standing> {
        lock(&self.all).iter().map(Process::standing).collect()
    }

    /// Kills one, as `kill -9` does.
    pub(super) fn kill(&self, name: &str) -> std::io::Result<()> {
        let mut all = lock(&self.all);
        let process = all.iter_mut().find(|process| process.name == name);
        process.and_then(|process| process.child.as_mut()).map_or(Ok(()), Child::start_kill)
    }

    /// Stops those whose name passes, the last one first, and starts them no more.
    pub(super) async fn stop(&self, which: impl Fn(&str) -> bool) {
        let mut stopping: Vec<Process> =
            lock(&self.all).extract_if(.., |process| which(&process.name)).collect();
        let mut children: Vec<Child> =
            stopping.iter_mut().rev().filter_map(|process| process.child.take()).collect();
        for child in &mut children {
            // The end of its standard input tells it to stop.
            drop(child.stdin.take());
        }
        for child in &mut children {
            if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
                drop(child.kill().await);
            }
        }
    }

    /// Stops all.
    pub(super) async fn stop_all(mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
        self.stop(|_| true).await;
    }
}

impl Process {
    fn start(&mut self, program: &Path) -> std::io::Result<()> {
        self.again_at = None;
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(program)
            .args(&self.words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        self.starts += 1;
        Ok(())
    }

    /// Looks whether it ended, and starts it again in its time.
    fn look(&mut self, program: &Path) {
        if self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None))) {
            self.child = None;
            self.again_at = Some(Instant::now() + AGAIN_AFTER);
        }
        let is_due = self.again_at.is_some_and(|at| Instant::now() >= at);
        if is_due && self.start(program).is_err() {
            self.again_at = Some(Instant::now() + AGAIN_AFTER);
        }
    }

    fn standing(&self) -> Standing {
        let id = self.child.as_ref().and_then(Child::id);
        Standing { name: self.name.clone(), id, again: self.starts.saturating_sub(1) }
    }
}

fn lock(all: &Mutex<Vec<Process>>) -> MutexGuard<'_, Vec<Process>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
