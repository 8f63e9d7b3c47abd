//! `gearmesh registrar`: which members redeem invitations.

use gearmesh_protocol::local::MemberStatus;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Authority, Delegation, TrustRecord};

use super::admin::{Changed, plant};
use crate::cli::{Context, RegistrarArgs};
use crate::client::Client;
use crate::commands::confirmed::{self, confirmations};
use crate::commands::named::standing;
use crate::exit::Failure;
use crate::output;
use crate::signing::{Pen, Signer};

pub(crate) async fn add(context: &Context, args: RegistrarArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
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
    if !context.json {
        output::line(format!("{name} redeems invitations: codes can be made at it too"));
    }
    let told = confirmations(&client, &stored).await?;
    match context.json {
        true => output::json_document(&Changed { name, key: member.key, confirmations: &told })?,
        false => confirmed::print(&told),
    }
    Ok(confirmed::exit(&told))
}
