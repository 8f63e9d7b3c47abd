//! Machines that ask each other to do things, ask again, and remember what they were told.

use std::time::Duration;

use gearmesh_node::core::plant::commands::{AWAY_WITHIN, Asked, CommandInput, Service};
use gearmesh_node::core::plant::{Answer, Input};
use gearmesh_protocol::command::Verb;
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::{CommandId, PublicKey};

use super::admission::Question;
use super::{Event, World};

/// How long a call may wait beyond all other waits: as long as it lives, for a program that never
/// ends, and for a target that is away.
pub const CALL_MAX: Duration = Duration::from_secs(30);

/// How long a program may take.
const WITHIN: Duration = Duration::from_secs(2);

/// A program did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// At which machine.
    pub node: usize,
    /// For whom.
    pub caller: PublicKey,
    /// Which command.
    pub id: CommandId,
}

/// A machine was told what became of a command.
#[derive(Clone, Debug)]
pub struct Told {
    /// Who had been asked.
    pub node: usize,
    /// Who was told.
    pub caller: PublicKey,
    /// Which command.
    pub id: CommandId,
    /// What.
    pub state: CommandState,
}

/// What was asked, done and told.
#[derive(Debug, Default)]
pub struct Callers {
    /// Whether anybody asks anybody.
    pub(super) is_busy: bool,
    asked: Vec<(usize, usize, CommandId)>,
    executed: Vec<Executed>,
    told: Vec<Told>,
}

impl Callers {
    /// What programs did.
    #[must_use]
    pub fn executed(&self) -> &[Executed] {
        &self.executed
    }

    /// What callers were told.
    #[must_use]
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// Notes that something is done. Its number.
    pub(super) fn execute(&mut self, executed: Executed) -> usize {
        self.executed.push(executed);
        self.executed.len()
    }
}

impl World {
    /// What was asked, done and told.
    #[must_use]
    pub const fn callers(&self) -> &Callers {
        &self.callers
    }

    pub(super) fn begin_calling(&mut self, members: usize) {
        self.callers.is_busy = true;
        for node in 0..members {
            self.call_again(node);
        }
    }

    fn call_again(&mut self, node: usize) {
        let delay = self.dice.millis(50, 900);
        self.schedule(delay, Event::Call { node });
    }

    /// A machine that was switched on serves its verb.
    pub(super) fn begin_serving(&mut self, node: usize) {
        let takes_work = self.offerers.is_busy;
        if !self.callers.is_busy && !takes_work {
            return;
        }
        let ticket = self.ask(node, Question::Serve);
        let verb = Verb { name: load(), is_query: false, schema: Vec::new() };
        let service = Service { verb, at_once: 2, within: WITHIN, resource: None, takes_work };
        self.feed(node, Input::Command(CommandInput::Serve { ticket, service }));
    }

    pub(super) fn on_call(&mut self, node: usize) {
        // In calm times nobody asks, so that there is an end to it.
        if self.faults.pause == 0 {
            return;
        }
        if self.machines[node].plant.is_some() {
            self.call(node);
        }
        self.call_again(node);
    }

    fn call(&mut self, node: usize) {
        let own: Vec<(usize, CommandId)> = self
            .callers
            .asked
            .iter()
            .filter(|(caller, ..)| *caller == node)
            .map(|(_, target, id)| (*target, *id))
            .collect();
        let again = if self.dice.percent(30) { self.dice.pick(&own).copied() } else { None };
        let (target, id) = again.unwrap_or_else(|| {
            let target = self.dice.below(self.machines.len());
            (target, CommandId(self.dice.bytes()))
        });
        if again.is_none() {
            self.callers.asked.push((node, target, id));
        }
        // Now and then somebody uses an id for something else.
        let is_other = again.is_some() && self.dice.percent(10);
        let asked = Asked {
            id,
            target: self.machines[target].key,
            verb: load(),
            arguments: if is_other { b"2".to_vec() } else { b"1".to_vec() },
            ttl: self.dice.millis(200, 5000),
            waits: self.dice.percent(50),
            token: None,
            partner: None,
            away_within: AWAY_WITHIN,
        };
        let question = Question::Call { target, id };
        let ticket = self.ask(node, question);
        self.feed(node, Input::Command(CommandInput::Ask { ticket, asked, fit: Ok(()) }));
    }

    pub(super) fn on_told(&mut self, node: usize, target: usize, id: CommandId, answer: Answer) {
        if let Answer::Ended(ended) = answer {
            let caller = self.machines[node].key;
            self.callers.told.push(Told { node: target, caller, id, state: ended.state });
        }
    }
}

#[expect(clippy::expect_used, reason = "a short text is a name")]
pub(super) fn load() -> gearmesh_protocol::topic::Name {
    "load".parse().expect("a name")
}
