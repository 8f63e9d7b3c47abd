//! Whether a machine that belongs to no plant lets itself be found and claimed, and by whom.
//!
//! It was told so for a time. A member that looks at it gets words of its own, which stand on the
//! screens of both; only who has looked may claim. Where a person has to confirm, the machine follows
//! the claim whose words that person names; elsewhere it follows the first. While it follows one, all
//! others hear so, and once it has a plant, that it has one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::refusal::{LOCAL_FROM, Refusal};

/// Members of plants that may have looked at once.
pub const LOOKERS_MAX: usize = 16;

/// Of these, those behind one address of the network.
pub const LOOKERS_PER_NETWORK_MAX: usize = 4;

/// Looks while a machine lets itself be found: who looked again and again until the words fit
/// somebody else's would need a number beyond all bounds.
pub const LOOKS_MAX: u32 = 4096;

/// A looker of whom nothing is heard for so long gives up its place.
pub const LOOKER_SILENT_MAX: Duration = Duration::from_secs(600);

/// What stands for one part of the network, whatever addresses are there: the core asks only whether
/// two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub u128);

/// How a machine lets itself be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// For how long.
    pub lasts: Duration,
    /// Whether a person at the machine confirms the words.
    pub confirm: bool,
}

/// A member that has looked at this machine.
pub struct Looker {
    /// Where it is, as people read it.
    pub address: String,
    /// What stands for its part of the network.
    pub network: Option<Network>,
    /// The words of the meeting.
    pub words: String,
    heard_at: Duration,
    code: Option<Arc<Code>>,
    is_declined: bool,
    failed: Option<Refusal>,
}

impl Looker {
    /// One that has just looked.
    #[must_use]
    pub fn new(address: String, network: Option<Network>, words: String) -> Self {
        let (heard_at, code, is_declined, failed) = (Duration::ZERO, None, false, None);
        Self { address, network, words, heard_at, code, is_declined, failed }
    }

    /// Whether it wants this machine and waits for a person.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.code.is_some() && !self.is_declined
    }
}

/// What follows from a claim.
#[derive(PartialEq, Eq)]
pub enum Verdict {
    /// A person has to confirm the words. Whether that is news.
    Wait {
        /// Whether this is the first time.
        is_new: bool,
    },
    /// Redeem this code now.
    Take(Arc<Code>),
    /// It is being redeemed.
    Taking,
    /// It was redeemed.
    Taken,
}

/// Whose the machine is, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody's.
    Free,
    /// It follows the claim of this member.
    Taking(PublicKey),
    /// It is in a plant; with whose claim, if with any.
    Taken(Option<PublicKey>),
}

/// A machine that lets itself be found, or did.
pub struct Claimable {
    closes_at: Duration,
    confirm: bool,
    lookers: BTreeMap<PublicKey, Looker>,
    looks: u32,
    turned_away: u64,
    stage: Stage,
}

impl Claimable {
    /// Lets a machine be found from now on.
    #[must_use]
    pub fn open(opening: Opening, now: Duration) -> Self {
        Self {
            closes_at: now + opening.lasts,
            confirm: opening.confirm,
            lookers: BTreeMap::new(),
            looks: 0,
            turned_away: 0,
            stage: Stage::Free,
        }
    }

    /// For how long it may still be claimed. None if it may not.
    #[must_use]
    pub fn closes_in(&self, now: Duration) -> Option<Duration> {
        let left = self.closes_at.saturating_sub(now);
        let is_free = !matches!(self.stage, Stage::Taken(_));
        (is_free && !left.is_zero()).then_some(left)
    }

    /// Whether a person has to confirm.
    #[must_use]
    pub const fn confirms(&self) -> bool {
        self.confirm
    }

    /// Who has looked.
    #[must_use]
    pub const fn lookers(&self) -> &BTreeMap<PublicKey, Looker> {
        &self.lookers
    }

    /// Looks turned away because there were too many.
    #[must_use]
    pub const fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Whether a member may look. For how long the machine may still be claimed.
    ///
    /// # Errors
    /// [`Refusal::NotAdmitted`] where it does not let itself be found: that is all a stranger hears.
    /// [`Refusal::Busy`] where too many have looked.
    pub fn admit(
        &mut self,
        now: Duration,
        looker: &PublicKey,
        network: Option<Network>,
    ) -> Result<Duration, Refusal> {
        let left = self.place(now, looker, network)?;
        if self.looks >= LOOKS_MAX {
            self.turned_away += 1;
            return Err(Refusal::Busy);
        }
        self.looks += 1;
        Ok(left)
    }

    /// Whether there is a place for a looker. For how long the machine may still be claimed.
    fn place(
        &mut self,
        now: Duration,
        looker: &PublicKey,
        network: Option<Network>,
    ) -> Result<Duration, Refusal> {
        let left = self.closes_in(now).ok_or(Refusal::NotAdmitted)?;
        self.lookers.retain(|_, known| now.saturating_sub(known.heard_at) < LOOKER_SILENT_MAX);
        let is_known = self.lookers.contains_key(looker);
        let near = self.lookers.values().filter(|known| known.network == network).count();
        let has_place =
            is_known || self.lookers.len() < LOOKERS_MAX && near < LOOKERS_PER_NETWORK_MAX;
        if !has_place {
            self.turned_away += 1;
            return Err(Refusal::Busy);
        }
        Ok(left)
    }

    /// A member has looked: both sides know the words. What it wanted before is forgotten, for the
    /// words were others then.
    ///
    /// # Errors
    /// As [`admit`](Self::admit): others may have looked meanwhile.
    pub fn met(&mut self, now: Duration, looker: PublicKey, seen: Looker) -> Result<(), Refusal> {
        self.place(now, &looker, seen.network)?;
        if self.stage == Stage::Taking(looker) {
            return Err(Refusal::Busy);
        }
        self.lookers.insert(looker, Looker { heard_at: now, ..seen });
        Ok(())
    }

    /// A member hands in an invitation, or asks how its claim stands by handing it in again.
    ///
    /// # Errors
    /// Who has not looked is a stranger. Everybody else hears why the machine is not theirs.
    pub fn claim(
        &mut self,
        now: Duration,
        looker: PublicKey,
        code: Arc<Code>,
    ) -> Result<Verdict, Refusal> {
        let is_open = self.closes_in(now).is_some();
        let known = self.lookers.get_mut(&looker).ok_or(Refusal::NotAdmitted)?;
        known.heard_at = now;
        match self.stage {
            Stage::Taken(Some(by)) if by == looker => return Ok(Verdict::Taken),
            Stage::Taken(_) => return Err(Refusal::ClaimedAlready),
            Stage::Taking(by) if by == looker => return Ok(Verdict::Taking),
            Stage::Taking(_) => return Err(Refusal::ClaimUnderWay),
            Stage::Free => {}
        }
        if let Some(why) = known.failed.take() {
            // What is said on one machine only is of no use on another.
            return Err(if why.code() < LOCAL_FROM { why } else { Refusal::ClaimFailed });
        }
        if !is_open {
            return Err(Refusal::ClaimClosed);
        }
        if known.is_declined {
            return Err(Refusal::ClaimDeclined);
        }
        if self.confirm {
            let is_new = known.code.replace(code).is_none();
            return Ok(Verdict::Wait { is_new });
        }
        self.stage = Stage::Taking(looker);
        Ok(Verdict::Take(code))
    }

    /// A person at the machine says yes or no to the claim with these words. The code to redeem.
    ///
    /// # Errors
    /// No claim that waits has these words, another is being followed, or the time is over.
    pub fn decide(
        &mut self,
        now: Duration,
        words: &str,
        take: bool,
    ) -> Result<Option<Arc<Code>>, Refusal> {
        match self.stage {
            Stage::Taken(_) => return Err(Refusal::BelongsAlready),
            Stage::Taking(_) => return Err(Refusal::ClaimUnderWay),
            Stage::Free => {}
        }
        let is_open = self.closes_in(now).is_some();
        let is_meant =
            |(_, looker): &(&PublicKey, &mut Looker)| looker.words == words && looker.waits();
        let found = self.lookers.iter_mut().find(is_meant);
        let (key, looker) = found.ok_or(Refusal::ClaimUnknown)?;
        if !take {
            looker.is_declined = true;
            return Ok(None);
        }
        if !is_open {
            return Err(Refusal::NotClaimable);
        }
        self.stage = Stage::Taking(*key);
        Ok(looker.code.take())
    }

    /// The code that was to be redeemed was, or was refused. By whose claim the machine is in a plant.
    pub fn ended(&mut self, outcome: Result<(), Refusal>) -> Option<(PublicKey, &Looker)> {
        let Stage::Taking(by) = self.stage else { return None };
        match outcome {
            Ok(()) => {
                self.stage = Stage::Taken(Some(by));
                self.lookers.values_mut().for_each(|looker| looker.code = None);
                self.lookers.get(&by).map(|looker| (by, looker))
            }
            Err(why) => {
                self.stage = Stage::Free;
                if let Some(looker) = self.lookers.get_mut(&by) {
                    looker.failed = Some(why);
                }
                None
            }
        }
    }

    /// The machine came into a plant without a claim.
    pub fn belongs(&mut self) {
        if self.stage == Stage::Free {
            self.stage = Stage::Taken(None);
        }
    }
}

#[cfg(test)]
#[path = "claimable/tests.rs"]
mod tests;
