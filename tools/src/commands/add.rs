//! `gearmesh add`: invitation codes, and the wait until they are used.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::local::{MemberStatus, OpenInvitation};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::trust::Reason;

use crate::cli::{AddArgs, Context, End};
use crate::client::Client;
use crate::commands::found;
use crate::commands::invitations::withdrawal;
use crate::commands::offer::{self, Invite, Redeemer};
use crate::commands::taken::{check_name, check_scope};
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::{Pen, Signer};

pub(crate) async fn run(context: &Context, args: AddArgs) -> Result<u8, Failure> {
    if !args.found.is_empty() {
        return found::run(context, args).await;
    }
    if args.scope.is_some() && args.names.len() > 1 {
        return Err(Refusal::OneScope.into());
    }
    if args.node.is_some() && args.names.len() > 1 {
        return Err(Refusal::OneKey.into());
    }
    let client = Client::reach(context)?;
    let invites = invite(context, &client, &args).await?;
    offer::print(context, &invites, args.expires, args.qr)?;
    if args.no_wait {
        return Ok(DONE);
    }
    output::note("waiting; Ctrl-C is safe, the codes stay valid");
    offer::wait(context, &client, &invites, args.expires).await
}

/// Signs an invitation for each name and hands it in.
pub(crate) async fn invite(
    context: &Context,
    client: &Client,
    args: &AddArgs,
) -> Result<Vec<Invite>, Failure> {
    let redeemer = Redeemer::here(client).await?;
    let pen = Pen::of(context, &redeemer.plant.id)?;
    let replaced = check_free(client, args).await?;
    let signer = Signer::new(client, &pen);
    let mut records = Vec::new();
    for open in replaced {
        records.push(withdrawal(client, &open, Reason::Replaced).await?);
    }
    let mut invites = Vec::new();
    for name in &args.names {
        let (invite, record) = redeemer.offer(terms(name, args), args.expires, args.node)?;
        records.push(record);
        invites.push(invite);
    }
    if pen.is_paper() {
        offer::print(context, &invites, args.expires, args.qr)?;
    }
    signer.store(&signer.write(records).await?).await?;
    Ok(invites)
}

/// A node without a plant: what can be done about it here.
pub(crate) fn no_plant() -> Failure {
    Failure::from(Refusal::NotAMember)
        .saying("this node has not joined a plant")
        .mended_by("found one: gearmesh init NAME; or join one: gearmesh join CODE")
}

fn terms(name: &Name, args: &AddArgs) -> Terms {
    let role = Role::from(args.role);
    let scope = args.scope.clone();
    let scope = match role {
        Role::Observer => scope,
        Role::Machine | Role::Gateway => scope.or_else(|| Some(name.clone().into())),
    };
    Terms {
        name: name.clone(),
        roles: Bounded::first_of([role]),
        scope,
        subscribe: Bounded::new(),
        until: args.until.and_then(End::time),
    }
}

/// Names and scopes are unique, those of open invitations included: two machines of one name cannot
/// be told apart by anybody. The open invitations that are to be withdrawn.
async fn check_free(client: &Client, args: &AddArgs) -> Result<Vec<OpenInvitation>, Failure> {
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let open: Vec<OpenInvitation> = client.get("/v1/invitations").await?;
    let is_replaced = |open: &OpenInvitation| {
        args.replace && args.names.iter().any(|name| name.as_str() == open.name)
    };
    let (replaced, open): (Vec<_>, Vec<_>) = open.into_iter().partition(is_replaced);
    for (at, name) in args.names.iter().enumerate() {
        check_name(name, &args.names[..at], &members, &open)?;
        if let Some(scope) = terms(name, args).scope {
            check_scope(&scope, &members, &open)?;
        }
    }
    Ok(replaced)
}
