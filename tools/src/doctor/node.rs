//! The node itself, and who can be reached from it.

use gearmesh_protocol::local::Presence;

use super::finding::Finding;
use super::{Facts, Running};
use crate::cli::Context;
use crate::output;

/// Whether it runs, what it says is wrong, and whom it reaches.
pub(super) fn checks(context: &Context, facts: &Facts) -> Vec<Finding> {
    let Some(node) = &facts.node else {
        let stopped = match facts.home {
            Some(_) => Finding::look("node", "no node answers in this home"),
            None => Finding::wrong("node", "the home cannot be used, so no node can run in it"),
        };
        return vec![stopped.mended_by(format!("start it: {} up", context.program()))];
    };
    let mut findings = vec![running(node), members(context, node)];
    findings.extend(node.status.refused.iter().map(|refused| {
        let said =
            format!("another member refuses this node: {} [code {}]", refused.text, refused.code);
        Finding::wrong("refused", said).mended_by(refused.mend.clone())
    }));
    let alarm = |text: &String| Finding::wrong("alarm", text.clone());
    findings.extend(node.status.alarms.iter().map(alarm));
    findings
}

fn running(node: &Running) -> Finding {
    let (theirs, ours) = (&node.status.version, env!("CARGO_PKG_VERSION"));
    let up = output::ago(node.status.uptime_s);
    if theirs == ours {
        return Finding::fine("node", format!("release {theirs}, up {up}"));
    }
    Finding::look("node", format!("release {theirs} runs, and this command is of {ours}"))
        .mended_by("start the node anew, so that both are of one release")
}

fn members(context: &Context, node: &Running) -> Finding {
    let check = "members";
    let Some(plant) = &node.status.plant else {
        return Finding::look(check, "this node belongs to no plant yet")
            .mended_by(format!("{} join CODE", context.program()));
    };
    if plant.me.is_none() {
        return Finding::wrong(check, "this node is no member of its plant any more")
            .mended_by("ask an admin for a new invitation, and join in a fresh home");
    }
    let others = plant.members.saturating_sub(1);
    let said =
        format!("{} of {others} others are online, {} of them linked", plant.online, plant.links);
    let away = node.members.iter().filter(|member| member.presence == Presence::Unreachable);
    let why = |name: &str| format!("{} why {name}", context.program());
    let mends: Vec<String> = away.take(NAMED_MAX).map(|member| why(&member.name)).collect();
    let finding = match (others, plant.online) {
        (0, _) | (_, 1..) if mends.is_empty() => Finding::fine(check, said),
        (1.., 0) => Finding::wrong(check, said),
        _ => Finding::look(check, said),
    };
    mends.into_iter().fold(finding, Finding::mended_by)
}

/// Members of whom one by one is said how to learn more.
const NAMED_MAX: usize = 5;
