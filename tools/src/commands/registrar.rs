//! `gearmesh registrar`: which members redeem invitations.

use gearmesh_protocol::local::MemberStatus;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Authority, Delegation, Reason, Revocation, Target, TrustRecord};

use super::admin::{Changed, plant};
use crate::cli::{Context, RegistrarArgs};
use crate::client::Client;
use crate::commands::confirmed::tell;
use crate::commands::cut::known_ends;
use crate::commands::named::standing;
use crate::exit::Failure;
use crate::output;
use crate::signing::{Pen, Signer};

pub(crate) async fn add(context: &Context, args: RegistrarArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let plant = plant(&client).await?;
    let pen = Pen::of(context, &plant.id)?;
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = standing(&members, args.name.as_str(), args.key.as_deref())?;
    if member.registrar {
        return Err(Failure::from(Refusal::RegistrarAlready)
            .saying(format!("{} redeems invitations already", args.name)));
    }
    let (authority, name) = (Authority::Registrar, args.name.clone());
    let delegation = Delegation { key: member.key, authority, name };
    let signer = Signer::new(&client, &pen);
    let stored = signer.sign(TrustRecord::Delegation(delegation)).await?;
    let name = args.name.as_str();
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    if !members.iter().any(|it| it.key == member.key && it.registrar) {
        return Err(Refusal::RegistrarEnded.into());
    }
    if !context.json {
        output::line(format!("{name} redeems invitations: codes can be made at it too"));
    }
    tell(context, &client, &stored, &Changed { name, key: member.key }).await
}

pub(crate) async fn remove(context: &Context, args: RegistrarArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let plant = plant(&client).await?;
    let pen = Pen::of(context, &plant.id)?;
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = standing(&members, args.name.as_str(), args.key.as_deref())?;
    let name = args.name.as_str();
    if !member.registrar {
        return Err(
            Failure::from(Refusal::NoRegistrar).saying(format!("{name} redeems no invitations"))
        );
    }
    // Whom it let in until now stays.
    let cut = known_ends(&client, &member.key).await?;
    let target = Target::Registrar(member.key);
    let revocation = Revocation { target, reason: Reason::Retired, cut };
    let signer = Signer::new(&client, &pen);
    let stored = signer.sign(TrustRecord::Revocation(revocation)).await?;
    if !context.json {
        output::line(format!("{name} redeems no invitations any more; it stays a member"));
        if members.iter().filter(|it| it.registrar).count() == 1 {
            output::line("Nobody redeems invitations now: gearmesh registrar add NAME");
        }
    }
    tell(context, &client, &stored, &Changed { name, key: member.key }).await
}
