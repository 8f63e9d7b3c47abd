//! `gearmesh sub --durable`: a named subscription.

use std::time::Duration;

use gearmesh_protocol::durable::{ConfirmRequest, Confirmed, ConsumeEvent, HistoryEvent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, TopicFilter};

use super::history::{missing, text};
use super::live::first;
use crate::cli::Context;
use crate::client::{Client, Events, query};
use crate::exit::{DONE, Failure};
use crate::output;

/// Events after which what was printed is confirmed even if more come at once.
const CONFIRM_EVERY: u64 = 256;

/// How long nothing may come before what was printed is confirmed.
const IDLE: Duration = Duration::from_millis(100);

pub(super) async fn run(
    context: &Context,
    client: &Client,
    name: &Name,
    filter: &TopicFilter,
    count: Option<u64>,
) -> Result<u8, Failure> {
    let path = format!("/v1/consume?name={}&filter={}", name, query(filter.as_str()));
    let mut events = client.events(&path).await?;
    let (mut left, mut printed, mut confirmed) = (count, 0, 0);
    while left != Some(0) {
        let event = match printed {
            0 => first(events.next::<ConsumeEvent>(), filter).await?,
            _ => match tokio::time::timeout(IDLE, next(&mut events)).await {
                Ok(event) => event?,
                Err(_) => {
                    confirm(client, name, printed, &mut confirmed).await?;
                    next(&mut events).await?
                }
            },
        };
        let Some(ConsumeEvent { seq, event }) = event else {
            return Err(Refusal::NodeStopped.into());
        };
        left = left.map(|left| left - u64::from(matches!(event, HistoryEvent::Entry(_))));
        print(context, &event)?;
        printed = seq;
        if printed - confirmed >= CONFIRM_EVERY {
            confirm(client, name, printed, &mut confirmed).await?;
        }
    }
    confirm(client, name, printed, &mut confirmed).await?;
    Ok(DONE)
}

/// Reading an event may be given up and begun again: what was read stays in the stream's buffer.
async fn next(events: &mut Events) -> Result<Option<ConsumeEvent>, Failure> {
    events.next::<ConsumeEvent>().await
}

/// Says that everything up to an event stands on the screen, or in a file.
async fn confirm(
    client: &Client,
    name: &Name,
    printed: u64,
    confirmed: &mut u64,
) -> Result<(), Failure> {
    if *confirmed < printed {
        let request = ConfirmRequest { name: name.clone(), seq: printed };
        let Confirmed { seq } = client.post("/v1/consume/confirm", &request).await?;
        *confirmed = seq;
    }
    Ok(())
}

fn print(context: &Context, event: &HistoryEvent) -> Result<(), Failure> {
    if context.json {
        return output::json(event);
    }
    match event {
        HistoryEvent::Entry(entry) => output::line(text(entry)),
        HistoryEvent::Gap { author, count, .. } => output::note(missing(author, *count)),
        HistoryEvent::End { .. } => {}
    }
    Ok(())
}
