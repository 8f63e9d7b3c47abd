//! The words by which a node is set up and looked after.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand};
use gearmesh_node::tokens::Scope;

use gearmesh_protocol::audit::AUDIT_LINES_USUAL;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;

use super::{Context, block_on, moment};
use crate::backup::Only;
use crate::commands;
use crate::doctor;
use crate::exit::Failure;
use crate::replay;
use crate::service;

/// Commands of whoever looks after a machine.
#[derive(Subcommand)]
pub(crate) enum Operating {
    /// Print all settings of a node, with what they are by themselves.
    Config(ConfigArgs),
    /// Show the last known values, how old they are, and what is stale.
    Get(GetArgs),
    /// Watch machines and values as they change.
    Top(TopArgs),
    /// List the machines: maker, model, serial number, what they can do.
    #[command(after_help = "Example: gearmesh machines")]
    Machines,
    /// Play a recording of a machine (MTConnect SHDR or CSV), marked as replay in every value.
    Replay(ReplayArgs),
    /// Look for what is wrong on this machine: clock, ports, files, disk, journal, members.
    #[command(after_help = "Example: gearmesh doctor --json")]
    Doctor,
    /// Show who did what and when: records of the plant, and commands.
    Log(LogArgs),
    /// Let programs reach the node by HTTP: make, list and remove their tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Write all that this node and this keyring need to be put back into one file behind a
    /// passphrase. The node may run.
    Backup(BackupArgs),
    /// Put back what `gearmesh backup` wrote, where nothing is in the way.
    Restore(RestoreArgs),
    /// Run the node as a service that starts with the machine.
    #[command(subcommand)]
    Service(ServiceCommand),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh config                      what holds in this home
  gearmesh config > draft.toml         a file to begin with
  gearmesh config --config draft.toml  check it, then put it into the home as gearmesh.toml")]
pub(crate) struct ConfigArgs {
    /// The file of settings (default: gearmesh.toml in the home, if it is there).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh get 'press-1/#'")]
pub(crate) struct GetArgs {
    /// Which topics: + stands for one level, # at the end for all the rest.
    pub(crate) filter: String,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh top '+/host/cpu/#'")]
pub(crate) struct TopArgs {
    /// Which topics: + stands for one level, # at the end for all the rest.
    #[arg(default_value = "#")]
    pub(crate) filter: String,

    /// Print it once instead of drawing it every second.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Args)]
#[command(after_help = "\
Every value says that it is a replay, with the time at which it was recorded: none can pass for
what the machine does now.

Example: gearmesh replay okuma.shdr.txt --as recording --speed 10x")]
pub(crate) struct ReplayArgs {
    /// The recording: SHDR as MTConnect adapters write it, or CSV with a line of names.
    pub(crate) file: PathBuf,

    /// Where its values appear: relative to the own scope, or absolute with a leading /.
    #[arg(long = "as", value_name = "TOPIC", default_value = "replay")]
    pub(crate) topic: String,

    /// How fast: 1x as it was recorded, 10x ten times as fast.
    #[arg(long, default_value = "1x")]
    pub(crate) speed: Speed,

    /// Begin again at its end, until Ctrl-C.
    #[arg(long)]
    pub(crate) again: bool,
}

/// How much faster than recorded something is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speed(pub(crate) f64);

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
        let fit = factor.filter(|factor| (0.01..=100_000.0).contains(factor));
        fit.map(Self).ok_or_else(|| format!("{text:?} is no speed: write 1x, 10x or 0.5x"))
    }
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh log press-1 --since 7d")]
pub(crate) struct LogArgs {
    /// Whoever did it, or to whom it was done: a name as gearmesh members shows it.
    pub(crate) name: Option<String>,

    /// From then on: 8h ago, 7d ago, or a time in UTC such as 2026-11-22 or 2026-11-22T14:03:00Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) since: Option<UnixMillis>,

    /// Until then, written alike.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) until: Option<UnixMillis>,

    /// The newest so many lines.
    #[arg(long, value_name = "N", default_value_t = AUDIT_LINES_USUAL)]
    pub(crate) count: usize,
}

#[derive(Args)]
#[command(after_help = "\
The passphrase is typed on the terminal. Scripts name a file whose first line it is:
GEARMESH_NEW_PASSPHRASE_FILE. What is in a backup: gearmesh verify FILE.

Example: gearmesh backup /media/stick/gateway-1.backup")]
pub(crate) struct BackupArgs {
    /// The new file.
    pub(crate) file: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
The passphrase is typed on the terminal, or read from the file that GEARMESH_PASSPHRASE_FILE
names.

Examples:
  gearmesh restore /media/stick/gateway-1.backup
  gearmesh --home press --keyring press.keyring restore press-1.backup --only node")]
pub(crate) struct RestoreArgs {
    /// What `gearmesh backup` wrote.
    pub(crate) file: PathBuf,

    /// Put back this part alone.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
}

/// What is done with the service.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  sudo gearmesh service install
  gearmesh --home /srv/node service print --user press")]
pub(crate) enum ServiceCommand {
    /// Write the unit, make its user, and start it if the home is of a plant's member.
    Install(ServiceArgs),
    /// Stop the service and remove its unit; home and keyring stay.
    Uninstall {
        /// The folder that stands for /: for images of other machines.
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
    /// Print the unit.
    Print(ServiceArgs),
}

#[derive(Args)]
pub(crate) struct ServiceArgs {
    /// The user who runs it.
    #[arg(long, value_name = "NAME", default_value = "gearmesh")]
    pub(crate) user: Name,

    /// The program (default: this one).
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,

    /// The folder that stands for /: for images of other machines.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
}

/// What is done with tokens.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  gearmesh token add grafana --read
  gearmesh token remove grafana")]
pub(crate) enum TokenCommand {
    /// Make a token, and print it once.
    Add(TokenAddArgs),
    /// List them; nobody can show what they are.
    List,
    /// Remove one: it opens nothing from now on.
    Remove {
        /// Its name.
        name: Name,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("scopes").required(true).multiple(true))]
pub(crate) struct TokenAddArgs {
    /// What it is called: the program that gets it.
    pub(crate) name: Name,

    /// See values, members, and what the node says of itself.
    #[arg(long, group = "scopes")]
    read: bool,

    /// Publish in this machine's name, and serve verbs.
    #[arg(long, group = "scopes")]
    publish: bool,

    /// Ask machines to do things.
    #[arg(long, group = "scopes")]
    call: bool,

    /// All of that, and what changes the plant or the node's own logs.
    #[arg(long, group = "scopes")]
    admin: bool,
}

impl TokenAddArgs {
    /// What the token is to allow.
    pub(crate) fn scopes(&self) -> BTreeSet<Scope> {
        let all = [
            (self.read, Scope::Read),
            (self.publish, Scope::Publish),
            (self.call, Scope::Call),
            (self.admin, Scope::Admin),
        ];
        all.into_iter().filter(|(is_given, _)| *is_given).map(|(_, scope)| scope).collect()
    }
}

impl Operating {
    /// Carries the command out.
    pub(crate) fn run(self, context: &Context) -> Result<u8, Failure> {
        match self {
            Self::Config(args) => commands::config::run(context, &args),
            Self::Get(args) => block_on(commands::board::get(context, args)),
            Self::Top(args) => block_on(commands::top::run(context, args)),
            Self::Machines => block_on(commands::board::machines(context)),
            Self::Replay(args) => block_on(replay::run(context, args)),
            Self::Doctor => block_on(doctor::run(context)),
            Self::Backup(args) => block_on(commands::backup::run(context, args)),
            Self::Restore(args) => block_on(commands::restore::run(context, args)),
            Self::Service(command) => service::run(context, command),
            Self::Token(command) => commands::token::run(context, command),
            Self::Log(args) => block_on(commands::log::run(context, args)),
        }
    }
}
