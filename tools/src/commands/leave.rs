//! `gearmesh leave`: this machine is a member no more, by its own word.

use gearmesh_protocol::local::{MemberStatus, Presence};
use gearmesh_protocol::membership::{LeaveRequest, Left};
use gearmesh_protocol::refusal::Refusal;

use crate::cli::{Context, LeaveArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::commands::revoke;
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::output;
use crate::signing::ask;

pub(crate) async fn run(context: &Context, args: LeaveArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    // A node that was thrown out hears that from the node itself.
    if let Some(me) = members.iter().find(|member| member.presence == Presence::Here) {
        for warning in revoke::warnings(me, &members) {
            output::note(format!("WARNING: {warning}"));
        }
        let (name, words) = (&me.name, &me.key_words);
        let question = format!("{name} ({words}) leaves the plant for good; what it wrote stays.");
        if !args.yes && !ask(&question, "Type its name to go on: ", name)? {
            return Err(Refusal::NotConfirmed.into());
        }
    } else if members.is_empty() {
        return Err(no_plant());
    }
    let request = LeaveRequest { lose_values: args.lose_values };
    let left: Left = client.post("/v1/leave", &request).await?;
    if context.json {
        output::json_document(&left)?;
    } else {
        output::line(format!(
            "{} has left the plant. It never comes back under this key.",
            left.name
        ));
        match left.told.is_empty() {
            true => {
                output::line("nobody has confirmed that yet; let this node run until somebody has")
            }
            false => output::line(format!("{} know it, and tell the others", left.told.join(", "))),
        }
        output::line(format!("Next    stop the node, then: {} wipe", context.program()));
    }
    Ok(if left.told.is_empty() { INCOMPLETE } else { DONE })
}
