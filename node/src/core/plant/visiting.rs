//! Who may come to this node from a machine that is none.

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::refusal::Refusal;

use super::view::View;
use super::work::standing;
use crate::core::clock::Now;

/// Whether somebody who holds this key may see and hand in here what admins do: asked when it comes,
/// and again with everything that it asks for.
///
/// # Errors
/// This node is no member that could show it anything, or the key signs for the plant no more, or never
/// did.
pub fn may_visit(view: &View, admin: &PublicKey, now: Now) -> Result<(), Refusal> {
    let roster = view.roster.as_ref().ok_or(Refusal::NotAdmitted)?;
    standing(roster, &view.me, now).map_err(|_| Refusal::NotAdmitted)?;
    if roster.is_admin(admin) {
        return Ok(());
    }
    Err(match roster.revoked().contains_key(admin) {
        true => Refusal::AdminRevoked,
        false => Refusal::NotAnAdminThere,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gearmesh_protocol::grant::Terms;
    use gearmesh_protocol::time::UnixMillis;
    use gearmesh_protocol::trust::Reason;

    use super::*;
    use crate::core::plant::standing::tests::view;
    use crate::core::plant::world::records::{admit, machine, revoke, revoke_wholly};
    use crate::core::plant::world::{Plant as History, key};

    const NOW: Now = Now { tick: Duration::from_secs(1), wall: UnixMillis(500_000) };

    /// What `who` hears at the machine `press`.
    fn heard(history: &History, who: &str) -> Result<(), Refusal> {
        may_visit(&view("press", Some(history)), &key(who), NOW)
    }

    #[test]
    fn whoever_signs_for_the_plant_now_may_come_and_nobody_else() {
        let mut history = History::at_work();
        history.write("root", admit("press", machine("press")));
        for who in ["root", "admin"] {
            assert_eq!(heard(&history, who), Ok(()), "{who}");
        }
        // A registrar redeems, and a machine is one: neither signs.
        for who in ["registrar", "press", "stranger"] {
            assert_eq!(heard(&history, who), Err(Refusal::NotAnAdminThere), "{who}");
        }
        history.write("root", revoke("admin", Reason::Lost, &[]));
        assert_eq!(heard(&history, "admin"), Err(Refusal::AdminRevoked));
        assert_eq!(heard(&history, "root"), Ok(()));
    }

    #[test]
    fn one_root_key_of_several_does_not_come_alone() {
        let mut history = History::with_three_roots();
        history.write("admin", admit("press", machine("press")));
        assert_eq!(heard(&history, "root-1"), Err(Refusal::NotAnAdminThere));
        assert_eq!(heard(&history, "admin"), Ok(()));
        history.act(&["root-1", "root-2"], revoke_wholly("admin"));
        let gone = heard(&history, "admin");
        assert!(gone.is_err(), "and whoever fell with it shows nothing: {gone:?}");
    }

    #[test]
    fn a_node_that_is_no_member_receives_nobody() {
        assert_eq!(may_visit(&view("press", None), &key("admin"), NOW), Err(Refusal::NotAdmitted));
        let mut history = History::at_work();
        assert_eq!(heard(&history, "admin"), Err(Refusal::NotAdmitted), "it is none yet");
        let terms = Terms { until: Some(UnixMillis(400_000)), ..machine("press") };
        history.write("admin", admit("press", terms));
        assert_eq!(heard(&history, "admin"), Err(Refusal::NotAdmitted), "its time is over");
    }
}
