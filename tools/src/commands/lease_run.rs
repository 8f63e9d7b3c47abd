//! `gearmesh lease run`: a command that runs under a lease.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use gearmesh_node::leases::api::{LeaseKey, LeaseNews, LeaseState};
use gearmesh_protocol::entry::LeaseEvent;
use gearmesh_protocol::refusal::Refusal;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};

use super::lease::{Granted, granted, request, token_text};
use crate::cli::{Context, LossWord, RunArgs};
use crate::client::{Client, Events};
use crate::exit::Failure;
use crate::output;

/// How long a command has to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What shells add to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let resource = &args.wanted.resource;
    let request = request(&args.wanted, args.on_loss, None, true);
    let mut events = client.post_events("/v1/lease", &request).await?;
    let lease = granted(context, &mut events, resource).await?;
    let environment = [
        ("GEARMESH_LEASE", lease.id.to_string()),
        ("GEARMESH_LEASE_TOKEN", token_text(&lease.token)),
        ("GEARMESH_LEASE_RESOURCE", resource.clone()),
    ];
    let mut running = Running::start(&args.command, &environment)?;
    let ended = hold(&client, &lease, &mut events, &mut running).await;
    match ended? {
        End::Done(status) => Ok(code_of(status)),
        End::Stopped => Ok(code_of(running.end().await?)),
        End::Lost(why) => {
            let done = lose(&args, &environment, &mut running).await?;
            let text = format!("lost {resource}, since {why}; {done}");
            Err(Failure::from(Refusal::LeaseLost).saying(text))
        }
    }
}

/// How it came to an end.
enum End {
    Done(ExitStatus),
    Lost(&'static str),
    /// This command was told to end.
    Stopped,
}

/// Holds a lease until the command is done or the lease is lost. It is renewed at a third of its time.
async fn hold(
    client: &Client,
    lease: &Granted,
    events: &mut Events,
    running: &mut Running,
) -> Result<End, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::system)?;
    let mut until = Instant::now() + lease.left;
    let mut renew_at = Instant::now() + lease.left / 3;
    loop {
        tokio::select! {
            status = running.child.wait() => {
                return status.map(End::Done).map_err(Failure::system);
            }
            news = events.next::<LeaseNews>() => match news.ok().flatten().map(|news| news.state) {
                Some(LeaseState::Held { left_ms, .. }) => {
                    until = Instant::now() + Duration::from_millis(left_ms.into());
                }
                Some(LeaseState::Ended { why: LeaseEvent::Revoked }) => {
                    return Ok(End::Lost("this machine may not hold it any more"));
                }
                Some(_) => return Ok(End::Lost("it was not renewed in time")),
                None => return Ok(End::Lost("the node stopped")),
            },
            () = sleep_until(until) => return Ok(End::Lost("it was not renewed in time")),
            () = sleep_until(renew_at) => {
                renew_at = Instant::now() + lease.left / 3;
                let (client, id) = (client.clone(), lease.id);
                // What comes of it is an event.
                tokio::spawn(async move {
                    let _: Result<LeaseNews, Failure> =
                        client.post("/v1/lease/renew", &LeaseKey { id }).await;
                });
            }
            _ = tokio::signal::ctrl_c() => return Ok(End::Stopped),
            _ = terminate.recv() => return Ok(End::Stopped),
        }
    }
}

/// Does what was declared for a loss, and says what that was.
async fn lose(
    args: &RunArgs,
    environment: &[(&str, String)],
    running: &mut Running,
) -> Result<String, Failure> {
    match (args.on_loss, &args.evacuate) {
        (LossWord::Continue, _) => {
            output::note(format!("lost {}; the command goes on", args.wanted.resource));
            let status = running.child.wait().await.map_err(Failure::system)?;
            Ok(format!("the command went on without it and ended with {}", code_of(status)))
        }
        (LossWord::Evacuate, Some(program)) => {
            running.end().await?;
            let code = code_of(evacuate(program, environment).await?);
            Ok(format!("the command was ended, and {} ended with {code}", program.display()))
        }
        (LossWord::Stop | LossWord::Evacuate, _) => {
            running.end().await?;
            Ok("the command was ended".to_owned())
        }
    }
}

async fn evacuate(program: &Path, environment: &[(&str, String)]) -> Result<ExitStatus, Failure> {
    let environment = environment.iter().map(|(name, value)| (name, value));
    let mut command = Command::new(program);
    command.envs(environment).status().await.map_err(Failure::system)
}

/// The command, with all that it starts.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn start(words: &[OsString], environment: &[(&str, String)]) -> Result<Self, Failure> {
        let [program, words @ ..] = words else { return Err(Refusal::WrongWords.into()) };
        let environment = environment.iter().map(|(name, value)| (name, value));
        let mut command = Command::new(program);
        command.args(words).envs(environment).process_group(0);
        let child = command.spawn().map_err(|error| {
            let program = Path::new(program).display();
            Failure::from(Refusal::WrongWords).saying(format!("{program} cannot be run: {error}"))
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, group })
    }

    /// Ends it, if need be by force.
    async fn end(&mut self) -> Result<ExitStatus, Failure> {
        self.signal(Signal::TERM);
        if let Ok(status) = timeout(END_WITHIN, self.child.wait()).await {
            // What it started may have stayed.
            self.signal(Signal::KILL);
            return status.map_err(Failure::system);
        }
        self.signal(Signal::KILL);
        self.child.wait().await.map_err(Failure::system)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may be gone already; then there is nothing to end.
            let _ = kill_process_group(group, signal);
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
