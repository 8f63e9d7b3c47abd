//! Carrying out a fault, up to the moment when everything is as it should be again.

use std::time::Duration;

use super::disk::SmallDisk;
use super::fault::{Fault, Spans};
use super::publishers::until_book;
use super::segments;
use super::works::{NODES, Works, host_of};
use crate::wait::within;
use crate::world::dice::Dice;

/// How long something may take that only needs a node that works.
const WORKS_WITHIN: Duration = Duration::from_secs(90);

/// Bytes of values that are to close a segment: few of them do.
const CLOSING_BYTES: usize = 128 << 10;

/// Bytes of values that are to fill a disk.
const FILLING_BYTES: usize = 8 << 10;

/// How long a node that was killed stays down, in milliseconds.
const DOWN: (usize, usize) = (0, 2_000);

/// `NotStored`: the node could not write it to its disk.
const NOT_STORED: u16 = 143;

/// Where Debian has the library that shifts a program's clock.
pub(super) const SHIFTS_CLOCKS: &str = "/usr/lib/*/faketime/libfaketimeMT.so.1";

impl Works {
    /// Does it to the plant while everybody publishes, and heals it.
    pub(super) fn suffer(
        &mut self,
        fault: &Fault,
        spans: &Spans,
        dice: &mut Dice,
    ) -> Result<(), String> {
        let span = dice.millis(spans.fault.0, spans.fault.1);
        match fault {
            Fault::Killed { nodes, times } => self.be_killed(nodes, *times, span, dice),
            Fault::Partition { apart } => {
                let others = NODES.iter().map(|(name, _)| *name);
                for other in others.filter(|other| !apart.contains(other)) {
                    apart
                        .iter()
                        .for_each(|one| self.network.partition(host_of(one), host_of(other)));
                }
                self.hold(span, &[]);
                self.network.heal();
            }
            Fault::OneWay { from, to } => {
                for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
                    self.network.block(host_of(from), host_of(to));
                }
                self.hold(span, &[]);
                self.network.heal();
            }
            Fault::Loss { percent } => {
                for (at, (_, one)) in NODES.iter().enumerate() {
                    for (_, other) in &NODES[at + 1..] {
                        self.network.lose(*percent, one, other);
                    }
                }
                self.hold(span, &[]);
                self.network.heal();
            }
            Fault::Stopped { node } => {
                self.signal(node, "-STOP");
                self.hold(spans.stop, &[node]);
                self.signal(node, "-CONT");
            }
            Fault::FullDisk { node } => return self.run_out_of_space(node, span),
            Fault::Clock { node, years } => return self.be_off(node, *years, span),
            Fault::Overwritten { node, author, places, is_up } => {
                return self.be_overwritten(node, author, *places, *is_up, span, dice);
            }
            Fault::Wiped { node } => self.be_wiped(node),
        }
        Ok(())
    }

    fn be_killed(&mut self, nodes: &[&'static str], times: usize, span: Duration, dice: &mut Dice) {
        for _ in 0..times {
            for node in nodes {
                self.hold(dice.millis(100, 2_000).min(span), &[]);
                self.kill(node);
            }
            self.hold(dice.millis(DOWN.0, DOWN.1), nodes);
            nodes.iter().for_each(|node| self.start(node));
        }
        self.hold(span / 2, &[]);
    }

    fn run_out_of_space(&mut self, node: &'static str, span: Duration) -> Result<(), String> {
        self.kill(node);
        let disk = SmallDisk::under(&self.home(node))?;
        self.publishers.bulk(Some((node, FILLING_BYTES)));
        let from = self.publishers.book().next();
        self.start(node);
        let done = self.fill_up(node, from, span);
        self.publishers.bulk(None);
        let done = done.and_then(|()| {
            disk.make_room()?;
            let from = self.publishers.book().next();
            until_book(
                &self.publishers,
                "a value is taken once there is room",
                WORKS_WITHIN,
                |book| book.is_taken_since(node, from),
            )
        });
        self.kill(node);
        disk.leave()?;
        self.start(node);
        done
    }

    /// Waits until the disk is full, and lets it be so for a while.
    fn fill_up(&self, node: &'static str, from: usize, span: Duration) -> Result<(), String> {
        until_book(&self.publishers, "a full disk is refused clearly", WORKS_WITHIN, |book| {
            book.refusals_since(node, from).contains(&NOT_STORED)
        })?;
        let alarm = || self.alarms(node).into_iter().find(|alarm| alarm.contains("space"));
        if within(WORKS_WITHIN, alarm).is_none() {
            return Err(format!("{node} warns of no full disk: {:?}", self.alarms(node)));
        }
        self.hold(span, &[]);
        let codes = self.publishers.book().refusals_since(node, from);
        match codes.iter().find(|code| **code != NOT_STORED) {
            Some(code) => Err(format!("{node} refused with {code} while its disk was full")),
            None => Ok(()),
        }
    }

    fn be_off(&mut self, node: &'static str, years: i8, span: Duration) -> Result<(), String> {
        let library = clock_library().ok_or("no library that shifts clocks")?;
        let (preload, shift) = (format!("LD_PRELOAD={library}"), format!("FAKETIME={years:+}y"));
        let words =
            ["env", &preload, &shift, "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"];
        self.kill(node);
        self.network.place_behind(&mut self.plant, node, host_of(node), &words);
        let from = self.publishers.book().next();
        self.start(node);
        let taken = until_book(
            &self.publishers,
            &format!("{node} takes values with its clock off"),
            WORKS_WITHIN,
            |book| book.is_taken_since(node, from),
        );
        self.hold(span, &[]);
        self.kill(node);
        self.network.place(&mut self.plant, node, host_of(node));
        self.start(node);
        taken
    }

    fn be_overwritten(
        &mut self,
        node: &'static str,
        author: &'static str,
        places: usize,
        is_up: bool,
        span: Duration,
        dice: &mut Dice,
    ) -> Result<(), String> {
        let key = self.plant.status(author).key;
        self.publishers.bulk(Some((author, CLOSING_BYTES)));
        let closed_at = |of: &str| {
            let home = self.home(of);
            let closed = || Some(segments::closed(&home, &key)).filter(|found| !found.is_empty());
            let found = within(WORKS_WITHIN, closed);
            found.ok_or_else(|| format!("no segment of {author} is closed at {of}"))
        };
        let written = closed_at(author);
        self.publishers.bulk(None);
        let mut closed = written.and_then(|_| closed_at(node))?;
        let closed = closed.swap_remove(dice.below(closed.len()));
        // What is damaged now must be elsewhere already: this round is not about a lost machine.
        self.come_together(&[])?;
        if !is_up {
            self.kill(node);
        }
        let done = segments::overwrite(&closed, places, dice);
        done.map_err(|error| format!("overwriting {}: {error}", closed.display()))?;
        if !is_up {
            self.start(node);
        }
        self.publishers.go();
        self.hold(span, &[]);
        Ok(())
    }

    /// Kills a node, and starts it without its data logs.
    pub(super) fn be_wiped(&mut self, node: &'static str) {
        self.kill(node);
        let data = segments::data(&self.home(node));
        std::fs::remove_dir_all(&data).expect("data logs to wipe");
        self.wiped_at = self.publishers.book().next();
        self.start(node);
    }
}

/// The library that shifts a program's clock, where it is installed.
#[must_use]
pub fn clock_library() -> Option<String> {
    let (above, below) = SHIFTS_CLOCKS.split_once('*')?;
    let folders = std::fs::read_dir(above).ok()?.flatten();
    let found = folders.map(|folder| format!("{above}{}{below}", folder.file_name().display()));
    let mut found = found.filter(|path| std::path::Path::new(path).is_file());
    found.next()
}
