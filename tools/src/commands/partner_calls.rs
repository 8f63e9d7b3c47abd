//! What one company has another's machines do: `gearmesh call partner/NAME …`, and at the other side
//! `gearmesh share requests`, `allow` and `deny`.

use std::time::Duration;

use gearmesh_node::commands::api::{CallEvent, CallRequest, CallState};
use gearmesh_protocol::ids::CommandId;
use gearmesh_protocol::partner_call::PartnerProgress;
use gearmesh_protocol::partner_local::{
    AllowRequest, CallWaiting, PartnerCallRequest, PartnerCalled, PartnersStatus,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use tokio::time::{Instant, sleep};

use super::call::{end, new_id};
use crate::cli::{Context, PartnerCallArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

/// How often the gateway is asked how far a call is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much longer than the call lives its outcome is waited for.
const OUTCOME_WITHIN: Duration = Duration::from_secs(65);

/// Has something done at a partner's.
pub(super) async fn call(
    context: &Context,
    client: &Client,
    name: &str,
    request: &CallRequest,
    again: String,
) -> Result<u8, Failure> {
    let wrong = |text: &str| Failure::from(Refusal::WrongWords).saying(text);
    if request.query || request.wait || request.token.is_some() || request.lease.is_some() {
        return Err(wrong(
            "calls at a partner's wait for it, and are no queries and under no lease",
        ));
    }
    let name: Name = name.parse().map_err(|error| wrong(&format!("partner/{name}: {error}")))?;
    let (id, ttl_ms) = (request.id.map_or_else(new_id, Ok)?, request.ttl_ms.unwrap_or(u32::MAX));
    let arguments = request.arguments.to_string();
    let asked = PartnerCallRequest { name, verb: request.verb.clone(), arguments, id, ttl_ms };
    let until = Instant::now() + Duration::from_millis(ttl_ms.into()) + OUTCOME_WITHIN;
    let mut shown = None;
    loop {
        let called: PartnerCalled = client.post("/v1/partner/call", &asked).await?;
        if let Some(state) = called.state {
            let state = CallState::said(state, &called.detail);
            if context.json {
                output::json(&CallEvent { id, state: state.clone() })?;
            }
            return end(context, state, request, again);
        }
        if called.progress > shown {
            shown = called.progress;
            tell(context, id, shown)?;
        }
        if Instant::now() >= until {
            return Err(Failure::from(Refusal::OutcomeUnknown).mended_by(again));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn tell(
    context: &Context,
    id: CommandId,
    progress: Option<PartnerProgress>,
) -> Result<(), Failure> {
    let (state, words) = match progress {
        None => return Ok(()),
        Some(PartnerProgress::Received) => (CallState::Received, "received"),
        Some(PartnerProgress::Waiting) => (CallState::Received, "waiting for a person there"),
        Some(PartnerProgress::Begun) => (CallState::Accepted, "accepted"),
    };
    if context.json {
        return output::json(&CallEvent { id, state });
    }
    output::note(words);
    Ok(())
}

/// Which calls of partners wait for a person here.
pub(super) async fn requests(context: &Context) -> Result<u8, Failure> {
    let status: PartnersStatus = Client::of(&context.home)?.get("/v1/partner").await?;
    if context.json {
        output::json_document(&status.requests)?;
        return Ok(DONE);
    }
    let row = |it: &CallWaiting| {
        vec![
            it.name.to_string(),
            it.number.to_string(),
            it.partner.to_string(),
            it.verb.to_string(),
            output::printable(&it.arguments),
            output::ago(it.left_ms / 1000),
        ]
    };
    let rows: Vec<Vec<String>> = status.requests.iter().map(row).collect();
    output::table(&["NAME", "NUMBER", "PARTNER", "VERB", "ARGUMENTS", "WAITS FOR"], &rows);
    if let Some(first) = status.requests.first() {
        let program = context.program();
        let (name, number) = (&first.name, first.number);
        output::line(format!("have it done: {program} share allow {name} {number}"));
    }
    Ok(DONE)
}

/// A person decides about a call that waits.
pub(super) async fn allow(
    context: &Context,
    args: PartnerCallArgs,
    allow: bool,
) -> Result<u8, Failure> {
    let PartnerCallArgs { name, number } = args;
    let request = AllowRequest { name, number, allow };
    let () = Client::of(&context.home)?.post("/v1/partner/allow", &request).await?;
    if context.json {
        output::json_document(&request)?;
        return Ok(DONE);
    }
    output::line(if allow { "allowed: it is done now" } else { "denied: the partner hears so" });
    Ok(DONE)
}
