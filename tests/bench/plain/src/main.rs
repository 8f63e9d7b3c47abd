//! What the machine gives to whoever stores without anything: an append and its sync, a copy over
//! an encrypted stream, a reading of all files.

mod copy;
mod files;
mod publish;

use anyhow::{Result, bail};
use bench_common::{DurableWords, Task};
use clap::Parser as _;

fn main() -> Result<()> {
    let words = DurableWords::parse();
    match words.task {
        Task::Publish => publish::run(&words),
        Task::Give => copy::give(&words),
        Task::Take => copy::take(&words),
        Task::Open => files::open(&words),
        Task::Fill => bail!("what gearmesh filled is what is copied and read"),
    }
}
