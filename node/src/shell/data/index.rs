//! What is known of closed segments without reading them: a [view](crate::shell::views).
//!
//! A closed segment does not change any more, so a node that starts need not read it from end to
//! end: the file's length and the time of its last change say whether it is still the one that was
//! read. Damage that shows in neither is met when somebody reads there, or when it is
//! [looked through](super::scrub).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use serde::{Deserialize, Serialize};

use super::scan::Scanned;
use super::segment::{Head, Name, Point, Run, SEGMENT_BYTES_MAX};
use crate::shell::frames::Header;
use crate::shell::views::{Rows, Views};

/// Bytes of a summary: a damaged one must not take memory.
const SUMMARY_BYTES_MAX: usize = 1 << 20;

/// Which form summaries have; others are ignored.
const VERSION: u16 = 1;

/// What is known of closed segments.
#[derive(Debug, Default)]
pub(super) struct Index {
    views: Option<Views>,
    /// What was known at the start, until it was asked for.
    known: Rows,
    /// Files that were read and are known now.
    noted: u64,
}

/// What was found in a file when it was read.
#[derive(Serialize, Deserialize)]
struct Summary {
    version: u16,
    /// Length and last change of the file, in seconds and nanoseconds.
    file: (u64, i64, i64),
    /// Its length without prepared room.
    bytes: u64,
    end: u64,
    head: Head,
    runs: Vec<Stretch>,
}

/// A [`Run`] as it is written down.
#[derive(Serialize, Deserialize)]
struct Stretch {
    before: Option<Tip>,
    first: u64,
    last: Tip,
    groups: u64,
    end: u64,
    points: Vec<(u64, u32)>,
}

/// A segment that need not be read.
pub(super) struct Known {
    pub(super) scanned: Scanned,
    /// Its length without prepared room.
    pub(super) bytes: u64,
}

impl Index {
    /// What these views say, and will say.
    pub(super) const fn over(views: Views, known: Rows) -> Self {
        Self { views: Some(views), known, noted: 0 }
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is known of a file, if it has not changed since.
    pub(super) fn take(
        &mut self,
        author: &PublicKey,
        name: Name,
        told: &Metadata,
    ) -> Option<Known> {
        let row = self.known.remove(&key(author, name))?;
        let summary: Summary = codec::decode(&row, SUMMARY_BYTES_MAX).ok()?;
        if (summary.version, summary.file) != (VERSION, file(told)) {
            return None;
        }
        let Summary { bytes, end, head, runs, .. } = summary;
        let run = |stretch: Stretch| Run {
            name,
            before: stretch.before,
            first: stretch.first,
            last: stretch.last,
            groups: stretch.groups,
            end: stretch.end,
            points: stretch
                .points
                .into_iter()
                .map(|(number, offset)| Point { number, offset })
                .collect(),
        };
        let scanned = Scanned {
            header: Header::Current,
            head: Some(head),
            runs: runs.into_iter().map(run).collect(),
            joins: Vec::new(),
            lost_joins: Vec::new(),
            end,
        };
        Some(Known { scanned, bytes })
    }

    /// Remembers what was found in a file. One with parents beyond the first is read each time: there
    /// are few, and only what a person settled has them.
    pub(super) fn note(
        &mut self,
        author: &PublicKey,
        name: Name,
        scanned: &Scanned,
        (told, bytes): (&Metadata, u64),
    ) {
        let (Some(views), Some(head), Header::Current) =
            (&self.views, scanned.head, &scanned.header)
        else {
            return;
        };
        if !scanned.joins.is_empty() || !scanned.lost_joins.is_empty() {
            return;
        }
        let stretch = |run: &Run| Stretch {
            before: run.before,
            first: run.first,
            last: run.last,
            groups: run.groups,
            end: run.end,
            points: run.points.iter().map(|point| (point.number, point.offset)).collect(),
        };
        let runs = scanned.runs.iter().map(stretch).collect();
        let file = file(told);
        let summary = Summary { version: VERSION, file, bytes, end: scanned.end, head, runs };
        views.put(key(author, name), codec::encode(&summary));
        self.noted += 1;
    }

    /// Forgets a file that went, or in which damage was met.
    pub(super) fn forget(&self, author: &PublicKey, name: Name) {
        if let Some(views) = &self.views {
            views.remove(key(author, name));
        }
    }

    /// All files were asked for: forgets what is left, and says so if the view had to be made anew.
    pub(super) fn opened(&mut self, was_empty: bool) {
        if self.views.is_some() && was_empty && self.noted > 0 {
            let segments = self.noted;
            tracing::warn!(
                segments,
                "no index of the data logs was there; made anew from the logs"
            );
        }
        for (key, _) in std::mem::take(&mut self.known) {
            if let Some(views) = &self.views {
                views.remove(key);
            }
        }
    }

    /// Lets the views go.
    pub(super) fn close(&self) {
        if let Some(views) = &self.views {
            views.close();
        }
    }
}

const _: () = assert!(
    SEGMENT_BYTES_MAX / super::segment::POINT_BYTES * 16 < SUMMARY_BYTES_MAX as u64 / 2,
    "what is known of a segment fits a summary"
);

fn key(author: &PublicKey, name: Name) -> Vec<u8> {
    [author.as_bytes(), name.to_string().as_bytes()].concat()
}

fn file(told: &Metadata) -> (u64, i64, i64) {
    (told.len(), told.ctime(), told.ctime_nsec())
}
