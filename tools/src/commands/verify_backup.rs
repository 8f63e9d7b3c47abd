//! `gearmesh verify FILE` of a backup: what is in it, and whether it is whole.

use std::path::Path;

use gearmesh_node::audit::{self, Audited, Looked};
use gearmesh_protocol::refusal::Refusal;
use serde::Serialize;

use super::backup::tell;
use crate::backup::{About, Backup};
use crate::cli::Context;
use crate::exit::{DONE, Failure};
use crate::output;

/// The same for a program.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    about: &'a About,
    files: u64,
    bytes: u64,
    members: Option<usize>,
    newest: Option<u64>,
    flaws: Vec<&'a str>,
    damaged: &'a [(u64, u64)],
}

pub(super) fn run(context: &Context, file: &Path) -> Result<u8, Failure> {
    let backup = Backup::open(file)?;
    let about = backup.about.clone();
    let passed = backup.look()?;
    let looked = passed.journal.as_ref().map(audit::look_at).transpose();
    let looked = looked.map_err(Failure::system)?;
    let plant = looked.as_ref().and_then(|looked| looked.plant.as_ref());
    let flaws: Vec<&str> =
        plant.iter().flat_map(|plant| &plant.flaws).map(String::as_str).collect();
    let damaged = looked.as_ref().map(|looked: &Looked| &looked.damaged[..]).unwrap_or_default();
    let (files, bytes) = (passed.files, passed.bytes);
    if context.json {
        let members = plant.map(|plant| plant.members.len());
        let newest = plant.map(|plant| plant.newest.0);
        let about = &about;
        let report = Report { about, files, bytes, members, newest, flaws: flaws.clone(), damaged };
        output::json_document(&report)?;
    } else {
        tell(&about);
        if let Some(Audited { members, newest, .. }) = plant {
            let members = output::counted(members.len() as u64, "member", "members");
            output::line(format!("Proven    {members}; the newest record is of {newest}"));
        }
        flaws.iter().for_each(|flaw| output::line(format!("WRONG     {flaw}")));
        for (offset, bytes) in damaged {
            output::line(format!("DAMAGED   {bytes} bytes of the journal, at {offset}"));
        }
        let files = output::counted(files, "file", "files");
        output::line(format!("Whole     {files}, {bytes} bytes"));
    }
    match flaws.is_empty() && damaged.is_empty() {
        true => Ok(DONE),
        false => Err(Failure::from(Refusal::LedgerWrong)
            .saying("the journal in this backup does not prove all that it says")),
    }
}
