//! What of a gateway outlives it: its records, and its share logs.

use std::collections::BTreeMap;

use gearmesh_node::core::partner::{Page, PartnerRecord};
use gearmesh_protocol::codec;
use gearmesh_protocol::limits::SHARE_PAGE_MAX;
use gearmesh_protocol::log::{LogId, Tip, VerifiedGroup};

/// A gateway's disk.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) records: Vec<PartnerRecord>,
    pub(super) logs: BTreeMap<LogId, Vec<VerifiedGroup>>,
    /// Groups of each log that are kept; older ones go.
    pub(super) keeps: Option<usize>,
    /// Where each log begins that has lost its oldest groups.
    pub(super) begins: BTreeMap<LogId, Tip>,
}

impl Disk {
    /// What was written, as it is read again.
    pub(super) fn records(&self) -> Vec<PartnerRecord> {
        let again = |record: &PartnerRecord| {
            let (kind, bytes) = record.encode();
            PartnerRecord::decode(kind, &bytes).expect("what was written is read")
        };
        self.records.iter().map(again).collect()
    }

    pub(super) fn append(&mut self, group: VerifiedGroup) {
        let id = group.header().log;
        let log = self.logs.entry(id).or_default();
        log.push(group);
        if self.keeps.is_some_and(|keeps| log.len() > keeps) {
            self.begins.insert(id, log.remove(0).tip());
        }
    }

    pub(super) fn tips(&self) -> BTreeMap<LogId, Tip> {
        self.logs.iter().filter_map(|(id, log)| Some((*id, log.last()?.tip()))).collect()
    }

    /// What follows a group, as the real store gives it.
    pub(super) fn read(&self, id: &LogId, after: Option<Tip>) -> Page {
        let from = after.map_or(0, |after| after.number + 1);
        let log = self.logs.get(id).map_or(&[][..], |log| log);
        let begin = self.begins.get(id).copied().filter(|begin| begin.number >= from);
        let follows = log.iter().filter(|group| group.header().number >= from);
        let groups = follows.map(|group| codec::encode(group.group()));
        Page { groups: groups.take(SHARE_PAGE_MAX).collect(), after: begin }
    }
}
