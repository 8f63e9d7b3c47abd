//! The data lane of one link: what must not be lost, on its way from disk to disk.

use std::sync::Arc;

use futures::AsyncWriteExt;
use futures::io::{ReadHalf, WriteHalf};
use gearmesh_protocol::data::{DataFrame, GroupsPage};
use gearmesh_protocol::log::Group;
use gearmesh_protocol::shown::ShownPage;
use libp2p::swarm::Stream;
use tokio::sync::mpsc;

use super::lanes::{LaneContext, tell_core};
use crate::core::plant::data::{DataInput, Shown};
use crate::core::plant::{Input, LinkId};
use crate::shell::carrier::frames::{self, FrameError};

/// Reads frames until the lane breaks. Groups are verified here, outside the core's loop.
pub(super) async fn read(
    context: &LaneContext,
    link: LinkId,
    stream: ReadHalf<Stream>,
) -> Result<(), FrameError> {
    let input = |frame| async move {
        Input::Data(match frame {
            DataFrame::Ends(ends) => DataInput::Ends { link, ends: ends.into_vec() },
            DataFrame::Parts(parts) => DataInput::Parts { link, parts: parts.into_vec() },
            DataFrame::Pull { author, after } => {
                DataInput::Pull { link, author, after: after.into_vec() }
            }
            DataFrame::Groups(page) => verified(context, link, page).await,
            DataFrame::Read(request) => DataInput::Read { link, request },
            DataFrame::Shown(page) => shown(context, link, page).await,
            DataFrame::NotShown { number, refusal } => {
                DataInput::NotShown { link, number, refusal }
            }
        })
    };
    tell_core(context, stream, input).await
}

/// A group that is not what its author signed ends the page: what follows builds on it.
async fn verified(context: &LaneContext, link: LinkId, page: GroupsPage) -> DataInput {
    let plant = context.core.view().roster.as_ref().map(|roster| roster.plant());
    let mut groups = Vec::new();
    for bytes in &page.groups {
        match plant.and_then(|plant| Group::read(&plant, bytes).ok()) {
            Some(group) => groups.push(Arc::new(group)),
            None => {
                context.counters.malformed_frames.add_one();
                tracing::warn!(?link, "a member sent a group that its author did not sign");
                break;
            }
        }
        tokio::task::yield_now().await;
    }
    let GroupsPage { author, gap, is_last, .. } = page;
    DataInput::Groups { link, author, groups, gap, is_last }
}

/// A page of which one group or entry is not proven is worth nothing: what was left out of it is
/// not known.
async fn shown(context: &LaneContext, link: LinkId, page: ShownPage) -> DataInput {
    let plant = context.core.view().roster.as_ref().map(|roster| roster.plant());
    let ShownPage { number, author, groups } = page;
    let mut verified = Vec::new();
    for group in groups {
        let Some(group) = plant.and_then(|plant| group.verify(&plant).ok()) else {
            return DataInput::Shown { link, number, page: None };
        };
        verified.push(group);
        tokio::task::yield_now().await;
    }
    let page = Some(Shown { author, groups: verified });
    DataInput::Shown { link, number, page }
}

/// Writes frames one by one: a page fills a write by itself.
pub(super) async fn write(
    context: &LaneContext,
    mut stream: WriteHalf<Stream>,
    mut frames: mpsc::Receiver<DataFrame>,
) -> Result<(), FrameError> {
    while let Some(frame) = frames.recv().await {
        let bytes = frames::frame(&frame);
        context.counters.data_bytes.add(bytes.len() as u64);
        stream.write_all(&bytes).await?;
        stream.flush().await?;
    }
    Ok(())
}
