//! `gearmesh admin`: who may sign for the plant.

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::{PlantStatus, Status};
use gearmesh_protocol::membership::AuthorityStatus;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Authority, Delegation, Reason, Revocation, Target, TrustRecord};
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use crate::cli::{AdminAddArgs, AdminRemoveArgs, Context};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::commands::confirmed::tell;
use crate::commands::cut::{self, Signatory};
use crate::commands::revoke::preview;
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::{Pen, Signer, ask};

/// An admin's key, for programs.
#[derive(Serialize)]
struct Requested {
    key: PublicKey,
    key_words: String,
    keyring: String,
}

pub(crate) fn request(context: &Context) -> Result<u8, Failure> {
    let key = Keyring::of_admin(&context.keyring)?;
    let key_words = check_words(key.as_bytes());
    let keyring = context.keyring.display().to_string();
    if context.json {
        output::json_document(&Requested { key, key_words, keyring })?;
        return Ok(DONE);
    }
    output::line(format!("Keyring {keyring}"));
    output::line(format!("Key     {key}"));
    output::line(format!("        check words: {key_words}"));
    output::line("Next    give the key to the holder of the root's keyring, who types:");
    output::line(format!("        gearmesh admin add NAME {key}"));
    Ok(DONE)
}

/// What changed, for programs.
#[derive(Serialize)]
pub(super) struct Changed<'a> {
    pub(super) name: &'a str,
    pub(super) key: PublicKey,
}

pub(crate) async fn add(context: &Context, args: AdminAddArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let plant = plant(&client).await?;
    let pen = root_pen(context, &plant)?;
    let there = authorities(&client).await?;
    if let Some(taken) = there.iter().find(|it| it.name == args.name || it.key == args.key) {
        return Err(Failure::from(Refusal::NameTaken)
            .saying(format!("{} has this name or key ({})", taken.name, taken.key_words))
            .mended_by("choose another name, or see who there is: gearmesh admin list"));
    }
    let delegation =
        Delegation { key: args.key, authority: Authority::Admin, name: args.name.clone() };
    let signer = Signer::new(&client, &pen);
    let stored = signer.sign(TrustRecord::Delegation(delegation)).await?;
    if !context.json {
        let words = check_words(args.key.as_bytes());
        output::line(format!("{} may sign for {}  ({words})", args.name, plant.name));
    }
    tell(context, &client, &stored, &Changed { name: args.name.as_str(), key: args.key }).await
}

pub(crate) async fn remove(context: &Context, args: AdminRemoveArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let plant = plant(&client).await?;
    let pen = root_pen(context, &plant)?;
    let there = authorities(&client).await?;
    let is_meant = |it: &&AuthorityStatus| it.authority == Authority::Admin && it.name == args.name;
    let admin = there.iter().find(is_meant).ok_or_else(|| {
        Failure::from(Refusal::AdminUnknown).saying(format!("no admin is called {}", args.name))
    })?;
    let reason = Reason::from(args.reason);
    let name = admin.name.as_str();
    let words = format!("admin remove {name}");
    let of = Signatory { name, key: admin.key, words: &words, is_member: false };
    let cut = cut::decided(context, &client, &of, reason, &args.cut).await?;
    let revocation = Revocation { target: Target::Key(admin.key), reason, cut };
    let signer = Signer::new(&client, &pen);
    let group = signer.write([TrustRecord::Revocation(revocation)]).await?;
    let fallen = preview(&client, &group).await?;
    if !args.yes && !confirm(admin, reason, &fallen)? {
        return Err(Refusal::NotConfirmed.into());
    }
    let stored = signer.store(&group).await?;
    if !context.json {
        output::line(format!("{name} signs no more ({reason}). That key never comes back."));
        for fell in &fallen {
            output::line(format!("{fell} fell with it; add it again: gearmesh add {fell}"));
        }
    }
    tell(context, &client, &stored, &Changed { name, key: admin.key }).await
}

fn confirm(admin: &AuthorityStatus, reason: Reason, fallen: &[String]) -> Result<bool, Failure> {
    let with = match fallen.is_empty() {
        true => "Nobody falls with it.".to_owned(),
        false => format!("With it fall: {}", fallen.join(", ")),
    };
    let (name, words) = (&admin.name, &admin.key_words);
    let question = format!("{name} ({words}) signs no more, reason: {reason}. {with}");
    ask(&question, "Type its name to go on: ", name.as_str())
}

pub(crate) async fn list(context: &Context) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let there = authorities(&client).await?;
    if context.json {
        output::json_document(&there)?;
        return Ok(DONE);
    }
    let plant = plant(&client).await?;
    let root = plant
        .root
        .iter()
        .map(|key| vec!["root".to_owned(), "the root key".to_owned(), check_words(key.as_bytes())]);
    let others = there.iter().map(|it| {
        let what = match it.authority {
            Authority::Admin => "admin",
            Authority::Registrar => "registrar",
        };
        vec![what.to_owned(), it.name.to_string(), it.key_words.clone()]
    });
    output::table(&["MAY SIGN AS", "NAME", "CHECK WORDS"], &root.chain(others).collect::<Vec<_>>());
    Ok(DONE)
}

/// The plant of the node here.
pub(super) async fn plant(client: &Client) -> Result<PlantStatus, Failure> {
    let status: Status = client.get("/v1/status").await?;
    status.plant.ok_or_else(no_plant)
}

/// Who may sign for the plant, besides the root.
pub(super) async fn authorities(client: &Client) -> Result<Vec<AuthorityStatus>, Failure> {
    client.get("/v1/trust/authorities").await
}

/// What signs, if admins can be made with it.
fn root_pen(context: &Context, plant: &PlantStatus) -> Result<Pen, Failure> {
    let pen = Pen::of(context, &plant.id)?;
    match pen.may_be_root() {
        true => Ok(pen),
        false => Err(Refusal::RootNeeded.into()),
    }
}
