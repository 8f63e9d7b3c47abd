//! `gearmesh history`: durable values of the past.

use gearmesh_protocol::durable::{HistoryEntry, HistoryEvent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::TopicFilter;

use super::live::{filter_of, quality, shown};
use crate::cli::{Context, HistoryArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: HistoryArgs) -> Result<u8, Failure> {
    let filter = filter_of(&args.filter)?;
    let path = path("/v1/history", &filter, &args);
    let mut events = Client::of(&context.home)?.events(&path).await?;
    loop {
        let Some(event) = events.next::<HistoryEvent>().await? else {
            return Err(Refusal::NodeStopped.into());
        };
        if context.json {
            output::json(&event)?;
        }
        match event {
            HistoryEvent::End { .. } if context.json => return Ok(DONE),
            HistoryEvent::End { entries, withheld } => {
                tell_end(&filter, entries, withheld);
                return Ok(DONE);
            }
            HistoryEvent::Entry(_) | HistoryEvent::Gap { .. } if context.json => {}
            HistoryEvent::Entry(entry) => output::line(text(&entry)),
            HistoryEvent::Gap { author, count, .. } => {
                output::note(missing(&author, count));
            }
        }
    }
}

/// Where the node answers for what is wanted.
pub(super) fn path(what: &str, filter: &TopicFilter, args: &HistoryArgs) -> String {
    let mut path = format!("{what}?filter={}", query(filter.as_str()));
    for (name, time) in [("since", args.since), ("until", args.until)] {
        path += &time.map_or_else(String::new, |time| format!("&{name}={}", time.0));
    }
    path
}

/// What is said of entries that are gone.
pub(super) fn missing(author: &str, count: u64) -> String {
    let (author, are) = (output::printable(author), if count == 1 { "is" } else { "are" });
    format!("{} of {author} {are} missing here", output::counted(count, "entry", "entries"))
}

pub(super) fn tell_end(filter: &TopicFilter, entries: u64, withheld: u64) {
    if entries == 0 {
        output::note(format!("nothing durable on {filter} is here; pub --durable makes it so"));
    }
    if withheld > 0 {
        output::note(format!(
            "{withheld} values are withheld: their authors might not write them; gearmesh why NAME \
             says more of a member"
        ));
    }
}

/// One value as a line.
pub(super) fn text(entry: &HistoryEntry) -> String {
    let marks = match (entry.after_cut, entry.fork) {
        (false, false) => "",
        (true, false) => "  (after its author was revoked)",
        (false, true) => "  (on a side branch: its author signed in two places)",
        (true, true) => "  (on a side branch, after its author was revoked)",
    };
    format!(
        "{}  {}  {}{}{marks}",
        entry.sample.source_time,
        output::printable(&entry.topic),
        shown(&entry.sample),
        quality(&entry.sample),
    )
}
