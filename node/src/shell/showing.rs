//! Showing parts of data logs to members that keep no copies.

use std::sync::Arc;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, GROUP_BYTES_MAX, GROUPS_PAGE_MAX};
use gearmesh_protocol::log::{Group, Tip};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::{ReadRequest, ShownGroup, ShownPage};
use tokio::sync::Semaphore;

use super::counters::Counters;
use super::data::{DataStore, Page, ReadError};
use super::plant::lanes::DataLanes;
use crate::core::plant::LinkId;
use crate::core::plant::data::show;
use crate::core::plant::roster::Member;

/// Bytes of a log that are looked at for one page, and of the page itself; a group whose shown part
/// is larger comes alone.
const PAGE_BYTES: usize = 256 * 1024;

/// Pages that are made at once, for all readers together. Copies have places of their own, so that
/// no number of panels keeps a value from becoming safe.
const SHOWS_MAX: usize = 8;

/// Frames that may wait for a link when a page is added.
const PAGES_WAITING_MAX: usize = 16;

const _: () = assert!(PAGE_BYTES < GROUP_BYTES_MAX && GROUP_BYTES_MAX < FRAME_BYTES_MAX);

/// What pages are made with.
pub(super) struct Showing {
    store: DataStore,
    lanes: Arc<DataLanes>,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
}

impl Showing {
    pub(super) fn new(store: DataStore, lanes: Arc<DataLanes>, counters: Arc<Counters>) -> Self {
        Self { store, lanes, counters, places: Arc::new(Semaphore::new(SHOWS_MAX)) }
    }

    /// Shows a page, unless too many are on their way: then the reader asks another member.
    pub(super) fn show(&self, link: LinkId, request: ReadRequest, sees: Member) {
        let number = request.number;
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let place = place.filter(|_| self.lanes.waiting(link) < PAGES_WAITING_MAX);
        let Some(place) = place else {
            self.counters.dropped_pages.add_one();
            // A lane that has no room for the answer has none for a page either.
            self.lanes.send(link, DataFrame::NotShown { number, refusal: Refusal::Busy });
            return;
        };
        let (store, lanes) = (self.store.clone(), Arc::clone(&self.lanes));
        tokio::spawn(async move {
            let frame = match page(&store, &request, &sees).await {
                Ok(Ok(page)) => DataFrame::Shown(page),
                Ok(Err(refusal)) => DataFrame::NotShown { number, refusal },
                Err(error) => {
                    tracing::error!(%error, "data could not be read");
                    DataFrame::NotShown { number, refusal: Refusal::NoCopy }
                }
            };
            // One that finds no place is asked for again.
            lanes.send(link, frame);
            drop(place);
        });
    }
}

/// What follows a reader's place, as it may see it.
pub(super) async fn page(
    store: &DataStore,
    request: &ReadRequest,
    sees: &Member,
) -> Result<Result<ShownPage, Refusal>, ReadError> {
    let ReadRequest { number, author, .. } = *request;
    let after = request.after.to_vec();
    let is_lost = store.lacks(author, after.clone()).await?;
    let Page { groups, .. } = store.read(author, after.clone(), PAGE_BYTES).await?;
    let (mut shown, mut bytes) = (Vec::new(), 0);
    for group in groups {
        let Ok(group) = codec::decode::<Group>(&group, GROUP_BYTES_MAX) else {
            // It was one to a newer release; who cannot read it can prove nothing of it.
            if shown.is_empty() {
                return Ok(Err(Refusal::Version));
            }
            break;
        };
        if is_lost && shown.is_empty() && !is_beyond(&group, &after) {
            return Ok(Err(Refusal::MissingParent));
        }
        let part = show(&group, &request.filters, sees);
        bytes += ShownGroup::bytes(&part);
        if !shown.is_empty() && (bytes > PAGE_BYTES || shown.len() == GROUPS_PAGE_MAX) {
            break;
        }
        shown.push(part);
        // Proofs take their time; links are not to wait for a whole page of them.
        tokio::task::yield_now().await;
    }
    Ok(Ok(ShownPage { number, author, groups: Bounded::first_of(shown) }))
}

/// Whether all that a reader has was let go here, rather than never known: a copy that does not know
/// a reader's place would begin anew.
fn is_beyond(group: &Group, after: &[Tip]) -> bool {
    let highest = after.iter().map(|leaf| leaf.number).max();
    group.peek().is_ok_and(|(_, header)| highest.is_none_or(|highest| header.number > highest))
}
