//! The command lane of one link: signatures and arguments are checked here, outside the core's loop.

use futures::io::ReadHalf;
use gearmesh_protocol::command::{Call, CommandFrame};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::signed::{Signable, Signed, Verified};
use libp2p::swarm::Stream;

use super::lanes::LaneContext;
use crate::core::plant::commands::CommandInput;
use crate::core::plant::{Input, LinkId};
use crate::shell::carrier::frames::{self, FrameError};

/// Reads frames until the lane breaks. What its sender did not sign is left out and counted.
pub(super) async fn read(
    context: &LaneContext,
    link: LinkId,
    peer: PublicKey,
    mut stream: ReadHalf<Stream>,
) -> Result<(), FrameError> {
    loop {
        let frame = frames::read(&mut stream, FRAME_BYTES_MAX).await?;
        let Some(input) = checked(context, link, &peer, frame) else { continue };
        if !context.core.tell(Input::Command(input)).await {
            return Ok(());
        }
    }
}

fn checked(
    context: &LaneContext,
    link: LinkId,
    peer: &PublicKey,
    frame: CommandFrame,
) -> Option<CommandInput> {
    match frame {
        CommandFrame::Call(signed) => {
            let call: Box<Verified<Call>> = verified(context, peer, &signed)?;
            let fit = context.services.fit(&call.value().verb, &call.value().arguments);
            Some(CommandInput::Call { link, call, fit })
        }
        CommandFrame::Outcome(signed) => {
            let outcome = verified(context, peer, &signed)?;
            Some(CommandInput::Outcome { link, outcome })
        }
        CommandFrame::Query(query) => {
            let fit = context.services.fit(&query.verb, &query.arguments);
            Some(CommandInput::Query { link, query, fit })
        }
        frame => Some(CommandInput::Frame { link, frame }),
    }
}

fn verified<T: Signable>(
    context: &LaneContext,
    peer: &PublicKey,
    signed: &Signed<T>,
) -> Option<Box<Verified<T>>> {
    let plant = context.core.view().roster.as_ref().map(|roster| roster.plant())?;
    match signed.verify(&plant, peer) {
        Ok(verified) => Some(Box::new(verified)),
        Err(error) => {
            context.counters.malformed_frames.add_one();
            tracing::warn!(?peer, %error, "a member sent what it did not sign");
            None
        }
    }
}
