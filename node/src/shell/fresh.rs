//! A new key for a home that is a copy of another machine's.

use std::io::{BufRead, IsTerminal, Write};

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;

use super::erase::{Belonging, belonging, erase_identity};
use super::home::Home;

/// Digits of a key that are shown, enough to tell it from others.
const DIGITS_SHOWN: usize = 12;

/// Gives up the key of a home and what belongs to it. With the first digits of a key it does so only
/// if that is the home's key, and asks nobody: so it does no harm when it is said at every start.
///
/// # Errors
/// A node runs there, nobody confirmed, or the file system said no.
pub(super) fn begin_anew(home: &Home, digits: &str) -> Result<(), ErrorBody> {
    let belonging = belonging(home)?;
    let Some(key) = key_of(home)? else { return Ok(()) };
    let text = key.to_string();
    let is_meant = match digits.is_empty() {
        true => confirm(home, &key, &belonging)?,
        false => text.starts_with(&digits.to_ascii_lowercase()),
    };
    match (is_meant, digits.is_empty()) {
        (true, _) => erase_identity(home),
        // Another key by now: this was done before.
        (false, false) => Ok(()),
        (false, true) => {
            let start = text.get(..DIGITS_SHOWN).unwrap_or(&text);
            Err(ErrorBody::from(Refusal::FreshNotConfirmed).mended_by(format!(
                "type this on a terminal and confirm, or name the key that is to go: \
                 gearmesh up --fresh={start}"
            )))
        }
    }
}

/// The key of a home, also of one that was begun to be erased; none of one that has none.
fn key_of(home: &Home) -> Result<Option<PublicKey>, ErrorBody> {
    if home.has_key() {
        let key = home.key().map_err(|error| ErrorBody::from(&error))?;
        return Ok(Some(PublicKey::of(&key)));
    }
    let note = home.plant().map_err(|error| ErrorBody::from(&error))?;
    Ok(note.and_then(|note| note.lines().nth(1)?.trim().parse().ok()))
}

/// Asks a person. Without a terminal the answer is no.
fn confirm(home: &Home, key: &PublicKey, belonging: &Belonging) -> Result<bool, ErrorBody> {
    let refused = |error: std::io::Error| ErrorBody::from(Refusal::SystemRefused).saying(error);
    let what = match belonging {
        Belonging::Member { name, plant } => format!("the key of {name} in {plant}"),
        Belonging::Nobody => "a key".to_owned(),
    };
    let mut out = std::io::stderr();
    writeln!(
        out,
        "{} holds {what} ({}). That key and all that the node has stored here is\n\
         destroyed, and a new key is drawn. Where the key is used on another machine, that one keeps it.",
        home.path().display(),
        check_words(key.as_bytes())
    )
    .map_err(refused)?;
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(out, "Type fresh to go on: ").and_then(|()| out.flush()).map_err(refused)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(refused)?;
    Ok(answer.trim() == "fresh")
}
