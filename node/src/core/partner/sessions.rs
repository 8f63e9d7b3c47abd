//! Sessions with partners' gateways, and which frame goes where.

use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::partner_session::SessionFrame;

use super::Partners;
use super::contract::{Effect, Grounds, Offence, SessionId};
use super::deal::Deal;
use crate::core::clock::Now;

/// Two sessions that come up within this time were dialled from both sides at once.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) peer: PublicKey,
    pub(super) grounds: Grounds,
    pub(super) is_dialer: bool,
    pub(super) since: Duration,
}

impl Session {
    pub(super) const fn link(&self) -> Option<PublicKey> {
        match self.grounds {
            Grounds::Link(link) => Some(link),
            Grounds::Agreement | Grounds::Notice | Grounds::CoReceiver => None,
        }
    }
}

impl Partners {
    /// A gateway has one session here; a new one takes the place of the old. Of two that both sides
    /// dialled at once, both keep that of the smaller key: else each might close what the other keeps.
    pub(super) fn session_up(
        &mut self,
        now: Now,
        id: SessionId,
        session: Session,
        out: &mut Vec<Effect>,
    ) {
        let old: Vec<SessionId> = self.sessions_of(&session.peer).collect();
        if old.iter().any(|old| self.is_kept_beside(&self.sessions[old], &session)) {
            out.push(Effect::Close(id));
            return;
        }
        for old in old {
            self.sessions.remove(&old);
            out.push(Effect::Close(old));
        }
        // What time it is there is heard anew: it may be another life.
        let of_peer = |deal: &&mut Deal| deal.theirs().gateway == session.peer;
        self.deals.values_mut().filter(of_peer).for_each(|deal| deal.calls.session_ended());
        self.sessions.insert(id, session);
        self.dials.remove(&session.peer);
        if let (Some(link), true) = (session.link(), session.is_dialer)
            && self.looking.contains_key(&link)
        {
            out.push(Effect::Send { session: id, frame: Box::new(SessionFrame::AskProposal) });
        }
        let signed = self.took.values().filter(|took| took.gateway() == session.peer);
        let signed = signed.filter_map(|took| took.acceptance.as_ref());
        out.extend(signed.map(|agreed| {
            let frame = Box::new(SessionFrame::Accepted(agreed.document().clone()));
            Effect::Send { session: id, frame }
        }));
        self.greet(now, id, &session.peer, out);
    }

    /// Whether a session stays, and the one that comes up beside it goes.
    fn is_kept_beside(&self, old: &Session, new: &Session) -> bool {
        let by_agreement = |it: &Session| it.grounds == Grounds::Agreement;
        let at_once = old.is_dialer != new.is_dialer && new.since < old.since + AT_ONCE;
        let by_smaller = old.is_dialer == (self.me < old.peer);
        at_once && by_agreement(old) && by_agreement(new) && by_smaller
    }

    pub(super) fn session_down(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        for deal in self.deals.values_mut() {
            if deal.theirs().gateway == session.peer {
                deal.calls.session_ended();
            }
            if deal.source() == Some(session.peer)
                && let Some(incoming) = &mut deal.incoming
            {
                incoming.answered();
            }
        }
        self.dials.insert(session.peer, (now.tick, super::DIAL_AGAIN.0));
    }

    /// A gateway was closed for what it did: whoever has an agreement with it should know.
    pub(super) fn offended(&mut self, peer: &PublicKey, how: Offence) {
        let shared = self.deals.values().filter(|deal| deal.is_shared_with(peer));
        let shared: Vec<String> = shared.map(|deal| deal.local.name.to_string()).collect();
        if !shared.is_empty() {
            let names = shared.join(", ");
            self.alarm(format!("another receiver of {names} {how}: it is kept out for a minute"));
        }
        let with = self.deals.values().filter(|deal| deal.theirs().gateway == *peer);
        let names: Vec<&str> = with.map(|deal| deal.local.name.as_str()).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            self.alarm(format!("the partner of {names} {how}: it is kept out for a minute"));
        }
    }

    /// Lets go of whoever answered in a gateway's place and did not show that it has it.
    pub(super) fn close_unknown(&mut self, now: Now, out: &mut Vec<Effect>) {
        let is_unknown = |session: &Session| {
            let is_over = now.tick >= session.since + AT_ONCE && session.grounds == Grounds::Notice;
            is_over && !self.deals.values().any(|deal| deal.hears(&session.peer))
        };
        let unknown = self.sessions.iter().filter(|(_, session)| is_unknown(session));
        let unknown: Vec<SessionId> = unknown.map(|(id, _)| *id).collect();
        for id in unknown {
            self.sessions.remove(&id);
            out.push(Effect::Close(id));
        }
    }

    fn sessions_of(&self, peer: &PublicKey) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().filter(|(_, it)| it.peer == *peer).map(|(id, _)| *id)
    }

    pub(super) fn session_with(&self, peer: &PublicKey) -> Option<SessionId> {
        self.sessions_of(peer).next()
    }

    /// Says something to a partner if it is there; what has to be heard is said again when it comes.
    pub(super) fn say_to(&self, peer: PublicKey, frame: SessionFrame, out: &mut Vec<Effect>) {
        if let Some(session) = self.session_with(&peer) {
            out.push(Effect::Send { session, frame: Box::new(frame) });
        }
    }

    pub(super) fn frame(
        &mut self,
        now: Now,
        id: SessionId,
        frame: SessionFrame,
        out: &mut Vec<Effect>,
    ) {
        let Some(from) = self.sessions.get(&id).copied() else { return };
        match frame {
            SessionFrame::AskProposal | SessionFrame::Take { .. } | SessionFrame::Accepted(_) => {
                if let Some(frame) = self.making_frame(now, (id, &from), frame, out) {
                    out.push(Effect::Send { session: id, frame: Box::new(frame) });
                }
            }
            SessionFrame::Schemas(_)
            | SessionFrame::Proposal(_)
            | SessionFrame::Reveal(_)
            | SessionFrame::Confirmed(_)
            | SessionFrame::Refused(_) => {
                self.taking_frame(now, (from.peer, from.link()), frame, out);
            }
            SessionFrame::Follow { sheet, after } => {
                self.follow(now, (id, &from.peer), &sheet, after, out);
            }
            SessionFrame::Notices(notices) => self.notices_came(now, &from.peer, &notices, out),
            SessionFrame::Envelope(envelope) => self.envelope(&from.peer, &envelope),
            SessionFrame::Groups { sheet, groups } => {
                self.groups(now, (id, &from.peer), &sheet, groups.into_vec(), out);
            }
            SessionFrame::Gap { sheet, after } => self.gap(now, &from.peer, &sheet, after, out),
            SessionFrame::Head { sheet, head } => {
                self.head(now, (&from.peer, &sheet), &head, out);
            }
            SessionFrame::Receipt(receipt) => self.receipt(now, &from.peer, receipt, out),
            SessionFrame::End(end) => self.ended(now, &from.peer, end, out),
            SessionFrame::Moment(moment) => self.moment(now, &from.peer, moment, out),
            SessionFrame::Call(call) => self.called(now, (id, &from.peer), &call, out),
            SessionFrame::Progress { sheet, number, progress } => {
                self.call_progress(&from.peer, (&sheet, number), progress);
            }
            SessionFrame::Outcome(outcome) => self.call_outcome(&from.peer, &outcome),
            SessionFrame::Reachable(addresses) => self.reachable(&from.peer, &addresses),
            SessionFrame::Starts { sheet, after } => {
                self.started(now, (&from.peer, &sheet), after, out);
            }
            SessionFrame::CoReceivers(list) => self.co_receivers(now, &from.peer, &list),
        }
    }
}
