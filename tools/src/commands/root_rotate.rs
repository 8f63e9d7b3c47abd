//! `gearmesh root rotate`: new recovery sheets in the place of the root's keys.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::local::{Confirmations, PlantStatus};
use gearmesh_protocol::membership::StoredAct;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::roots::{RootAct, RootStatus};
use gearmesh_protocol::rotation::Rotation;
use gearmesh_protocol::topic::Title;
use gearmesh_protocol::trust::{Act, ActBody, KeyCut, Reason, Root};
use serde::Serialize;

use super::admin::plant;
use super::cut::{self, Signatory};
use super::init::beside;
use super::named::start;
use super::root::{counted, named, status};
use super::sheets::{Asked, Drawn, Gathered};
use crate::cli::{Context, RootArgs, RotateArgs};
use crate::client::Client;
use crate::commands::confirmed::{self, act_confirmations};
use crate::exit::Failure;
use crate::keyring::Keyring;
use crate::output;
use crate::signing::{ask, now};

/// What was done, for programs.
#[derive(Serialize)]
struct Rotated<'a> {
    rotation: RecordId,
    words: &'a str,
    sheets: Vec<String>,
    fell: &'a [String],
    #[serde(flatten)]
    confirmations: &'a Confirmations,
}

/// The keys that sign for the old root.
enum Old {
    Keyring(Box<Keyring>),
    Sheets(Gathered),
}

impl Old {
    fn gather(
        context: &Context,
        plant: &PlantStatus,
        asked: &Asked<'_>,
        files: &[PathBuf],
    ) -> Result<Self, Failure> {
        if asked.root.threshold > 1 {
            return Gathered::read(asked, files).map(Self::Sheets);
        }
        let keyring = Keyring::open(&context.keyring, &plant.id)?;
        match asked.root.keys.contains(&keyring.public()) {
            true => Ok(Self::Keyring(Box::new(keyring))),
            false => Err(Refusal::RootNeeded.into()),
        }
    }

    fn keys(&self) -> Vec<&SigningKey> {
        match self {
            Self::Keyring(keyring) => vec![keyring.key()],
            Self::Sheets(sheets) => sheets.keys(),
        }
    }
}

pub(crate) async fn rotate(context: &Context, args: RotateArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let plant = plant(&client).await?;
    let there = status(&client).await?;
    let (after, root) = followed(&there, args.instead.as_deref())?;
    let (stay, go) = divided(&there, &after, &args.without)?;
    let cuts = cuts(context, &client, root, &args).await?;
    let asked = Asked { plant: &plant, root, there: &there };
    let old = Old::gather(context, &plant, &asked, &args.sheet)?;
    let (root_keys, threshold) = (args.root_keys, args.threshold);
    let drawn = Drawn::new(&RootArgs { root_keys, threshold, sheets: None })?;
    let ids: Vec<RecordId> = stay.iter().map(|act| act.id).collect();
    let acts = ids.try_into().map_err(Failure::system)?;
    let (at, to) = (now(), drawn.root());
    let rotation = Rotation { after, root: to.clone(), cuts, acts, at };
    let keys: Vec<&SigningKey> = old.keys().into_iter().chain(drawn.keys()).collect();
    let act = codec::encode(&Act::sign(&keys, &plant.id, &ActBody::Rotation(rotation)));
    let fell: Vec<String> = client.post_bytes("/v1/trust/acts/preview", act.clone()).await?;
    let said = told(&plant, (root, &to), (&stay, &go), &fell);
    if !args.yes && !ask(&said, "Type rotate to go on: ", "rotate")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let title: Title = plant.name.parse().map_err(Failure::system)?;
    let folder = args.sheets.unwrap_or_else(|| folder(context, &there));
    let sheets = drawn.write(&folder, &title, &plant.id, ("Root since ", at))?;
    // From here on it may be stored, whatever is answered: then these are the only root keys.
    let sheets = sheets.keep();
    let stored: StoredAct = client.post_bytes("/v1/trust/acts", act).await?;
    let confirmations = act_confirmations(&client, &stored.act).await?;
    let words = gearmesh_protocol::words::check_words(stored.act.as_bytes());
    if context.json {
        let sheets = sheets.iter().map(|path| path.display().to_string()).collect();
        let rotation = stored.act;
        output::json_document(&Rotated {
            rotation,
            words: &words,
            sheets,
            fell: &fell,
            confirmations: &confirmations,
        })?;
        return Ok(confirmed::exit(&confirmations));
    }
    let is_frozen = status(&client).await?.is_frozen;
    print(&plant, &to, (&words, is_frozen), &sheets);
    if matches!(old, Old::Keyring(_)) && !is_frozen {
        output::line(
            "          This keyring signs no more. The sheets make an admin with one of its own:",
        );
        output::line("          gearmesh --keyring new.keyring recover NAME");
    }
    for fell in &fell {
        output::line(format!("{fell} fell with it; add it again: gearmesh add {fell}"));
    }
    confirmed::print(&confirmations);
    Ok(confirmed::exit(&confirmations))
}

/// The root that is to be replaced, by what made it.
fn followed<'a>(
    there: &'a RootStatus,
    instead: Option<&str>,
) -> Result<(RecordId, &'a Root), Failure> {
    match instead {
        Some(text) => {
            let rotation = named(there.rotations.iter(), text)?;
            Ok((rotation.after, &rotation.before))
        }
        None if there.is_frozen => Err(Refusal::RootFrozen.into()),
        None => Ok((there.made_by, &there.root)),
    }
}

/// The acts of a root that stay, and those that are to go.
fn divided<'a>(
    there: &'a RootStatus,
    root: &RecordId,
    without: &[String],
) -> Result<(Vec<&'a RootAct>, Vec<&'a RootAct>), Failure> {
    let acts = || there.acts.iter().filter(|act| act.root == *root);
    let is_named = |act: &RootAct, digits: &String| act.id.to_string().starts_with(digits.as_str());
    for digits in without {
        if digits.is_empty() || acts().filter(|act| is_named(act, digits)).count() != 1 {
            return Err(Failure::from(Refusal::CutUnknown)
                .saying(format!("not one record of the root begins with {digits}"))
                .mended_by("see what it signed: gearmesh root show"));
        }
    }
    Ok(acts().partition(|act| !without.iter().any(|digits| is_named(act, digits))))
}

/// Where the log of a root key ends that acts alone.
async fn cuts(
    context: &Context,
    client: &Client,
    root: &Root,
    args: &RotateArgs,
) -> Result<Bounded<KeyCut, { gearmesh_protocol::limits::ROOT_KEYS_MAX }>, Failure> {
    let mut cuts = Vec::new();
    for key in root.keys.iter().filter(|key| root.acts_alone(key)) {
        let name = "the root key";
        let of = Signatory { name, key: *key, words: "root rotate", is_member: false };
        let cut = match args.cut.is_empty() {
            true => cut::known_ends(client, key).await?,
            false => cut::decided(context, client, &of, Reason::Compromised, &args.cut).await?,
        };
        cuts.push(KeyCut { key: *key, cut });
    }
    if cuts.is_empty() && !args.cut.is_empty() {
        return Err(Failure::from(Refusal::CutMisplaced).saying(
            "--cut goes with a root of one key; of several, name records: --without RECORD",
        ));
    }
    cuts.try_into().map_err(Failure::system)
}

fn told(
    plant: &PlantStatus,
    (from, to): (&Root, &Root),
    (stay, go): (&[&RootAct], &[&RootAct]),
    fell: &[String],
) -> String {
    let mut said =
        format!("In {} a root of {} takes over from {}.\n", plant.name, counted(to), counted(from));
    for (what, acts) in [("stays", stay), ("goes", go)] {
        for act in acts {
            let id = start(&act.id.to_string());
            said.push_str(&format!(
                "  {what}  {id}  {}  {}\n",
                act.at,
                output::printable(&act.text)
            ));
        }
    }
    said.push_str(&match fell.is_empty() {
        true => "Nobody falls with it.".to_owned(),
        false => format!("With it fall: {}", fell.join(", ")),
    });
    said
}

/// Beside the keyring, numbered by how many rotations there are.
fn folder(context: &Context, there: &RootStatus) -> PathBuf {
    let mut name = beside(&context.keyring).into_os_string();
    name.push(format!("-{}", there.rotations.len() + 2));
    name.into()
}

fn print(plant: &PlantStatus, to: &Root, (words, is_frozen): (&str, bool), sheets: &[PathBuf]) {
    output::line(format!("Root      {} of {}  check words: {words}", counted(to), plant.name));
    for sheet in sheets {
        output::line(format!("Sheet     {}", sheet.display()));
    }
    output::line(
        "          Print them, destroy the files (shred -u), and give each to another person.",
    );
    match is_frozen {
        true => {
            output::line(
                "Frozen    another root wants to take over too. Tell the admins these words; each types:",
            );
            output::line(format!("          gearmesh root settle '{words}'"));
        }
        false => output::line(
            "          Destroy the old keys, all of them: as many as acted together can freeze this root.",
        ),
    }
}
