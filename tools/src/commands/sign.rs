//! `gearmesh sign`: sign what was written down at a node.

use serde::Serialize;

use gearmesh_protocol::refusal::Refusal;

use crate::cli::{Context, SignArgs};
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::ask;
use crate::signing::paper::{Unsigned, signed_name, told};

/// What was signed, for programs.
#[derive(Serialize)]
struct Signed {
    records: Vec<String>,
    signed: String,
}

pub(crate) fn run(context: &Context, args: &SignArgs) -> Result<u8, Failure> {
    let unsigned = Unsigned::read(&args.file)?;
    let keyring = Keyring::open(&context.keyring, &unsigned.plant)?;
    let records = unsigned.records(&args.file)?;
    let said: Vec<String> = records.iter().map(told).collect();
    let name = output::printable(&unsigned.plant_name);
    let question = format!("For {name}, written down at {}:\n  {}", unsigned.at, said.join("\n  "));
    if !args.yes && !ask(&question, "Type sign to go on: ", "sign")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let carried = unsigned.sign(&keyring, records)?;
    let file = signed_name(&args.file);
    carried.write(&file)?;
    let signed = file.display().to_string();
    if context.json {
        output::json_document(&Signed { records: said, signed })?;
        return Ok(DONE);
    }
    for line in &said {
        output::line(line);
    }
    output::line(format!("Signed  {signed}"));
    output::line(format!("Next    at a node of the plant: gearmesh hand-in {signed}"));
    Ok(DONE)
}
