//! One machine: a key, a disk, clocks, and the real state machine while it runs.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_node::core::clock::Now;
use gearmesh_node::core::plant::data::Keep;
use gearmesh_node::core::plant::ledger::Ledger;
use gearmesh_node::core::plant::roster::Roster;
use gearmesh_node::core::plant::{Plant, Start};
use gearmesh_node::core::random::Random;
use gearmesh_protocol::ids::{Incarnation, PublicKey};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::plant::Address;
use gearmesh_protocol::time::UnixMillis;

use super::dice::Dice;
use super::disk::Disk;
use super::history::FOUNDED;
use super::store::Store;

/// One machine of the world.
pub struct Machine {
    /// Its key.
    pub key: PublicKey,
    /// Where it answers.
    pub address: Address,
    /// Its disk.
    pub disk: Disk,
    /// Its data logs.
    pub store: Store,
    /// How much of data logs it keeps.
    pub keep: Keep,
    /// Whether it says things that no honest node says.
    pub is_hostile: bool,
    /// What it wrote of its own data log if it is hostile, in several places at once.
    pub forged: Vec<Arc<VerifiedGroup>>,
    /// Its state, while it runs.
    pub plant: Option<Plant>,
    /// Which life this is.
    pub life: u64,
    /// The incarnation of this life.
    pub incarnation: Incarnation,
    signing: SigningKey,
    booted: Duration,
    wall_offset: u64,
    /// Until when it stands still.
    pub frozen_until: Duration,
    /// Until when its disk is full.
    pub full_until: Duration,
}

impl Machine {
    /// A machine that is switched off.
    #[must_use]
    pub fn new(signing: SigningKey, address: Address, disk: Disk) -> Self {
        Self {
            key: PublicKey::of(&signing),
            address,
            disk,
            store: Store::default(),
            keep: Keep::default(),
            is_hostile: false,
            forged: Vec::new(),
            plant: None,
            life: 0,
            incarnation: Incarnation([0; 16]),
            signing,
            booted: Duration::ZERO,
            wall_offset: 0,
            frozen_until: Duration::ZERO,
            full_until: Duration::ZERO,
        }
    }

    /// Switches it on.
    pub fn boot(&mut self, now: Duration, dice: &mut Dice, seeds: Vec<Address>) {
        self.life += 1;
        self.booted = now;
        self.incarnation = Incarnation(dice.bytes());
        self.store.open();
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&dice.bytes());
        self.plant = Some(Plant::restore(Start {
            key: self.signing.clone(),
            incarnation: self.incarnation,
            random: Random::new(seed),
            records: self.disk.records().to_vec(),
            data: self.store.extents(),
            own_ends: self.store.written_by(&self.key),
            keep: self.keep,
            seeds,
            resources: Vec::new(),
        }));
        self.disk.begin_life(self.incarnation);
    }

    /// Switches it off, without a word.
    pub fn crash(&mut self, dice: &mut Dice) {
        self.plant = None;
        self.life += 1;
        self.disk.crash(dice);
        self.store.crash(dice);
    }

    /// Somebody makes a copy of its disk.
    pub fn take_image(&mut self) {
        self.disk.take_image();
        self.store.take_image();
    }

    /// Somebody puts the copy back, if there is one.
    pub fn put_back(&mut self) {
        self.disk.put_back();
        self.store.put_back();
    }

    /// Turns its wall clock.
    pub const fn set_clock(&mut self, offset: u64) {
        self.wall_offset = offset;
    }

    /// Its clocks at a moment of the world.
    #[must_use]
    pub fn clocks(&self, now: Duration) -> Now {
        let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let wall = UnixMillis(FOUNDED).plus_ms(ms).plus_ms(self.wall_offset);
        Now { tick: now.saturating_sub(self.booted), wall }
    }

    /// Since when it runs.
    #[must_use]
    pub const fn booted(&self) -> Duration {
        self.booted
    }

    /// What it knows of the plant, if it runs and belongs to one.
    #[must_use]
    pub fn roster(&self) -> Option<&Roster> {
        self.plant.as_ref()?.roster()
    }

    /// The ledger, if it runs and belongs to a plant.
    #[must_use]
    pub fn ledger(&self) -> Option<&Ledger> {
        self.plant.as_ref()?.ledger()
    }

    /// Whether it runs, and by what it knows it is a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.roster().is_some_and(|roster| roster.member(&self.key).is_some())
    }
}
