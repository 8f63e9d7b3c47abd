//! The words by which a node is set up and looked after.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use gearmesh_protocol::audit::AUDIT_LINES_USUAL;
use gearmesh_protocol::time::UnixMillis;

use super::{Context, block_on, moment};
use crate::commands;
use crate::doctor;
use crate::exit::Failure;

/// Commands of whoever looks after a machine.
#[derive(Subcommand)]
pub(crate) enum Operating {
    /// Print all settings of a node, with what they are by themselves.
    Config(ConfigArgs),
    /// Look for what is wrong on this machine: clock, ports, files, disk, journal, members.
    #[command(after_help = "Example: gearmesh doctor --json")]
    Doctor,
    /// Show who did what and when: records of the plant, and commands.
    Log(LogArgs),
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

impl Operating {
    /// Carries the command out.
    pub(crate) fn run(self, context: &Context) -> Result<u8, Failure> {
        match self {
            Self::Config(args) => commands::config::run(context, &args),
            Self::Doctor => block_on(doctor::run(context)),
            Self::Log(args) => block_on(commands::log::run(context, args)),
        }
    }
}
