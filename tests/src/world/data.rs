//! The world plays the shell for data logs: the store, the lane, the pages.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::data::{DataEffect, DataInput};
use gearmesh_node::core::plant::{Input, LinkId};
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::data::{DataFrame, GroupsPage};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::{Group, Tip, VerifiedGroup};

use super::copy::Page;
use super::lane::Frame;
use super::{Event, World};

/// What a read of the store takes.
const READ: Duration = Duration::from_millis(1);

/// What the storage thread of a machine does, in the order in which it comes.
#[derive(Debug)]
pub(super) enum Job {
    /// A write ends.
    Append { write: u64, well: bool },
    /// A page is read and sent.
    Serve { link: LinkId, author: PublicKey, after: Vec<Tip> },
    /// It is looked up whether groups are there.
    Find { link: LinkId, author: PublicKey, tips: Vec<Tip> },
    /// It is looked up what is missing.
    Survey,
    /// Old groups are let go.
    Retain { author: PublicKey, bytes: u64, needed: u64 },
}

/// A page as it is sent.
fn whole(author: PublicKey, page: Page) -> GroupsPage {
    let groups = page.groups.iter().map(|group| codec::encode(group.group()));
    let groups = Bounded::first_of(groups);
    GroupsPage { author, groups, gap: page.gap, is_last: page.is_last }
}

impl World {
    pub(super) fn carry_out_data(&mut self, node: usize, effect: &DataEffect) {
        match effect {
            DataEffect::Store { write, groups, is_apart } => {
                self.trace.add("store", &[node as u64, *write, groups.len() as u64]);
                self.machines[node].store.begin(*write, groups.clone(), *is_apart);
                let (well, delay) = self.write_outcome(node);
                self.queue(node, delay, Job::Append { write: *write, well });
            }
            DataEffect::Send { link, frame } => self.send_data(*link, frame),
            // Runs are too short for anything to be too old; room is what it may lack.
            DataEffect::Retain { author, keep_bytes, since: _, before } => {
                let (author, bytes, needed) = (*author, *keep_bytes, *before);
                self.queue(node, READ, Job::Retain { author, bytes, needed });
            }
            DataEffect::Serve { link, author, after } => {
                let (link, author, after) = (*link, *author, after.clone());
                self.queue(node, READ, Job::Serve { link, author, after });
            }
            // All machines of the world keep copies, so none reads those of others.
            DataEffect::Show { .. } | DataEffect::Heard { .. } | DataEffect::Wrong { .. } => {}
            DataEffect::Survey => self.queue(node, READ, Job::Survey),
            DataEffect::Find { link, author, tips } => {
                let (link, author, tips) = (*link, *author, tips.clone());
                self.queue(node, READ, Job::Find { link, author, tips });
            }
        }
    }

    fn queue(&mut self, node: usize, delay: Duration, job: Job) {
        let life = self.machines[node].life;
        let done = self.machines[node].store.queue(self.now + delay);
        self.schedule(done.saturating_sub(self.now), Event::Storage { node, life, job });
    }

    pub(super) fn on_storage(&mut self, node: usize, life: u64, job: Job) {
        if self.machines[node].life != life {
            return;
        }
        let store = &mut self.machines[node].store;
        let input = match job {
            Job::Append { write, well } => match store.end(write, well) {
                Some(kept) if well => DataInput::Stored { write, kept },
                Some(_) => DataInput::StoreFailed { write, cause: "a bad write".to_owned() },
                None => return,
            },
            Job::Serve { link, author, after } => {
                let page = store.read(&author, &after);
                let page = match self.machines[node].is_hostile {
                    true => self.distorted(node, author, page),
                    false => whole(author, page),
                };
                return self.send_data(link, &DataFrame::Groups(page));
            }
            Job::Find { link, author, tips } => {
                let is_missing = store.lacks(&author, &tips);
                DataInput::Found { link, author, is_missing }
            }
            Job::Survey => DataInput::Surveyed { gaps: store.gaps() },
            Job::Retain { author, bytes, needed } => {
                let (bytes, held) = store.prune(&author, bytes, needed);
                DataInput::Retained { author, bytes, held }
            }
        };
        self.feed(node, Input::Data(input));
    }

    fn send_data(&mut self, link: LinkId, frame: &DataFrame) {
        self.put_on_its_way(link, frame.name(), Frame::Data(Box::new(frame.clone())));
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
