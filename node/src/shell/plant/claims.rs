//! How this machine may be claimed: the state that connections and people at the machine share, and
//! what it says aloud.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::claim::Claiming;
use gearmesh_protocol::found::{ClaimedBy, Claims as Shown, Looker as ShownLooker};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::Joined;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use tokio::sync::mpsc;

use crate::core::plant::claimable::{Claimable, Looker, Network, Opening, Verdict};
use crate::core::plant::news::Line;
use crate::shell::clock::Clock;
use crate::shell::home::Home;

/// Lines that may wait to be said; what is beyond stands in `gearmesh claims` all the same.
const LINES_MAX: usize = 256;

/// How this machine may be claimed.
pub(in crate::shell) struct Claims {
    state: Mutex<Option<Claimable>>,
    clock: Clock,
    home: Home,
    codes: mpsc::Sender<Arc<Code>>,
    lines: mpsc::Sender<Line>,
    unsaid: Mutex<Option<mpsc::Receiver<Line>>>,
}

impl Claims {
    /// Of a machine that lets itself be found like this, or does not. The codes to redeem come out.
    pub(in crate::shell) fn new(
        opening: Option<Opening>,
        clock: Clock,
        home: Home,
    ) -> (Arc<Self>, mpsc::Receiver<Arc<Code>>) {
        let state = opening.map(|opening| Claimable::open(opening, clock.tick()));
        // One claim is followed at a time.
        let (codes, followed) = mpsc::channel(1);
        let (lines, unsaid) = mpsc::channel(LINES_MAX);
        let state = Mutex::new(state);
        let unsaid = Mutex::new(Some(unsaid));
        (Arc::new(Self { state, clock, home, codes, lines, unsaid }), followed)
    }

    fn state(&self) -> MutexGuard<'_, Option<Claimable>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said aloud. Once.
    pub(in crate::shell) fn lines(&self) -> Option<mpsc::Receiver<Line>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn say(&self, word: &'static str, text: impl Into<String>) {
        drop(self.lines.try_send(Line::new(word, text)));
    }

    /// How long it may still be claimed. None if it may not.
    pub(in crate::shell) fn closes_in(&self) -> Option<Duration> {
        self.state().as_ref()?.closes_in(self.clock.tick())
    }

    /// Says at the start how it may be claimed.
    pub(in crate::shell) fn announce(&self, me: &PublicKey) {
        let Some(left) = self.closes_in() else { return };
        let confirms = self.state().as_ref().is_some_and(Claimable::confirms);
        let who = match confirms {
            true => "once somebody here has compared the words and said so: gearmesh claims",
            false => "by whoever claims it first; the plant's name will stand here",
        };
        self.say("claimable", format!("for {}, {who}", in_words(left)));
        let words = check_words(me.as_bytes());
        self.say("", format!("the words of its key, as on its label: {words}"));
    }

    /// The time is over, and nobody came.
    pub(in crate::shell) fn closed(&self) {
        self.say("claimable", "no more: the time is over; start the node again to open it anew");
    }

    /// The machine came into a plant without a claim.
    pub(in crate::shell) fn belongs(&self) {
        if let Some(state) = self.state().as_mut() {
            state.belongs();
        }
    }

    pub(super) fn admit(
        &self,
        looker: &PublicKey,
        network: Option<Network>,
    ) -> Result<Duration, Refusal> {
        let mut state = self.state();
        let state = state.as_mut().ok_or(Refusal::NotAdmitted)?;
        state.admit(self.clock.tick(), looker, network)
    }

    pub(super) fn met(&self, looker: PublicKey, seen: Looker) -> Result<(), Refusal> {
        let text = format!("{}; the admin there sees: {}", seen.address, seen.words);
        let mut state = self.state();
        let claimable = state.as_mut().ok_or(Refusal::NotAdmitted)?;
        claimable.met(self.clock.tick(), looker, seen)?;
        self.say("seen by", text);
        Ok(())
    }

    pub(super) fn claim(&self, looker: PublicKey, code: Arc<Code>) -> Result<Claiming, Refusal> {
        let mut state = self.state();
        let claimable = state.as_mut().ok_or(Refusal::NotAdmitted)?;
        let verdict = claimable.claim(self.clock.tick(), looker, code)?;
        let whose = claimable
            .lookers()
            .get(&looker)
            .map(|looker| (looker.address.clone(), looker.words.clone()));
        drop(state);
        let (address, words) = whose.unwrap_or_default();
        Ok(match verdict {
            Verdict::Take(code) => {
                self.say("claim", format!("{address} claims this machine: {words}"));
                self.follow(code);
                Claiming::Joining
            }
            Verdict::Wait { is_new } => {
                if is_new {
                    self.say("claim", format!("{address} wants this machine: {words}"));
                    let home = self.home.path().display();
                    let take = format!("gearmesh --home {home} claims --take '{words}'");
                    self.say("", format!("if its admin sees the same words: {take}"));
                }
                Claiming::Waiting
            }
            Verdict::Taking => Claiming::Joining,
            Verdict::Taken => Claiming::Joined,
        })
    }

    /// There is a place, for a claim is followed only when none other is.
    fn follow(&self, code: Arc<Code>) {
        if self.codes.try_send(code).is_err() {
            self.failed(Refusal::JoinUnderWay);
        }
    }

    /// A person here says yes or no.
    pub(in crate::shell) fn decide(&self, words: &str, take: bool) -> Result<(), Refusal> {
        let decided = {
            let mut state = self.state();
            let claimable = state.as_mut().ok_or(Refusal::NotClaimable)?;
            claimable.decide(self.clock.tick(), words, take)?
        };
        if let Some(code) = decided {
            self.follow(code);
        }
        Ok(())
    }

    /// The claim that was followed failed.
    pub(in crate::shell) fn failed(&self, why: Refusal) {
        if let Some(claimable) = self.state().as_mut() {
            claimable.ended(Err(why));
        }
        self.say("claim failed", why.to_string());
    }

    /// The claim that was followed brought this machine into a plant: what is to be noted of it.
    pub(in crate::shell) fn succeeded(&self, joined: &Joined) -> Option<ClaimedBy> {
        let mut state = self.state();
        let claimable = state.as_mut()?;
        let confirmed = claimable.confirms();
        let (key, looker) = claimable.ended(Ok(()))?;
        let by = ClaimedBy {
            plant: joined.plant_name.clone(),
            plant_words: joined.plant_words.clone(),
            key,
            address: looker.address.clone(),
            words: looker.words.clone(),
            confirmed,
            at: self.clock.now().wall,
        };
        self.say_whose(&by);
        Some(by)
    }

    /// Says whose the machine is by a claim, loud enough that nobody overlooks it.
    pub(in crate::shell) fn say_whose(&self, by: &ClaimedBy) {
        let how = if by.confirmed { "confirmed here" } else { "confirmed by nobody here" };
        let ClaimedBy { plant, plant_words, address, at, .. } = by;
        let text = format!("plant {plant} ({plant_words}) has this machine: claimed by {address}");
        self.say("CLAIMED", format!("{text} at {at}, {how}"));
        if !by.confirmed {
            self.say("", "if that is not your plant: gearmesh leave, then gearmesh wipe");
        }
    }

    /// Notes in the home who claimed the machine.
    pub(in crate::shell) fn note(&self, by: &ClaimedBy) {
        let written = serde_json::to_vec(by).map(|note| self.home.note_claimed(&note));
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("who claimed this machine could not be noted in the home");
        }
    }

    /// Who claimed the machine, as it was noted.
    pub(in crate::shell) fn noted(&self) -> Option<ClaimedBy> {
        let note = self.home.claimed().ok().flatten()?;
        serde_json::from_slice(&note).ok()
    }

    /// How it stands, for people and programs.
    pub(in crate::shell) fn shown(&self) -> Shown {
        let claimed = self.noted();
        let state = self.state();
        let Some(claimable) = state.as_ref() else {
            return Shown { claimed, ..Shown::default() };
        };
        let mut lookers: Vec<ShownLooker> = claimable
            .lookers()
            .iter()
            .map(|(key, looker)| ShownLooker {
                key: *key,
                address: looker.address.clone(),
                words: looker.words.clone(),
                waits: looker.waits(),
            })
            .collect();
        lookers.sort_by(|a, b| a.address.cmp(&b.address));
        Shown {
            closes_in_s: claimable.closes_in(self.clock.tick()).map(|left| left.as_secs()),
            confirm: claimable.confirms(),
            lookers,
            turned_away: claimable.turned_away(),
            claimed,
        }
    }
}

/// A span as people say it: what was opened for half an hour is not open for 1799 s.
fn in_words(span: Duration) -> String {
    match span.as_secs_f64().ceil() {
        seconds if seconds < 120.0 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds / 60.0).round()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_as_people_say_it() {
        for (milliseconds, said) in [(2_900, "3 s"), (119_000, "119 s"), (1_799_990, "30 min")] {
            assert_eq!(in_words(Duration::from_millis(milliseconds)), said);
        }
    }
}
