//! `gearmeshd`: one node, in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gearmesh_node::daemon::{HOME_VARIABLE, UpArgs, default_home, up, wrong_words};

/// Run one gearmesh node in the foreground.
#[derive(Parser)]
#[command(name = "gearmeshd", version)]
struct Arguments {
    /// The node's home directory (default: ~/.gearmesh).
    #[arg(long, env = HOME_VARIABLE, value_name = "DIR")]
    home: Option<PathBuf>,

    #[command(flatten)]
    up: UpArgs,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => up(arguments.home.unwrap_or_else(default_home), arguments.up),
        Err(error) => wrong_words(&error),
    }
}
