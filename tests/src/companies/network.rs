//! What is between gateways: sessions that break, and gossip that nobody may trust.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearmesh_node::core::partner::{Grounds, Input, MessageTag, SessionId};
use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;

use super::World;

/// A session, and what is on its way over it.
struct Session {
    dialer: usize,
    listener: usize,
}

/// Something on its way.
enum Way {
    Input {
        to: usize,
        input: Input,
    },
    /// Over a session, in order; lost with it.
    Frame {
        to: usize,
        session: SessionId,
        frame: Box<SessionFrame>,
    },
}

/// The network.
#[derive(Default)]
pub(super) struct Network {
    sessions: BTreeMap<SessionId, Session>,
    ways: BTreeMap<(Duration, u64), Way>,
    /// When the last frame of a session arrives, by whom it is for: the next is no earlier.
    last: BTreeMap<(SessionId, usize), Duration>,
    parted: BTreeMap<(usize, usize), Duration>,
    /// What was gossiped, for whoever repeats it.
    old: Vec<(Nonce, Vec<u8>)>,
    numbers: u64,
    is_mended: bool,
}

impl Network {
    pub(super) fn mend(&mut self) {
        self.parted.clear();
        self.is_mended = true;
    }

    pub(super) fn part(&mut self, one: usize, other: usize, until: Duration) {
        self.parted.insert((one.min(other), one.max(other)), until);
    }

    fn reaches(&self, at: Duration, one: usize, other: usize) -> bool {
        let until = self.parted.get(&(one.min(other), one.max(other)));
        one != other && until.is_none_or(|until| *until <= at)
    }

    fn put(&mut self, at: Duration, way: Way) {
        self.numbers += 1;
        self.ways.insert((at, self.numbers), way);
    }
}

impl World {
    /// Hands over what has arrived.
    pub(super) fn deliver(&mut self) {
        while let Some(entry) = self.network.ways.first_entry() {
            if entry.key().0 > self.at {
                return;
            }
            match entry.remove() {
                Way::Input { to, input } => self.give(to, input),
                Way::Frame { to, session, frame } => {
                    if self.network.sessions.contains_key(&session) {
                        self.give(to, Input::Frame { session, frame });
                    }
                }
            }
        }
    }

    fn gateway(&self, key: &PublicKey) -> Option<usize> {
        self.companies.iter().position(|company| company.key() == *key)
    }

    pub(super) fn dial(&mut self, who: usize, peer: &PublicKey) {
        let Some(listener) = self.gateway(peer) else { return };
        let (now, me) = (self.now(listener), self.companies[who].key());
        let Some(core) = &self.companies[listener].core else { return };
        if self.network.reaches(self.at, who, listener) && core.doors(now).peers.contains(&me) {
            self.connect(who, listener, Grounds::Agreement);
        }
    }

    pub(super) fn dial_link(&mut self, who: usize, link: PublicKey) {
        let me = self.companies[who].key();
        let mut cause = Refusal::PartnerUnreachable;
        for listener in 0..self.companies.len() {
            let now = self.now(listener);
            let Some(core) = &self.companies[listener].core else { continue };
            let Some(state) = core.doors(now).links.get(&link).copied() else { continue };
            match state.admits(&me) {
                Ok(()) if self.network.reaches(self.at, who, listener) => {
                    return self.connect(who, listener, Grounds::Link(link));
                }
                Ok(()) => {}
                Err(refusal) => cause = refusal,
            }
        }
        let input = Input::LinkFailed { link, cause: cause.into() };
        self.network.put(self.at, Way::Input { to: who, input });
    }

    fn connect(&mut self, dialer: usize, listener: usize, grounds: Grounds) {
        self.network.numbers += 1;
        let session = SessionId(self.network.numbers);
        self.network.sessions.insert(session, Session { dialer, listener });
        let keys = [dialer, listener].map(|who| self.companies[who].key());
        for (to, peer, is_dialer) in [(listener, keys[0], false), (dialer, keys[1], true)] {
            let input = Input::SessionUp { session, peer, grounds, is_dialer };
            let at = self.at + self.dice.millis(0, 700);
            self.network.put(at, Way::Input { to, input });
            self.network.last.insert((session, to), at);
        }
    }

    pub(super) fn send(&mut self, who: usize, session: SessionId, frame: SessionFrame) {
        let Some(Session { dialer, listener }) = self.network.sessions.get(&session) else {
            return;
        };
        let to = if who == *dialer { *listener } else { *dialer };
        let arrives = self.at + self.dice.millis(1, 300);
        let last = self.network.last.entry((session, to)).or_default();
        *last = arrives.max(*last);
        let (at, frame) = (*last, Box::new(frame));
        self.network.put(at, Way::Frame { to, session, frame });
    }

    /// A session ends; both sides hear it, each in its time.
    pub(super) fn close(&mut self, session: SessionId) {
        let Some(Session { dialer, listener }) = self.network.sessions.remove(&session) else {
            return;
        };
        for to in [dialer, listener] {
            let up = self.network.last.remove(&(session, to)).unwrap_or_default();
            let at = up.max(self.at + self.dice.millis(0, 500));
            self.network.put(at, Way::Input { to, input: Input::SessionDown { session } });
        }
    }

    /// All sessions between two companies end.
    pub(super) fn cut(&mut self, one: usize, other: usize) {
        let between = |session: &Session| {
            [(one, other), (other, one)].contains(&(session.dialer, session.listener))
        };
        let sessions = self.network.sessions.iter().filter(|(_, it)| between(it));
        let sessions: BTreeSet<SessionId> = sessions.map(|(id, _)| *id).collect();
        sessions.into_iter().for_each(|session| self.close(session));
    }

    /// Gossip reaches whoever hears the topic, or not, or twice, late, changed; and somebody repeats
    /// what was said long ago.
    pub(super) fn gossip(&mut self, who: usize, topic: Nonce, bytes: &[u8]) {
        let is_mended = self.network.is_mended;
        self.spread(who, topic, bytes.to_vec());
        if is_mended {
            return;
        }
        if self.dice.percent(10) {
            let mut changed = bytes.to_vec();
            let at = self.dice.below(changed.len());
            changed[at] ^= 1 << self.dice.below(8);
            self.spread(who, topic, changed);
        }
        if self.dice.percent(20)
            && let Some((topic, bytes)) = self.dice.pick(&self.network.old).cloned()
        {
            self.spread(who, topic, bytes);
        }
        self.network.old.push((topic, bytes.to_vec()));
    }

    fn spread(&mut self, who: usize, topic: Nonce, bytes: Vec<u8>) {
        for to in 0..self.companies.len() {
            let hears = self.companies[to].topics.contains(&topic);
            if !hears || !self.network.reaches(self.at, who, to) {
                continue;
            }
            let times =
                if self.network.is_mended { 1 } else { [0, 1, 1, 1, 2][self.dice.below(5)] };
            for _ in 0..times {
                self.network.numbers += 1;
                let message = MessageTag(self.network.numbers);
                let input = Input::Gossip { message, topic, bytes: bytes.clone() };
                let at = self.at + self.dice.millis(1, 2_000);
                self.network.put(at, Way::Input { to, input });
            }
        }
    }
}
