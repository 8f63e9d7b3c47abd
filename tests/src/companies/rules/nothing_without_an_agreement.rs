//! Nothing crosses but under an agreement that a person confirmed, at a gateway that its plant still
//! has as one.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::SheetId;

use super::super::{Seen, World};

/// What was confirmed.
#[derive(Default)]
pub(super) struct Rule {
    confirmed: BTreeSet<SheetId>,
}

impl super::Rule for Rule {
    fn name(&self) -> &'static str {
        "nothing_without_an_agreement"
    }

    fn see(&mut self, _: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Confirmed { sheet, .. } => drop(self.confirmed.insert(*sheet)),
            Seen::Written { who, sheet, .. } | Seen::Entered { who, sheet, .. }
                if !self.confirmed.contains(sheet) =>
            {
                return Err(format!("{who} shares under {sheet:?}, which nobody confirmed"));
            }
            Seen::Written { who, sheet, stands: false, .. } => {
                return Err(format!(
                    "{who} is no gateway of its plant, and shares under {sheet:?}"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}
