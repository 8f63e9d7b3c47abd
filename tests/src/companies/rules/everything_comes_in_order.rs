//! What was written under an agreement enters the other plant in its order and without a gap that
//! was not told; once calm, to the end. A group may come twice if its receiver crashed in between.

use std::collections::BTreeMap;

use gearmesh_protocol::ids::SheetId;
use gearmesh_protocol::sample::Sample;

use super::super::{Seen, World};

/// One stream.
#[derive(Default)]
struct Stream {
    written: Vec<Sample>,
    /// Where the receiver is, and where it would go on after a crash.
    at: usize,
    safe: usize,
}

/// All streams, by agreement and receiver.
#[derive(Default)]
pub(super) struct Rule {
    streams: BTreeMap<(SheetId, usize), Stream>,
}

impl Rule {
    fn of_sender(&mut self, world: &World, sheet: SheetId, sender: usize) -> Option<&mut Stream> {
        let meant = world.meant.iter().find(|it| it.sheet == sheet && it.sender == sender)?;
        Some(self.streams.entry((sheet, meant.receiver)).or_default())
    }
}

impl super::Rule for Rule {
    fn name(&self) -> &'static str {
        "everything_comes_in_order"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Written { who, sheet, entries, .. } => {
                let stream = self.of_sender(world, *sheet, *who).ok_or("nobody agreed on it")?;
                stream.written.extend(entries.iter().map(|entry| entry.sample.clone()));
            }
            Seen::Entered { who, sheet, values } => {
                let stream = self.streams.entry((*sheet, *who)).or_default();
                let run = stream.written.get(stream.at..stream.at + values.len());
                let fits = run.map(|run| run.iter().eq(values.iter().map(|(_, sample)| sample)));
                if fits != Some(true) {
                    let at = (stream.safe, stream.at, stream.written.len());
                    return Err(format!("{who} gets {values:?} at {at:?} of {sheet:?}"));
                }
                stream.at += values.len();
            }
            Seen::Kept { who, sheet } => {
                let stream = self.streams.entry((*sheet, *who)).or_default();
                stream.safe = stream.at;
            }
            Seen::Lost { who, sheet, entries } => {
                let stream = self.streams.entry((*sheet, *who)).or_default();
                stream.at += usize::try_from(*entries).unwrap_or(0);
                stream.safe = stream.at;
            }
            Seen::Crashed { who } => {
                let own = self.streams.iter_mut().filter(|((_, receiver), _)| receiver == who);
                own.for_each(|(_, stream)| stream.at = stream.safe);
            }
            _ => {}
        }
        Ok(())
    }

    fn at_rest(&mut self, world: &mut World) -> Result<(), String> {
        for ((sheet, receiver), stream) in &self.streams {
            let receives = world.is_running_between(sheet) && world.companies[*receiver].is_gateway;
            if receives && stream.at != stream.written.len() {
                let of = stream.written.len();
                return Err(format!("{receiver} has {} of {of} of {sheet:?}", stream.at));
            }
        }
        Ok(())
    }
}
