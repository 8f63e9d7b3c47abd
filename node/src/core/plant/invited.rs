//! Invitations that a machine can still use.

use gearmesh_protocol::local::OpenInvitation;
use gearmesh_protocol::time::UnixMillis;

use super::view::View;

/// The open invitations, by name: not withdrawn, not over, not used up, and of a registrar that is
/// one still.
#[must_use]
pub fn open_invitations(view: &View, now: UnixMillis) -> Vec<OpenInvitation> {
    let Some(roster) = &view.roster else { return Vec::new() };
    let mut open: Vec<OpenInvitation> = roster
        .invitations()
        .values()
        .filter(|invited| !invited.is_revoked && invited.invitation.expires_at > now)
        .filter(|invited| roster.is_registrar(&invited.invitation.redeemer))
        .filter_map(|invited| {
            let invitation = &invited.invitation;
            let used = u32::try_from(invited.redeemed.len()).unwrap_or(u32::MAX);
            let uses_left =
                u32::from(invitation.uses).checked_sub(used).filter(|left| *left > 0)?;
            let redeemer = roster.member(&invitation.redeemer);
            Some(OpenInvitation {
                id: invitation.key,
                name: invitation.terms.name.as_str().to_owned(),
                scope: invitation.terms.scope.as_ref().map(|scope| scope.as_str().to_owned()),
                roles: invitation.terms.roles.to_vec(),
                expires_at: invitation.expires_at,
                uses_left,
                redeemer_key: invitation.redeemer,
                redeemer: redeemer.map(|member| member.name().as_str().to_owned()),
                bound_to: invitation.bound_to,
            })
        })
        .collect();
    open.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    open
}

#[cfg(test)]
mod tests {
    use gearmesh_protocol::trust::Reason;

    use super::*;
    use crate::core::plant::standing::tests::view;
    use crate::core::plant::world::Plant as History;
    use crate::core::plant::world::records::{EXPIRES, invite, machine, redeem, revoke, withdraw};

    #[test]
    fn an_invitation_is_open_until_it_is_over_withdrawn_or_used_up() {
        let mut history = History::at_work();
        history.write("admin", invite("another", "registrar", machine("robot")));
        let open = |history: &History, now: u64| {
            let open = open_invitations(&view("registrar", Some(history)), UnixMillis(now));
            open.into_iter().map(|open| (open.name, open.uses_left)).collect::<Vec<_>>()
        };
        let named = |name: &str, left| (name.to_owned(), left);
        assert_eq!(open(&history, EXPIRES - 1), [named("press", 3), named("robot", 3)]);
        assert!(open(&history, EXPIRES).is_empty(), "by the clock");
        history.write("registrar", redeem("press", "code", machine("press")));
        history.write("admin", withdraw("another", &[]));
        assert_eq!(open(&history, EXPIRES - 1), [named("press", 2)]);
        for node in ["second", "third"] {
            history.write("registrar", redeem(node, "code", machine("press")));
        }
        assert!(open(&history, EXPIRES - 1).is_empty(), "used up");

        let mut history = History::at_work();
        history.write("admin", revoke("registrar", Reason::Lost, &[]));
        assert!(open(&history, EXPIRES - 1).is_empty(), "nobody redeems it");
    }
}
