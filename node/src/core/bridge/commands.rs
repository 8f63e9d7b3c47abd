//! Calls of partners on their way to machines of the plant, if an agreement that is open names the
//! verb and this side has said which machine it stands for.

use std::time::Duration;

use gearmesh_protocol::ids::{CommandId, SheetId};
use gearmesh_protocol::partner_call::plant_command;
use gearmesh_protocol::partner_local::VerbSelection;
use gearmesh_protocol::topic::Name;

use super::{Bridge, Effect, Partners};
use crate::core::clock::Now;
use crate::core::partner::CallReady;

/// A command of the plant's in which a partner's call is carried out. Only the bridge makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commanded {
    sheet: SheetId,
    number: u64,
    partner: Name,
    machine: Name,
    verb: Name,
    arguments: Vec<u8>,
    within: Duration,
}

impl Commanded {
    /// Under which agreement, and which call.
    #[must_use]
    pub const fn call(&self) -> (SheetId, u64) {
        (self.sheet, self.number)
    }

    /// The command's id: the same for the same call.
    #[must_use]
    pub fn id(&self) -> CommandId {
        plant_command(&self.sheet, self.number)
    }

    /// For whom.
    #[must_use]
    pub const fn partner(&self) -> &Name {
        &self.partner
    }

    /// Who is to do it.
    #[must_use]
    pub const fn machine(&self) -> &Name {
        &self.machine
    }

    /// What the machine calls it.
    #[must_use]
    pub const fn verb(&self) -> &Name {
        &self.verb
    }

    /// The arguments, JSON.
    #[must_use]
    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// How long it may take until the machine has it; nothing: it is only asked what became of it.
    #[must_use]
    pub const fn within(&self) -> Duration {
        self.within
    }
}

impl Bridge {
    /// What partners ask for by now, with what is to be on the disk before.
    pub fn commands(&self, now: Now, partners: &mut Partners) -> (Vec<Effect>, Vec<Commanded>) {
        let (mut effects, mut commands) = (Vec::new(), Vec::new());
        for (sheet, crossing) in &self.open {
            while let Some(ready) = partners.next_called(now, sheet) {
                let CallReady { number, verb, arguments, left } = ready;
                effects.extend(partners.begin_call(now, sheet, number));
                let command = crossing.command(*sheet, number, &verb);
                commands.extend(command.map(|it| Commanded { arguments, within: left, ..it }));
            }
            for (number, verb, arguments) in partners.calls_to_recall(now, sheet) {
                let command = crossing.command(*sheet, number, &verb);
                commands.extend(command.map(|it| Commanded { arguments, ..it }));
            }
        }
        (effects, commands)
    }
}

impl super::Crossing {
    fn command(&self, sheet: SheetId, number: u64, verb: &Name) -> Option<Commanded> {
        let VerbSelection { machine, stands_for, .. } =
            self.verbs.iter().find(|it| it.verb == *verb)?.clone();
        let (partner, within) = (self.partner.clone(), Duration::ZERO);
        let (verb, arguments) = (stands_for, Vec::new());
        Some(Commanded { sheet, number, partner, machine, verb, arguments, within })
    }
}
