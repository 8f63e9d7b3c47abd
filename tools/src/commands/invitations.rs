//! `gearmesh invitations` and `gearmesh void`: codes that machines can still use.

use gearmesh_protocol::local::{LogEnds, OpenInvitation, Status};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};
use serde::Serialize;

use crate::cli::{Context, VoidArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::commands::confirmed::tell;
use crate::commands::named::start;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::{Pen, Signer};

pub(crate) async fn list(context: &Context) -> Result<u8, Failure> {
    let open: Vec<OpenInvitation> = Client::reach(context)?.get("/v1/invitations").await?;
    if context.json {
        output::json_document(&open)?;
        return Ok(DONE);
    }
    if open.is_empty() {
        output::note(format!("no code is open; make one: {} add NAME", context.program()));
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> = open.iter().map(row).collect();
    output::table(&["NAME", "ROLES", "SCOPE", "UNTIL", "REDEEMED BY", "ID", "FOR"], &rows);
    Ok(DONE)
}

fn row(open: &OpenInvitation) -> Vec<String> {
    let roles: Vec<String> = open.roles.iter().map(ToString::to_string).collect();
    vec![
        open.name.clone(),
        roles.join(", "),
        open.scope.clone().unwrap_or_default(),
        open.expires_at.to_string(),
        open.redeemer.clone().unwrap_or_default(),
        start(&open.id.to_string()),
        open.bound_to.map(|key| start(&key.to_string())).unwrap_or_default(),
    ]
}

pub(crate) async fn void(context: &Context, args: &VoidArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let status: Status = client.get("/v1/status").await?;
    let Some(plant) = status.plant else {
        return Err(no_plant());
    };
    let pen = Pen::of(context, &plant.id)?;
    let open: Vec<OpenInvitation> = client.get("/v1/invitations").await?;
    let open = meant(&open, &args.invitation)?;
    let signer = Signer::new(&client, &pen);
    let stored = signer.sign(withdrawal(&client, open, Reason::Retired).await?).await?;
    if !context.json {
        output::line(format!("the code for {} is void; whoever has it is refused", open.name));
    }
    tell(context, &client, &stored, &Voided { void: open }).await
}

/// What was made void, for programs.
#[derive(Serialize)]
struct Voided<'a> {
    void: &'a OpenInvitation,
}

/// The one open invitation with this name, or whose id begins like this.
fn meant<'a>(open: &'a [OpenInvitation], typed: &str) -> Result<&'a OpenInvitation, Failure> {
    let digits = typed.to_ascii_lowercase();
    let is_meant =
        |open: &&OpenInvitation| open.name == typed || open.id.to_string().starts_with(&digits);
    let found: Vec<&OpenInvitation> = open.iter().filter(is_meant).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failure::from(Refusal::InvitationNotOpen)
            .saying(format!("no open invitation is for {typed} or begins like that"))),
        _ => Err(Failure::from(Refusal::NameAmbiguous)
            .saying(format!("{} open invitations are meant by {typed}", found.len()))
            .mended_by("write more digits of the id: gearmesh invitations shows them")),
    }
}

/// The record that ends an invitation. Whoever used it meanwhile, as far as the node knows, stays a
/// member.
pub(super) async fn withdrawal(
    client: &Client,
    open: &OpenInvitation,
    reason: Reason,
) -> Result<TrustRecord, Failure> {
    let ends: LogEnds = client.get(&format!("/v1/trust/ends?key={}", open.redeemer_key)).await?;
    let target = Target::Invitation(open.id);
    Ok(TrustRecord::Revocation(Revocation { target, reason, cut: ends.cut }))
}
