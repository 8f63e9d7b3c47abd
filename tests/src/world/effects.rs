//! The world plays the shell: inputs in, effects carried out in their order.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::{Effect, Input, LinkId};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::plant::{Address, ControlFrame};

use super::lane::{Frame, Inbox, Lane};
use super::network::{Connection, End, Network, Purpose, Side, Stage};
use super::{Event, Step, World};

impl World {
    /// Gives a machine an input and carries out what it wants done.
    pub(super) fn feed(&mut self, node: usize, input: Input) {
        let wrote = matches!(input, Input::Persisted { .. });
        let now = self.machines[node].clocks(self.now);
        let Some(plant) = &mut self.machines[node].plant else { return };
        let effects = plant.handle(now, input);
        let mut step = Step { node, wrote, effects: Vec::new(), stray_answers: 0 };
        for effect in &effects {
            self.carry_out(node, effect, &mut step);
        }
        step.effects = effects;
        self.steps.push(step);
    }

    fn carry_out(&mut self, node: usize, effect: &Effect, step: &mut Step) {
        let life = self.machines[node].life;
        match effect {
            Effect::Persist { write, records } => {
                self.trace.add("persist", &[node as u64, *write, records.len() as u64]);
                self.machines[node].disk.begin(*write, records.clone());
                let (well, delay) = self.write_outcome(node);
                let done = self.machines[node].disk.queue(self.now + delay);
                let event = Event::Written { node, life, write: *write, well };
                self.schedule(done.saturating_sub(self.now), event);
            }
            Effect::Note { records } => self.machines[node].disk.note(records.clone()),
            Effect::Answer { ticket, answer } => {
                self.trace.add("answer", &[node as u64, ticket.0]);
                step.stray_answers += usize::from(!self.open.contains_key(ticket));
                let (ticket, answer) = (*ticket, answer.clone());
                self.schedule(Duration::ZERO, Event::Answered { ticket, answer });
            }
            Effect::Send { link, frame } => self.send(*link, frame),
            Effect::Close { link, .. } => self.close(*link),
            Effect::Dial { peer, addresses } => self.dial_member(node, peer, addresses),
            Effect::DialAddress { address } => {
                self.trace.add("seed", &[node as u64]);
                let target = self.machines.iter().position(|m| m.address == *address);
                let purpose = Purpose::Seed(address.clone());
                match target.filter(|target| *target != node) {
                    Some(target) => self.open_connection(node, target, purpose),
                    None => self.fail_dial(node, life, None, Some(address.clone()), None),
                }
            }
            Effect::Data(effect) => self.carry_out_data(node, effect),
            Effect::Command(effect) => self.carry_out_command(node, effect),
            // Leases have a world of their own: sim_leases.
            Effect::Lease(_) => {}
            Effect::Work(effect) => self.carry_out_work(node, effect),
            Effect::Publish(view) => {
                self.trace.add("view", &[node as u64, view.links.len() as u64])
            }
        }
    }

    fn dial_member(&mut self, node: usize, peer: &PublicKey, addresses: &[Address]) {
        self.trace.add("dial", &[node as u64, addresses.len() as u64]);
        let target = self
            .machines
            .iter()
            .position(|machine| machine.key == *peer && addresses.contains(&machine.address));
        match target {
            Some(target) => self.open_connection(node, target, Purpose::Link),
            None => {
                let life = self.machines[node].life;
                self.fail_dial(node, life, Some(*peer), None, None);
            }
        }
    }

    /// Opens a connection; its admission begins when the first message arrives.
    pub(super) fn open_connection(&mut self, from: usize, to: usize, purpose: Purpose) {
        self.network.forget_old();
        let (dialer, listener) = (self.fresh_end(from), self.fresh_end(to));
        let connection = self.network.open(Connection::new(purpose, dialer, listener));
        self.begin_admission(connection);
    }

    fn fresh_end(&mut self, node: usize) -> End {
        let nonce = gearmesh_protocol::ids::Nonce(self.dice.bytes());
        let machine = &self.machines[node];
        End {
            node,
            life: machine.life,
            stage: Stage::Opening,
            is_closing: false,
            greeting: gearmesh_protocol::plant::Greeting {
                incarnation: machine.incarnation,
                nonce,
            },
            is_stalled: false,
            inbox: Inbox::default(),
        }
    }

    pub(super) fn send(&mut self, link: LinkId, frame: &ControlFrame) {
        self.put_on_its_way(link, frame.name(), Frame::Control(Box::new(frame.clone())));
    }

    /// A frame goes off, and arrives if the network lets it.
    pub(super) fn put_on_its_way(&mut self, link: LinkId, called: &str, frame: Frame) {
        let (name, side) = Network::named(link);
        let at = self.now + self.delay();
        let Some(connection) = self.network.get(name) else { return };
        let (from, to) = (connection.end(side).node, connection.end(side.other()).node);
        let passes = self.network.passes(from, to);
        let Some(connection) = self.network.get_mut(name) else { return };
        let end = connection.end_mut(side);
        if end.stage != Stage::Up {
            return;
        }
        // What is lost on the way is missing in the stream, so nothing after it arrives either.
        end.is_stalled |= !passes;
        if end.is_stalled {
            return;
        }
        let (to, lane) = (side.other(), frame.lane());
        let arrives = connection.end_mut(to).inbox.send(frame, at);
        let delay = arrives.saturating_sub(self.now);
        self.trace.add(called, &[link.0, u64::try_from(delay.as_micros()).unwrap_or(0)]);
        self.schedule(delay, Event::Frame { connection: name, to, lane });
    }

    /// The next frame of a lane has arrived.
    pub(super) fn on_frame(&mut self, connection: u64, to: Side, lane: Lane) {
        let is_alive = self.is_alive(connection, to);
        let Some(found) = self.network.get_mut(connection) else { return };
        let end = found.end_mut(to);
        let node = end.node;
        if end.stage == Stage::Opening {
            // The other end was faster.
            return end.inbox.wait(lane);
        }
        let Some(frame) = end.inbox.next(lane).filter(|_| is_alive) else { return };
        let link = Network::link(connection, to);
        match frame {
            Frame::Control(frame) => self.on_control_frame(node, link, *frame),
            Frame::Data(frame) => self.on_data_frame(node, link, *frame),
            Frame::Command(frame) => self.on_command_frame(connection, to, *frame),
        }
    }

    fn on_control_frame(&mut self, node: usize, link: LinkId, frame: ControlFrame) {
        let ControlFrame::Ledger(page) = frame else {
            return self.feed(node, Input::Frame { link, frame });
        };
        let Some(plant) = self.machines[node].roster().map(|roster| roster.plant()) else { return };
        let groups = page.groups.into_iter().filter_map(|group| group.verify(&plant).ok());
        let (acts, groups) = (page.acts.into_vec(), groups.map(Arc::new).collect());
        self.feed(node, Input::Page { link, acts, groups });
    }

    fn close(&mut self, link: LinkId) {
        let (name, side) = Network::named(link);
        self.trace.add("close", &[link.0]);
        let Some(connection) = self.network.get_mut(name) else { return };
        if connection.end(side).is_closing {
            return;
        }
        connection.end_mut(side).is_closing = true;
        self.break_connection(name, side);
    }

    /// One end goes; the other one hears of it if the network lets it.
    pub(super) fn break_connection(&mut self, connection: u64, side: Side) {
        let Some(found) = self.network.get(connection) else { return };
        let (end, other) = (found.end(side), found.end(side.other()));
        let is_heard = self.network.passes(end.node, other.node) && !end.is_stalled;
        let arrives = other.inbox.arrives().saturating_sub(self.now);
        self.schedule(Duration::from_millis(1), Event::Down { connection, side });
        if is_heard {
            let delay = arrives + self.delay();
            self.schedule(delay, Event::Down { connection, side: side.other() });
        }
    }

    pub(super) fn on_down(&mut self, connection: u64, side: Side) {
        let was_up = self.is_alive(connection, side);
        let Some(found) = self.network.get_mut(connection) else { return };
        let end = found.end_mut(side);
        let (node, stage) = (end.node, end.stage);
        end.stage = Stage::Down;
        if was_up && stage == Stage::Up {
            self.feed(node, Input::LinkDown { link: Network::link(connection, side) });
        }
    }

    /// What a message takes from one machine to another.
    pub(super) fn delay(&mut self) -> Duration {
        match self.dice.percent(self.faults.slow_frames) {
            true => self.dice.millis(50, 600),
            false => self.dice.millis(1, 15),
        }
    }
}
