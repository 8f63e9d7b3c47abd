//! `gearmesh lease`: who may use what.

use std::time::Duration;

use gearmesh_node::leases::api::{
    HeldStatus, LeaseKey, LeaseNews, LeaseRequest, LeaseState, ResourceStatus,
};
use gearmesh_protocol::entry::FencingToken;
use gearmesh_protocol::ids::LeaseId;
use gearmesh_protocol::refusal::Refusal;

use super::lease_run;
use crate::cli::{AcquireArgs, Context, LeaseArgs, LeaseWord, LossWord, WantedArgs};
use crate::client::{Client, Events, query};
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: LeaseArgs) -> Result<u8, Failure> {
    match args.word {
        LeaseWord::Acquire(args) => acquire(context, args).await,
        LeaseWord::Renew(args) => tell(context, "/v1/lease/renew", args.id).await,
        LeaseWord::Release(args) => tell(context, "/v1/lease/release", args.id).await,
        LeaseWord::List(args) => list(context, args.resource.as_deref()).await,
        LeaseWord::Run(args) => lease_run::run(context, args).await,
    }
}

async fn acquire(context: &Context, args: AcquireArgs) -> Result<u8, Failure> {
    let AcquireArgs { wanted, on_loss, id } = args;
    let request = request(&wanted, on_loss, id, false);
    let client = Client::of(&context.home)?;
    let mut events = client.post_events("/v1/lease", &request).await?;
    let Granted { id, token, left } = granted(context, &mut events, &wanted.resource).await?;
    if !context.json {
        output::note(format!("{} is held for {}", wanted.resource, seconds(left)));
        output::note(format!("  renew it: {} lease renew {id}", context.program()));
        output::note(format!("  token {}", token_text(&token)));
        output::line(id);
    }
    Ok(DONE)
}

/// What is asked for.
pub(super) fn request(
    wanted: &WantedArgs,
    on_loss: LossWord,
    id: Option<LeaseId>,
    hold: bool,
) -> LeaseRequest {
    let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    LeaseRequest {
        resource: wanted.resource.clone(),
        ttl_ms: Some(millis(wanted.ttl)),
        wait_ms: wanted.wait.map(millis),
        on_loss: Some(on_loss.into()),
        id,
        hold,
    }
}

/// A lease that was granted.
pub(super) struct Granted {
    pub(super) id: LeaseId,
    pub(super) token: FencingToken,
    pub(super) left: Duration,
}

/// Waits for a lease, and says at which place.
pub(super) async fn granted(
    context: &Context,
    events: &mut Events,
    resource: &str,
) -> Result<Granted, Failure> {
    while let Some(news) = events.next::<LeaseNews>().await? {
        if context.json {
            output::json(&news)?;
        }
        match news.state {
            LeaseState::Waiting { place } if !context.json => {
                output::note(format!("waiting for {resource}, at place {place}"));
            }
            LeaseState::Waiting { .. } => {}
            LeaseState::Held { token, left_ms } => {
                let left = Duration::from_millis(left_ms.into());
                return Ok(Granted { id: news.id, token, left });
            }
            LeaseState::Refused(body) => return Err(body.into()),
            LeaseState::Ended { .. } => return Err(Refusal::LeaseOver.into()),
        }
    }
    Err(Refusal::NodeStopped.into())
}

async fn tell(context: &Context, path: &str, id: LeaseId) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let news: LeaseNews = client.post(path, &LeaseKey { id }).await?;
    if context.json {
        output::json(&news)?;
        return Ok(DONE);
    }
    output::line(match news.state {
        LeaseState::Held { left_ms, .. } => {
            format!("held for {}", seconds(Duration::from_millis(left_ms.into())))
        }
        _ => "given back".to_owned(),
    });
    Ok(DONE)
}

async fn list(context: &Context, resource: Option<&str>) -> Result<u8, Failure> {
    let resources = all(&Client::of(&context.home)?, resource).await?;
    if context.json {
        output::json_document(&resources)?;
        return Ok(DONE);
    }
    if resources.is_empty() {
        output::note("no machine that is linked gives such a thing away: up --resource NAME");
        return Ok(DONE);
    }
    let mut rows = Vec::new();
    for of in &resources {
        let resource = vec![of.resource.to_string(), of.machine.to_string()];
        let row = |cells: [String; 3]| [resource.clone(), cells.to_vec()].concat();
        let held = |held: &HeldStatus| row([held.holder.clone(), since(held), left(held)]);
        rows.extend(of.held.iter().map(held));
        let free = usize::from(of.places).saturating_sub(of.held.len());
        let nothing = String::new;
        match &of.unknown {
            Some(body) => rows.push(row([format!("? ({})", body.error), nothing(), nothing()])),
            None if of.closed_ms > 0 => {
                let closed = seconds(Duration::from_millis(of.closed_ms.into()));
                rows.push(row([format!("(closed for {closed})"), nothing(), nothing()]));
            }
            None if free > 0 => rows.push(row([format!("({free} free)"), nothing(), nothing()])),
            None => {}
        }
        let waiting = |who: &String| row([format!("{who} (waits)"), nothing(), nothing()]);
        rows.extend(of.waiting.iter().map(waiting));
    }
    output::table(&["RESOURCE", "AT", "HOLDER", "SINCE", "LEFT"], &rows);
    Ok(DONE)
}

/// What is known of resources.
pub(super) async fn all(
    client: &Client,
    resource: Option<&str>,
) -> Result<Vec<ResourceStatus>, Failure> {
    let path = match resource {
        Some(resource) => format!("/v1/leases?resource={}", query(resource)),
        None => "/v1/leases".to_owned(),
    };
    client.get(&path).await
}

/// Who holds a resource, in sentences.
pub(super) fn sentences(of: &ResourceStatus) -> Vec<String> {
    let (resource, machine) = (&of.resource, &of.machine);
    let mut said = Vec::new();
    if let Some(body) = &of.unknown {
        said.push(format!("nobody knows who holds {resource} of {machine}: {}", body.error));
        return said;
    }
    if of.closed_ms > 0 {
        let closed = seconds(Duration::from_millis(of.closed_ms.into()));
        said.push(format!(
            "{machine} was just started and gives {resource} to nobody for another {closed}, until \
             earlier leases are over"
        ));
    }
    for held in &of.held {
        said.push(format!(
            "{} holds {resource} of {machine}, since {}; its lease ends in {} if it is not renewed",
            held.holder,
            since(held),
            left(held)
        ));
    }
    if of.held.is_empty() && of.closed_ms == 0 {
        said.push(format!("nobody holds {resource} of {machine}"));
    }
    for (place, who) in (1..).zip(&of.waiting) {
        said.push(format!("{who} waits for it, at place {place}"));
    }
    said
}

fn since(held: &HeldStatus) -> String {
    match held.since_ms {
        Some(ms) => format!("{} ago", seconds(Duration::from_millis(ms))),
        None => "before its machine was started".to_owned(),
    }
}

fn left(held: &HeldStatus) -> String {
    seconds(Duration::from_millis(held.left_ms.into()))
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_millis().div_ceil(1000))
}

/// A token in one word.
pub(crate) fn token_text(token: &FencingToken) -> String {
    format!("{}:{}", token.incarnation, token.number)
}
