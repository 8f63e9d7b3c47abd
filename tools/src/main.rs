//! `gearmesh`: found a plant, bring machines in, follow their values, throw one out.

use std::process::ExitCode;

use clap::Parser;

mod backup;
mod cli;
mod client;
mod commands;
mod demo;
mod doctor;
mod exit;
mod keyring;
mod output;
mod program;
mod replay;
mod screen;
mod service;
mod signing;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return cli::wrong_words(&error),
    };
    let json = arguments.json;
    match cli::dispatch(arguments) {
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure, json);
            ExitCode::from(failure.exit())
        }
    }
}
