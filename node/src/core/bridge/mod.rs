//! The bridge: the only code that decides what crosses between the plant and its partners.
//!
//! ```text
//!   values of the plant ──► Line: select, rename, project, aggregate, round, delay ──► Exported
//!   Imported ◄── Gate: known alias, type, schema, size, rate ◄── groups of the partner
//!   Commanded ◄── verb that the sheet names ◄── calls of the partner
//! ```
//!
//! Nothing crosses unless an agreement that both sides signed and confirmed is open here, which it
//! is only while this node is a gateway of its plant and whoever signed for the plant is an admin
//! of it. [`Exported`] and [`Imported`] are made here and nowhere else, field by field: a new field
//! of a sample does not compile until somebody decides whether it may cross. What the partner plane
//! takes and gives can be reached from this module alone.

mod commands;
mod gate;
mod held;
mod json;
mod line;
mod round;
mod terms;
#[cfg(test)]
mod tests;
mod word;

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::{PublicKey, SheetId};
use gearmesh_protocol::partner::{Party, ShareEntry, SheetTopic};
use gearmesh_protocol::partner_local::{Selection, VerbSelection};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};

use super::clock::Now;
use super::partner::{Effect, LiveDeal, Partners};
use super::plant::view::View;
pub use commands::Commanded;
use gate::Gate;
pub use gate::{ImportRefusal, Schemas};
use line::Line;
pub use line::Losses;
pub use terms::{TermsError, check_schemas, check_selection, check_terms, check_verbs};
pub use word::{WORD_WITHIN, Word, speaks};

/// Values that one line may hold back for its delay; the oldest go.
pub const DELAYED_MAX: usize = 16_384;

/// What crosses to a partner. Only the bridge makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    sheet: SheetId,
    entry: ShareEntry,
}

impl Exported {
    /// Under which name, for previews.
    #[must_use]
    pub const fn alias(&self) -> &Topic {
        &self.entry.alias
    }

    /// The value, for previews.
    #[must_use]
    pub const fn sample(&self) -> &Sample {
        &self.entry.sample
    }
}

/// What enters the plant. Only the bridge makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    topic: Topic,
    sample: Sample,
}

impl Imported {
    /// Where it lands: below `partner/<name>`.
    #[must_use]
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The value.
    #[must_use]
    pub const fn sample(&self) -> &Sample {
        &self.sample
    }
}

/// One line of one agreement, of those that export, or of one stream that several receive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId {
    /// Which agreement, or stream.
    pub sheet: SheetId,
    /// Which line of those that export here.
    pub at: usize,
}

/// What crossed under one agreement, and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    /// Values handed to the partner plane.
    pub exported: u64,
    /// Values that entered the plant.
    pub imported: u64,
    /// Values that were not exported.
    pub losses: Losses,
    /// Values that were not let in.
    pub refused: u64,
}

/// An agreement that is open here.
struct Crossing {
    lines: Vec<Line>,
    /// What may come in, by the sheet under which it was sent.
    gates: BTreeMap<SheetId, Gate>,
    crossed: Crossed,
    /// What the partner is called here, and which verbs of the sheet stand for what.
    partner: Name,
    verbs: Vec<VerbSelection>,
}

/// All that is open here.
#[derive(Default)]
pub struct Bridge {
    open: BTreeMap<SheetId, Crossing>,
}

impl Bridge {
    /// Opens what may cross now, and closes everything else. What is open already stays as it is. A stream
    /// that several receive has one key, so it is open while the plant stands behind all its agreements.
    pub fn follow(&mut self, now: Now, partners: &Partners, view: &View) {
        let mut live: BTreeMap<SheetId, LiveDeal<'_>> = partners.live(now).map(keyed).collect();
        for deal in partners.live(now).filter(|deal| !may_cross(view, now, deal.ours())) {
            live.remove(&deal.stream());
        }
        self.open.retain(|sheet, _| live.contains_key(sheet));
        for (sheet, deal) in live {
            self.open.entry(sheet).or_insert_with(|| Crossing::of(now, &deal));
        }
    }

    /// Closes everything.
    pub fn close(&mut self) {
        self.open.clear();
    }

    /// What has to be followed in the plant, by line.
    pub fn filters(&self) -> impl Iterator<Item = (LineId, &TopicFilter)> {
        self.open.iter().flat_map(|(sheet, crossing)| {
            let lines = crossing.lines.iter().enumerate();
            lines.map(|(at, line)| (LineId { sheet: *sheet, at }, line.filter()))
        })
    }

    /// A value of the plant that a line follows.
    pub fn offer(&mut self, now: Now, id: &LineId, topic: &Topic, sample: &Sample) {
        let crossing = self.open.get_mut(&id.sheet);
        if let Some(line) = crossing.and_then(|crossing| crossing.lines.get_mut(id.at)) {
            line.offer(now.tick, topic, sample);
        }
    }

    /// Hands over what is to cross by now.
    pub fn export(&mut self, now: Now, partners: &mut Partners) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (sheet, crossing) in &mut self.open {
            let due: Vec<Exported> =
                crossing.lines.iter_mut().flat_map(|line| line.due(now.tick, *sheet)).collect();
            if due.is_empty() {
                continue;
            }
            crossing.crossed.exported += due.len() as u64;
            let entries = due.into_iter().map(|exported| exported.entry).collect();
            effects.extend(partners.export(now, *sheet, entries));
        }
        effects
    }

    /// What the next group of a partner means here, if there is one and there is room for it. What
    /// is not let in is left out and counted.
    pub fn import(
        &mut self,
        now: Now,
        partners: &Partners,
        schemas: &dyn Schemas,
    ) -> Option<(SheetId, Vec<Imported>)> {
        self.open.iter_mut().find_map(|(sheet, crossing)| {
            let (under, entries) = partners.next_received(sheet)?;
            // What was sent under no sheet of this share was not taken.
            let gate = crossing.gates.get_mut(&under)?;
            if !gate.has_room(now.tick, entries.len()) {
                return None;
            }
            let mut imported = Vec::new();
            for entry in entries {
                match gate.admit(entry, schemas) {
                    Ok(value) => imported.push(value),
                    Err(reason) => {
                        crossing.crossed.refused += 1;
                        tracing::info!(?sheet, %reason, "a partner's value was not let in");
                    }
                }
            }
            crossing.crossed.imported += imported.len() as u64;
            Some((*sheet, imported))
        })
    }

    /// What crossed under an agreement, or a stream that several receive, since it was opened.
    #[must_use]
    pub fn crossed(&self, sheet: &SheetId) -> Option<Crossed> {
        let crossing = self.open.get(sheet)?;
        let losses = crossing.lines.iter().map(|line| line.losses()).sum();
        Some(Crossed { losses, ..crossing.crossed })
    }
}

impl Crossing {
    fn of(now: Now, deal: &LiveDeal<'_>) -> Self {
        let lines = deal.exports().map(|(terms, filter)| Line::new(terms, filter)).collect();
        let gate = |lines: &mut dyn Iterator<Item = &SheetTopic>| {
            Gate::new(now.tick, deal.partner(), lines)
        };
        let earlier = deal.earlier().map(|(sheet, lines)| (sheet, gate(&mut lines.iter())));
        let mut gates: BTreeMap<SheetId, Gate> = earlier.collect();
        gates.insert(deal.under(), gate(&mut deal.imports()));
        let (partner, verbs) = (deal.partner().clone(), deal.verbs().cloned().collect());
        Self { lines, gates, crossed: Crossed::default(), partner, verbs }
    }
}

/// What lines would show a partner, without any agreement. Nothing leaves the node.
pub struct Preview {
    lines: Vec<Line>,
}

impl Preview {
    /// Of lines, with what is selected for each.
    #[must_use]
    pub fn of(lines: &[SheetTopic], selections: &[Selection]) -> Self {
        let line = |terms: &SheetTopic| {
            let selection = selections.iter().find(|selection| selection.alias == terms.alias)?;
            Some(Line::new(terms, &selection.filter))
        };
        Self { lines: lines.iter().filter_map(line).collect() }
    }

    /// What has to be followed in the plant.
    pub fn filters(&self) -> impl Iterator<Item = (usize, &TopicFilter)> {
        self.lines.iter().map(Line::filter).enumerate()
    }

    /// A value of the plant that a line follows.
    pub fn offer(&mut self, at: Duration, line: usize, topic: &Topic, sample: &Sample) {
        if let Some(line) = self.lines.get_mut(line) {
            line.offer(at, topic, sample);
        }
    }

    /// What would cross by now.
    pub fn due(&mut self, at: Duration) -> Vec<Exported> {
        let nowhere = SheetId([0; 32]);
        self.lines.iter_mut().flat_map(|line| line.due(at, nowhere)).collect()
    }
}

fn keyed(deal: LiveDeal<'_>) -> (SheetId, LiveDeal<'_>) {
    (deal.stream(), deal)
}

/// Whether the plant, as this node knows it, stands behind its side of an agreement.
fn may_cross(view: &View, now: Now, ours: &Party) -> bool {
    let is_of_plant = view.roster.as_ref().is_some_and(|roster| roster.plant() == ours.plant);
    is_of_plant && check_signer(view, now, &ours.admin).is_ok()
}

/// Whether a key may sign for the plant, and this node carry it out.
///
/// # Errors
/// Why not.
pub fn check_signer(view: &View, now: Now, admin: &PublicKey) -> Result<(), Refusal> {
    let roster = view.roster.as_ref().ok_or(Refusal::NotAMember)?;
    // Whoever is revoked seldom has the record: members say so when they are dialled.
    if view.is_revoked() {
        return Err(Refusal::Revoked);
    }
    let own = roster.member_at(&view.me, now.wall).ok_or(Refusal::NotAMember)?;
    if !own.roles().contains(&Role::Gateway) {
        return Err(Refusal::NotAGateway);
    }
    if !roster.is_admin(admin) {
        return Err(Refusal::NotAuthorised);
    }
    Ok(())
}
