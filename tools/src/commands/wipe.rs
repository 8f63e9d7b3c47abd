//! `gearmesh wipe`: destroy what a home holds, before its machine is sold.

use gearmesh_node::home::Home;
use gearmesh_node::{Belonging, belonging, erase_home};
use gearmesh_protocol::refusal::Refusal;
use serde::Serialize;

use crate::cli::{Context, WipeArgs};
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::ask;

/// What is left of a home, for programs.
#[derive(Serialize)]
struct Wiped {
    home: String,
    left: Vec<String>,
}

pub(crate) fn run(context: &Context, args: &WipeArgs) -> Result<u8, Failure> {
    if !context.home.exists() {
        return Err(Failure::from(Refusal::NoHome)
            .saying(format!("there is no node home {}", context.home.display()))
            .mended_by("name the home that is to go: --home DIR"));
    }
    let home = Home::open(&context.home)?;
    let belonging = belonging(&home)?;
    if let (Belonging::Member { name, plant }, false) = (&belonging, args.yes) {
        return Err(Failure::from(Refusal::StillAMember)
            .saying(format!("this machine is {name}, a member of {plant}, as far as it knows"))
            .mended_by(format!(
                "have an admin take it out first: gearmesh revoke {name} --reason retired; or say \
                 --yes, and whoever finds a copy of its key is {name}"
            )));
    }
    let shown = home.path().display();
    let question = format!("The key and all that the node in {shown} has stored is destroyed.");
    if !args.yes && !ask(&question, "Type wipe to go on: ", "wipe")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let left = erase_home(&home)?;
    // A folder in which something else lies stays.
    let is_gone = left.is_empty() && std::fs::remove_dir(home.path()).is_ok();
    let left: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    if context.json {
        output::json_document(&Wiped { home: shown.to_string(), left })?;
        return Ok(DONE);
    }
    output::line(match is_gone {
        true => format!("{shown} is gone, and the machine's key with it"),
        false => {
            format!("the machine's key is gone; {shown} holds other things: {}", left.join(" "))
        }
    });
    if context.keyring.exists() {
        output::note(format!(
            "the keyring {} is still there: it holds the plant",
            context.keyring.display()
        ));
    }
    Ok(DONE)
}
