//! The words by which work is handed to whoever can do it.

use std::time::Duration;

use clap::{Args, Subcommand};
use gearmesh_node::daemon::duration;
use gearmesh_protocol::ids::WorkId;
use gearmesh_protocol::topic::Name;

/// How long a machine may be away at most.
const AWAY_MAX: Duration = Duration::from_secs(600);

#[derive(Args)]
#[command(after_help = "\
The item is on this machine's disk when this command says so. It goes to the first machine with a
free place among those that serve the verb for work (gearmesh serve VERB --exec PROGRAM --jobs);
as long as there is none, it waits. That machine executes it as a command, at most once. If it
goes down, or is away for longer than --ttl, the item is offered again, until it is completed or was
taken as often as --tries says. Exactly one completion is recorded, here.

A machine that was cut off may still be at work when the item goes to the next one: its program
finds in GEARMESH_TOKEN what the newer one has a higher number in.

Examples:
  gearmesh offer pack '{\"part\": 17}'
  gearmesh offer pack '{\"part\": 17}' --ttl 10s --tries 5 --wait
  gearmesh jobs                       what became of it")]
pub(crate) struct OfferArgs {
    /// What is to be done.
    pub(crate) verb: Name,

    /// The arguments, JSON; null if there are none. - reads them from standard input.
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) arguments: Option<String>,

    /// How long the machine that took it may be away until it is offered again: 10s, 2m; at most 10m.
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = away)]
    pub(crate) ttl: Duration,

    /// How often it may be taken.
    #[arg(long, default_value = "3", value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) tries: u8,

    /// Offer it again also when a program says that it cannot be done.
    #[arg(long)]
    pub(crate) retry_failed: bool,

    /// The id of an item that was offered before; or of your choice, 32 hexadecimal digits (default: a new
    /// one). The same id is the same item, however often it is offered.
    #[arg(long)]
    pub(crate) id: Option<WorkId>,

    /// Wait until it is completed or has failed, and print its answer.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh jobs                       the work items of this machine
  gearmesh jobs --all                 those of others too, as far as copies of their logs say
  gearmesh jobs cancel ID             have one not done that nobody has taken
  gearmesh jobs rehome press-1        offer here what a revoked machine has left")]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    pub(crate) word: Option<JobsWord>,

    /// Show those of other machines too.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Subcommand)]
pub(crate) enum JobsWord {
    /// List work items (what jobs does without a word).
    List(ListJobsArgs),
    /// Have an item not done that nobody has taken yet.
    Cancel(CancelArgs),
    /// Offer here what a member that was revoked has offered and nobody has completed.
    Rehome(RehomeArgs),
}

#[derive(Args)]
pub(crate) struct ListJobsArgs {
    /// Show those of other machines too.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct CancelArgs {
    /// The item's id, as offer printed it.
    pub(crate) id: WorkId,
}

#[derive(Args)]
pub(crate) struct RehomeArgs {
    /// The machine's name.
    pub(crate) machine: Name,

    /// Its key, or the beginning of it, where several have the name.
    #[arg(long)]
    pub(crate) key: Option<String>,
}

fn away(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > AWAY_MAX => Err("a machine is given up after 10m at most".to_owned()),
        short if short < Duration::from_secs(1) => Err("at least 1s".to_owned()),
        fit => Ok(fit),
    }
}
