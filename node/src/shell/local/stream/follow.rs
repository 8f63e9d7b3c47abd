//! A stream of a program that follows: values go out as fast as the program reads, and what it
//! does not read in time is lost to it alone.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::Response;
use gearmesh_protocol::framing::{framed, put_length};
use gearmesh_protocol::live::put_body;
use gearmesh_protocol::stream::{ARRIVED_HEADER_BYTES, put_arrived_head, put_losses};
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedWriteHalf;

use super::super::super::clock::Clock;
use super::super::super::plant::live::{Origin, Parts, Series, Subscription};
use super::super::State;
use super::super::answer::{Failure, Parameters};
use super::super::live::Following;
use super::sources::Sources;
use super::{Connection, Out, StreamEnd, Upgrade, stopped};
use crate::core::conflation::Losses;

/// Bytes that one write collects before it goes out.
const WRITE_BYTES: usize = 64 * 1024;

/// Values taken from the queue at once, so that whoever fills it never waits long for it.
const TAKE_VALUES: usize = 512;

pub(in super::super) async fn follow(
    Shared(state): Shared<State>,
    upgrade: Upgrade,
    Parameters(following): Parameters<Following>,
) -> Result<Response, Failure> {
    let subscription = following.begin(&state)?;
    Ok(upgrade.serve(move |connection| serve(connection, subscription, state)))
}

async fn serve(mut connection: Connection, subscription: Subscription, state: State) {
    let Connection { reader, writer, unread, out } = &mut connection;
    let has_spoken = unread.is_within_frame();
    let end = tokio::select! {
        broken = write(&subscription, state.clock, out, writer) => StreamEnd::Io(broken),
        end = async {
            match reader.read(&mut [0]).await {
                _ if has_spoken => StreamEnd::Unasked,
                Ok(0) => StreamEnd::Left,
                Ok(_) => StreamEnd::Unasked,
                Err(error) => StreamEnd::Io(error),
            }
        } => end,
        end = stopped(&state) => end,
    };
    // Its place is free before the program hears that it has lost it.
    drop(subscription);
    connection.end("follow", &end).await;
}

/// Writes what arrives until the socket breaks.
async fn write(
    subscription: &Subscription,
    clock: Clock,
    out: &mut Out,
    writer: &mut OwnedWriteHalf,
) -> std::io::Error {
    let mut told = Told { sources: Sources::default(), clock };
    let mut pieces = Vec::with_capacity(TAKE_VALUES);
    loop {
        let losses = subscription.take(&mut pieces, TAKE_VALUES).await;
        if let Some(losses) = losses {
            told.put_losses(&losses, &mut out.bytes);
        }
        for series in pieces.drain(..) {
            told.put_series(&series, &mut out.bytes);
            if out.bytes.len() >= WRITE_BYTES
                && let Err(error) = out.flush(writer).await
            {
                return error;
            }
        }
        if let Err(error) = out.flush(writer).await {
            return error;
        }
        // One long value is no reason to keep its room.
        out.bytes.shrink_to(4 * WRITE_BYTES);
    }
}

/// What one program was told.
struct Told {
    sources: Sources,
    clock: Clock,
}

impl Told {
    fn put_series(&mut self, series: &Series, out: &mut Vec<u8>) {
        let alias = self.sources.alias(&series.origin, out);
        let age = self.clock.tick().saturating_sub(series.at());
        let age_ms = u32::try_from(age.as_millis()).unwrap_or(u32::MAX);
        match series.parts() {
            Parts::One(sample) => framed(out, |out| {
                put_arrived_head(out, alias, age_ms);
                put_body(out, sample);
            }),
            Parts::Encoded(mut bodies) => {
                while let Some(body) = bodies.next_bytes() {
                    put_length(out, ARRIVED_HEADER_BYTES + body.len());
                    put_arrived_head(out, alias, age_ms);
                    out.extend_from_slice(body);
                }
            }
        }
    }

    fn put_losses(&mut self, losses: &Losses<Arc<Origin>>, out: &mut Vec<u8>) {
        for (origin, count) in &losses.topics {
            let alias = self.sources.alias(origin, out);
            framed(out, |out| put_losses(out, Some(alias), *count));
        }
        if losses.elsewhere > 0 {
            framed(out, |out| put_losses(out, None, losses.elsewhere));
        }
    }
}
