//! The world plays the shell for commands: the lane, the programs, the own log read at a start.

use std::time::Duration;

use gearmesh_node::core::plant::commands::{
    CommandEffect, CommandInput, Ending, Recalled, Recorded, Run,
};
use gearmesh_node::core::plant::{Input, LinkId};
use gearmesh_protocol::codec;
use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::entry::{CallRecord, CommandRecord, DataEntry};
use gearmesh_protocol::ids::{Incarnation, PublicKey};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;

use super::callers::Executed;
use super::lane::Frame;
use super::network::{Network, Side};
use super::offerers::Worked;
use super::{Event, World};

impl World {
    pub(super) fn carry_out_command(&mut self, node: usize, effect: &CommandEffect) {
        let life = self.machines[node].life;
        // Where nobody asks anybody, histories stay as they were before there were commands.
        let is_busy = self.callers.is_busy || self.offerers.is_busy;
        match effect {
            CommandEffect::Recall => self.recall(node, life, is_busy),
            _ if !is_busy => {}
            CommandEffect::Send { link, frame } => self.send_command(node, *link, frame),
            CommandEffect::Run(run) => self.execute(node, run),
            CommandEffect::Forget { .. } | CommandEffect::Progress { .. } => {}
        }
    }

    /// Reads what a machine's own log says, in two parts.
    fn recall(&mut self, node: usize, life: u64, is_busy: bool) {
        let mut first = self.own_records(node);
        let second = first.split_off(first.len() / 2);
        let delay = if is_busy { self.dice.millis(1, 300) } else { Duration::ZERO };
        for (records, is_last) in [(first, false), (second, true)] {
            let recalled = CommandInput::Recalled(Recalled { records, is_last });
            let input = Box::new(Input::Command(recalled));
            self.schedule(delay, Event::Comes { node, life, input });
        }
    }

    /// What a machine's own log says that a start has to know.
    fn own_records(&self, node: usize) -> Vec<Recorded> {
        let machine = &self.machines[node];
        let Some(log) = machine.store.logs().get(&machine.key) else { return Vec::new() };
        let mut records = Vec::new();
        for group in log.in_order() {
            let (life, number) = (group.header().incarnation, group.header().number);
            for entry in group.entries() {
                if let Ok(entry) = codec::decode(entry, ENTRY_BYTES_MAX) {
                    records.push(Recorded { life, number, entry });
                }
            }
        }
        records
    }

    /// What a machine's own log says of commands, with the lives that wrote it.
    #[must_use]
    pub fn recorded(&self, node: usize) -> Vec<(Incarnation, CommandRecord)> {
        let machine = &self.machines[node];
        let Some(log) = machine.store.logs().get(&machine.key) else { return Vec::new() };
        let mut records = Vec::new();
        for group in log.in_order() {
            for entry in group.entries() {
                if let Ok(DataEntry::Command(record)) = codec::decode(entry, ENTRY_BYTES_MAX) {
                    records.push((group.header().incarnation, record));
                }
            }
        }
        records
    }

    /// What a machine's own log says of its calls.
    #[must_use]
    pub fn recorded_calls(&self, node: usize) -> Vec<CallRecord> {
        let machine = &self.machines[node];
        let Some(log) = machine.store.logs().get(&machine.key) else { return Vec::new() };
        let groups = log.in_order();
        let entries = groups.into_iter().flat_map(|group| group.entries());
        let call = |entry: &Vec<u8>| match codec::decode(entry, ENTRY_BYTES_MAX) {
            Ok(DataEntry::Call(record)) => Some(record),
            _ => None,
        };
        entries.filter_map(call).collect()
    }

    /// A program does what it is told, or not, in its time, or never.
    fn execute(&mut self, node: usize, run: &Run) {
        let life = self.machines[node].life;
        self.trace.add("run", &[node as u64, run.id.0]);
        let Some(id) = run.command else { return };
        if let Some(token) = run.token {
            self.offerers.work(Worked { node, offerer: run.caller, id, token });
        }
        let number = self.callers.execute(Executed { node, caller: run.caller, id });
        let ending = match self.dice.below(20) {
            _ if self.faults.programs_are_sound => Ending::Done(number.to_string().into_bytes()),
            0 => return,
            1 => Ending::Lost,
            2..=4 => Ending::Failed { code: 1, message: number.to_string() },
            _ => Ending::Done(number.to_string().into_bytes()),
        };
        let delay = self.dice.millis(1, 800);
        let ended = CommandInput::Ended { run: run.id, ending };
        let input = Box::new(Input::Command(ended));
        self.schedule(delay, Event::Comes { node, life, input });
    }

    fn send_command(&mut self, node: usize, link: LinkId, frame: &CommandFrame) {
        self.send_again(link, frame);
        // A copy of a call may come a second time, much later.
        if matches!(frame, CommandFrame::Call(_)) && self.dice.percent(10) {
            let (delay, life) = (self.dice.millis(0, 6000), self.machines[node].life);
            let frame = Box::new(frame.clone());
            self.schedule(delay, Event::Copied { node, life, link, frame });
        }
    }

    pub(super) fn send_again(&mut self, link: LinkId, frame: &CommandFrame) {
        self.put_on_its_way(link, frame.name(), Frame::Command(Box::new(frame.clone())));
    }

    pub(super) fn on_command_frame(&mut self, connection: u64, to: Side, frame: CommandFrame) {
        let Some(found) = self.network.get(connection) else { return };
        let (node, peer) = (found.end(to).node, found.end(to.other()).node);
        let link = Network::link(connection, to);
        let peer = self.machines[peer].key;
        if let Some(input) = self.checked(link, &peer, frame) {
            self.feed(node, Input::Command(input));
        }
    }

    fn checked(&self, link: LinkId, peer: &PublicKey, frame: CommandFrame) -> Option<CommandInput> {
        let plant = self.people.plant();
        Some(match frame {
            CommandFrame::Call(signed) => {
                let call = Box::new(signed.verify(&plant, peer).ok()?);
                CommandInput::Call { link, call, fit: Ok(()) }
            }
            CommandFrame::Outcome(signed) => {
                let outcome = Box::new(signed.verify(&plant, peer).ok()?);
                CommandInput::Outcome { link, outcome }
            }
            CommandFrame::Query(query) => CommandInput::Query { link, query, fit: Ok(()) },
            frame => CommandInput::Frame { link, frame },
        })
    }
}
