//! `gearmesh settle`: a person says that all branches of this machine's durable values are its own.

use gearmesh_protocol::inspect::{Branch, DataLog, SettleRequest, Settled};
use gearmesh_protocol::local::Status;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;

use super::named::start;
use crate::cli::{Context, SettleArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::ask;

pub(crate) async fn run(context: &Context, args: SettleArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let status: Status = client.get("/v1/status").await?;
    let Some(me) = status.plant.as_ref().map(|plant| plant.me.as_ref()) else {
        return Err(no_plant());
    };
    let own = me.map(|me| me.name.as_str());
    if let Some(other) = args.name.as_ref().filter(|name| Some(name.as_str()) != own) {
        return Err(elsewhere(context, other));
    }
    let log: DataLog = client.get(&format!("/v1/data/log?key={}", status.key)).await?;
    let Some(fork) = &log.fork else {
        return Err(Refusal::NotForked.into());
    };
    let shown = shown(&fork.branches);
    let question = format!(
        "The durable values of this machine have {} branches:\n{shown}\
         If its disk was put back to an older copy, all of them are its own: join them.\n\
         If another machine may hold its key, do not: revoke the key instead.",
        fork.branches.len()
    );
    let word = own.unwrap_or("settle");
    if !args.yes && !ask(&question, &format!("Type {word} to join them: "), word)? {
        return Err(Refusal::NotConfirmed.into());
    }
    let ends = fork.branches.iter().map(|branch| branch.end.group).collect();
    let settled: Settled = client.post("/v1/data/settle", &SettleRequest { ends }).await?;
    if context.json {
        output::json_document(&settled)?;
        return Ok(DONE);
    }
    output::line(format!(
        "settled: group {} (number {}) joins {} branches; nothing of them is lost",
        start(&settled.group.to_string()),
        settled.number,
        fork.branches.len()
    ));
    output::line("the other members hear of it now, or when they can be reached");
    Ok(DONE)
}

/// Only who wrote a log can go on with it.
fn elsewhere(context: &Context, name: &Name) -> Failure {
    Failure::from(Refusal::SettledElsewhere)
        .saying(format!("only {name} itself can settle what {name} wrote"))
        .mended_by(format!(
            "type this on {name}: gearmesh settle; what is wrong with it: {} why {name}",
            context.program()
        ))
}

fn shown(branches: &[Branch]) -> String {
    branches.iter().map(|branch| format!("  {}\n", line(branch))).collect()
}

fn line(branch: &Branch) -> String {
    let time = |at: Option<UnixMillis>| at.map_or_else(|| "…".to_owned(), |at| at.to_string());
    format!(
        "{}  {} in {}, values from {} to {}",
        start(&branch.end.group.to_string()),
        output::counted(branch.entries, "entry", "entries"),
        output::counted(branch.groups, "group", "groups"),
        time(branch.from),
        time(branch.until)
    )
}
