//! `gearmesh export`: durable values as a table, or as lines that prove what they say.

use gearmesh_protocol::durable::{HistoryEntry, HistoryEvent};
use gearmesh_protocol::export::ExportLine;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Value;

use super::history::{missing, path, tell_end};
use super::live::filter_of;
use crate::cli::{Context, ExportArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output::{self, Bulk};

/// Values after which a person hears how far it is.
const TELL_EVERY: u64 = 100_000;

/// The columns of a table.
const COLUMNS: [&str; 9] =
    ["time", "topic", "value", "unit", "quality", "author", "after_cut", "fork", "replay"];

pub(crate) async fn run(context: &Context, args: ExportArgs) -> Result<u8, Failure> {
    match args.csv {
        true => table(context, args).await,
        false => evidence(context, args).await,
    }
}

async fn table(context: &Context, args: ExportArgs) -> Result<u8, Failure> {
    let filter = filter_of(&args.wanted.filter)?;
    let path = path("/v1/history", &filter, &args.wanted);
    let mut events = Client::of(&context.home)?.events(&path).await?;
    let mut out = Bulk::begin();
    out.row(COLUMNS)?;
    let mut count = 0;
    loop {
        let Some(event) = events.next::<HistoryEvent>().await? else {
            return Err(Refusal::NodeStopped.into());
        };
        match event {
            HistoryEvent::Entry(entry) => {
                out.row(cells(&entry))?;
                tell(&mut count);
            }
            HistoryEvent::Gap { author, count, .. } => output::note(missing(&author, count)),
            HistoryEvent::End { entries, withheld } => {
                out.end()?;
                tell_end(&filter, entries, withheld);
                return Ok(DONE);
            }
        }
    }
}

async fn evidence(context: &Context, args: ExportArgs) -> Result<u8, Failure> {
    let filter = filter_of(&args.wanted.filter)?;
    let path = path("/v1/export", &filter, &args.wanted);
    let mut lines = Client::of(&context.home)?.events(&path).await?;
    let mut out = Bulk::begin();
    let mut count = 0;
    loop {
        let Some(line) = lines.next::<ExportLine>().await? else {
            return Err(Refusal::NodeStopped.into());
        };
        out.json(&line)?;
        match line {
            ExportLine::Entry(_) => tell(&mut count),
            ExportLine::Gap { author, count, .. } => output::note(missing(&author, count)),
            ExportLine::End { entries, withheld } => {
                out.end()?;
                tell_end(&filter, entries, withheld);
                return Ok(DONE);
            }
            ExportLine::Export { .. } | ExportLine::Ledger(_) | ExportLine::Group(_) => {}
        }
    }
}

fn tell(count: &mut u64) {
    *count += 1;
    if count.is_multiple_of(TELL_EVERY) {
        output::note(format!("{count} values so far"));
    }
}

fn cells(entry: &HistoryEntry) -> [String; 9] {
    let sample = &entry.sample;
    [
        sample.source_time.to_string(),
        entry.topic.clone(),
        cell(&sample.value),
        sample.unit.as_ref().map(ToString::to_string).unwrap_or_default(),
        sample.quality.to_string(),
        entry.author.clone(),
        entry.after_cut.to_string(),
        entry.fork.to_string(),
        sample.replay.to_string(),
    ]
}

/// Spreadsheets take a text that begins like a formula for one, and what a machine of the plant
/// sent must not be carried out: a quotation mark in front makes it a text again.
fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_formula() {
        for formula in ["=1+1", "+1", "-1", "@sum", "\t=1"] {
            assert_eq!(cell(&Value::Text(formula.to_owned())), format!("'{formula}"));
        }
        assert_eq!(cell(&Value::Integer(-1)), "-1");
        assert_eq!(cell(&Value::Text("done".to_owned())), "done");
    }
}
