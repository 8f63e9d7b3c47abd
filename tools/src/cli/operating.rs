//! The words by which a node is set up and looked after.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Context;
use crate::commands;
use crate::exit::Failure;

/// Commands of whoever looks after a machine.
#[derive(Subcommand)]
pub(crate) enum Operating {
    /// Print all settings of a node, with what they are by themselves.
    Config(ConfigArgs),
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

impl Operating {
    /// Carries the command out.
    pub(crate) fn run(self, context: &Context) -> Result<u8, Failure> {
        match self {
            Self::Config(args) => commands::config::run(context, &args),
        }
    }
}
