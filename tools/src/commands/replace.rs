//! `gearmesh replace`: a new machine takes a member's place, in one act.

use gearmesh_protocol::local::{MemberStatus, Presence};
use gearmesh_protocol::membership::StandingTerms;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};

use crate::cli::{Context, ReplaceArgs};
use crate::client::Client;
use crate::commands::confirmed::{self, confirmations};
use crate::commands::named::standing;
use crate::commands::offer::{self, Redeemer};
use crate::commands::{cut, revoke};
use crate::exit::Failure;
use crate::output;
use crate::signing::{Pen, Signer, ask};

pub(crate) async fn run(context: &Context, args: ReplaceArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let redeemer = Redeemer::here(&client).await?;
    let pen = Pen::of(context, &redeemer.plant.id)?;
    let signer = Signer::new(&client, &pen);
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = standing(&members, args.name.as_str(), args.key.as_deref())?;
    if member.presence == Presence::Here {
        return Err(Refusal::ReplacedElsewhere.into());
    }
    let terms: Vec<StandingTerms> =
        client.get(&format!("/v1/trust/terms?key={}", member.key)).await?;
    let Some(StandingTerms { terms, .. }) = terms.into_iter().next() else {
        return Err(Refusal::NameUnknown.into());
    };
    let (invite, invitation) = redeemer.offer(terms, args.expires, args.node)?;
    let cut = cut::known_ends(&client, &member.key).await?;
    let target = Target::Key(member.key);
    let revocation = Revocation { target, reason: Reason::Replaced, cut };
    // One group: nobody ever sees the one without the other.
    let records = [TrustRecord::Revocation(revocation), invitation];
    let invites = [invite];
    if pen.is_paper() {
        offer::print(context, &invites, args.expires, args.qr)?;
    }
    let group = signer.write(records).await?;
    for warning in revoke::warnings(member, &members) {
        output::note(format!("WARNING: {warning}"));
    }
    let fallen = revoke::preview(&client, &group).await?;
    if !args.yes && !confirm(member, &fallen)? {
        return Err(Refusal::NotConfirmed.into());
    }
    let stored = signer.store(&group).await?;
    if !context.json {
        output::line(format!("{} is revoked (replaced). It never comes back.", args.name));
        for name in revoke::beside(member, &fallen) {
            output::line(format!("{name} fell with it; add it again: gearmesh add {name}"));
        }
        confirmed::print(&confirmations(&client, &stored).await?);
    }
    offer::print(context, &invites, args.expires, args.qr)?;
    if args.no_wait {
        return Ok(crate::exit::DONE);
    }
    output::note("waiting; Ctrl-C is safe, the code stays valid");
    offer::wait(context, &client, &invites, args.expires).await
}

fn confirm(member: &MemberStatus, fallen: &[String]) -> Result<bool, Failure> {
    let name = &member.name;
    let others: Vec<&str> = revoke::beside(member, fallen).collect();
    let with = match others.is_empty() {
        true => String::new(),
        false => format!(" With it fall: {}.", others.join(", ")),
    };
    let question = format!(
        "{name} ({}) is thrown out for good; the machine that uses the code gets its name, scope \
         and roles.{with}",
        member.key_words
    );
    ask(&question, "Type its name to go on: ", name)
}
