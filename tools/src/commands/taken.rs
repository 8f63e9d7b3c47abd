//! Names and scopes that are taken: two machines of one name cannot be told apart by anybody.

use gearmesh_protocol::local::{MemberStatus, OpenInvitation, Presence};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, Scope};

use crate::exit::Failure;

/// A name that is to be given: no member has it, and no open invitation promises it.
pub(super) fn check_name(
    name: &Name,
    before: &[Name],
    members: &[MemberStatus],
    open: &[OpenInvitation],
) -> Result<(), Failure> {
    if before.contains(name) {
        return Err(Failure::from(Refusal::NameTaken)
            .saying(format!("{name} is named twice"))
            .mended_by("name each machine once"));
    }
    let standing = members.iter().filter(|member| member.presence != Presence::Revoked);
    let is_taken = standing.map(|member| &member.name).any(|taken| taken == name.as_str());
    if is_taken {
        return Err(Failure::from(Refusal::NameTaken)
            .saying(format!("{name} is the name of another machine"))
            .mended_by(format!(
                "choose another name, or revoke the machine first: gearmesh revoke {name}"
            )));
    }
    let Some(promised) = open.iter().find(|open| open.name == name.as_str()) else {
        return Ok(());
    };
    let until = promised.expires_at;
    Err(Failure::from(Refusal::NameInvited)
        .saying(format!("{name} is promised to a machine that may join until {until}"))
        .mended_by(format!(
            "use the code that was made for it, or withdraw that code and make a new one: \
             gearmesh add --replace {name}"
        )))
}

/// A scope that is to be given: it overlaps with none of a member or an open invitation.
pub(super) fn check_scope(
    scope: &Scope,
    members: &[MemberStatus],
    open: &[OpenInvitation],
) -> Result<(), Failure> {
    let standing = members.iter().filter(|member| member.presence != Presence::Revoked);
    let of_members = standing.map(|member| (&member.name, member.scope.as_deref()));
    let of_open = open.iter().map(|open| (&open.name, open.scope.as_deref()));
    let overlaps = |taken: &str| taken.parse::<Scope>().is_ok_and(|taken| taken.overlaps(scope));
    for (name, taken) in of_members.chain(of_open) {
        let Some(taken) = taken.filter(|taken| overlaps(taken)) else { continue };
        return Err(Failure::from(Refusal::ScopeTaken)
            .saying(format!("the scope {scope} overlaps with {taken}, the scope of {name}")));
    }
    Ok(())
}
