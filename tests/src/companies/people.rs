//! What people do: they offer, accept, compare words by phone, confirm, and end.

use std::time::Duration;

use gearmesh_node::core::partner::{Answer, Onto, Wish, WishId};
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{PublicKey, ShareId, SheetId};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner::{Aggregate, Direction, Proposal, Sheet, SheetTopic, Terms};
use gearmesh_protocol::partner_agreement::{sheet_id, sign_sheet};
use gearmesh_protocol::partner_local::{Local, Selection};
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::TopicFilter;

use super::{Meant, Seen, World};
use crate::world::dice::Dice;

/// How long somebody waits for an answer before it begins anew.
const PATIENCE: Duration = Duration::from_secs(3);

/// An agreement that people are about to make.
pub(super) struct Plan {
    from: usize,
    to: usize,
    name: String,
    lines: Vec<(SheetTopic, TopicFilter)>,
    /// Whether the offering admin ever hears the right words.
    is_confirmed: bool,
    /// When either side ends it, and which.
    ends: Option<(Duration, usize)>,
    not_before: Duration,
    step: Step,
}

enum Step {
    Nothing,
    Drafting(WishId, Duration),
    Proposed(ShareId, PublicKey),
    Looking(ShareId, PublicKey, WishId, Duration),
    Taking(ShareId, PublicKey, WishId, Duration),
    Signed(Vec<u8>),
    Confirming(Vec<u8>, WishId, Duration),
    Done(SheetId),
    Over,
}

impl Plan {
    pub(super) fn some(companies: usize, dice: &mut Dice) -> Vec<Self> {
        let plan = |number: usize, dice: &mut Dice| {
            let from = dice.below(companies);
            let to = (from + 1 + dice.below(companies - 1)) % companies;
            let ends = dice.percent(50);
            let ends = ends.then(|| (dice.millis(15_000, 60_000), [from, to][dice.below(2)]));
            Self {
                from,
                to,
                name: format!("share-{number}"),
                lines: (0..=dice.below(2)).map(|at| line(at, dice)).collect(),
                is_confirmed: dice.percent(85),
                ends,
                not_before: dice.millis(0, 8_000),
                step: Step::Nothing,
            }
        };
        let count = 1 + dice.below(3);
        (0..count).map(|number| plan(number, dice)).collect()
    }

    /// What a company calls the other: its number.
    fn local(&self, who: usize) -> Local {
        let other = if who == self.from { self.to } else { self.from };
        let own = if who == self.from { Direction::Export } else { Direction::Import };
        let lines = self.lines.iter().filter(|(line, _)| line.direction == own);
        let selections = lines.map(|(line, filter)| {
            let (alias, filter) = (line.alias.clone(), filter.clone());
            Selection { alias, filter }
        });
        Local {
            name: self.name.parse().expect("a name"),
            partner: called(other).parse().expect("a name"),
            selections: selections.collect(),
            verbs: Vec::new(),
            schemas: Vec::new(),
        }
    }

    fn terms(&self) -> Terms {
        let lines: Vec<SheetTopic> = self.lines.iter().map(|(line, _)| line.clone()).collect();
        Terms::of(lines.try_into().expect("few lines"), "planning".parse().expect("a title"))
    }
}

fn called(who: usize) -> String {
    format!("company-{who}")
}

fn line(number: usize, dice: &mut Dice) -> (SheetTopic, TopicFilter) {
    const FILTERS: [&str; 4] = ["hall/+/count", "#", "erp/#", "hall/press-1/#"];
    let every_ms = dice.percent(30).then(|| 1_000 + u32::try_from(dice.below(4_000)).unwrap_or(0));
    let aggregates = [Aggregate::Max, Aggregate::Last, Aggregate::Min];
    let summed = dice.percent(50).then(|| aggregates[dice.below(3)]);
    let line = SheetTopic {
        direction: if dice.percent(70) { Direction::Export } else { Direction::Import },
        alias: format!("line-{number}").parse().expect("a topic"),
        fields: Bounded::new(),
        round: None,
        every_ms,
        aggregate: summed.filter(|_| every_ms.is_some()),
        delay_ms: if dice.percent(20) { 2_500 } else { 0 },
        schema: None,
    };
    (line, FILTERS[dice.below(FILTERS.len())].parse().expect("a filter"))
}

impl World {
    /// Everybody does what is next for it.
    pub(super) fn people_act(&mut self) {
        let mut plans = std::mem::take(&mut self.plans);
        for plan in &mut plans {
            if plan.not_before <= self.at {
                let step = std::mem::replace(&mut plan.step, Step::Over);
                plan.step = self.next_step(plan, step);
            }
        }
        self.plans = plans;
    }

    fn answer(&mut self, who: usize, id: WishId) -> Option<Answer> {
        self.companies[who].answers.remove(&id)
    }

    fn next_step(&mut self, plan: &Plan, step: Step) -> Step {
        let (from, to, at) = (plan.from, plan.to, self.at);
        let again = |since: Duration| at >= since + PATIENCE;
        match step {
            Step::Nothing => {
                let open_until = self.now(from).wall.plus_ms(3_600_000);
                let signer = self.companies[from].signer("Rossi");
                let (title, terms) = ("Acme".parse().expect("a title"), plan.terms());
                let local = plan.local(from);
                let draft =
                    Wish::Draft { signer, to: title, terms, open_until, local, onto: Onto::New };
                Step::Drafting(self.wish(from, draft), at)
            }
            Step::Drafting(id, since) => match self.answer(from, id) {
                Some(Answer::Draft { proposal, .. }) => self.propose(from, &proposal),
                Some(_) => Step::Nothing,
                None if again(since) => Step::Nothing,
                None => Step::Drafting(id, since),
            },
            Step::Proposed(share, link) => {
                let addresses = vec!["192.0.2.1:7440".to_owned()];
                let look = self.wish(to, Wish::Look { link, addresses });
                Step::Looking(share, link, look, at)
            }
            Step::Looking(share, link, id, since) => match self.answer(to, id) {
                Some(Answer::Proposal(..)) => {
                    let (signer, local) = (self.companies[to].signer("Acme"), plan.local(to));
                    let take = self.wish(to, Wish::Take { share, signer, local });
                    Step::Taking(share, link, take, at)
                }
                Some(_) => Step::Looking(share, link, id, since),
                None if again(since) => Step::Proposed(share, link),
                None => Step::Looking(share, link, id, since),
            },
            Step::Taking(share, link, id, since) => match self.answer(to, id) {
                Some(Answer::Sheet(sheet)) => self.sign(plan, (share, link), sheet),
                _ if again(since) => Step::Proposed(share, link),
                _ => Step::Taking(share, link, id, since),
            },
            step => self.last_steps(plan, step),
        }
    }

    fn last_steps(&mut self, plan: &Plan, step: Step) -> Step {
        let (from, at) = (plan.from, self.at);
        match step {
            Step::Signed(sheet) if plan.is_confirmed => {
                let name = plan.name.parse().expect("a name");
                let company = &self.companies[from];
                let admin = sign_sheet(&company.admin, &company.plant, &sheet);
                // Whatever comes of it, from here on it may be confirmed.
                self.meant_by(plan, &sheet);
                let confirm = self.wish(from, Wish::Confirm { name, admin });
                Step::Confirming(sheet, confirm, at)
            }
            Step::Confirming(sheet, id, since) => match self.answer(from, id) {
                Some(Answer::Done) => Step::Done(sheet_id(&sheet)),
                // It may have been confirmed, and its gateway have died before it said so.
                Some(_) if at < since + 4 * PATIENCE => Step::Signed(sheet),
                Some(_) => Step::Done(sheet_id(&sheet)),
                None if at >= since + PATIENCE => Step::Signed(sheet),
                None => Step::Confirming(sheet, id, since),
            },
            Step::Done(sheet) => match plan.ends {
                Some((when, who)) if at >= when => {
                    if self.companies[who].knows_end(&sheet) {
                        return Step::Over;
                    }
                    let _ = self.wish(who, Wish::End { name: plan.name.parse().expect("a name") });
                    Step::Done(sheet)
                }
                _ => Step::Done(sheet),
            },
            step => step,
        }
    }

    fn propose(&mut self, from: usize, proposal: &Proposal) -> Step {
        let company = &self.companies[from];
        let signed = Signed::sign(&company.admin, &company.plant, proposal);
        let id = self.wish(from, Wish::Propose { signed });
        match self.answer(from, id) {
            Some(Answer::Done) => Step::Proposed(proposal.share, proposal.link),
            _ => Step::Nothing,
        }
    }

    fn sign(&mut self, plan: &Plan, (share, link): (ShareId, PublicKey), sheet: Vec<u8>) -> Step {
        let plant = self.companies[plan.from].plant;
        let admin = sign_sheet(&self.companies[plan.to].admin, &plant, &sheet);
        let id = self.wish(plan.to, Wish::Accept { share, admin });
        match self.answer(plan.to, id) {
            Some(Answer::Done) => Step::Signed(sheet),
            _ => Step::Proposed(share, link),
        }
    }

    /// From here on people mean this agreement.
    fn meant_by(&mut self, plan: &Plan, sheet: &[u8]) {
        let share = codec::decode::<Sheet>(sheet, FRAME_BYTES_MAX).expect("a sheet").share;
        let sheet = sheet_id(sheet);
        if self.meant.iter().any(|meant| meant.sheet == sheet) {
            return;
        }
        self.seen.push(Seen::Confirmed { who: plan.from, sheet });
        for (direction, sender, receiver) in
            [(Direction::Export, plan.from, plan.to), (Direction::Import, plan.to, plan.from)]
        {
            let lines = plan.lines.iter().filter(|(line, _)| line.direction == direction);
            let (lines, called) = (lines.cloned().collect(), called(sender));
            self.meant.push(Meant { sheet, share, sender, receiver, called, lines });
        }
    }
}
