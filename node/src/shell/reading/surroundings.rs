//! How a log hangs together, learnt where it takes that to judge one of its groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;

use super::super::data::{DataStore, ReadError};
use super::source::Source;
use super::walk::{Passed, Turned, Walk};
use crate::core::plant::chain::{Chain, Found};
use crate::core::plant::data::{Outline, Trail};
use crate::core::plant::roster::Roster;

/// Times that an outline is begun, while the log gets new branches behind what was drawn.
const DRAWINGS_MAX: usize = 3;

/// The log around the groups that somebody reads.
#[derive(Default)]
pub(super) struct Surroundings {
    /// The log's outline; none of a log without trouble.
    outline: Option<Arc<Outline>>,
    located: Located,
    drawing: Option<Drawing>,
}

/// Groups that records name, found in the own store.
#[derive(Default)]
struct Located {
    named: BTreeSet<GroupId>,
    found: BTreeMap<GroupId, Found>,
    /// From this number on nothing was looked through.
    until: u64,
    /// The shape in which they were found.
    chain: Arc<Chain>,
}

/// The outline of a log that members show, as far as it is drawn.
struct Drawing {
    walk: Walk,
    /// Where the log ended then, as members said.
    ends: Vec<Tip>,
}

impl Surroundings {
    /// The log's outline, if it takes one to judge the groups that are read now.
    pub(super) fn outline(&self) -> Option<&Outline> {
        self.outline.as_deref()
    }

    /// The next group of a log, whose surroundings are known; none if there is none at the moment.
    pub(super) async fn next(
        &mut self,
        walk: &mut Walk,
        roster: &Roster,
    ) -> Result<Option<Passed>, ReadError> {
        loop {
            match walk.turn().await? {
                // A group is passed once nothing can fail any more: it never comes again.
                Turned::Page => self.look(walk, roster).await?,
                Turned::Over => return Ok(None),
                Turned::Beside => self.draw(walk, roster).await?,
            }
            if let Some(passed) = walk.pass() {
                return Ok(Some(passed));
            }
        }
    }

    /// Learns how the log stands through which `walk` goes, before it passes the next group.
    async fn look(&mut self, walk: &mut Walk, roster: &Roster) -> Result<(), ReadError> {
        match walk.source().clone() {
            Source::Store(store) => self.look_into(&store, walk, roster).await,
            Source::Members(_) => self.look_on(walk, roster).await,
        }
    }

    async fn look_into(
        &mut self,
        store: &DataStore,
        walk: &Walk,
        roster: &Roster,
    ) -> Result<(), ReadError> {
        let (author, chain) = (walk.author(), walk.chain());
        if chain.ends().len() <= 1 && !roster.has_ended_terms(author) {
            self.outline = None;
            return Ok(());
        }
        let named = roster.ends_named(author);
        let is_same = Arc::ptr_eq(chain, &self.located.chain) && named == self.located.named;
        if !is_same || self.outline.is_none() {
            if named != self.located.named {
                self.located = Located { named, ..Located::default() };
            }
            self.located.look_for(store, walk).await?;
            let found = self.located.found.clone();
            self.outline = Some(Arc::new(Outline::of(Chain::clone(chain), found)));
        }
        Ok(())
    }

    async fn look_on(&mut self, walk: &mut Walk, roster: &Roster) -> Result<(), ReadError> {
        let ends = walk.source().ends(walk.author());
        let is_forked = ends.len() > 1 || walk.position().len() > 1 || self.drawing.is_some();
        if !is_forked && !roster.has_ended_terms(walk.author()) {
            return Ok(());
        }
        let named = roster.ends_named(walk.author());
        let is_drawn = match &mut self.drawing {
            Some(drawing) if !drawing.ignores(&named) => drawing.grow(&ends).await?,
            _ => false,
        };
        if !is_drawn {
            return self.draw(walk, roster).await;
        }
        self.take_in_ahead(walk);
        self.tell(walk, false);
        Ok(())
    }

    /// Draws the outline of a log that members show, from its first group on.
    async fn draw(&mut self, walk: &mut Walk, roster: &Roster) -> Result<(), ReadError> {
        self.drawing = None;
        let (source, author) = (walk.source().clone(), *walk.author());
        let mut wanted = roster.ends_named(&author);
        wanted.extend(walk.position().iter().map(|leaf| leaf.group));
        for attempt in 1..=DRAWINGS_MAX {
            let ends = source.ends(&author);
            let outline = Outline::begin(wanted.clone(), ends.clone());
            let trail = Trail::drawing(outline, attempt == DRAWINGS_MAX);
            let walk_on = Walk::along(source.clone(), author, trail, Vec::new());
            let mut drawing = Drawing { walk: walk_on, ends };
            if drawing.go_on().await? {
                self.drawing = Some(drawing);
                self.tell(walk, true);
                return Ok(());
            }
        }
        Err(ReadError::Refused { refusal: Refusal::CopiesUnusable })
    }

    /// Takes the group in that is passed next, if it is newer than what was drawn.
    fn take_in_ahead(&mut self, walk: &mut Walk) {
        let Some((id, header)) = walk.ahead().map(|(id, header)| (id, header.clone())) else {
            return;
        };
        let Some(drawing) = &mut self.drawing else { return };
        let place = walk.trail().place(id, &header);
        let is_drawn = drawing.walk.trail().outline().zip(place);
        if is_drawn.is_none_or(|(outline, place)| !outline.holds(place)) {
            // What does not fit is found when it is passed.
            let _ = drawing.walk.trail_mut().pass(id, &header);
        }
    }

    /// Tells whoever walks what was drawn.
    fn tell(&mut self, walk: &mut Walk, anew: bool) {
        let drawn = self.drawing.as_ref().and_then(|drawing| drawing.walk.trail().outline());
        if let Some(drawn) = drawn
            && (anew || self.outline() != Some(drawn))
        {
            let outline = Arc::new(drawn.clone());
            walk.trail_mut().learn(Arc::clone(&outline), anew);
            self.outline = Some(outline);
        }
    }
}

impl Located {
    /// Looks for what is not found yet, in groups that were not looked through.
    async fn look_for(&mut self, store: &DataStore, walk: &Walk) -> Result<(), ReadError> {
        let chain = walk.chain();
        let is_open = |id: &&GroupId| !self.found.contains_key(*id) && chain.known(id).is_none();
        let open: Vec<GroupId> = self.named.iter().filter(is_open).copied().collect();
        let tips = chain.branches().values().map(|branch| branch.tip.number);
        let end = tips.max().map_or(0, |last| last.saturating_add(1));
        if !open.is_empty() {
            self.found.extend(store.locate(*walk.author(), open, self.until..end).await?);
            self.until = end;
        }
        self.chain = Arc::clone(chain);
        Ok(())
    }
}

impl Drawing {
    fn ignores(&self, groups: &BTreeSet<GroupId>) -> bool {
        self.walk.trail().outline().is_none_or(|outline| outline.ignores(groups))
    }

    /// Draws what was added to the log since. Whether it could be.
    async fn grow(&mut self, ends: &[Tip]) -> Result<bool, ReadError> {
        if self.ends == ends {
            return Ok(true);
        }
        let is_drawn = self.go_on().await?;
        self.ends = ends.to_vec();
        Ok(is_drawn)
    }

    async fn go_on(&mut self) -> Result<bool, ReadError> {
        loop {
            match self.walk.turn().await? {
                Turned::Page => drop(self.walk.pass()),
                Turned::Over => return Ok(true),
                Turned::Beside => return Ok(false),
            }
        }
    }
}
