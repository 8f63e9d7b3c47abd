//! Running a program for a verb: JSON in, JSON out, never for longer or with more than it may.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gearmesh_node::commands::api::{RunFailure, RunOrder};
use gearmesh_protocol::limits::{COMMAND_BYTES_MAX, COMMAND_DETAIL_BYTES_MAX};
use gearmesh_protocol::refusal::Refusal;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::cli::ServeArgs;
use crate::commands::lease::token_text;
use crate::exit::Failure;

/// Exit codes that are not a program's own, as shells and `timeout` give them.
const TOOK_TOO_LONG: i32 = 124;
const NO_ANSWER: i32 = 125;
const CANNOT_BE_RUN: i32 = 126;
const NOT_FOUND: i32 = 127;
const BY_SIGNAL: i32 = 128;

/// Letters of what a program printed instead of JSON that are shown.
const SHOWN: usize = 80;

/// A program and how it is run.
pub(crate) struct Program {
    path: PathBuf,
    words: Vec<OsString>,
    within: Duration,
}

/// The program and all that it started. Dropping it ends them.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already; then nothing is left to be ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Program {
    /// A program that is there and can be run, as far as that can be told without running it.
    pub(crate) fn new(args: &ServeArgs) -> Result<Self, Failure> {
        let path = args.exec.clone();
        // A name without a folder is looked for where shells look.
        if path.components().count() > 1 && !path.is_file() {
            let text = format!("there is no program {}", path.display());
            return Err(Failure::from(Refusal::WrongWords).saying(text));
        }
        Ok(Self { path, words: args.words.clone(), within: args.timeout })
    }

    /// Runs it for one order.
    pub(crate) async fn run(&self, verb: &str, order: &RunOrder) -> Result<Value, RunFailure> {
        let mut command = Command::new(&self.path);
        command.args(&self.words).env("GEARMESH_VERB", verb);
        command.env("GEARMESH_WITHIN_MS", order.within_ms.to_string());
        command.env("GEARMESH_CALLER", order.caller.as_ref().map_or("", |name| name.as_str()));
        let id = order.id.map(|id| id.to_string()).unwrap_or_default();
        command.env("GEARMESH_ID", id);
        let token = order.token.as_ref().map(token_text).unwrap_or_default();
        command.env("GEARMESH_TOKEN", token);
        let partner = order.partner.as_ref().map_or("", |name| name.as_str());
        command.env("GEARMESH_PARTNER", partner);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().map_err(|error| self.unusable(&error))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let spoken = speak(&mut child, order.arguments.to_string());
        let ended = tokio::time::timeout(self.within, spoken).await;
        drop(group);
        match ended {
            Err(_) => {
                let within = self.within.as_secs();
                Err(failed(TOOK_TOO_LONG, format!("it did not end within {within} s")))
            }
            Ok(Err(error)) => Err(failed(CANNOT_BE_RUN, error)),
            Ok(Ok(said)) => said.judged(),
        }
    }

    fn unusable(&self, error: &std::io::Error) -> RunFailure {
        let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { CANNOT_BE_RUN };
        failed(code, format!("{}: {error}", self.path.display()))
    }
}

/// What a program said, and how it ended.
struct Said {
    status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// Gives a program its arguments and reads what it says, to its end.
async fn speak(child: &mut Child, arguments: String) -> std::io::Result<Said> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // A program that does not want to know is none the worse for it.
            let _ = stdin.write_all(arguments.as_bytes()).await;
        }
    };
    let (status, (), out, err) =
        tokio::join!(child.wait(), give, beginning(stdout), end_of(stderr));
    Ok(Said { status: status?, out, err })
}

/// As much as an answer may have, and a byte more, so that too much is noticed; the rest is read and
/// left.
async fn beginning(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    read(from, |kept, read| {
        let room = (COMMAND_BYTES_MAX + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&read[..read.len().min(room)]);
    })
    .await
}

/// The last that was said.
async fn end_of(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    read(from, |kept, read| {
        kept.extend_from_slice(read);
        kept.drain(..kept.len().saturating_sub(COMMAND_DETAIL_BYTES_MAX));
    })
    .await
}

async fn read(from: Option<impl AsyncRead + Unpin>, keep: impl Fn(&mut Vec<u8>, &[u8])) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    if let Some(mut from) = from {
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            keep(&mut kept, &buffer[..read]);
        }
    }
    kept
}

impl Said {
    fn judged(self) -> Result<Value, RunFailure> {
        match (self.status.code(), self.status.signal()) {
            (Some(0), _) => answer_of(&self.out),
            (Some(code), _) => Err(failed(code, self.last_words())),
            (None, Some(signal)) => {
                Err(failed(BY_SIGNAL + signal, format!("signal {signal} ended it")))
            }
            (None, None) => Err(failed(CANNOT_BE_RUN, "nobody knows how it ended")),
        }
    }

    /// The last line that is not blank, of what was said to people, else of the answer.
    fn last_words(&self) -> String {
        let last = |said: &[u8]| {
            let text = String::from_utf8_lossy(said).into_owned();
            text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        };
        last(&self.err).or_else(|| last(&self.out)).unwrap_or_else(|| "it said nothing".to_owned())
    }
}

fn answer_of(out: &[u8]) -> Result<Value, RunFailure> {
    if out.len() > COMMAND_BYTES_MAX {
        let text = format!("its answer is longer than {} KiB", COMMAND_BYTES_MAX / 1024);
        return Err(failed(NO_ANSWER, text));
    }
    if out.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(out).map_err(|_| {
        let text: String = String::from_utf8_lossy(out).trim().chars().take(SHOWN).collect();
        failed(NO_ANSWER, format!("what it printed is no JSON: {text}"))
    })
}

fn failed(code: i32, message: impl std::fmt::Display) -> RunFailure {
    RunFailure { code, message: message.to_string() }
}
