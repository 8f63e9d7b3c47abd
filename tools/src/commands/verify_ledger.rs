//! `gearmesh verify --ledger`: what the journal of a home proves of its plant, without a node.

use gearmesh_node::audit::{self, Audited, Looked};
use gearmesh_node::home::Home;
use gearmesh_protocol::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::exit::{DONE, Failure};
use crate::output;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    if !context.home.exists() {
        return Err(Refusal::NoHome.into());
    }
    let looked = audit::journal(&Home::open(&context.home)?)?.ok_or(Refusal::NoLedger)?;
    let plant = looked.plant.as_ref().ok_or(Refusal::NoLedger)?;
    match context.json {
        true => output::json_document(&Report::of(&looked, plant))?,
        false => tell(&looked, plant),
    }
    let wrong = plant.flaws.len() + looked.damaged.len();
    if wrong > 0 {
        let findings = output::counted(wrong as u64, "finding", "findings");
        let said = format!("{}: {findings}", Refusal::LedgerWrong.text());
        return Err(Failure::from(Refusal::LedgerWrong).saying(said));
    }
    Ok(DONE)
}

fn tell(looked: &Looked, plant: &Audited) {
    let Audited { name, words, acts, groups, members, .. } = plant;
    output::line(format!("Plant     {name}        check words: {words}"));
    output::line(format!(
        "Proven    {}",
        output::counted(*acts, "act of the root", "acts of the root")
    ));
    output::line(format!(
        "          {}",
        output::counted(*groups, "group of records", "groups of records")
    ));
    output::line(format!("Members   {}; the newest record is of {}", members.len(), plant.newest));
    for flaw in &plant.flaws {
        output::line(format!("WRONG     {flaw}"));
    }
    for (offset, bytes) in &looked.damaged {
        output::line(format!("DAMAGED   {bytes} bytes of the journal, at {offset}"));
    }
    if looked.unread > 0 {
        let records = output::counted(looked.unread as u64, "record", "records");
        output::line(format!("UNREAD    {records} of a newer release"));
    }
    for alarm in &plant.alarms {
        output::line(format!("ALARM     {alarm}"));
    }
    output::note("Compare the check words with those of the plant.");
}

/// The same for a program.
#[derive(Serialize)]
struct Report<'a> {
    plant: String,
    plant_name: &'a str,
    plant_words: &'a str,
    acts: u64,
    groups: u64,
    members: usize,
    newest: u64,
    records: usize,
    unread: usize,
    flaws: &'a [String],
    damaged: &'a [(u64, u64)],
    alarms: &'a [String],
}

impl<'a> Report<'a> {
    fn of(looked: &'a Looked, plant: &'a Audited) -> Self {
        Self {
            plant: plant.plant.to_string(),
            plant_name: &plant.name,
            plant_words: &plant.words,
            acts: plant.acts,
            groups: plant.groups,
            members: plant.members.len(),
            newest: plant.newest.0,
            records: looked.records,
            unread: looked.unread,
            flaws: &plant.flaws,
            damaged: &looked.damaged,
            alarms: &plant.alarms,
        }
    }
}
