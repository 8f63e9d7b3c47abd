//! Passphrases: from a file that the environment names, or typed on the terminal. Never from the
//! command line, where every program of the machine can read them.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use gearmesh_protocol::refusal::Refusal;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::exit::Failure;

/// Names a file whose first line is the passphrase.
pub(super) const FILE_VARIABLE: &str = "GEARMESH_PASSPHRASE_FILE";

/// The same for one that is to be set.
pub(super) const NEW_FILE_VARIABLE: &str = "GEARMESH_NEW_PASSPHRASE_FILE";

/// Characters of a passphrase at least. Guessing is slow, and so few would be guessed all the same.
const LENGTH_MIN: usize = 8;

/// The passphrase of a keyring.
pub(crate) fn ask(keyring: &str) -> Result<Zeroizing<String>, Failure> {
    match from_file(FILE_VARIABLE)? {
        Some(passphrase) => Ok(passphrase),
        None => typed(&format!("Passphrase of {keyring}: ")),
    }
}

/// A passphrase that is to be set; typed twice on a terminal.
pub(crate) fn ask_new(keyring: &str) -> Result<Zeroizing<String>, Failure> {
    let new = match from_file(NEW_FILE_VARIABLE)? {
        Some(passphrase) => passphrase,
        None => {
            let first = typed(&format!("New passphrase of {keyring}: "))?;
            if *typed("The same again: ")? != *first {
                return Err(Failure::from(Refusal::PassphraseUnfit)
                    .saying("the two passphrases differ; nothing was changed"));
            }
            first
        }
    };
    match new.chars().count() {
        enough if enough >= LENGTH_MIN => Ok(new),
        _ => Err(Failure::from(Refusal::PassphraseUnfit)
            .saying(format!("a passphrase has at least {LENGTH_MIN} characters"))),
    }
}

fn from_file(variable: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| {
        Failure::from(Refusal::PassphraseNeeded)
            .saying(format!("the passphrase cannot be read from {}: {error}", path.display()))
    })?;
    Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())))
}

fn typed(question: &str) -> Result<Zeroizing<String>, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Refusal::PassphraseNeeded.into());
    }
    let mut out = std::io::stderr();
    write!(out, "{question}").and_then(|()| out.flush()).map_err(Failure::system)?;
    let hidden = Hidden::begin()?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut line);
    drop(hidden);
    writeln!(out).map_err(Failure::system)?;
    read.map_err(Failure::system)?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Result<Self, Failure> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).map_err(Failure::system)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet).map_err(Failure::system)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing more.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
