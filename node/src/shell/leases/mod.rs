//! Leases for the programs of this machine.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::entry::{FencingToken, OnLoss};
use gearmesh_protocol::ids::{LeaseId, PublicKey};
use gearmesh_protocol::lease::{Resource, Usage};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::clock::Clock;
use super::core_handle::CoreHandle;
use crate::core::plant::leases::holder::{Held, Told, Wish};
use crate::core::plant::leases::{LeaseInput, TTL_MIN};
use crate::core::plant::view::View;
use crate::core::plant::{Answer, Input, standing};

pub mod api;
mod watching;

pub(super) use watching::LeaseWatchers;

use api::{HeldStatus, LeaseState, ResourceStatus};
use watching::Watched;

/// How long a lease lasts, if nobody says otherwise.
pub const LEASE_TTL: Duration = Duration::from_secs(10);

/// How long whoever wants a resource may wait for it.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a program wants to use.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The resource, or `MACHINE/RESOURCE` where several machines have one of the name.
    pub resource: String,
    /// For how long; it may be renewed.
    pub ttl: Duration,
    /// How long to wait for it, if at all.
    pub wait: Option<Duration>,
    /// What the program does if it loses it.
    pub on_loss: OnLoss,
    /// The lease's id: a retry gives the same. A new one if there is none.
    pub id: Option<LeaseId>,
}

impl Wanted {
    /// Ten seconds, without waiting; who loses it stops.
    #[must_use]
    pub fn new(resource: impl Into<String>) -> Self {
        let (ttl, on_loss) = (LEASE_TTL, OnLoss::Stop);
        Self { resource: resource.into(), ttl, wait: None, on_loss, id: None }
    }
}

/// The way of programs to leases.
#[derive(Clone)]
pub(super) struct Leases {
    core: CoreHandle,
    watchers: Arc<LeaseWatchers>,
    clock: Clock,
}

/// A lease, or the wish for one. Dropping it gives it back.
pub struct Leasing {
    id: LeaseId,
    watched: Watched,
    leases: Leases,
    is_kept: bool,
}

impl Leasing {
    /// Which.
    #[must_use]
    pub const fn id(&self) -> LeaseId {
        self.id
    }

    /// How it stands, when that is another way than before; nothing after its end. What was so in between
    /// may be left out.
    pub async fn next(&mut self) -> Option<LeaseState> {
        self.watched.told.changed().await.ok()?;
        let told = *self.watched.told.borrow_and_update();
        told.map(state_of)
    }

    /// Waits until this machine has it.
    ///
    /// # Errors
    /// It does not get it.
    pub async fn held(&mut self) -> Result<FencingToken, ErrorBody> {
        while let Some(state) = self.next().await {
            match state {
                LeaseState::Held { token, .. } => return Ok(token),
                LeaseState::Refused(body) => return Err(body),
                LeaseState::Ended { .. } => return Err(Refusal::LeaseOver.into()),
                LeaseState::Waiting { .. } => {}
            }
        }
        Err(Refusal::NodeStopped.into())
    }

    /// Has it last from now on as long as at first.
    ///
    /// # Errors
    /// It is over.
    pub async fn renew(&self) -> Result<LeaseState, ErrorBody> {
        self.leases.renew(self.id).await
    }

    /// Gives it back, or does not want it any more, and waits until its machine knows.
    ///
    /// # Errors
    /// Its machine did not say so; it is over when its time is.
    pub async fn release(mut self) -> Result<(), ErrorBody> {
        // Dropping this would say so a second time.
        self.is_kept = true;
        self.leases.release(self.id).await.map(drop)
    }

    /// Leaves it to its time: it is not given back when this is dropped.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Leasing {
    fn drop(&mut self) {
        let is_last = self.leases.watchers.forget(self.id, &self.watched);
        if is_last && !self.is_kept {
            let release = LeaseInput::Release { ticket: None, id: self.id };
            self.leases.core.tell_now(Input::Lease(release));
        }
    }
}

impl Leases {
    pub(super) fn new(core: CoreHandle, clock: Clock) -> Self {
        Self { core, watchers: Arc::default(), clock }
    }

    /// Who is to be told what becomes of leases.
    pub(super) fn watchers(&self) -> Arc<LeaseWatchers> {
        Arc::clone(&self.watchers)
    }

    /// Asks for a lease. What becomes of it, [`Leasing::next`] says.
    pub(super) async fn acquire(&self, wanted: Wanted) -> Result<Leasing, ErrorBody> {
        let Wanted { resource, ttl, wait, on_loss, id } = wanted;
        if ttl < TTL_MIN || wait.is_some_and(|wait| wait > WAIT_MAX) {
            let text = "a lease lasts for 1 s at least, and is waited for for 24 h at most";
            return Err(ErrorBody::from(Refusal::RequestMalformed).saying(text));
        }
        let (arbiter, resource) = self.resource(&resource, wait.is_some())?;
        let id = id.map_or_else(new_id, Ok)?;
        let watched = self.watchers.watch(id).ok_or(Refusal::LeasesFull)?;
        let mut leasing = Leasing { id, watched, leases: self.clone(), is_kept: false };
        let wish = Wish { id, arbiter, resource, ttl, on_loss, wait };
        match self.core.ask(|ticket| Input::Lease(LeaseInput::Ask { ticket, wish })).await {
            Answer::Asked => Ok(leasing),
            answer => {
                // The id may stand for a lease that another program asked for.
                leasing.is_kept = true;
                Err(match answer {
                    Answer::Refused(refusal) => refusal.into(),
                    _ => Refusal::Protocol.into(),
                })
            }
        }
    }

    /// Has a lease last for longer.
    pub(super) async fn renew(&self, id: LeaseId) -> Result<LeaseState, ErrorBody> {
        let renew = |ticket| Input::Lease(LeaseInput::Renew { ticket, id });
        match ended(self.core.ask(renew).await)? {
            LeaseState::Ended { .. } => Err(Refusal::LeaseOver.into()),
            state => Ok(state),
        }
    }

    /// Gives a lease back, or does not want it any more.
    pub(super) async fn release(&self, id: LeaseId) -> Result<LeaseState, ErrorBody> {
        let release = |ticket| Input::Lease(LeaseInput::Release { ticket: Some(ticket), id });
        ended(self.core.ask(release).await)
    }

    /// The token of a lease that this node holds, by its own clock.
    pub(super) fn token(&self, id: LeaseId) -> Result<FencingToken, ErrorBody> {
        let view = self.core.view();
        let held = view.leases.get(&id).ok_or(Refusal::LeaseUnknown)?;
        match held.until > self.clock.tick() {
            true => Ok(held.token),
            false => Err(Refusal::LeaseOver.into()),
        }
    }

    /// Whether this node holds a resource, by its own clock.
    pub(super) fn check_held(&self, resource: &str) -> Result<(), ErrorBody> {
        let view = self.core.view();
        let now = self.clock.tick();
        let (machine, name) = split(resource)?;
        let is_meant = |arbiter: &PublicKey| {
            let author = view.author(arbiter);
            machine.is_none_or(|machine| author.is_some_and(|it| it.name().as_str() == machine))
        };
        let mut held = view.leases.values().filter(|held| held.resource == name);
        match held.any(|held| held.until > now && is_meant(&held.arbiter)) {
            true => Ok(()),
            false => Err(Refusal::LeaseNeeded.into()),
        }
    }

    /// The resource that people mean. Who waits may wait for a machine that is away.
    fn resource(&self, text: &str, waits: bool) -> Result<(PublicKey, Name), ErrorBody> {
        let view = self.core.view();
        standing::member(&view)?;
        let (machine, name) = split(text)?;
        let members = view.roster.as_ref().ok_or_else(standing::no_plant)?.members();
        let is_meant = |key: &PublicKey| {
            let member = members.get(key);
            machine.is_none_or(|machine| {
                member.is_some_and(|it| it.name().as_str() == machine) || key.to_string() == machine
            })
        };
        let has = |resources: &[Resource]| resources.iter().any(|resource| resource.name == name);
        let with = |(key, resources): (&PublicKey, &Arc<[Resource]>)| {
            (is_meant(key) && has(resources)).then_some(*key)
        };
        let found: Vec<PublicKey> = view.resources.iter().filter_map(with).collect();
        match (found[..].len(), found.first()) {
            (1, Some(key)) => return Ok((*key, name)),
            (2.., _) => return Err(Refusal::ResourceAmbiguous.into()),
            _ => {}
        }
        let away: Vec<PublicKey> = members.keys().filter(|key| is_meant(key)).copied().collect();
        match (machine, &away[..]) {
            (Some(_), [key]) if waits && !view.resources.contains_key(key) => Ok((*key, name)),
            _ => Err(Refusal::NoSuchResource.into()),
        }
    }

    /// Who holds what: of all resources that linked machines and this one have, or of those of a name.
    pub(super) async fn list(&self, of: Option<&str>) -> Result<Vec<ResourceStatus>, ErrorBody> {
        let view = self.core.view();
        standing::member(&view)?;
        let of = of.map(split).transpose()?;
        let mut all = Vec::new();
        for (key, resources) in view.resources.iter() {
            let Some(member) = view.author(key) else { continue };
            for resource in resources.iter() {
                let is_meant = of.as_ref().is_none_or(|(machine, name)| {
                    resource.name == *name
                        && machine.is_none_or(|machine| machine == member.name().as_str())
                });
                if is_meant {
                    all.push(self.status(&view, *key, member.name().clone(), resource.clone()));
                }
            }
        }
        let mut all = futures::future::join_all(all).await;
        all.sort_by(|one, other| {
            (&one.resource, &one.machine).cmp(&(&other.resource, &other.machine))
        });
        Ok(all)
    }

    async fn status(
        &self,
        view: &View,
        arbiter: PublicKey,
        machine: Name,
        resource: Resource,
    ) -> ResourceStatus {
        let Resource { name, places, longest_ms } = resource;
        let asked = name.clone();
        let look = |ticket| Input::Lease(LeaseInput::Look { ticket, arbiter, resource: asked });
        let (usage, unknown) = match self.core.ask(look).await {
            Answer::Usage(Some(usage)) => (Some(*usage), None),
            Answer::Usage(None) => (None, Some(Refusal::ResourceUnknown.into())),
            Answer::Refused(refusal) => (None, Some(refusal.into())),
            _ => (None, Some(Refusal::Protocol.into())),
        };
        let mut status = ResourceStatus {
            resource: name,
            machine,
            machine_key: arbiter,
            places,
            longest_ms,
            closed_ms: 0,
            held: Vec::new(),
            waiting: Vec::new(),
            unknown,
        };
        if let Some(usage) = usage {
            fill(&mut status, view, usage);
        }
        status
    }
}

fn fill(status: &mut ResourceStatus, view: &View, usage: Usage) {
    let name = |key: &PublicKey| {
        view.author(key).map_or_else(|| key.to_string(), |member| member.name().to_string())
    };
    let own = |arbiter: PublicKey, token: FencingToken| {
        let is_it = |held: &Held| {
            held.arbiter == arbiter && held.resource == status.resource && held.token == token
        };
        view.leases.iter().find(|(_, held)| is_it(held)).map(|(id, _)| *id)
    };
    let held = usage.held.iter().map(|held| HeldStatus {
        holder: name(&held.holder),
        holder_key: held.holder,
        id: own(status.machine_key, held.token).filter(|_| held.holder == view.me),
        token: held.token,
        since_ms: held.since_ms,
        left_ms: held.left_ms,
        on_loss: held.on_loss,
    });
    status.held = held.collect();
    status.waiting = usage.waiting.iter().map(name).collect();
    status.closed_ms = usage.closed_ms;
}

fn ended(answer: Answer) -> Result<LeaseState, ErrorBody> {
    match answer {
        Answer::Lease(told) => match state_of(told) {
            LeaseState::Refused(body) => Err(body),
            state => Ok(state),
        },
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

fn state_of(told: Told) -> LeaseState {
    match told {
        Told::Waits(place) => LeaseState::Waiting { place },
        Told::Held(token, left) => {
            let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
            LeaseState::Held { token, left_ms }
        }
        Told::Ended(why) => LeaseState::Ended { why },
        Told::Refused(refusal) => LeaseState::Refused(refusal.into()),
    }
}

/// `RESOURCE` or `MACHINE/RESOURCE`.
fn split(text: &str) -> Result<(Option<&str>, Name), ErrorBody> {
    let (machine, name) = match text.split_once('/') {
        Some((machine, name)) => (Some(machine), name),
        None => (None, text),
    };
    let name = name.parse().map_err(|error| {
        ErrorBody::from(Refusal::RequestMalformed).saying(format!("no resource: {error}"))
    })?;
    Ok((machine, name))
}

fn new_id() -> Result<LeaseId, ErrorBody> {
    let mut bytes = [0; 16];
    let failed = |error| ErrorBody::from(Refusal::SystemRefused).saying(error);
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(LeaseId(bytes))
}
