//! The world plays the shell for data logs: the store, the lane, the pages.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::data::{DataEffect, DataInput};
use gearmesh_node::core::plant::{Input, LinkId};
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::data::{DataFrame, GroupsPage};
use gearmesh_protocol::log::{Group, VerifiedGroup};

use super::{Event, Frame, World};

impl World {
    pub(super) fn carry_out_data(&mut self, node: usize, effect: &DataEffect) {
        let life = self.machines[node].life;
        match effect {
            DataEffect::Store { write, groups, .. } => {
                self.trace.add("store", &[node as u64, *write, groups.len() as u64]);
                self.machines[node].store.begin(*write, groups.clone());
                let (well, delay) = self.write_outcome(node);
                self.schedule(delay, Event::Stored { node, life, write: *write, well });
            }
            DataEffect::Send { link, frame } => self.send_data(*link, frame),
            // Runs are too short for anything to be old.
            DataEffect::Retain { .. } => {}
            DataEffect::Serve { link, author, after } => {
                let (groups, gap, is_last) = self.machines[node].store.read(author, after);
                let groups = groups.iter().map(|group| codec::encode(group.group()));
                let groups = Bounded::first_of(groups);
                let page = GroupsPage { author: *author, groups, gap, is_last };
                self.send_data(*link, &DataFrame::Groups(page));
            }
            // All machines of the world keep copies, so none reads those of others.
            DataEffect::Show { .. } | DataEffect::Heard { .. } | DataEffect::Wrong { .. } => {}
            DataEffect::Survey => {
                let gaps = self.machines[node].store.gaps();
                let input = Box::new(Input::Data(DataInput::Surveyed { gaps }));
                self.schedule(Duration::from_millis(1), Event::Looked { node, life, input });
            }
            DataEffect::Find { link, author, tips } => {
                let is_missing = self.machines[node].store.lacks(author, tips);
                let found = DataInput::Found { link: *link, author: *author, is_missing };
                let input = Box::new(Input::Data(found));
                self.schedule(Duration::from_millis(1), Event::Looked { node, life, input });
            }
        }
    }

    pub(super) fn on_stored_data(&mut self, node: usize, life: u64, write: u64, well: bool) {
        if self.machines[node].life != life {
            return;
        }
        let Some(kept) = self.machines[node].store.end(write, well) else { return };
        let input = match well {
            true => DataInput::Stored { write, kept },
            false => DataInput::StoreFailed { write, cause: "a bad write".to_owned() },
        };
        self.feed(node, Input::Data(input));
    }

    fn send_data(&mut self, link: LinkId, frame: &DataFrame) {
        let Some((delay, connection, to)) = self.on_its_way(link) else { return };
        self.trace.add(frame.name(), &[link.0]);
        let frame = Frame::Data(Box::new(frame.clone()));
        self.schedule(delay, Event::Frame { connection, to, frame });
    }

    pub(super) fn on_data_frame(&mut self, node: usize, link: LinkId, frame: DataFrame) {
        let input = match frame {
            DataFrame::Ends(ends) => DataInput::Ends { link, ends: ends.into_vec() },
            DataFrame::Parts(parts) => DataInput::Parts { link, parts: parts.into_vec() },
            DataFrame::Pull { author, after } => {
                DataInput::Pull { link, author, after: after.into_vec() }
            }
            DataFrame::Groups(page) => {
                let groups = page.groups.into_iter().map_while(|bytes| self.read(bytes)).collect();
                let (author, gap, is_last) = (page.author, page.gap, page.is_last);
                DataInput::Groups { link, author, groups, gap, is_last }
            }
            DataFrame::Read(request) => DataInput::Read { link, request },
            DataFrame::Shown(page) => DataInput::Shown { link, number: page.number, page: None },
            DataFrame::NotShown { number, refusal } => {
                DataInput::NotShown { link, number, refusal }
            }
        };
        self.feed(node, Input::Data(input));
    }

    /// A group from its bytes. They are the same group to everybody, so they are read once.
    fn read(&mut self, bytes: Vec<u8>) -> Option<Arc<VerifiedGroup>> {
        if let Some(group) = self.read.get(&bytes) {
            return Some(Arc::clone(group));
        }
        let group = Arc::new(Group::read(&self.people.plant(), &bytes).ok()?);
        self.read.insert(bytes, Arc::clone(&group));
        Some(group)
    }
}
