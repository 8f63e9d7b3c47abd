//! Arbiter and holder in their plant: links, members, the own log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::entry::{DataEntry, FencingToken, LeaseRecord};
use gearmesh_protocol::ids::{Incarnation, LeaseId, PublicKey};
use gearmesh_protocol::lease::{LeaseFrame, Resource, Usage};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::super::commands::{CommandEffect, Note};
use super::super::data::Data;
use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket, standing};
use super::arbiter::{Arbiter, Desk};
use super::contract::{LeaseEffect, LeaseInput};
use super::holder::{Act, Held, Holder, Told};

/// Questions for who holds a resource that wait for an answer.
pub const LOOKS_MAX: usize = 256;

/// How long one waits.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Programs that wait for what becomes of one lease.
const ASKERS_MAX: usize = 16;

/// All that a node knows of leases.
#[derive(Debug)]
pub(in crate::core::plant) struct Leases {
    arbiter: Arbiter,
    holder: Holder,
    /// Who hears what becomes of a renewal or a release.
    askers: BTreeMap<LeaseId, Vec<Ticket>>,
    looks: BTreeMap<u64, Look>,
    numbers: u64,
    /// What linked members, and this node, give away.
    resources: Arc<BTreeMap<PublicKey, Arc<[Resource]>>>,
}

#[derive(Debug)]
struct Look {
    ticket: Ticket,
    arbiter: PublicKey,
    until: Duration,
}

/// What an arbiter acts with in a plant.
struct Clerk<'a> {
    may_begin: Result<(), Refusal>,
    data: &'a mut Data,
    said: Vec<(PublicKey, LeaseFrame)>,
}

impl Desk for Clerk<'_> {
    fn may_begin(&self) -> Result<(), Refusal> {
        self.may_begin
    }

    fn write(&mut self, grant: Option<FencingToken>, record: LeaseRecord) -> bool {
        let note = match grant {
            Some(token) => Note::Granted(record.resource.clone(), token),
            None => Note::LeaseOver,
        };
        self.data.note(note, &DataEntry::Lease(record)).is_ok()
    }

    fn tell(&mut self, to: PublicKey, frame: LeaseFrame) {
        self.said.push((to, frame));
    }
}

impl Leases {
    /// The state of a node that begins a life, beside its own log if it has written one.
    pub(in crate::core::plant) fn beside(
        has_own_log: bool,
        life: Incarnation,
        me: PublicKey,
        resources: Vec<Resource>,
    ) -> Self {
        let own: Arc<[Resource]> = resources.clone().into();
        let mut arbiter = Arbiter::new(life, resources);
        if !has_own_log {
            arbiter.recalled();
        }
        let given = if own.is_empty() { BTreeMap::new() } else { BTreeMap::from([(me, own)]) };
        Self {
            arbiter,
            holder: Holder::default(),
            askers: BTreeMap::new(),
            looks: BTreeMap::new(),
            numbers: 0,
            resources: Arc::new(given),
        }
    }

    /// What linked members, and this node, give away.
    pub(in crate::core::plant) fn resources(&self) -> Arc<BTreeMap<PublicKey, Arc<[Resource]>>> {
        Arc::clone(&self.resources)
    }

    /// What programs of this node hold.
    pub(in crate::core::plant) fn held(&self) -> Arc<BTreeMap<LeaseId, Held>> {
        Arc::new(self.holder.held().collect())
    }

    /// Members that something is wanted of.
    pub(in crate::core::plant) fn wanted(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.holder.arbiters().chain(self.looks.values().map(|look| look.arbiter))
    }

    /// Whether this machine gives anything of this name away.
    pub(in crate::core::plant) fn has(&self, resource: &Name) -> bool {
        self.arbiter.has(resource)
    }

    /// A record of that group of the own log.
    pub(in crate::core::plant) fn recall(&mut self, number: u64, record: LeaseRecord) {
        self.arbiter.recall(number, record);
    }

    /// The group of that number says that a lease was given.
    pub(in crate::core::plant) fn said(
        &mut self,
        resource: &Name,
        token: FencingToken,
        number: u64,
    ) {
        self.arbiter.said(resource, token, number);
    }

    /// What of this has to be in the own log.
    pub(in crate::core::plant) const fn arbiter(&self) -> &Arbiter {
        &self.arbiter
    }

    /// The own log was read to its end.
    pub(in crate::core::plant) fn recalled(&mut self) {
        self.arbiter.recalled();
    }
}

impl Plant {
    pub(in crate::core::plant) fn on_lease(
        &mut self,
        now: Now,
        input: LeaseInput,
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = Vec::new();
        match input {
            LeaseInput::Ask { ticket, wish } => {
                let may = self.may_wish(now, &wish.arbiter, wish.wait.is_some());
                let asked = may.and_then(|()| self.leases.holder.ask(now.tick, wish, &mut acts));
                let answer = asked.map_or_else(Answer::Refused, |()| Answer::Asked);
                effects.push(Effect::Answer { ticket, answer });
            }
            LeaseInput::Renew { ticket, id } => {
                let asked = self.leases.holder.renew(now.tick, id, &mut acts);
                self.await_answer(ticket, id, asked, effects);
            }
            LeaseInput::Release { ticket, id } => {
                let asked = self.leases.holder.release(now.tick, id, &mut acts);
                if let Some(ticket) = ticket {
                    self.await_answer(ticket, id, asked, effects);
                }
                self.view_is_stale = true;
            }
            LeaseInput::Look { ticket, arbiter, resource } => {
                self.look(now, ticket, arbiter, resource, effects);
            }
        }
        self.act_as_holder(now, acts, effects);
        self.want_called();
    }

    fn may_wish(&self, now: Now, arbiter: &PublicKey, waits: bool) -> Result<(), Refusal> {
        let roster = self.roster.as_ref().ok_or(Refusal::NotAMember)?;
        standing(roster, &self.me, now)?;
        if !self.may_hold(now, &self.me) {
            return Err(Refusal::LeaseNotGranted);
        }
        match waits || self.may_come_to(arbiter) {
            true => Ok(()),
            false => Err(Refusal::MachineUnreachable),
        }
    }

    /// Whether a member may hold leases: who may not have anything done needs none.
    fn may_hold(&self, now: Now, member: &PublicKey) -> bool {
        let roster = self.roster.as_ref();
        let member = roster.and_then(|roster| roster.member_at(member, now.wall));
        member.is_some_and(|member| member.may_call())
    }

    fn await_answer(
        &mut self,
        ticket: Ticket,
        id: LeaseId,
        asked: Result<(), Refusal>,
        effects: &mut Vec<Effect>,
    ) {
        let askers = self.leases.askers.get(&id).map_or(0, Vec::len);
        let is_full = askers >= ASKERS_MAX;
        match asked {
            Ok(()) if !is_full => self.leases.askers.entry(id).or_default().push(ticket),
            Ok(()) => effects.push(refuse(ticket, Refusal::LeasesFull)),
            Err(refusal) => effects.push(refuse(ticket, refusal)),
        }
    }

    /// A frame about leases came from a member.
    pub(in crate::core::plant) fn on_lease_frame(
        &mut self,
        now: Now,
        (link, peer): (LinkId, PublicKey),
        frame: LeaseFrame,
        effects: &mut Vec<Effect>,
    ) {
        match frame {
            LeaseFrame::Resources(resources) => {
                let resources = resources.into_vec().into();
                Arc::make_mut(&mut self.leases.resources).insert(peer, resources);
                self.view_is_stale = true;
            }
            LeaseFrame::Look { number, resource } => {
                let usage = self.leases.arbiter.usage(now.tick, &resource);
                let frame = CommandFrame::Lease(LeaseFrame::Shown { number, usage });
                effects.push(CommandEffect::Send { link, frame }.into());
            }
            LeaseFrame::Shown { number, usage } => self.shown(&peer, number, usage, effects),
            frame => self.hear_of_lease(now, peer, frame, effects),
        }
    }

    /// What is said between an arbiter and a holder; either may be this node.
    fn hear_of_lease(
        &mut self,
        now: Now,
        from: PublicKey,
        frame: LeaseFrame,
        effects: &mut Vec<Effect>,
    ) {
        match frame {
            LeaseFrame::Ask(ask) => {
                if self.may_hold(now, &from) {
                    let ask = |arbiter: &mut Arbiter, clerk: &mut Clerk<'_>| {
                        arbiter.ask(now.tick, from, ask, clerk);
                    };
                    return self.arbitrate(now, effects, ask);
                }
                let refused = LeaseFrame::Refused { id: ask.id, refusal: Refusal::LeaseNotGranted };
                self.tell_of_lease(now, from, refused, effects);
            }
            LeaseFrame::Renew { id, number, resource, token } => {
                if self.may_hold(now, &from) {
                    self.arbitrate(now, effects, |arbiter, clerk| {
                        arbiter.renew(now.tick, from, (id, number), (&resource, token), clerk);
                    });
                }
            }
            LeaseFrame::Release { id } => self.arbitrate(now, effects, |arbiter, clerk| {
                arbiter.release(now.tick, from, id, clerk);
            }),
            frame => {
                let mut acts = Vec::new();
                self.leases.holder.heard(now.tick, &from, frame, &mut acts);
                self.act_as_holder(now, acts, effects);
            }
        }
    }

    fn arbitrate(
        &mut self,
        now: Now,
        effects: &mut Vec<Effect>,
        work: impl FnOnce(&mut Arbiter, &mut Clerk<'_>),
    ) {
        let may_begin = self.may_write_more(now).map(|_| ());
        let mut clerk = Clerk { may_begin, data: &mut self.data, said: Vec::new() };
        work(&mut self.leases.arbiter, &mut clerk);
        for (to, frame) in clerk.said {
            self.tell_of_lease(now, to, frame, effects);
        }
    }

    /// Who has no link asks again when it has one.
    fn tell_of_lease(
        &mut self,
        now: Now,
        to: PublicKey,
        frame: LeaseFrame,
        effects: &mut Vec<Effect>,
    ) {
        if to == self.me {
            return self.hear_of_lease(now, to, frame, effects);
        }
        if let Some((link, _)) = self.links.to(&to) {
            let frame = CommandFrame::Lease(frame);
            effects.push(CommandEffect::Send { link, frame }.into());
        }
    }

    fn act_as_holder(&mut self, now: Now, acts: Vec<Act>, effects: &mut Vec<Effect>) {
        for act in acts {
            match act {
                Act::Send(to, frame) => self.tell_of_lease(now, to, frame, effects),
                Act::Tell(id, told) => {
                    self.view_is_stale = true;
                    effects.push(Effect::Lease(LeaseEffect { id, told }));
                    if matches!(told, Told::Waits(_)) {
                        continue;
                    }
                    let answer = |ticket| Effect::Answer { ticket, answer: Answer::Lease(told) };
                    let askers = self.leases.askers.remove(&id).unwrap_or_default();
                    effects.extend(askers.into_iter().map(answer));
                }
            }
        }
    }

    fn look(
        &mut self,
        now: Now,
        ticket: Ticket,
        arbiter: PublicKey,
        resource: Name,
        effects: &mut Vec<Effect>,
    ) {
        if arbiter == self.me {
            let usage = self.leases.arbiter.usage(now.tick, &resource).map(Box::new);
            return effects.push(Effect::Answer { ticket, answer: Answer::Usage(usage) });
        }
        let Some((link, _)) = self.links.to(&arbiter) else {
            return effects.push(refuse(ticket, Refusal::MachineUnreachable));
        };
        if self.leases.looks.len() >= LOOKS_MAX {
            return effects.push(refuse(ticket, Refusal::Busy));
        }
        self.leases.numbers += 1;
        let number = self.leases.numbers;
        let until = now.tick + LOOK_WITHIN;
        self.leases.looks.insert(number, Look { ticket, arbiter, until });
        let frame = CommandFrame::Lease(LeaseFrame::Look { number, resource });
        effects.push(CommandEffect::Send { link, frame }.into());
    }

    fn shown(
        &mut self,
        from: &PublicKey,
        number: u64,
        usage: Option<Usage>,
        effects: &mut Vec<Effect>,
    ) {
        let looks = &mut self.leases.looks;
        let is_asked = looks.get(&number).is_some_and(|look| look.arbiter == *from);
        if let Some(look) = is_asked.then(|| looks.remove(&number)).flatten() {
            let answer = Answer::Usage(usage.map(Box::new));
            effects.push(Effect::Answer { ticket: look.ticket, answer });
        }
    }

    /// A new link hears what is given away, and again what its member may not have heard.
    pub(in crate::core::plant) fn greet_with_resources(
        &mut self,
        now: Now,
        link: LinkId,
        effects: &mut Vec<Effect>,
    ) {
        let own = self.leases.arbiter.resources().cloned();
        let own = Bounded::first_of(own);
        if !own.is_empty() {
            let frame = CommandFrame::Lease(LeaseFrame::Resources(own));
            effects.push(CommandEffect::Send { link, frame }.into());
        }
        let Some(peer) = self.links.get(link).map(|link| link.peer) else { return };
        let mut acts = Vec::new();
        self.leases.holder.linked(now.tick, &peer, &mut acts);
        self.act_as_holder(now, acts, effects);
    }

    /// There is no link to a member any more.
    pub(in crate::core::plant) fn forget_resources(&mut self, peer: &PublicKey) {
        if self.leases.resources.contains_key(peer) {
            Arc::make_mut(&mut self.leases.resources).remove(peer);
            self.view_is_stale = true;
        }
    }

    /// What is due with time.
    pub(in crate::core::plant) fn on_lease_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let roster = self.roster.clone();
        let may_hold = |member: &PublicKey| {
            let member = roster.as_ref().and_then(|roster| roster.member_at(member, now.wall));
            member.is_some_and(|member| member.may_call())
        };
        let may_hold_itself = may_hold(&self.me);
        self.arbitrate(now, effects, |arbiter, clerk| arbiter.tick(now.tick, may_hold, clerk));
        let mut acts = Vec::new();
        match may_hold_itself {
            true => self.leases.holder.tick(now.tick, &mut acts),
            false => self.leases.holder.lose_all(&mut acts),
        }
        self.act_as_holder(now, acts, effects);
        self.leases.looks.retain(|_, look| {
            let waits = now.tick < look.until;
            if !waits {
                effects.push(refuse(look.ticket, Refusal::MachineUnreachable));
            }
            waits
        });
    }

    /// A grant is on the disk.
    pub(in crate::core::plant) fn on_granted(
        &mut self,
        now: Now,
        (resource, token): (&Name, FencingToken),
        effects: &mut Vec<Effect>,
    ) {
        self.arbitrate(now, effects, |arbiter, clerk| {
            arbiter.written(now.tick, resource, token, clerk);
        });
    }

    /// It is not, and will not be.
    pub(in crate::core::plant) fn on_not_granted(
        &mut self,
        now: Now,
        (resource, token): (&Name, FencingToken),
        refusal: Refusal,
        effects: &mut Vec<Effect>,
    ) {
        self.arbitrate(now, effects, |arbiter, clerk| {
            arbiter.not_written(now.tick, resource, token, refusal, clerk);
        });
    }

    /// Whether a caller may have something done under a token, now.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::core::plant) fn may_act_on(
        &self,
        now: Now,
        resource: &Name,
        caller: &PublicKey,
        token: Option<FencingToken>,
    ) -> Result<(), Refusal> {
        self.leases.arbiter.check(now.tick, resource, caller, token)
    }
}

const fn refuse(ticket: Ticket, refusal: Refusal) -> Effect {
    Effect::Answer { ticket, answer: Answer::Refused(refusal) }
}
