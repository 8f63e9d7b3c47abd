//! `gearmesh recover`: authority from the recovery sheets.

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::local::{Confirmations, PlantStatus};
use gearmesh_protocol::membership::{AuthorityStatus, StoredAct};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::rotation::record_of_root;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::trust::{
    Authority, Delegation, Reason, Revocation, Target, TrustEntry, TrustRecord,
};
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use super::admin::{authorities, plant};
use super::root::status;
use super::sheets::{Asked, Gathered};
use crate::cli::{Context, RecoverArgs};
use crate::client::Client;
use crate::commands::confirmed::{self, act_confirmations};
use crate::commands::cut::{self, Signatory};
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::now;

/// What became of it, for programs.
#[derive(Serialize)]
struct Recovered<'a> {
    name: &'a str,
    key: PublicKey,
    keyring: String,
    revoked: Option<&'a str>,
    fell: &'a [String],
    #[serde(flatten)]
    confirmations: &'a Confirmations,
}

pub(crate) async fn run(context: &Context, args: RecoverArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let plant = plant(&client).await?;
    let there = authorities(&client).await?;
    let ended = revocation(context, &client, &there, &args).await?;
    let root = status(&client).await?;
    let asked = Asked { plant: &plant, root: &root.root, there: &root };
    let sheets = Gathered::read(&asked, &args.sheet)?;
    let signed = Signed { sheets: &sheets, plant: &plant, root: root.made_by };
    let Some(name) = args.name.as_ref().filter(|_| !args.drill) else {
        output::line(format!(
            "sheets {} are right and enough for {}; nothing was changed",
            sheets.numbers(),
            plant.name
        ));
        return Ok(DONE);
    };
    let key = Keyring::of_admin(&context.keyring)?;
    // The one that is thrown out first: whoever stole its key answers nothing that comes after.
    let mut fell = Vec::new();
    if let Some((_, record)) = &ended {
        let act = signed.act(record.clone());
        fell = client.post_bytes("/v1/trust/acts/preview", act.clone()).await?;
        let _: StoredAct = client.post_bytes("/v1/trust/acts", act).await?;
    }
    let stored = make_admin(&client, &signed, &there, name, key).await?;
    let told = act_confirmations(&client, &stored.act).await?;
    let revoked = ended.as_ref().map(|(name, _)| name.as_str());
    if context.json {
        let keyring = context.keyring.display().to_string();
        let (name, fell) = (name.as_str(), &fell[..]);
        output::json_document(&Recovered {
            name,
            key,
            keyring,
            revoked,
            fell,
            confirmations: &told,
        })?;
        return Ok(confirmed::exit(&told));
    }
    if let Some(revoked) = revoked {
        output::line(format!("{revoked} signs no more. That key never comes back."));
    }
    for fell in &fell {
        output::line(format!("{fell} fell with it; add it again: gearmesh add {fell}"));
    }
    let words = check_words(key.as_bytes());
    output::line(format!("{name} may sign for {}  ({words})", plant.name));
    output::line(format!("Keyring {}", context.keyring.display()));
    confirmed::print(&told);
    Ok(confirmed::exit(&told))
}

/// Makes a key an admin's, unless it is one.
async fn make_admin(
    client: &Client,
    signed: &Signed<'_>,
    there: &[AuthorityStatus],
    name: &Name,
    key: PublicKey,
) -> Result<StoredAct, Failure> {
    if let Some(taken) = there.iter().find(|it| it.name == *name && it.key != key) {
        return Err(Failure::from(Refusal::NameTaken)
            .saying(format!("{} is the name of another ({})", taken.name, taken.key_words))
            .mended_by("choose another name"));
    }
    let delegation = Delegation { key, authority: Authority::Admin, name: name.clone() };
    let act = signed.act(TrustRecord::Delegation(delegation));
    client.post_bytes("/v1/trust/acts", act).await
}

/// The record that throws an admin out, if one is to go, with its name.
async fn revocation(
    context: &Context,
    client: &Client,
    there: &[AuthorityStatus],
    args: &RecoverArgs,
) -> Result<Option<(Name, TrustRecord)>, Failure> {
    let (Some(name), Some(reason)) = (&args.revoke, args.reason) else { return Ok(None) };
    let is_meant = |it: &&AuthorityStatus| it.authority == Authority::Admin && it.name == *name;
    let admin = there.iter().find(is_meant).ok_or_else(|| {
        Failure::from(Refusal::AdminUnknown).saying(format!("no admin is called {name}"))
    })?;
    let new = args.name.as_ref().map_or("NAME", Name::as_str);
    let words = format!("recover {new} --revoke {name}");
    let of = Signatory { name: name.as_str(), key: admin.key, words: &words, is_member: false };
    let reason = Reason::from(reason);
    let cut = cut::decided(context, client, &of, reason, &args.cut).await?;
    let revocation = Revocation { target: Target::Key(admin.key), reason, cut };
    Ok(Some((name.clone(), TrustRecord::Revocation(revocation))))
}

/// What the sheets sign as.
struct Signed<'a> {
    sheets: &'a Gathered,
    plant: &'a PlantStatus,
    /// What made their root.
    root: RecordId,
}

impl Signed<'_> {
    fn act(&self, record: TrustRecord) -> Vec<u8> {
        let entry = TrustEntry { at: now(), record };
        codec::encode(&record_of_root(&self.sheets.keys(), &self.plant.id, self.root, entry))
    }
}
