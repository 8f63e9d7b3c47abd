//! `gearmesh passphrase`: put the keyring's key behind a passphrase.

use serde::Serialize;

use crate::cli::{Context, PassphraseArgs};
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;

/// How the keyring stands, for programs.
#[derive(Serialize)]
struct Locked {
    keyring: String,
    passphrase: bool,
}

pub(crate) fn run(context: &Context, args: &PassphraseArgs) -> Result<u8, Failure> {
    let was_locked = Keyring::lock(&context.keyring, !args.remove)?;
    let keyring = context.keyring.display().to_string();
    if context.json {
        output::json_document(&Locked { keyring, passphrase: !args.remove })?;
        return Ok(DONE);
    }
    output::line(match (args.remove, was_locked) {
        (true, _) => format!("{keyring} has no passphrase any more"),
        (false, true) => format!("{keyring} has another passphrase"),
        (false, false) => format!("{keyring} is behind its passphrase"),
    });
    if !args.remove && !was_locked {
        output::note("copies that were made before are not; destroy those that you do not need");
    }
    Ok(DONE)
}
