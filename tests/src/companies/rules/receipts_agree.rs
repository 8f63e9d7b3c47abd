//! Once calm, both sides have both signed counts of each stream, and they say the same: what was
//! written is what was delivered and what retention took.

use std::collections::BTreeMap;

use gearmesh_protocol::ids::SheetId;

use super::super::{Seen, World};

/// How much was written, by agreement and sender.
#[derive(Default)]
pub(super) struct Rule {
    written: BTreeMap<(SheetId, usize), u64>,
}

impl super::Rule for Rule {
    fn name(&self) -> &'static str {
        "receipts_agree"
    }

    fn see(&mut self, _: &World, seen: &Seen) -> Result<(), String> {
        if let Seen::Written { who, sheet, entries, .. } = seen {
            *self.written.entry((*sheet, *who)).or_default() += entries.len() as u64;
        }
        Ok(())
    }

    fn at_rest(&mut self, world: &mut World) -> Result<(), String> {
        for meant in world.meant.clone() {
            let Some(written) = self.written.get(&(meant.sheet, meant.sender)) else { continue };
            let receives = world.companies[meant.receiver].is_gateway;
            if !receives || !world.is_running_between(&meant.sheet) {
                continue;
            }
            let log = world.companies[meant.sender].key();
            let mut counts = Vec::new();
            for who in [meant.sender, meant.receiver] {
                let agreements = world.status(who).agreements.into_iter();
                let receipts = agreements.filter(|it| it.sheet == meant.sheet);
                let receipts = receipts.flat_map(|it| it.receipts).filter(|it| it.log == log);
                counts.extend(receipts.map(|it| (it.delivered, it.lost)));
            }
            let agree = counts.len() == 4
                && counts.iter().all(|it| *it == counts[0] && it.0 + it.1 == *written);
            if !agree {
                return Err(format!("{counts:?} of {written} under {:?}", meant.sheet));
            }
        }
        Ok(())
    }
}
