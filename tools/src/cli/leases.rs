//! The words by which machines share what only some may use at once.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gearmesh_node::daemon::duration;
use gearmesh_protocol::entry::OnLoss;
use gearmesh_protocol::ids::LeaseId;

#[derive(Args)]
#[command(after_help = "\
A resource is something wired to a machine whose node was started with up --resource NAME. A lease of
it lasts for its time, unless it is renewed or given back. That machine executes what is bound to
the resource (serve VERB --resource NAME) only under a lease that lasts: whoever was stopped, cut off
or too slow is refused there, whatever it believes.

A lease keeps machines from using one thing at once. It does not tell a program that is stopped that
its time is over, and it is no machine safety: guards and emergency stops stay what they are.

Examples:
  gearmesh lease run crane --wait 1m -- ./lift.sh     hold it as long as the command runs
  gearmesh lease acquire crane --ttl 30s              hold it for 30 s, and print its id
  gearmesh lease list                                 who holds what, and who waits")]
pub(crate) struct LeaseArgs {
    #[command(subcommand)]
    pub(crate) word: LeaseWord,
}

#[derive(Subcommand)]
pub(crate) enum LeaseWord {
    /// Get a lease, and leave it to its time.
    Acquire(AcquireArgs),
    /// Have a lease last from now on as long as at first.
    Renew(LeaseIdArgs),
    /// Give a lease back, or stop waiting for it.
    Release(LeaseIdArgs),
    /// Show who holds what, for how long, and who waits.
    List(ListArgs),
    /// Run a command under a lease: hold and renew it, end the command if it is lost.
    Run(RunArgs),
}

#[derive(Args, Clone)]
pub(crate) struct WantedArgs {
    /// The resource, or MACHINE/RESOURCE where several machines have one of the name.
    pub(crate) resource: String,

    /// How long it lasts if it is not renewed: 10s, 2m; at least 1s.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = ttl)]
    pub(crate) ttl: Duration,

    /// Wait for it so long, in the order of asking: 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = wait)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct AcquireArgs {
    #[command(flatten)]
    pub(crate) wanted: WantedArgs,

    /// What is done if it is lost, for others to know.
    #[arg(long, value_enum, default_value = "stop")]
    pub(crate) on_loss: LossWord,

    /// The id of a lease that was asked for before; or of your choice, 32 hexadecimal digits (default:
    /// a new one).
    #[arg(long)]
    pub(crate) id: Option<LeaseId>,
}

#[derive(Args)]
pub(crate) struct LeaseIdArgs {
    /// The lease's id, as lease acquire printed it.
    pub(crate) id: LeaseId,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only this resource.
    pub(crate) resource: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
The command finds the lease in its environment: GEARMESH_LEASE (its id, which gearmesh call takes from
there), GEARMESH_LEASE_TOKEN, GEARMESH_LEASE_RESOURCE. When it ends, the lease is given back, and its
exit code is this command's.

If the lease is lost, it is ended (--on-loss stop: SIGTERM, after 5 s SIGKILL), or goes on without
(continue), or is ended and a program leaves the place (evacuate). Then the exit code is 4.

Examples:
  gearmesh lease run crane --wait 1m -- ./lift.sh
  gearmesh lease run crane --on-loss evacuate --evacuate ./home.sh -- ./lift.sh")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) wanted: WantedArgs,

    /// What is done if the lease is lost.
    #[arg(long, value_enum, default_value = "stop")]
    pub(crate) on_loss: LossWord,

    /// The program that leaves the place.
    #[arg(long, value_name = "PROGRAM", required_if_eq("on_loss", "evacuate"))]
    pub(crate) evacuate: Option<PathBuf>,

    /// What is run.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LossWord {
    /// Stand still.
    Stop,
    /// Finish what was begun.
    Continue,
    /// Leave the place.
    Evacuate,
}

impl From<LossWord> for OnLoss {
    fn from(word: LossWord) -> Self {
        match word {
            LossWord::Stop => Self::Stop,
            LossWord::Continue => Self::Continue,
            LossWord::Evacuate => Self::Evacuate,
        }
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > Duration::from_secs(600) => Err("a lease lasts for 10m at most".to_owned()),
        fit => Ok(fit),
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > gearmesh_node::leases::WAIT_MAX => Err("wait for 24h at most".to_owned()),
        fit => Ok(fit),
    }
}
