//! The stage: gateways whose effects are carried out in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::PartnerAct;
use gearmesh_protocol::ids::{Incarnation, Nonce, PlantId, PublicKey, ShareId, SheetId};
use gearmesh_protocol::limits::SHARE_PAGE_MAX;
use gearmesh_protocol::log::{LogId, VerifiedGroup};
use gearmesh_protocol::partner::{Direction, ShareEntry, SheetTopic, Terms};
use gearmesh_protocol::partner_agreement::{agreement_words, sheet_id, sign_sheet};
use gearmesh_protocol::partner_local::{Local, PartnersStatus, Selection};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;

use super::super::*;
use crate::core::random::Random;

pub(in crate::core) const START: u64 = 1_795_356_180_000;

/// What came if nothing came.
pub(in crate::core) const NOTHING: [i64; 0] = [];

/// One company's gateway, its admin key, and what is on its disk.
pub(in crate::core) struct Company {
    pub(in crate::core) core: Partners,
    pub(in crate::core) admin: SigningKey,
    pub(in crate::core) plant: PlantId,
    pub(in crate::core) gateway: SigningKey,
    records: Vec<PartnerRecord>,
    pub(in crate::core) logs: BTreeMap<LogId, Vec<VerifiedGroup>>,
    topics: BTreeSet<Nonce>,
    pub(in crate::core) answers: BTreeMap<WishId, Answer>,
    pub(in crate::core) verdicts: Vec<Verdict>,
    /// What is in the plant's audit trail.
    pub(in crate::core) acts: Vec<PartnerAct>,
    lives: u8,
    seed: u8,
}

/// Companies and what is on its way between them.
pub(crate) struct Stage {
    pub(in crate::core) companies: Vec<Company>,
    pub(in crate::core) at: Duration,
    /// By how much a company's clock is ahead, in milliseconds; of those that are not right.
    pub(in crate::core) ahead: BTreeMap<usize, i64>,
    /// Sessions by number: who dialled, who listens.
    pub(in crate::core) sessions: BTreeMap<SessionId, (usize, usize)>,
    next: u64,
    /// Gateways whose machines are gone.
    pub(in crate::core) dead: BTreeSet<usize>,
    /// Who answers at the address of whoever is gone.
    pub(in crate::core) answers: Option<usize>,
    /// Whether companies can reach each other.
    pub(in crate::core) is_connected: bool,
    /// Whether gossip arrives.
    pub(in crate::core) has_gossip: bool,
    /// Between whom connections come about and gossip goes, if not between all.
    pub(in crate::core) reach: Option<BTreeSet<(usize, usize)>>,
    /// Who brought a gossip message to whom that took it for good.
    pub(in crate::core) brought: Vec<(usize, usize)>,
    /// Every gossip message that was ever published.
    pub(in crate::core) published: Vec<(Nonce, Vec<u8>)>,
    /// What the next to dial a link shows.
    pub(in crate::core) links: BTreeMap<PublicKey, usize>,
    pub(in crate::core) sent: Vec<SessionFrame>,
}

impl Company {
    fn new(seed: u8) -> Self {
        let key = |add| SigningKey::from_bytes(&[seed + add; 32]);
        let mut company = Self {
            core: Self::life(key(1), seed, 0, Vec::new(), BTreeMap::new()).0,
            admin: key(0),
            plant: PlantId([seed; 32]),
            gateway: key(1),
            records: Vec::new(),
            logs: BTreeMap::new(),
            topics: BTreeSet::new(),
            answers: BTreeMap::new(),
            verdicts: Vec::new(),
            acts: Vec::new(),
            lives: 0,
            seed,
        };
        company.restart();
        company
    }

    fn life(
        key: SigningKey,
        seed: u8,
        life: u8,
        records: Vec<PartnerRecord>,
        tips: BTreeMap<LogId, Tip>,
    ) -> (Partners, Vec<Effect>) {
        let incarnation = Incarnation([life; 16]);
        let random = Random::new([seed.wrapping_add(life.wrapping_mul(31)); 32]);
        Partners::restore(Start { key, incarnation, random, records, tips })
    }

    /// Ends the program and starts it from the disk.
    fn restart(&mut self) {
        self.lives += 1;
        // Every start is one with a compacted journal: the same state follows.
        self.records = compacted(std::mem::take(&mut self.records));
        let records = self.records.iter().map(|record| {
            let (kind, bytes) = record.encode();
            PartnerRecord::decode(kind, &bytes).expect("what was written is read")
        });
        let ends = self.logs.iter();
        let tips = ends.filter_map(|(log, groups)| Some((*log, groups.last()?.tip()))).collect();
        let key = self.gateway.clone();
        let (core, effects) = Self::life(key, self.seed, self.lives, records.collect(), tips);
        self.core = core;
        self.topics = effects
            .into_iter()
            .map(|effect| match effect {
                Effect::Subscribe(topic) => topic,
                other => panic!("at the start: {other:?}"),
            })
            .collect();
    }

    pub(in crate::core) fn signer(&self, name: &str) -> Signer {
        let admin = PublicKey::of(&self.admin);
        Signer { plant: self.plant, name: name.parse().expect("a title"), admin }
    }
}

/// A line without any limits.
pub(in crate::core) fn line(direction: Direction, alias: &str) -> SheetTopic {
    SheetTopic {
        direction,
        alias: alias.parse().expect("a topic"),
        fields: Bounded::new(),
        round: None,
        every_ms: None,
        aggregate: None,
        delay_ms: 0,
        schema: None,
    }
}

pub(in crate::core) fn terms(lines: Vec<SheetTopic>) -> Terms {
    Terms::of(lines.try_into().expect("few lines"), "planning".parse().expect("a title"))
}

pub(in crate::core) fn local(name: &str, partner: &str, selections: &[(&str, &str)]) -> Local {
    let selection = |(alias, filter): &(&str, &str)| Selection {
        alias: alias.parse().expect("a topic"),
        filter: filter.parse().expect("a filter"),
    };
    Local {
        name: name.parse().expect("a name"),
        partner: partner.parse().expect("a name"),
        selections: selections.iter().map(selection).collect(),
        verbs: Vec::new(),
        schemas: Vec::new(),
    }
}

pub(in crate::core) fn value(alias: &str, number: i64) -> ShareEntry {
    let sample = Sample::good(Value::Integer(number), UnixMillis(START));
    ShareEntry { alias: alias.parse().expect("a topic"), sample }
}

/// From what a company's gateway begins its next life, for tests that give it a real swarm.
pub(crate) fn start_of(stage: &Stage, who: usize) -> Start {
    let company = &stage.companies[who];
    Start {
        key: company.gateway.clone(),
        incarnation: Incarnation([company.lives + 1; 16]),
        random: Random::new([company.seed ^ 0x55; 32]),
        records: company.records.clone(),
        tips: BTreeMap::new(),
    }
}

/// Hands values to a core, as the bridge does.
pub(crate) fn exported(core: &mut Partners, now: Now, sheet: SheetId, number: i64) -> Vec<Effect> {
    core.export(now, sheet, vec![value("output", number)])
}

/// Takes what came next under an agreement, as the bridge does.
pub(crate) fn next_of(core: &Partners, sheet: &SheetId) -> Option<Vec<i64>> {
    let (_, entries) = core.next_received(sheet)?;
    let numbers = entries.iter().map(|entry| match entry.sample.value {
        Value::Integer(number) => number,
        ref other => panic!("{other:?}"),
    });
    Some(numbers.collect())
}

impl Stage {
    pub(in crate::core) fn new(companies: u8) -> Self {
        Self {
            companies: (0..companies).map(|at| Company::new(10 * (at + 1))).collect(),
            at: Duration::ZERO,
            ahead: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next: 0,
            dead: BTreeSet::new(),
            answers: None,
            is_connected: true,
            has_gossip: true,
            reach: None,
            brought: Vec::new(),
            published: Vec::new(),
            links: BTreeMap::new(),
            sent: Vec::new(),
        }
    }

    pub(in crate::core) fn now(&self) -> Now {
        let ms = u64::try_from(self.at.as_millis()).expect("not that long");
        Now { tick: self.at, wall: UnixMillis(START + ms) }
    }

    /// A company's own clocks.
    pub(in crate::core) fn now_of(&self, who: usize) -> Now {
        let Now { tick, wall } = self.now();
        let ahead = self.ahead.get(&who).copied().unwrap_or_default();
        Now { tick, wall: UnixMillis(wall.0.saturating_add_signed(ahead)) }
    }

    /// Hands an input to a company and carries out all that follows.
    pub(in crate::core) fn give(&mut self, who: usize, input: Input) {
        let now = self.now_of(who);
        let effects = self.companies[who].core.handle(now, input);
        self.carry_out(who, effects);
    }

    pub(in crate::core) fn carry_out(&mut self, who: usize, effects: Vec<Effect>) {
        let mut open: VecDeque<(usize, Effect)> =
            effects.into_iter().map(|effect| (who, effect)).collect();
        while let Some((who, effect)) = open.pop_front() {
            let more = self.effect(who, effect);
            open.extend(more);
        }
    }

    fn input(&mut self, who: usize, input: Input) -> Vec<(usize, Effect)> {
        let now = self.now_of(who);
        let effects = self.companies[who].core.handle(now, input);
        effects.into_iter().map(|effect| (who, effect)).collect()
    }

    fn effect(&mut self, who: usize, effect: Effect) -> Vec<(usize, Effect)> {
        match effect {
            Effect::Persist(record) => self.companies[who].records.push(record),
            Effect::Append(group) => {
                let log = group.header().log;
                self.companies[who].logs.entry(log).or_default().push(*group);
            }
            Effect::Send { session, frame } => {
                let Some((dialer, listener)) = self.sessions.get(&session).copied() else {
                    return Vec::new();
                };
                let other = if who == dialer { listener } else { dialer };
                self.sent.push((*frame).clone());
                return self.input(other, Input::Frame { session, frame });
            }
            Effect::Close(session) => {
                if let Some((dialer, listener)) = self.sessions.remove(&session) {
                    let other = if who == dialer { listener } else { dialer };
                    return self.input(other, Input::SessionDown { session });
                }
            }
            Effect::Publish { topic, bytes } => return self.publish(who, topic, bytes),
            Effect::Subscribe(topic) => drop(self.companies[who].topics.insert(topic)),
            Effect::Unsubscribe(topic) => drop(self.companies[who].topics.remove(&topic)),
            Effect::Judge { verdict, .. } => self.companies[who].verdicts.push(verdict),
            Effect::Read { session, sheet, log, after } => {
                let from = after.map_or(0, |after| after.number + 1);
                let logs = self.companies[who].logs.get(&log).cloned().unwrap_or_default();
                let follows = logs.iter().filter(|group| group.header().number >= from);
                let first = follows.clone().next().map(VerifiedGroup::header);
                let after = first.filter(|first| first.number > from).map(|first| Tip {
                    group: first.parents[0],
                    number: first.number - 1,
                    entries: first.entries_before,
                });
                let groups = follows.map(|group| codec::encode(group.group()));
                let page = Page { groups: groups.take(SHARE_PAGE_MAX).collect(), after };
                return self.input(who, Input::Page { session, sheet, page });
            }
            Effect::Dial { peer, .. } => {
                let gateway = |it: &Company| PublicKey::of(&it.gateway) == peer;
                let listener = self.companies.iter().position(gateway).expect("a known gateway");
                let me = PublicKey::of(&self.companies[who].gateway);
                let doors = self.companies[listener].core.doors(self.now_of(listener));
                let is_there = self.is_connected && !self.dead.contains(&listener);
                if is_there && self.reaches(who, listener) && doors.peers.contains(&me) {
                    return self.connect(who, listener, Grounds::Agreement);
                }
            }
            Effect::Ask { .. } => {
                let me = PublicKey::of(&self.companies[who].gateway);
                let answers = self.answers.filter(|at| !self.dead.contains(at));
                if let Some(listener) = answers.filter(|_| self.is_connected)
                    && self.companies[listener]
                        .core
                        .doors(self.now_of(listener))
                        .peers
                        .contains(&me)
                {
                    return self.connect(who, listener, Grounds::Notice);
                }
            }
            Effect::DialLink { link } => return self.dial_link(who, link),
            Effect::Audit(act) => self.companies[who].acts.push(*act),
            Effect::Answer { id, answer } => {
                self.companies[who].answers.insert(id, *answer);
            }
        }
        Vec::new()
    }

    fn dial_link(&mut self, who: usize, link: PublicKey) -> Vec<(usize, Effect)> {
        let listener = self.links[&link];
        let me = PublicKey::of(&self.companies[who].gateway);
        let doors = self.companies[listener].core.doors(self.now_of(listener));
        let state = doors.links.get(&link).ok_or(Refusal::LinkUnknown);
        match state.and_then(|state| state.admits(&me)) {
            Ok(()) => self.connect(who, listener, Grounds::Link(link)),
            Err(refusal) => {
                let mut more = Vec::new();
                if refusal == Refusal::LinkUsed {
                    more = self.input(listener, Input::LinkShownAgain { link });
                }
                more.extend(self.input(who, Input::LinkFailed { link, cause: refusal.into() }));
                more
            }
        }
    }

    fn connect(&mut self, who: usize, listener: usize, grounds: Grounds) -> Vec<(usize, Effect)> {
        self.next += 1;
        let session = SessionId(self.next);
        self.sessions.insert(session, (who, listener));
        let [me, peer] = [who, listener].map(|at| PublicKey::of(&self.companies[at].gateway));
        // Whoever is asked knows the one that asks.
        let theirs = if grounds == Grounds::Notice { Grounds::Agreement } else { grounds };
        let up = |peer, grounds, is_dialer| Input::SessionUp { session, peer, grounds, is_dialer };
        let mut more = self.input(listener, up(me, theirs, false));
        more.extend(self.input(who, up(peer, grounds, true)));
        more
    }

    fn publish(&mut self, who: usize, topic: Nonce, bytes: Vec<u8>) -> Vec<(usize, Effect)> {
        self.published.push((topic, bytes.clone()));
        if !self.is_connected || !self.has_gossip {
            return Vec::new();
        }
        let message = MessageTag(self.published.len() as u64);
        let (mut open, mut seen) = (VecDeque::from([who]), BTreeSet::from([who]));
        let mut more = Vec::new();
        while let Some(from) = open.pop_front() {
            let hears = |at: &usize| {
                let may = from == who || self.shares(from, *at);
                let is_there = !self.dead.contains(at) && self.reaches(from, *at);
                may && is_there && self.companies[*at].topics.contains(&topic)
            };
            let hearers: Vec<usize> =
                (0..self.companies.len()).filter(|at| !seen.contains(at) && hears(at)).collect();
            for at in hearers {
                seen.insert(at);
                let bytes = bytes.clone();
                let effects = self.input(at, Input::Gossip { message, topic, bytes });
                let is_good = effects.iter().any(|(_, effect)| {
                    matches!(effect, Effect::Judge { verdict: Verdict::Accept, .. })
                });
                if is_good {
                    self.brought.push((from, at));
                    open.push_back(at);
                }
                more.extend(effects);
            }
        }
        more
    }

    fn reaches(&self, one: usize, other: usize) -> bool {
        let pair = (one.min(other), one.max(other));
        self.reach.as_ref().is_none_or(|reach| reach.contains(&pair))
    }

    /// Whether two companies let each other in since both receive one stream.
    pub(in crate::core) fn shares(&self, one: usize, other: usize) -> bool {
        let lets_in = |at: usize, whom: usize| {
            let whom = PublicKey::of(&self.companies[whom].gateway);
            self.companies[at].core.doors(self.now_of(at)).co_receivers.contains(&whom)
        };
        lets_in(one, other) && lets_in(other, one)
    }

    /// Lets time pass in steps of a quarter of a second.
    pub(in crate::core) fn pass(&mut self, time: Duration) {
        let end = self.at + time;
        while self.at < end {
            self.at += Duration::from_millis(250).min(end - self.at);
            for who in 0..self.companies.len() {
                if !self.dead.contains(&who) {
                    self.give(who, Input::Tick);
                }
            }
        }
    }

    /// One more gateway of a company's plant.
    pub(in crate::core) fn second_gateway(&mut self, of: usize) -> usize {
        let mut second = Company::new(10 * (u8::try_from(self.companies.len()).expect("few") + 1));
        second.plant = self.companies[of].plant;
        second.admin = self.companies[of].admin.clone();
        self.companies.push(second);
        self.companies.len() - 1
    }

    /// A machine is gone, with its disk.
    pub(in crate::core) fn lose(&mut self, who: usize) {
        self.dead.insert(who);
        let held = self.sessions.iter().filter(|(_, ends)| ends.0 == who || ends.1 == who);
        for (session, (dialer, listener)) in held.map(|(id, ends)| (*id, *ends)).collect::<Vec<_>>()
        {
            self.sessions.remove(&session);
            let other = if dialer == who { listener } else { dialer };
            self.give(other, Input::SessionDown { session });
        }
    }

    pub(in crate::core) fn cut(&mut self) {
        self.is_connected = false;
        for (session, (dialer, listener)) in std::mem::take(&mut self.sessions) {
            self.give(dialer, Input::SessionDown { session });
            self.give(listener, Input::SessionDown { session });
        }
    }

    pub(in crate::core) fn restart(&mut self, who: usize) {
        self.cut();
        self.companies[who].restart();
        self.is_connected = true;
    }

    pub(in crate::core) fn wish(&mut self, who: usize, wish: Wish) -> Answer {
        self.next += 1;
        let id = WishId(self.next);
        self.give(who, Input::Wish { id, wish: Box::new(wish) });
        let answer = self.companies[who].answers.remove(&id);
        answer.unwrap_or(Answer::Refused(Refusal::PartnerUnreachable.into()))
    }

    /// Company `who` proposes to somebody. The share, and its link.
    pub(in crate::core) fn propose(
        &mut self,
        who: usize,
        terms: Terms,
        local: Local,
    ) -> (ShareId, PublicKey) {
        self.propose_onto(who, terms, local, Onto::New)
    }

    pub(in crate::core) fn propose_onto(
        &mut self,
        who: usize,
        terms: Terms,
        local: Local,
        onto: Onto,
    ) -> (ShareId, PublicKey) {
        let signer = self.companies[who].signer("Rossi");
        let to = "Acme".parse().expect("a title");
        let open_until = self.now_of(who).wall.plus_ms(3_600_000);
        let drafted = self.wish(who, Wish::Draft { signer, to, terms, open_until, local, onto });
        let Answer::Draft { proposal, .. } = drafted else { panic!("{drafted:?}") };
        let company = &self.companies[who];
        let signed = Signed::sign(&company.admin, &company.plant, proposal.as_ref());
        let done = self.wish(who, Wish::Propose { signed });
        assert!(matches!(done, Answer::Kept(_)), "{done:?}");
        self.links.insert(proposal.link, who);
        (proposal.share, proposal.link)
    }

    pub(in crate::core) fn look(&mut self, who: usize, link: PublicKey) -> Answer {
        let addresses = vec!["192.0.2.1:7440".to_owned()];
        self.wish(who, Wish::Look { link, addresses })
    }

    /// Takes what was looked at. The sheet, if the other side lets it.
    pub(in crate::core) fn take(&mut self, who: usize, share: ShareId, local: Local) -> Answer {
        let signer = self.companies[who].signer("Acme");
        self.wish(who, Wish::Take { share, signer, local })
    }

    /// Looks, takes and signs. The words that the admin reads.
    pub(in crate::core) fn accept(
        &mut self,
        who: usize,
        (share, link): (ShareId, PublicKey),
        local: Local,
    ) -> String {
        let looked = self.look(who, link);
        let Answer::Proposal(signed, _) = &looked else { panic!("{looked:?}") };
        let plant = signed.peek().expect("a proposal").from.plant;
        let taken = self.take(who, share, local);
        let Answer::Sheet(sheet) = taken else { panic!("{taken:?}") };
        let admin = sign_sheet(&self.companies[who].admin, &plant, &sheet);
        let done = self.wish(who, Wish::Accept { share, admin });
        assert!(matches!(done, Answer::Done), "{done:?}");
        agreement_words(&sheet_id(&sheet))
    }

    pub(in crate::core) fn status(&mut self, who: usize) -> PartnersStatus {
        match self.wish(who, Wish::Status) {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Confirms what was accepted. The words as the offering side knows them, and the agreement.
    pub(in crate::core) fn confirm(&mut self, who: usize, name: &str) -> (String, SheetId) {
        let shares = self.status(who).shares;
        let share = shares.iter().find(|share| share.name.as_str() == name).expect("a share");
        let sheet = share.sheet.clone().expect("an accepted sheet").0;
        let company = &self.companies[who];
        let admin = sign_sheet(&company.admin, &company.plant, &sheet);
        let name = name.parse().expect("a name");
        let done = self.wish(who, Wish::Confirm { name, admin });
        assert!(matches!(done, Answer::Done), "{done:?}");
        (agreement_words(&sheet_id(&sheet)), sheet_id(&sheet))
    }

    /// An agreement under which company 0 exports `output` to company 1.
    pub(in crate::core) fn agreed(&mut self) -> SheetId {
        self.agreed_on(terms(vec![line(Direction::Export, "output")]))
    }

    pub(in crate::core) fn agreed_on(&mut self, terms: Terms) -> SheetId {
        let selections = [("output", "hall/+/count")];
        let proposed = self.propose(0, terms, local("orders", "acme", &selections));
        let words = self.accept(1, proposed, local("stock", "rossi", &[]));
        let (same, sheet) = self.confirm(0, "orders");
        assert_eq!(words, same);
        sheet
    }

    /// Kills a company's gateway after so many effects of an export. Whether there were that many.
    pub(in crate::core) fn killed_in_export(
        &mut self,
        who: usize,
        (sheet, entries): (SheetId, Vec<ShareEntry>),
        after: usize,
    ) -> bool {
        let now = self.now_of(who);
        let mut effects = self.companies[who].core.export(now, sheet, entries);
        let were_more = effects.len() > after;
        effects.truncate(after);
        self.carry_out(who, effects);
        self.restart(who);
        were_more
    }

    pub(in crate::core) fn export(&mut self, who: usize, sheet: SheetId, entries: Vec<ShareEntry>) {
        let now = self.now_of(who);
        let effects = self.companies[who].core.export(now, sheet, entries);
        self.carry_out(who, effects);
    }

    /// What has come to a company under an agreement and was not seen yet, as whole numbers.
    pub(in crate::core) fn received(&mut self, who: usize, sheet: SheetId) -> Vec<i64> {
        let mut numbers = Vec::new();
        while let Some(next) = next_of(&self.companies[who].core, &sheet) {
            numbers.extend(next);
            self.give(who, Input::Delivered { sheet });
        }
        numbers
    }
}
