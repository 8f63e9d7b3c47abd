//! Showing parts of data logs to members that keep no copies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Of these, pages for one link: one panel leaves places for others.
const SHOWS_PER_LINK_MAX: usize = 2;

/// Questions of one link that are made pages of, or wait for a place.
const SHOWS_WAITING_MAX: usize = 16;

/// Frames that may wait for a link when a page is added.
const PAGES_WAITING_MAX: usize = 16;

const _: () = assert!(PAGE_BYTES < GROUP_BYTES_MAX && GROUP_BYTES_MAX < FRAME_BYTES_MAX);

/// What pages are made with.
pub(super) struct Showing {
    store: DataStore,
    lanes: Arc<DataLanes>,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
    /// Those of each link that something is made for.
    of_links: Mutex<BTreeMap<LinkId, Arc<Semaphore>>>,
}

impl Showing {
    pub(super) fn new(store: DataStore, lanes: Arc<DataLanes>, counters: Arc<Counters>) -> Self {
        let places = Arc::new(Semaphore::new(SHOWS_MAX));
        Self { store, lanes, counters, places, of_links: Mutex::default() }
    }

    /// Shows a page when there is a place for it, unless too many wait for one already: then the
    /// reader asks another member, or again.
    pub(super) fn show(&self, link: LinkId, request: ReadRequest, sees: Member) {
        let number = request.number;
        let of_link = self.of_link(link);
        let of_link = of_link.filter(|_| self.lanes.waiting(link) < PAGES_WAITING_MAX);
        let Some(of_link) = of_link else {
            self.counters.dropped_pages.add_one();
            // A lane that has no room for the answer has none for a page either.
            self.lanes.send(link, DataFrame::NotShown { number, refusal: Refusal::Busy });
            return;
        };
        let (store, lanes) = (self.store.clone(), Arc::clone(&self.lanes));
        let places = Arc::clone(&self.places);
        tokio::spawn(async move {
            // The link's own place first: whoever waits for that holds none of the others'.
            let own = of_link.acquire().await;
            let place = places.acquire().await;
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
            drop((own, place));
        });
    }

    /// The places of a link, if not too many wait for them.
    fn of_link(&self, link: LinkId) -> Option<Arc<Semaphore>> {
        let mut links = self.of_links.lock().unwrap_or_else(PoisonError::into_inner);
        // Each question that is open holds its link's places.
        links.retain(|_, places| Arc::strong_count(places) > 1);
        let fresh = || Arc::new(Semaphore::new(SHOWS_PER_LINK_MAX));
        let places = links.entry(link).or_insert_with(fresh);
        (Arc::strong_count(places) <= SHOWS_WAITING_MAX).then(|| Arc::clone(places))
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

#[cfg(test)]
mod tests {
    use gearmesh_protocol::bounded::Bounded;

    use super::*;
    use crate::core::plant::data::Keep;
    use crate::core::plant::world::{self, key};
    use crate::shell::clock::Clock;

    #[tokio::test]
    async fn a_panel_that_asks_for_much_leaves_places_for_others() {
        let mut plant = world::Plant::at_work();
        let record = world::records::admit("left", world::records::machine("left"));
        plant.write("admin", record);
        let sees = plant.roster().member(&key("left")).expect("a member").clone();
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let keep = Keep::default();
        let store = DataStore::open(&data, Some(plant.id), &keep, Clock::start());
        let (lanes, counters) = (Arc::<DataLanes>::default(), Arc::<Counters>::default());
        let showing = Showing::new(store.expect("a store").0, Arc::clone(&lanes), counters);
        let (greedy, modest) = (LinkId(1), LinkId(2));
        let mut frames = [greedy, modest].map(|link| lanes.open(link));
        let request = |number| ReadRequest {
            number,
            author: key("left"),
            after: Bounded::new(),
            filters: Bounded::new(),
        };
        let many = SHOWS_WAITING_MAX as u64 + 4;
        (0..many).for_each(|number| showing.show(greedy, request(number), sees.clone()));
        showing.show(modest, request(0), sees);
        let frame = frames[1].recv().await.expect("an answer");
        assert!(matches!(frame, DataFrame::Shown(_)), "{frame:?}");
        let mut refused = 0;
        for _ in 0..many {
            let frame = frames[0].recv().await.expect("an answer");
            refused += usize::from(matches!(frame, DataFrame::NotShown { .. }));
        }
        assert_eq!(refused, 4, "they wait for a place, up to a bound");
    }
}
