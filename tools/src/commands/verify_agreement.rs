//! `gearmesh verify --agreement`: what the papers of an agreement prove, without a node.

use gearmesh_node::home::Home;
use gearmesh_node::papers::{self, Paper, Papers};
use gearmesh_protocol::partner::Party;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use serde::Serialize;

use super::partner_sheet::in_words;
use crate::cli::Context;
use crate::exit::{DONE, Failure};
use crate::output;

/// The same for a program.
#[derive(Serialize)]
struct Report {
    name: String,
    sheet: String,
    revision: u32,
    words: String,
    logs: Vec<LogReport>,
}

#[derive(Serialize)]
struct LogReport {
    is_ours: bool,
    groups: u64,
    entries: u64,
    before: u64,
    flaws: Vec<String>,
}

pub(super) fn run(context: &Context, name: &Name) -> Result<u8, Failure> {
    if !context.home.exists() {
        return Err(Refusal::NoHome.into());
    }
    let papers = papers::agreement(&Home::open(&context.home)?, name)?;
    let papers = papers.ok_or(Refusal::ShareUnknown)?;
    match context.json {
        true => output::json_document(&Report::of(&papers))?,
        false => tell(&papers),
    }
    let flaws: usize = papers.logs.iter().map(|log| log.flaws.len()).sum();
    if flaws > 0 {
        let findings = output::counted(flaws as u64, "finding", "findings");
        let said = format!("{}: {findings}", Refusal::AgreementWrong.text());
        return Err(Failure::from(Refusal::AgreementWrong).saying(said));
    }
    Ok(DONE)
}

fn tell(papers: &Papers) {
    let Papers { name, sheet: (sheet, revision), parties: (from, to), words, .. } = papers;
    output::line(format!("Agreement {name}  sheet {sheet}, version {revision}"));
    for (who, party) in [("offered", from), ("accepted", to)] {
        output::line(signed(who, party));
    }
    output::line(format!("Words     {words}"));
    for line in in_words(&papers.terms, from.name.as_str(), to.name.as_str()) {
        output::line(format!("          {line}"));
    }
    if let Some(ended) = papers.ended {
        output::line(format!("Ended     at {ended}"));
    }
    papers.logs.iter().for_each(tell_log);
}

fn signed(who: &str, party: &Party) -> String {
    let Party { name, admin, gateway, .. } = party;
    format!("Signed    {who} by {name}: admin {admin}, gateway {gateway}")
}

fn tell_log(log: &Paper) {
    let (groups, entries, before) = log.checked;
    let which = if log.is_ours { "sent" } else { "received" };
    let values = output::counted(entries, "value", "values");
    let groups = output::counted(groups, "group", "groups");
    let gone = match before {
        0 => String::new(),
        before => format!("; {before} before them are here no more"),
    };
    output::line(format!("Proven    {values} {which}, in {groups}{gone}"));
    for flaw in &log.flaws {
        output::line(format!("WRONG     {flaw}"));
    }
}

impl Report {
    fn of(papers: &Papers) -> Self {
        let log = |it: &Paper| LogReport {
            is_ours: it.is_ours,
            groups: it.checked.0,
            entries: it.checked.1,
            before: it.checked.2,
            flaws: it.flaws.clone(),
        };
        Self {
            name: papers.name.to_string(),
            sheet: papers.sheet.0.to_string(),
            revision: papers.sheet.1,
            words: papers.words.clone(),
            logs: papers.logs.iter().map(log).collect(),
        }
    }
}
