//! Which member is meant by what a person typed.

use gearmesh_node::listen::plain;
use gearmesh_protocol::local::{MemberStatus, Presence};
use gearmesh_protocol::refusal::Refusal;

use crate::exit::Failure;
use crate::output;

/// Digits of a key or a group's id that are shown, enough to tell them apart.
const DIGITS_SHOWN: usize = 12;

/// The member with this name that is one still; of several, the one whose key is meant.
pub(super) fn standing<'a>(
    members: &'a [MemberStatus],
    name: &str,
    key: Option<&str>,
) -> Result<&'a MemberStatus, Failure> {
    let is_known = members.iter().any(|member| member.name == name);
    match one_of(members, name, key, |member| member.presence != Presence::Revoked)? {
        Some(member) => Ok(member),
        None if is_known && key.is_none() => {
            Err(Failure::from(Refusal::RevokedAlready).saying(format!("{name} is revoked already")))
        }
        None => Err(unknown(is_known, name, key)),
    }
}

/// The member with this name, also if it was thrown out: first those that are members still.
pub(super) fn any<'a>(
    members: &'a [MemberStatus],
    name: &str,
    key: Option<&str>,
) -> Result<&'a MemberStatus, Failure> {
    let is_known = members.iter().any(|member| member.name == name);
    if let Some(member) = one_of(members, name, key, |it| it.presence != Presence::Revoked)? {
        return Ok(member);
    }
    one_of(members, name, key, |_| true)?.ok_or_else(|| unknown(is_known, name, key))
}

fn unknown(is_known: bool, name: &str, key: Option<&str>) -> Failure {
    Failure::from(Refusal::NameUnknown).saying(match key {
        Some(key) if is_known => format!("no member that is called {name} has the key {key}"),
        _ => format!("no member is called {name}"),
    })
}

/// The one of these that is meant, if there is any.
fn one_of<'a>(
    members: &'a [MemberStatus],
    name: &str,
    key: Option<&str>,
    is_one: impl Fn(&MemberStatus) -> bool,
) -> Result<Option<&'a MemberStatus>, Failure> {
    let named = members.iter().filter(|member| member.name == name && is_one(member));
    let meant: Vec<&MemberStatus> =
        named.filter(|member| key.is_none_or(|key| is_of(member, key))).collect();
    let [first, _, ..] = meant[..] else { return Ok(meant.first().copied()) };
    for member in &meant {
        output::note(format!("  {name}  {}", told(member)));
    }
    let digits = start(&first.key.to_string());
    Err(Failure::from(Refusal::NameAmbiguous)
        .saying(format!("{} members are called {name}", meant.len()))
        .mended_by(format!(
            "say which, by its check words or the digits before them: --key {digits}"
        )))
}

/// Whether a member is meant by check words, or by the first digits of its key.
fn is_of(member: &MemberStatus, key: &str) -> bool {
    let words = key.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let digits = key.trim().to_ascii_lowercase();
    words == member.key_words || (!digits.is_empty() && member.key.to_string().starts_with(&digits))
}

/// What tells a member from another of the same name.
fn told(member: &MemberStatus) -> String {
    let address = member.address.as_deref().map(plain).unwrap_or_default();
    let (key, words) = (start(&member.key.to_string()), &member.key_words);
    format!("{key}  {words}  {}  {address}", member.presence).trim_end().to_owned()
}

/// The first digits of an id, enough to tell it from others.
pub(super) fn start(id: &str) -> String {
    id.get(..DIGITS_SHOWN).unwrap_or(id).to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::words::check_words;

    use super::*;

    pub(in crate::commands) fn member(name: &str, seed: u8, presence: Presence) -> MemberStatus {
        let key = PublicKey::of(&SigningKey::from_bytes(&[seed; 32]));
        MemberStatus {
            name: name.to_owned(),
            key,
            key_words: check_words(key.as_bytes()),
            roles: Vec::new(),
            scope: None,
            registrar: name == "gateway-1",
            presence,
            presence_for_s: 0,
            told_by: None,
            until: None,
            revoked: None,
            in_step: true,
            address: None,
        }
    }

    #[test]
    fn of_several_members_with_one_name_the_key_says_which() {
        let members = [
            member("press-1", 1, Presence::Online),
            member("press-1", 2, Presence::Unreachable),
            member("press-1", 3, Presence::Revoked),
            member("robot-1", 4, Presence::Revoked),
        ];
        let code =
            |key: Option<&str>| standing(&members, "press-1", key).map_err(|f| f.body().code);
        assert_eq!(code(None).err(), Some(Refusal::NameAmbiguous));
        for (at, member) in members[..2].iter().enumerate() {
            let digits = start(&member.key.to_string()).to_uppercase();
            let words = member.key_words.replace(' ', "  ");
            for key in [digits, words] {
                let found = code(Some(&key)).expect("one of them");
                assert_eq!(found.key, members[at].key, "{key}");
            }
        }
        assert_eq!(code(Some("zz")).err(), Some(Refusal::NameUnknown));
        let code = |name: &str| standing(&members, name, None).map_err(|f| f.body().code).err();
        assert_eq!(code("robot-1"), Some(Refusal::RevokedAlready));
        assert_eq!(code("nobody"), Some(Refusal::NameUnknown));
    }

    #[test]
    fn one_may_ask_about_a_member_that_was_thrown_out() {
        let press = member("press-1", 1, Presence::Online);
        let robot = member("robot-1", 2, Presence::Revoked);
        let members = [press.clone(), member("press-1", 3, Presence::Revoked), robot.clone()];
        let found = |name: &str| any(&members, name, None).map(|member| member.key).ok();
        assert_eq!(found("press-1"), Some(press.key));
        assert_eq!(found("robot-1"), Some(robot.key));
        assert_eq!(found("nobody"), None);
        let by_key = any(&members, "press-1", Some(&members[1].key.to_string()));
        assert_eq!(by_key.map(|member| member.key).ok(), Some(members[1].key));
    }
}
