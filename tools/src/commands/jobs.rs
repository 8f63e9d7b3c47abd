//! `gearmesh offer` and `gearmesh jobs`: work for whoever can do it.

use std::time::Duration;

use gearmesh_node::commands::api::VerbStatus;
use gearmesh_node::items::api::{
    OfferRequest, RehomeRequest, Rehomed, WorkKey, WorkStatus, WorkWord,
};
use gearmesh_protocol::ids::WorkId;
use gearmesh_protocol::local::MemberStatus;
use gearmesh_protocol::refusal::Refusal;

use super::call::{arguments_of, new_id};
use super::named;
use crate::cli::{CancelArgs, Context, JobsArgs, JobsWord, OfferArgs, RehomeArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

/// Between two looks at an item that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Letters of what came of an item that the table shows.
const SHOWN: usize = 60;

pub(crate) async fn offer(context: &Context, args: OfferArgs) -> Result<u8, Failure> {
    // Known here, so that the same item can be offered again if the node does not answer any more.
    let id = args.id.map_or_else(|| new_id().map(|id| WorkId(id.0)), Ok)?;
    let request = OfferRequest {
        verb: args.verb.clone(),
        arguments: arguments_of(args.arguments.as_deref())?,
        id: Some(id),
        silence_ms: u32::try_from(args.ttl.as_millis()).ok(),
        tries: Some(args.tries),
        again_if_failed: args.retry_failed,
    };
    let client = Client::of(&context.home)?;
    let key: WorkKey = client.post("/v1/offer", &request).await.map_err(|failure: Failure| {
        match failure.is_of_a_node_that_is_away() {
            true => failure.mended_by(format!("offer it again, with the same id: --id {id}")),
            false => failure,
        }
    })?;
    if args.wait {
        return wait_for(context, &client, key.id).await;
    }
    if context.json {
        output::json(&key)?;
        return Ok(DONE);
    }
    let verbs: Vec<VerbStatus> = client.get("/v1/verbs").await?;
    if !verbs.iter().any(|verb| verb.jobs && verb.verb == args.verb) {
        let text = format!("no machine that is linked takes {} at the moment; it waits", args.verb);
        output::note(text);
    }
    output::line(key.id);
    Ok(DONE)
}

/// Waits until nothing more becomes of an item.
async fn wait_for(context: &Context, client: &Client, id: WorkId) -> Result<u8, Failure> {
    loop {
        let items: Vec<WorkStatus> = client.get("/v1/jobs").await?;
        let item = items.into_iter().find(|item| item.id == id);
        match item {
            Some(item) if item.state.is_final() => return tell_end(context, &item),
            Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            None => return Err(Refusal::WorkUnknown.into()),
        }
    }
}

fn tell_end(context: &Context, item: &WorkStatus) -> Result<u8, Failure> {
    if context.json {
        output::json(item)?;
    }
    if item.state == WorkWord::Failed {
        let why = item.trouble.clone().unwrap_or_default();
        return Err(Failure::from(Refusal::WorkFailed).saying(format!("it failed: {why}")));
    }
    if !context.json {
        output::line(item.result.clone().unwrap_or_default());
    }
    Ok(DONE)
}

pub(crate) async fn run(context: &Context, args: JobsArgs) -> Result<u8, Failure> {
    match args.word {
        None => list(context, args.all).await,
        Some(JobsWord::List(list_args)) => list(context, args.all || list_args.all).await,
        Some(JobsWord::Cancel(args)) => cancel(context, args).await,
        Some(JobsWord::Rehome(args)) => rehome(context, args).await,
    }
}

async fn list(context: &Context, all: bool) -> Result<u8, Failure> {
    let path = if all { "/v1/jobs?all=true" } else { "/v1/jobs" };
    let items: Vec<WorkStatus> = Client::of(&context.home)?.get(path).await?;
    if context.json {
        output::json_document(&items)?;
        return Ok(DONE);
    }
    if items.is_empty() {
        output::note("nothing was offered: gearmesh offer VERB");
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    output::table(&["ITEM", "OF", "VERB", "STATE", "BY", "TAKEN", "SINCE", "RESULT"], &rows);
    Ok(DONE)
}

fn row(item: &WorkStatus) -> Vec<String> {
    let state = match item.orphaned && !item.state.is_final() {
        true => format!("{} (orphaned)", item.state.text()),
        false => item.state.text().to_owned(),
    };
    let result = item.result.as_ref().map(ToString::to_string);
    let result = result.or_else(|| item.trouble.clone()).unwrap_or_default();
    vec![
        item.id.to_string(),
        item.offerer.clone(),
        item.verb.to_string(),
        state,
        item.worker.clone().unwrap_or_default(),
        format!("{} of {}", item.takes, item.tries),
        item.since.to_string(),
        result.chars().take(SHOWN).collect(),
    ]
}

async fn cancel(context: &Context, args: CancelArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let key: WorkKey = client.post("/v1/jobs/cancel", &WorkKey { id: args.id }).await?;
    match context.json {
        true => output::json(&key)?,
        false => output::line(format!("{} will not be done", key.id)),
    }
    Ok(DONE)
}

async fn rehome(context: &Context, args: RehomeArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = named::any(&members, args.machine.as_str(), args.key.as_deref())?;
    let request = RehomeRequest { offerer: member.key };
    let rehomed: Vec<Rehomed> = client.post("/v1/jobs/rehome", &request).await?;
    if context.json {
        output::json_document(&rehomed)?;
        return Ok(DONE);
    }
    if rehomed.is_empty() {
        output::note(format!("{} has left nothing to be done", args.machine));
    }
    for Rehomed { old, id, done_by } in rehomed {
        match (id, done_by) {
            (Some(id), _) => output::line(format!("{id}  in place of {old}")),
            (None, by) => output::line(format!("{old}  was done by {}", by.unwrap_or_default())),
        }
    }
    Ok(DONE)
}
