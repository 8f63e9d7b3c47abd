//! The words by which machines are asked to do things.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gearmesh_node::daemon::duration;
use gearmesh_protocol::entry::FencingToken;
use gearmesh_protocol::ids::{CommandId, LeaseId};
use gearmesh_protocol::topic::Name;

/// How long a command may live at a partner's, where a person may have to allow it; at a machine of the plant
/// that is 600 s.
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long a program may take: an hour.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

#[derive(Args)]
#[command(after_help = "\
The program gets the arguments as JSON on standard input and prints its answer as JSON on
standard output; nothing stands for null. It has done it if it exits with 0. Otherwise it has
failed, with its exit code, and what it said last on standard error is told to the caller.
Codes that are not the program's own: 124 it took too long and was killed, 125 what it printed
is no JSON or longer than 64 KiB, 126 it cannot be run, 127 there is no such program, 128+N
signal N ended it. Its environment says more: GEARMESH_VERB, GEARMESH_ID (of the command),
GEARMESH_CALLER (its name), GEARMESH_PARTNER (for which other company a gateway calls, if for one),
GEARMESH_WITHIN_MS, GEARMESH_TOKEN (of the caller's lease, or of the work item).

A command is executed at most once. If this command, the program's machine or its node goes
down in between, nobody can know whether it was done: its caller hears `indeterminate`, and it
is not executed again. A query (--query) only reads; it may be executed any number of times.

Examples:
  gearmesh serve load --exec ./load.py --schema load.json --timeout 10s
  gearmesh serve state --exec ./state.sh --query --at-once 8
  gearmesh serve drill --exec python3 -- drill.py --slow
  gearmesh serve pack --exec ./pack.py --jobs")]
pub(crate) struct ServeArgs {
    /// What machines ask for: lower-case letters, digits and -.
    pub(crate) verb: Name,

    /// The program that does it.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) exec: PathBuf,

    /// What the program is started with.
    #[arg(last = true, value_name = "WORDS")]
    pub(crate) words: Vec<OsString>,

    /// A file with a JSON Schema of the arguments; what does not fit it is refused before anything
    /// is executed.
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,

    /// How long the program may take: 10s, 5m; at most 1h. Then it is killed.
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Duration,

    /// How many may run at once; further ones wait, as long as they live.
    #[arg(long, default_value = "1", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,

    /// It only reads: nothing is written down, and it may be executed any number of times.
    #[arg(long)]
    pub(crate) query: bool,

    /// Execute it only for whoever holds a lease of this resource of this machine.
    #[arg(long, value_name = "NAME", conflicts_with = "query")]
    pub(crate) resource: Option<Name>,

    /// Take work items too: whatever any machine offers with gearmesh offer VERB.
    #[arg(long, conflicts_with_all = ["query", "resource"])]
    pub(crate) jobs: bool,

    /// Stop when standard input ends: for a program that starts this one and may be killed.
    #[arg(long, hide = true)]
    pub(crate) until_stdin_ends: bool,
}

#[derive(Args)]
#[command(after_help = "\
States are told as they come: `received` the machine has it, `accepted` it is on the machine's
disk and being executed. Then the answer is printed. A command is executed at most once, however
often it is sent: if this command was interrupted, or says that the outcome is not known, ask
again with the same --id.

Exit codes: 0 done · 1 refused, failed, or its time ran out before it was begun · 3 no node ·
4 nobody knows whether it was executed

Examples:
  gearmesh call robot-1 load '{\"part\": 17}'
  gearmesh call robot-1 load '{\"part\": 17}' --wait --ttl 5m
  gearmesh call robot-1 state --query")]
pub(crate) struct CallArgs {
    /// The machine's name, or its key where several have the name; partner/NAME for what an agreement
    /// with another company names.
    pub(crate) machine: String,

    /// What it is to do: gearmesh verbs MACHINE lists what it can.
    pub(crate) verb: Name,

    /// The arguments, JSON; null if there are none. - reads them from standard input.
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) arguments: Option<String>,

    /// How long it may take until it is begun: 5s, 2m; at most 10m, and 24h at a partner's, where a person may
    /// have to allow it. A query: until it is answered.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = ttl)]
    pub(crate) ttl: Duration,

    /// The id of a command that was called before, to hear what became of it; or of your choice, 32
    /// hexadecimal digits (default: a new one).
    #[arg(long, conflicts_with = "query")]
    pub(crate) id: Option<CommandId>,

    /// Wait for a machine that cannot be reached, as long as --ttl says.
    #[arg(long)]
    pub(crate) wait: bool,

    /// It is a query.
    #[arg(long)]
    pub(crate) query: bool,

    /// The lease under which it is asked, where the verb needs one: the id that lease acquire printed.
    #[arg(long, env = "GEARMESH_LEASE", value_name = "ID")]
    pub(crate) lease: Option<LeaseId>,

    /// The same by the lease's token, whether or not this machine believes to hold it.
    #[arg(long, value_name = "TOKEN", value_parser = token, conflicts_with = "query")]
    pub(crate) token: Option<FencingToken>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh verbs robot-1")]
pub(crate) struct VerbsArgs {
    /// Only those of this machine.
    pub(crate) machine: Option<String>,
}

pub(crate) fn token(text: &str) -> Result<FencingToken, String> {
    let parts = text.split_once(':');
    let token = parts.and_then(|(incarnation, number)| {
        let (incarnation, number) = (incarnation.parse().ok()?, number.parse().ok()?);
        Some(FencingToken { incarnation, number })
    });
    token.ok_or_else(|| {
        "write it as lease acquire prints it: 32 digits, a colon, a number".to_owned()
    })
}

fn timeout(text: &str) -> Result<Duration, String> {
    within(text, TIMEOUT_MAX, "a program may take an hour at most")
}

fn ttl(text: &str) -> Result<Duration, String> {
    within(text, TTL_MAX, "a command lives for 10m at most, at a partner's for 24h")
}

fn within(text: &str, max: Duration, beyond: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > max => Err(beyond.to_owned()),
        none if none.is_zero() => Err("that is no time at all".to_owned()),
        fit => Ok(fit),
    }
}
