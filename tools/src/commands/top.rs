//! `gearmesh top`: machines and values as they are now, on a terminal that is as it was afterwards.

use std::time::Duration;

use gearmesh_protocol::local::{MemberStatus, Presence, SubscribeEvent};
use gearmesh_protocol::refusal::Refusal;
use tokio::signal::unix::{SignalKind, signal};

use super::board::{HEADS, row, values};
use crate::cli::{Context, TopArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure};
use crate::output;
use crate::screen::{Screen, is_terminal};

/// Between two drawings.
const DRAW_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &Context, args: TopArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    if args.once || !is_terminal() {
        output::line(picture(&client, &args.filter, usize::MAX).await?);
        return Ok(DONE);
    }
    // As long as these events are read, the node follows the values and knows the last of each.
    let path = format!("/v1/subscribe?filter={}", query(&args.filter));
    let mut events = client.events(&path).await?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Failure::system)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(Failure::system)?;
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let screen = Screen::open();
    loop {
        tokio::select! {
            event = events.next::<SubscribeEvent>() => {
                if event?.is_none() {
                    return Err(Refusal::NodeStopped.into());
                }
            }
            _ = draw.tick() => {
                screen.show(&picture(&client, &args.filter, screen.lines()).await?);
            }
            _ = interrupted.recv() => return Ok(DONE),
            _ = terminated.recv() => return Ok(DONE),
        }
    }
}

/// Members above, values below, as many lines as fit.
async fn picture(client: &Client, filter: &str, lines: usize) -> Result<String, Failure> {
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let board = values(client, filter).await?;
    let member = |member: &MemberStatus| {
        let since = match member.presence {
            Presence::Here => String::new(),
            _ => output::ago(member.presence_for_s),
        };
        vec![member.name.clone(), member.presence.to_string(), since]
    };
    let members: Vec<_> =
        members.iter().filter(|member| member.presence != Presence::Revoked).map(member).collect();
    let mut picture = output::aligned(&["NAME", "PRESENCE", "FOR"], &members);
    picture.push(String::new());
    picture.extend(output::aligned(&HEADS, &board.values.iter().map(row).collect::<Vec<_>>()));
    let left = picture.len().saturating_sub(lines.saturating_sub(1));
    if left > 0 {
        picture.truncate(lines.saturating_sub(1));
        picture.push(format!("{left} lines more: gearmesh get shows all"));
    }
    Ok(picture.join("\n"))
}
