//! What the papers of an agreement prove, without a node: the signatures under its sheets, the groups of
//! both logs against them, and the counts against the groups.

use std::collections::BTreeSet;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey, SheetId};
use gearmesh_protocol::limits::SHARE_ENTRY_BYTES_MAX;
use gearmesh_protocol::log::{Group, LogId, Tip};
use gearmesh_protocol::partner::{Party, Receipt, ShareEntry, Sheet, Terms};
use gearmesh_protocol::partner_agreement::agreement_words;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Topic};

use super::Partners;
use super::deal::{Counts, Deal, Side};

/// Findings that are kept; more are counted.
const FLAWS_MAX: usize = 64;

/// An agreement whose four signatures hold.
#[derive(Clone, Debug)]
pub struct Papers {
    /// Under which name people find it here.
    pub name: Name,
    /// Its id, and which version of the sheet it is.
    pub sheet: (SheetId, u32),
    /// Who offered, and who accepted.
    pub parties: (Party, Party),
    /// The words by which the two sides compared it.
    pub words: String,
    /// On which terms.
    pub terms: Terms,
    /// When it ended, if it did.
    pub ended: Option<UnixMillis>,
    /// This side's log, and what is here of the other's, as far as each may have sent.
    pub logs: Vec<Paper>,
}

/// One side's log of a share, to be checked group by group.
#[derive(Clone, Debug)]
pub struct Paper {
    /// Of which gateways: each went on where the one before ended.
    pub logs: Vec<LogId>,
    /// Whether it is this side's.
    pub is_ours: bool,
    author: Party,
    /// The sheets under which it was written, the oldest first, with the names that each sends.
    sheets: Vec<(SheetId, BTreeSet<Topic>)>,
    /// The last count of each side.
    counts: Vec<(PublicKey, Signed<Receipt>)>,
    heads: Vec<(GroupId, u64)>,
    end: Option<Tip>,
    rank: usize,
    /// Entries before those groups at which agreements begin.
    starts: BTreeSet<u64>,
    /// Groups that were checked, entries in them, and entries before the first of them.
    pub checked: (u64, u64, u64),
    /// What is wrong, in sentences.
    pub flaws: Vec<String>,
}

impl Partners {
    /// The papers of the newest agreement of this name.
    #[must_use]
    pub fn papers(&self, name: &Name) -> Option<Papers> {
        let named =
            self.deals.values().filter(|deal| deal.local.name == *name && !deal.is_replaced);
        let deal = named.max_by_key(|deal| (deal.stands(), deal.ended.as_ref().map(|it| it.at)))?;
        let (ours, theirs) = (deal.ours().clone(), deal.theirs().clone());
        let paper = |author: &Party, is_ours: bool| self.paper(deal, author.clone(), is_ours);
        Some(Papers {
            name: name.clone(),
            sheet: (deal.id(), deal.sheet().revision),
            parties: (deal.sheet().from.clone(), deal.sheet().to.clone()),
            words: agreement_words(&deal.id()),
            terms: deal.sheet().terms.clone(),
            ended: deal.ended.as_ref().map(|it| it.at),
            logs: vec![paper(&ours, true), paper(&theirs, false)],
        })
    }

    fn paper(&self, deal: &Deal, author: Party, is_ours: bool) -> Paper {
        let older = deal.earlier.iter().filter_map(|(sheet, _)| self.deals.get(sheet));
        let sheets = older.chain([deal]).map(|deal| {
            let lines = if is_ours { deal.exports() } else { deal.imports() };
            (deal.under(), lines.into_iter().map(|line| line.alias).collect())
        });
        let same = self.deals.values().filter(|it| it.share() == deal.share());
        let Counts { by_receiver, by_exporter, .. } =
            if is_ours { &deal.ours_counted } else { &deal.theirs_counted };
        let receiver = if is_ours { deal.theirs() } else { deal.ours() };
        let counts = [(receiver.gateway, by_receiver), (author.gateway, by_exporter)];
        let counts = counts.into_iter().filter_map(|(by, it)| Some((by, it.clone()?)));
        let changes = if is_ours { &deal.ours_changed } else { &deal.theirs_changed };
        let oldest = deal.earlier.first().and_then(|(sheet, _)| self.deals.get(sheet));
        let Sheet { from, to, .. } = oldest.unwrap_or(deal).sheet();
        let first = if is_ours == (deal.side == Side::From) { from } else { to };
        let notices = changes.notices.iter().filter_map(|signed| signed.peek().ok());
        let later = notices.filter_map(|notice| Some(notice.successor?.gateway));
        let mut logs = Vec::new();
        for gateway in [first.gateway].into_iter().chain(later) {
            let log = deal.log_of(gateway);
            if !logs.contains(&log) {
                logs.push(log);
            }
        }
        Paper {
            logs,
            is_ours,
            author,
            sheets: sheets.collect(),
            counts: counts.collect(),
            heads: Vec::new(),
            end: None,
            rank: 0,
            starts: same.filter_map(|deal| deal.starts).map(|tip| tip.entries).collect(),
            checked: (0, 0, 0),
            flaws: Vec::new(),
        }
    }
}

impl Paper {
    fn flaw(&mut self, text: String) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(text);
        }
    }

    /// Checks the next group of the log.
    pub fn take(&mut self, bytes: &[u8]) {
        let at = self.checked.0;
        let group = match Group::read(&self.author.plant, bytes) {
            Ok(group) => group,
            Err(error) => return self.flaw(format!("group {at} is not what was signed: {error}")),
        };
        let header = group.header().clone();
        let number = header.number;
        if !self.logs.contains(&header.log) {
            self.flaw(format!("group {number} is of another log"));
        }
        match self.end {
            None => self.checked.2 = header.entries_before,
            Some(end) if header.parents[..] == [end.group] && header.number == end.number + 1 => {}
            // What came in between was for others.
            Some(_) if self.starts.contains(&header.entries_before) => {}
            Some(end) => self.flaw(format!("group {number} does not follow group {}", end.number)),
        }
        let under = SheetId(header.acting_under.0);
        let rank = self.sheets.iter().position(|(sheet, _)| *sheet == under);
        match rank {
            None => {
                self.flaw(format!("group {number} was sent under {under}, no sheet of this share"))
            }
            Some(rank) if rank < self.rank => {
                self.flaw(format!("group {number} was sent under a sheet that was replaced"));
            }
            Some(rank) => self.rank = rank,
        }
        let names = rank.and_then(|rank| self.sheets.get(rank)).map(|(_, names)| names.clone());
        for bytes in group.entries() {
            let entry = codec::decode::<ShareEntry>(bytes, SHARE_ENTRY_BYTES_MAX);
            let is_named = |entry: &ShareEntry| {
                names.as_ref().is_none_or(|names| names.contains(&entry.alias))
            };
            match entry {
                Err(error) => self.flaw(format!("an entry of group {number} is no value: {error}")),
                Ok(entry) if !is_named(&entry) => {
                    self.flaw(format!(
                        "group {number} sends {}, which its sheet does not",
                        entry.alias
                    ));
                }
                Ok(_) => {}
            }
        }
        let tip = group.tip();
        self.checked.0 += 1;
        self.checked.1 += group.entries().len() as u64;
        self.heads.push((tip.group, tip.entries));
        self.end = Some(tip);
    }

    /// Checks the last counts against what was read, once that is all.
    pub fn finish(&mut self) {
        for (by, signed) in std::mem::take(&mut self.counts) {
            let Ok(receipt) = signed.peek() else { continue };
            let Receipt { head, start, delivered, lost, .. } = receipt;
            let held = self.heads.iter().find(|(group, _)| *group == head);
            if let Some((_, entries)) = held
                && delivered.saturating_add(lost).saturating_add(start) != *entries
            {
                self.flaw(format!(
                    "{by} counts {delivered} and {lost} lost where there are {entries}"
                ));
            }
        }
    }
}
