//! The share logs on disk: this side's, and what came of the other's.
//!
//! A folder for each log, in it segments of about 1 MiB, named by the number of their first group,
//! in the record format of all our files. A group is appended with one sync; a torn tail is cut when
//! the log is opened, and what was cut of a partner's log is asked for again. The oldest segments go
//! when a log is longer than its bound: whoever comes later is told of the gap.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{PublicKey, ShareId};
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, SHARE_PAGE_MAX};
use gearmesh_protocol::log::{Group, Header, LogId, LogKind, Tip};

use crate::core::partner::Page;
use crate::shell::frames::{Format, HEADER_BYTES, Header as FileHeader, Record, Scanner};

/// How segments begin.
const FORMAT: Format = Format { magic: *b"GMSL", version: 1 };

/// The kind of the only records there are.
const GROUP: u8 = 1;

/// Bytes from which on a segment takes no more. A page is found by going through one.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Bytes of one log; the oldest segments beyond go.
pub(in crate::shell) const LOG_BYTES_MAX: u64 = 64 << 20;

/// Bytes of the groups of one page.
const PAGE_BYTES_MAX: usize = FRAME_BYTES_MAX / 2;

/// Read at once.
const WINDOW: usize = 64 * 1024;

/// All share logs of one gateway.
pub(in crate::shell) struct ShareLogs {
    folder: PathBuf,
    logs: BTreeMap<LogId, ShareLog>,
}

/// One log: its segments by the number of their first group.
struct ShareLog {
    folder: PathBuf,
    segments: BTreeMap<u64, u64>,
    tip: Option<Tip>,
}

impl ShareLogs {
    /// Opens what is there, and cuts torn tails.
    pub(in crate::shell) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut logs = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(log) = entry.file_name().to_str().and_then(log_of) {
                logs.insert(log, ShareLog::open(entry.path())?);
            }
        }
        Ok(Self { folder: folder.to_owned(), logs })
    }

    /// Where each log ends.
    pub(in crate::shell) fn tips(&self) -> BTreeMap<LogId, Tip> {
        self.logs.iter().filter_map(|(log, held)| Some((*log, held.tip?))).collect()
    }

    /// Appends a group; it is on the disk when this comes back.
    pub(in crate::shell) fn append(&mut self, header: &Header, group: &Group) -> io::Result<()> {
        let log = match self.logs.entry(header.log) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let folder = self.folder.join(name_of(&header.log));
                DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
                place.insert(ShareLog { folder, segments: BTreeMap::new(), tip: None })
            }
        };
        log.append(header, codec::encode(group))
    }

    /// What follows a group.
    pub(in crate::shell) fn read(&self, log: &LogId, after: Option<Tip>) -> io::Result<Page> {
        match self.logs.get(log) {
            Some(log) => log.read(after),
            None => Ok(Page { groups: Vec::new(), after: None }),
        }
    }
}

impl ShareLog {
    fn open(folder: PathBuf) -> io::Result<Self> {
        let mut segments = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
            if let Some(first) = first {
                segments.insert(first, entry.metadata()?.len());
            }
        }
        let mut log = Self { folder, segments, tip: None };
        // A segment that was begun and holds nothing says nothing of the end.
        while let Some((first, len)) = log.segments.last_key_value().map(|(k, v)| (*k, *v)) {
            let file = log.file(first)?;
            let mut scanner = Scanner::new(&file, HEADER_BYTES, len, WINDOW);
            let mut last = None;
            while scanner.follow()?.is_some() {
                last = peek(scanner.payload());
            }
            let end = scanner.end();
            if let Some((id, header)) = last {
                file.set_len(end)?;
                file.sync_all()?;
                log.segments.insert(first, end);
                log.tip = Some(Tip::of(id, &header));
                break;
            }
            log.segments.remove(&first);
            std::fs::remove_file(log.path(first))?;
        }
        Ok(log)
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.log"))
    }

    fn file(&self, first: u64) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(first))?;
        let mut head = vec![0; HEADER_BYTES as usize];
        let len = file.metadata()?.len();
        let known = len >= HEADER_BYTES && file.read_exact_at(&mut head, 0).is_ok();
        match known && FORMAT.judge(&head, false) == FileHeader::Current {
            true => Ok(file),
            false if len < HEADER_BYTES => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "no segment of a share log")),
        }
    }

    fn append(&mut self, header: &Header, payload: Vec<u8>) -> io::Result<()> {
        let last = self.segments.last_key_value().map(|(first, len)| (*first, *len));
        let (first, end) = match last.filter(|(_, len)| *len < SEGMENT_BYTES) {
            Some(open) => open,
            None => self.begin(header.number)?,
        };
        let file = self.file(first)?;
        let mut bytes = Vec::new();
        Record { kind: GROUP, payload }.encode(end, &mut bytes);
        let written = file.write_all_at(&bytes, end).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What is not acknowledged must not be found later; if this fails too, the plane stops
            // and the next start judges what is there.
            drop(file.set_len(end));
            return Err(error);
        }
        self.segments.insert(first, end + bytes.len() as u64);
        self.tip = Some(Tip::of(header.id(), header));
        self.prune()
    }

    fn begin(&self, first: u64) -> io::Result<(u64, u64)> {
        let path = self.path(first);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all_at(&FORMAT.encode(), 0)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        Ok((first, HEADER_BYTES))
    }

    /// Lets the oldest segments go.
    fn prune(&mut self) -> io::Result<()> {
        while self.segments.len() > 1 && self.segments.values().sum::<u64>() > LOG_BYTES_MAX {
            let Some((first, _)) = self.segments.pop_first() else { break };
            std::fs::remove_file(self.path(first))?;
        }
        Ok(())
    }

    fn read(&self, after: Option<Tip>) -> io::Result<Page> {
        // Whoever reads says where it is.
        let mut wanted = after.map_or(0, |after| after.number.saturating_add(1));
        let mut page = Page { groups: Vec::new(), after: None };
        let mut bytes = 0;
        let oldest = self.segments.first_key_value().map_or(0, |(first, _)| *first);
        let from = self.segments.range(..=wanted).next_back().map_or(oldest, |(first, _)| *first);
        for (first, len) in self.segments.range(from..) {
            let file = self.file(*first)?;
            let mut scanner = Scanner::new(&file, HEADER_BYTES, *len, WINDOW);
            while scanner.next()?.is_some() {
                let Some((_, header)) = peek(scanner.payload()) else { continue };
                if header.number < wanted {
                    continue;
                }
                if header.number > wanted && page.groups.is_empty() {
                    page.after = before(&header);
                } else if header.number > wanted {
                    // Damage: what follows is asked for next, and then is a gap.
                    return Ok(page);
                }
                wanted = header.number + 1;
                bytes += scanner.payload().len();
                page.groups.push(scanner.payload().to_vec());
                if page.groups.len() == SHARE_PAGE_MAX || bytes >= PAGE_BYTES_MAX {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}

/// Looks at the groups of a log that a node may have open, in their order. Changes nothing.
pub(in crate::shell) fn walk(
    folder: &Path,
    log: &LogId,
    mut look: impl FnMut(&[u8]),
) -> io::Result<()> {
    let folder = folder.join(name_of(log));
    let mut segments: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?,
    };
    // Their names are numbers with leading zeros.
    segments.sort();
    for path in segments {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut scanner = Scanner::new(&file, HEADER_BYTES, len, WINDOW);
        while scanner.next()?.is_some() {
            look(scanner.payload());
        }
    }
    Ok(())
}

/// The number of an encoded group; what is none comes first.
pub(in crate::shell) fn number_of(payload: &[u8]) -> u64 {
    peek(payload).map_or(0, |(_, header)| header.number)
}

fn peek(payload: &[u8]) -> Option<(gearmesh_protocol::ids::GroupId, Header)> {
    codec::decode::<Group>(payload, FRAME_BYTES_MAX).ok()?.peek().ok()
}

/// The end of the log before a group.
fn before(header: &Header) -> Option<Tip> {
    let group = *header.parents.first()?;
    Some(Tip { group, number: header.number - 1, entries: header.entries_before })
}

fn name_of(log: &LogId) -> String {
    match log.kind {
        LogKind::Share(share) => format!("{share}-{}", log.author),
        LogKind::Trust | LogKind::Data => log.author.to_string(),
    }
}

fn log_of(name: &str) -> Option<LogId> {
    let (share, author) = name.split_once('-')?;
    let (share, author): (ShareId, PublicKey) = (share.parse().ok()?, author.parse().ok()?);
    Some(LogId { author, kind: LogKind::Share(share) })
}

#[cfg(test)]
#[path = "logs/tests.rs"]
mod tests;
