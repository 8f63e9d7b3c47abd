//! Going through one data log, parents before children.

use std::collections::VecDeque;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::GROUP_BYTES_MAX;
use gearmesh_protocol::log::{Group, Header, Tip};

use super::super::data::{DataStore, ReadError};

/// Bytes read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// A way through one log.
pub(super) struct Walk {
    store: DataStore,
    author: PublicKey,
    /// The leaves of what was passed.
    after: Vec<Tip>,
    page: VecDeque<Vec<u8>>,
    gap: u64,
    is_last: bool,
    /// Whether the page held bytes and no group so far.
    is_unread: bool,
}

/// A group, as it was verified when it was stored.
pub(super) struct Passed {
    pub(super) id: GroupId,
    pub(super) header: Header,
    pub(super) group: Group,
    /// Entries in front of it that are missing here.
    pub(super) gap: u64,
}

impl Walk {
    /// A way that goes on after these leaves.
    pub(super) const fn after(store: DataStore, author: PublicKey, after: Vec<Tip>) -> Self {
        Self {
            store,
            author,
            after,
            page: VecDeque::new(),
            gap: 0,
            is_last: false,
            is_unread: false,
        }
    }

    /// Through whose log it goes.
    pub(super) const fn author(&self) -> &PublicKey {
        &self.author
    }

    /// The leaves of what was passed so far.
    pub(super) fn position(&self) -> &[Tip] {
        &self.after
    }

    /// The store it reads.
    pub(super) const fn store(&self) -> &DataStore {
        &self.store
    }

    /// The next group; none if there is none at the moment. Bytes that are no group to this release
    /// were one to a newer one. What follows them says how many entries that costs; nothing is known
    /// to follow where they fill a page.
    pub(super) async fn next(&mut self) -> Result<Option<Passed>, ReadError> {
        loop {
            let Some(bytes) = self.page.pop_front() else {
                if !self.turn_page().await? {
                    return Ok(None);
                }
                continue;
            };
            let Ok(group) = codec::decode::<Group>(&bytes, GROUP_BYTES_MAX) else { continue };
            let Ok((id, header)) = group.peek() else { continue };
            Tip::grow(&mut self.after, id, &header);
            self.is_unread = false;
            return Ok(Some(Passed { id, header, group, gap: std::mem::take(&mut self.gap) }));
        }
    }

    /// Reads the next page. Whether there is one.
    async fn turn_page(&mut self) -> Result<bool, ReadError> {
        if std::mem::take(&mut self.is_last) || self.is_unread {
            return Ok(false);
        }
        let page = self.store.read(self.author, self.after.clone(), PAGE_BYTES).await?;
        self.gap += page.gap;
        self.is_last = page.is_last && !page.groups.is_empty();
        self.page = page.groups.into();
        self.is_unread = !self.page.is_empty();
        Ok(self.is_unread)
    }
}
