//! What goes wrong, and how often. After [`World::heal`] nothing does any more.

use std::time::Duration;

use super::network::{Side, Stage};
use super::{Event, World};

/// What goes wrong in a run. Shares are in percent, weights are relative to each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Pause between two faults, at most, in milliseconds; none happen at zero.
    pub pause: usize,
    /// Writes that fail.
    pub bad_writes: usize,
    /// Writes that take long.
    pub slow_writes: usize,
    /// Frames that take long.
    pub slow_frames: usize,
    /// Weight of a machine that crashes and starts again.
    pub crashes: usize,
    /// Weight of the redeemer crashing and starting again.
    pub redeemer_crashes: usize,
    /// Weight of directions being cut.
    pub cuts: usize,
    /// Weight of the network being mended.
    pub mends: usize,
    /// Weight of a connection breaking.
    pub breaks: usize,
    /// Weight of a machine standing still for a while.
    pub freezes: usize,
    /// Weight of a clock being turned.
    pub clocks: usize,
    /// Weight of a disk going back to an older image.
    pub images: usize,
    /// Weight of a stored group that cannot be read any more.
    pub rot: usize,
    /// Machines that keep so little of data logs that old groups go within the run.
    pub short_of_room: usize,
    /// Weight of a disk that is full for a while.
    pub full: usize,
    /// Weight of a machine being thrown out.
    pub revocations: usize,
    /// Machines that are thrown out at most.
    pub revocations_max: usize,
    /// Whether programs do what they are told, each time.
    pub programs_are_sound: bool,
}

/// One thing that goes wrong.
type Fault = fn(&mut World);

impl World {
    pub(super) fn begin_faults(&mut self) {
        if self.faults.pause > 0 {
            let delay = self.dice.millis(500, 1500);
            self.schedule(delay, Event::Fault);
        }
    }

    pub(super) fn on_fault(&mut self) {
        let faults = self.faults;
        if faults.pause == 0 {
            return;
        }
        let table: [(usize, Fault); 11] = [
            (faults.crashes, Self::crash_anybody),
            (faults.redeemer_crashes, |world| world.crash(0)),
            (faults.cuts, Self::cut_somewhere),
            (faults.mends, |world| world.network.heal()),
            (faults.breaks, Self::break_anything),
            (faults.freezes, Self::freeze_anybody),
            (faults.clocks, Self::turn_a_clock),
            (faults.images, Self::touch_an_image),
            (faults.rot, Self::let_something_rot),
            (faults.full, Self::fill_a_disk),
            (faults.revocations, Self::throw_somebody_out),
        ];
        let total = table.iter().map(|(weight, _)| weight).sum();
        let mut at = self.dice.below(total);
        for (weight, fault) in table {
            if at < weight {
                fault(self);
                break;
            }
            at -= weight;
        }
        let delay = self.dice.millis(20, faults.pause);
        self.schedule(delay, Event::Fault);
    }

    /// The end of all trouble: the network is whole, disks are fast, and everybody runs.
    pub fn heal(&mut self) {
        let programs_are_sound = self.faults.programs_are_sound;
        self.faults = Faults { programs_are_sound, ..Faults::default() };
        self.network.heal();
        for node in 0..self.machines.len() {
            self.thaw(node);
            self.machines[node].full_until = self.now;
            if self.machines[node].plant.is_none() {
                self.schedule(Duration::ZERO, Event::Boot { node });
            }
            self.announce(node);
        }
        self.hand_in_again();
    }

    /// Whether the network is in two halves on purpose.
    pub fn split(&mut self, far: &[usize]) {
        for one in 0..self.machines.len() {
            for other in far.iter().copied().filter(|other| !far.contains(&one) && *other != one) {
                self.network.cut(one, other);
                self.network.cut(other, one);
            }
        }
    }

    fn anybody(&mut self) -> usize {
        self.dice.below(self.machines.len())
    }

    fn crash_anybody(&mut self) {
        let node = self.anybody();
        self.crash(node);
    }

    /// A machine loses its power and gets it back.
    pub(super) fn crash(&mut self, node: usize) {
        if self.machines[node].plant.is_none() {
            return;
        }
        self.trace.add("crash", &[node as u64]);
        // A dead process is noticed by the other ends, a dead machine is not.
        let is_noticed = self.dice.percent(50);
        let ends: Vec<(u64, Side)> = self.ends_of(node);
        for (connection, side) in ends {
            if is_noticed {
                let delay = self.delay();
                self.schedule(delay, Event::Down { connection, side: side.other() });
            }
            if let Some(found) = self.network.get_mut(connection) {
                found.end_mut(side).stage = Stage::Down;
                found.end_mut(side).is_stalled = true;
            }
        }
        self.machines[node].crash(&mut self.dice);
        self.thaw(node);
        let delay = self.dice.millis(50, 2500);
        self.schedule(delay, Event::Boot { node });
    }

    fn ends_of(&self, node: usize) -> Vec<(u64, Side)> {
        let mut ends = Vec::new();
        for (name, connection) in self.network.connections() {
            for side in [Side::Dialer, Side::Listener] {
                let end = connection.end(side);
                if end.node == node && end.stage != Stage::Down {
                    ends.push((name, side));
                }
            }
        }
        ends
    }

    fn cut_somewhere(&mut self) {
        let count = self.machines.len();
        match self.dice.below(3) {
            // One direction of one pair.
            0 => {
                let (one, other) = (self.anybody(), self.anybody());
                self.network.cut(one, other);
            }
            // One machine from everybody.
            1 => {
                let alone = self.anybody();
                self.split(&[alone]);
            }
            // Two halves.
            _ => {
                let far: Vec<usize> = (0..count).filter(|_| self.dice.percent(50)).collect();
                self.split(&far);
            }
        }
    }

    fn break_anything(&mut self) {
        let names: Vec<u64> = self.network.connections().map(|(name, _)| name).collect();
        let Some(name) = self.dice.pick(&names).copied() else { return };
        let side = if self.dice.percent(50) { Side::Dialer } else { Side::Listener };
        let is_up = |side| self.network.get(name).is_some_and(|c| c.end(side).stage == Stage::Up);
        if is_up(side) {
            self.break_connection(name, side);
        }
    }

    fn freeze_anybody(&mut self) {
        let node = self.anybody();
        let how_long = self.dice.millis(300, 4000);
        if self.machines[node].plant.is_none() {
            return;
        }
        self.machines[node].frozen_until = self.now + how_long;
        self.schedule(how_long, Event::Thaw { node });
    }

    /// A machine stands still no longer.
    fn thaw(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.frozen_until = machine.frozen_until.min(self.now);
        self.schedule(Duration::ZERO, Event::Thaw { node });
    }

    fn turn_a_clock(&mut self) {
        let node = self.anybody();
        let offset = self.dice.roll() % 1_000_000_000;
        self.machines[node].set_clock(offset);
    }

    /// Somebody copies a disk, or crashes a machine and puts the copy back.
    fn touch_an_image(&mut self) {
        let node = self.anybody();
        if self.dice.percent(50) {
            self.machines[node].take_image();
        } else if self.machines[node].plant.is_some() {
            self.crash(node);
            self.machines[node].put_back();
        }
    }

    /// A disk loses a group that another one has.
    fn let_something_rot(&mut self) {
        let node = self.anybody();
        let own = self.machines[node].key;
        let at_stake = self.machines[node].store.can_be_spared(&own);
        let Some((author, group)) = self.dice.pick(&at_stake).copied() else { return };
        let others = (0..self.machines.len()).filter(|other| *other != node);
        let mut stores = others.map(|other| &self.machines[other].store);
        if stores.any(|store| store.group(&author, &group).is_some()) {
            self.trace.add("rot", &[node as u64]);
            self.machines[node].store.rot(&author, group);
        }
    }

    /// Nothing more fits on a disk, until somebody makes room.
    fn fill_a_disk(&mut self) {
        let node = self.anybody();
        self.trace.add("full", &[node as u64]);
        self.machines[node].full_until = self.now + self.dice.millis(200, 3000);
    }

    /// Whether a write that begins now will go well, and how long it takes.
    pub(super) fn write_outcome(&mut self, node: usize) -> (bool, Duration) {
        let is_full = self.machines[node].full_until > self.now;
        let well = !self.dice.percent(self.faults.bad_writes) && !is_full;
        let delay = match self.dice.percent(self.faults.slow_writes) {
            true => self.dice.millis(200, 900),
            false => self.dice.millis(1, 30),
        };
        (well, delay)
    }

    fn throw_somebody_out(&mut self) {
        // Not the redeemer: nobody could join any more.
        let node = 1 + self.dice.below(self.machines.len() - 1);
        if self.people.revoked().len() >= self.faults.revocations_max {
            return;
        }
        match self.dice.percent(50) {
            true => self.revoke(node),
            false => {
                let witness = self.anybody();
                self.accuse(node, witness);
            }
        }
    }
}
