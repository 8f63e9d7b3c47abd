//! `gearmesh verify`: checks an export without a node.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use gearmesh_node::evidence::{Counted, Evidence, Verifier, Wrong};
use gearmesh_protocol::export::ExportLine;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use super::{verify_agreement, verify_backup, verify_ledger};
use crate::backup::is_backup;
use crate::cli::{Context, VerifyArgs};
use crate::exit::{DONE, Failure};
use crate::output;

/// Bytes of a line: a page of the ledger in hexadecimal digits, with room.
const LINE_BYTES_MAX: u64 = 8 << 20;

pub(crate) fn run(context: &Context, args: &VerifyArgs) -> Result<u8, Failure> {
    if let Some(name) = &args.agreement {
        return verify_agreement::run(context, name);
    }
    let Some(file) = args.file.as_ref().filter(|_| !args.ledger) else {
        return verify_ledger::run(context);
    };
    let mut from = open(file)?;
    // A pipe may give less at first; only a file is a backup.
    if is_backup(from.fill_buf().map_err(Failure::system)?) {
        return verify_backup::run(context, file);
    }
    let evidence = read(from)?;
    match context.json {
        true => output::json_document(&Report::of(&evidence))?,
        false => tell(&evidence),
    }
    Ok(DONE)
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let cannot = |error| Failure::system(format!("{} cannot be read: {error}", path.display()));
    Ok(Box::new(BufReader::new(File::open(path).map_err(cannot)?)))
}

fn read(mut file: impl BufRead) -> Result<Evidence, Failure> {
    let mut verifier = Verifier::default();
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        let read = file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text);
        if read.map_err(|error| Failure::system(format!("it cannot be read: {error}")))? == 0 {
            break;
        }
        let line = serde_json::from_slice::<ExportLine>(&text).map_err(|error| {
            Failure::from(Refusal::ExportUnreadable).saying(format!("line {number}: {error}"))
        })?;
        verifier.take(line).map_err(|wrong| failure(&wrong, Some(number)))?;
    }
    verifier.finish().map_err(|wrong| failure(&wrong, None))
}

fn failure(wrong: &Wrong, line: Option<u64>) -> Failure {
    let refusal = match wrong {
        Wrong::NoBegin | Wrong::Newer(_) => Refusal::ExportUnreadable,
        _ => Refusal::ExportWrong,
    };
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    Failure::from(refusal).saying(format!("{place}{wrong}"))
}

fn tell(evidence: &Evidence) {
    let Evidence { roster, by, at, authors, withheld } = evidence;
    let words = check_words(roster.plant().as_bytes());
    output::line(format!("Plant     {}        check words: {words}", roster.name().as_str()));
    output::line(format!("Exported  by {} at {at}", roster.name_of(by)));
    for (author, counted) in authors {
        let Counted { values, after_cut, on_forks, across_gaps, missing, breaks } = *counted;
        let values = output::counted(values, "value", "values");
        output::line(format!("Proven    {values} of {}", roster.name_of(author)));
        let marks = [
            (after_cut, "were written after it was revoked"),
            (on_forks, "lie on a side branch: its key signed in two places"),
            (
                across_gaps,
                "lie before missing groups: where in the log, only the exporting node says",
            ),
            (missing, "of its entries were missing where this was exported"),
            (breaks, "breaks in the chain of its groups"),
        ];
        for (count, what) in marks.into_iter().filter(|(count, _)| *count > 0) {
            output::line(format!("          {count} {what}"));
        }
    }
    if *withheld > 0 {
        let values = output::counted(*withheld, "value", "values");
        output::line(format!("Left out  {values} that their authors might not write"));
    }
    output::note(
        "Compare the check words with those of the plant. What was not exported is not proven to be \
         missing.",
    );
}

/// The same for a program.
#[derive(Serialize)]
struct Report {
    plant: PlantId,
    plant_name: String,
    plant_words: String,
    by: PublicKey,
    at: UnixMillis,
    authors: Vec<AuthorReport>,
    withheld: u64,
}

#[derive(Serialize)]
struct AuthorReport {
    author: String,
    author_key: PublicKey,
    values: u64,
    after_cut: u64,
    fork: u64,
    across_gaps: u64,
    missing: u64,
    breaks: u64,
}

impl Report {
    fn of(evidence: &Evidence) -> Self {
        let roster = &evidence.roster;
        let author = |(key, counted): (&PublicKey, &Counted)| AuthorReport {
            author: roster.name_of(key),
            author_key: *key,
            values: counted.values,
            after_cut: counted.after_cut,
            fork: counted.on_forks,
            across_gaps: counted.across_gaps,
            missing: counted.missing,
            breaks: counted.breaks,
        };
        Self {
            plant: roster.plant(),
            plant_name: roster.name().as_str().to_owned(),
            plant_words: check_words(roster.plant().as_bytes()),
            by: evidence.by,
            at: evidence.at,
            authors: evidence.authors.iter().map(author).collect(),
            withheld: evidence.withheld,
        }
    }
}
