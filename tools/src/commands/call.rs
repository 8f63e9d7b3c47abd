//! `gearmesh call`: asks a machine to do something, and tells what becomes of it.

use std::io::Read;

use gearmesh_node::commands::api::{CallEvent, CallRequest, CallState};
use gearmesh_protocol::ids::CommandId;
use gearmesh_protocol::limits::COMMAND_BYTES_MAX;
use gearmesh_protocol::refusal::Refusal;
use serde_json::Value;

use super::partner_calls;
use crate::cli::{CallArgs, Context};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: CallArgs) -> Result<u8, Failure> {
    let CallArgs { machine, verb, arguments, ttl, id, wait, query, lease, token } = args;
    let arguments = arguments_of(arguments.as_deref())?;
    // Known here, so that it can be said even if the node does not answer any more.
    let id = id.map_or_else(new_id, Ok)?;
    let ttl_ms = u32::try_from(ttl.as_millis()).ok();
    let again = format!("ask again: {} call {machine} {verb} … --id {id}", context.program());
    let id = Some(id);
    // A query needs none, and a token says more, whatever the environment says.
    let lease = lease.filter(|_| !query && token.is_none());
    let request = CallRequest { machine, verb, arguments, id, ttl_ms, wait, query, token, lease };
    let client = Client::of(&context.home)?;
    if let Some(name) = request.machine.strip_prefix("partner/") {
        return partner_calls::call(context, &client, name, &request, again).await;
    }
    let mut events = client.post_events("/v1/call", &request).await?;
    while let Some(event) = events.next::<CallEvent>().await? {
        if context.json {
            output::json(&event)?;
        }
        match event.state {
            CallState::Received if !context.json => output::note("received"),
            CallState::Accepted if !context.json => output::note("accepted"),
            CallState::Received | CallState::Accepted => {}
            state => return end(context, state, &request, again),
        }
    }
    let stopped = Failure::from(Refusal::OutcomeUnknown);
    Err(stopped.saying("the node stopped before the machine had answered").mended_by(again))
}

/// The last state: an answer, or why there is none.
pub(super) fn end(
    context: &Context,
    state: CallState,
    request: &CallRequest,
    again: String,
) -> Result<u8, Failure> {
    let machine = &request.machine;
    match state {
        CallState::Done { result } => {
            if !context.json {
                output::line(result);
            }
            Ok(DONE)
        }
        CallState::Failed { code, message } => Err(Failure::from(Refusal::CommandFailed)
            .saying(format!("{machine} did not succeed ({code}): {message}"))),
        CallState::Refused(body) => Err(body.into()),
        CallState::Expired if request.query => Err(Failure::from(Refusal::CommandExpired)
            .saying(format!("{machine} did not answer in time"))),
        CallState::Expired => Err(Refusal::CommandExpired.into()),
        CallState::Indeterminate => Err(Refusal::CommandIndeterminate.into()),
        CallState::Unknown(body) => Err(Failure::from(body).mended_by(again)),
        CallState::Received | CallState::Accepted => Err(Refusal::OutcomeUnknown.into()),
    }
}

/// The arguments as a person typed or piped them.
pub(super) fn arguments_of(text: Option<&str>) -> Result<Value, Failure> {
    let text = match text {
        None => return Ok(Value::Null),
        Some("-") => {
            let mut read = String::new();
            // One byte more than fits, so that too much is told from just enough.
            let mut input = std::io::stdin().take(COMMAND_BYTES_MAX as u64 + 1);
            input.read_to_string(&mut read).map_err(Failure::system)?;
            read
        }
        Some(text) => text.to_owned(),
    };
    if text.len() > COMMAND_BYTES_MAX {
        return Err(Refusal::CommandTooLarge.into());
    }
    serde_json::from_str(&text).map_err(|error| {
        Failure::from(Refusal::ArgumentsNotJson)
            .saying(format!("the arguments are no JSON: {error}"))
    })
}

pub(super) fn new_id() -> Result<CommandId, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Failure::system)?;
    Ok(CommandId(bytes))
}
