//! What the node knows of its plant, and the clock by which it judges.

use std::time::Duration;

use gearmesh_protocol::time::UnixMillis;

use super::Facts;
use super::finding::Finding;
use crate::cli::Context;
use crate::output;
use crate::signing::now;

/// No release of gearmesh is older: a clock that shows an earlier time was never set.
const FIRST_RELEASE: UnixMillis = UnixMillis(1_763_000_000_000);

/// A clock that shows this was set wrongly: 2100-01-01.
const FAR_FUTURE: UnixMillis = UnixMillis(4_102_444_800_000);

/// Further apart, and signatures are refused.
const APART_MAX: Duration = Duration::from_secs(86_400);

/// The clock of this machine, against what is written down.
pub(super) fn clock(facts: &Facts) -> Finding {
    let check = "clock";
    let (now, newest) = (now(), newest(facts));
    let set = "set it: timedatectl set-ntp true, or date -s; then start the node anew";
    if now < FIRST_RELEASE || now >= FAR_FUTURE {
        return Finding::wrong(check, format!("this machine believes it is {now}")).mended_by(set);
    }
    match newest {
        Some(newest) if now < newest.minus(APART_MAX) => {
            let said = format!("it is {now} here, and a record of the plant is of {newest}");
            Finding::wrong(check, said).mended_by(set)
        }
        Some(newest) => {
            Finding::fine(check, format!("{now}; the newest record of the plant is of {newest}"))
        }
        None => Finding::fine(check, now.to_string()),
    }
}

fn newest(facts: &Facts) -> Option<UnixMillis> {
    Some(facts.journal.as_ref()?.plant.as_ref()?.newest)
}

/// Journal and ledger, checked record by record.
pub(super) fn ledger(context: &Context, facts: &Facts) -> Finding {
    let check = "ledger";
    let Some(looked) = &facts.journal else {
        return Finding::look(check, "there is no journal yet, or it cannot be read");
    };
    let records = output::counted(looked.records as u64, "record", "records");
    let Some(plant) = &looked.plant else {
        return Finding::look(check, format!("the journal has {records} and no plant yet"))
            .mended_by(format!("{} join CODE", context.program()));
    };
    let damaged: u64 = looked.damaged.iter().map(|(_, bytes)| bytes).sum();
    if !plant.flaws.is_empty() || damaged > 0 {
        let said = format!("{records}, {damaged} bytes damaged, {} not proven", plant.flaws.len());
        return Finding::wrong(check, said)
            .mended_by(format!("{} verify --ledger", context.program()))
            .mended_by(
                "let the node run: what is missing comes again from members; look after the disk",
            );
    }
    if looked.unread > 0 {
        let said = format!("{records}, {} of them of a newer release", looked.unread);
        return Finding::wrong(check, said).mended_by("start the release that wrote the journal");
    }
    let groups = output::counted(plant.groups, "group", "groups");
    Finding::fine(
        check,
        format!("{records}; {groups} signed and whole; {} members", plant.members.len()),
    )
}
