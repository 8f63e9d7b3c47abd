//! `gearmesh init`: found a plant.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use gearmesh_node::home::Home;
use gearmesh_node::{FoundError, Record, StartError, found, peek};
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{PlantId, PublicKey, RecordId};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, Scope, Title};
use gearmesh_protocol::trust::{
    Act, ActBody, Admission, Authority, Delegation, Genesis, Root, TrustEntry, TrustRecord,
    VerifiedAct,
};
use gearmesh_protocol::words::check_words;

use serde::Serialize;

use crate::cli::{Context, InitArgs};
use crate::commands::sheets::{Drawn, Sheets};
use crate::exit::{DONE, Failure};
use crate::keyring::{self, Holder, NewKeyring};
use crate::{output, signing};

/// What the admin is called whose key the founding keyring holds, where the root is on sheets.
const FIRST_ADMIN: &str = "founder";

pub(crate) fn run(context: &Context, args: InitArgs) -> Result<u8, Failure> {
    if args.name.as_str().trim().is_empty() {
        return Err(Refusal::BlankTitle.into());
    }
    let home = Home::open(&context.home)?;
    let (node_key, belongs) = peek(&home)?;
    if belongs {
        return Err(belongs_already(home.path()));
    }
    let name = args.node_name.map_or_else(host_name, Ok)?;
    let scope = args.scope.unwrap_or_else(|| name.clone().into());
    let (holder, drawn) = match args.root.root_keys {
        1 => (Holder::Root, None),
        _ => (Holder::Admin, Some(Drawn::new(&args.root)?)),
    };
    let keyring = NewKeyring::create(&context.keyring, holder)?;
    let genesis = genesis(keyring.key(), drawn.as_ref(), args.name.clone())?;
    keyring.store_genesis(&genesis)?;
    let (plant, _, _) = genesis.clone().verify_genesis().map_err(Failure::system)?;
    let mut records = vec![Record::Act(genesis)];
    let mut sheets = None;
    let mut acting_under = RecordId(plant.0);
    if let Some(drawn) = &drawn {
        let act = first_admin(drawn, &plant, keyring.key())?;
        acting_under = act.id();
        records.push(Record::Act(act.act().clone()));
        let folder = args.root.sheets.clone().unwrap_or_else(|| beside(&context.keyring));
        sheets = Some(drawn.write(&folder, &args.name, &plant, ("Founded    ", signing::now()))?);
    }
    let node = PublicKey::of(&node_key);
    let group = first_group(keyring.key(), (&plant, acting_under), node, &name, scope)?;
    keyring.store_head(&group)?;
    records.push(Record::Group(group.group().clone()));
    if let Err(error) = found(&home, &records) {
        return Err(not_founded(&home, keyring, sheets, error));
    }
    keyring.keep();
    let sheets = sheets.map(Sheets::keep).unwrap_or_default();
    match context.json {
        true => output::json_document(&Founded {
            plant,
            plant_name: args.name.as_str(),
            plant_words: check_words(plant.as_bytes()),
            name: name.as_str(),
            key: PublicKey::of(&node_key),
            keyring: &context.keyring.display().to_string(),
            sheets: sheets.iter().map(|path| path.display().to_string()).collect(),
        })?,
        false => print(context, &args.name, &plant, &name, &sheets),
    }
    Ok(DONE)
}

/// What was founded, for programs.
#[derive(Serialize)]
struct Founded<'a> {
    plant: PlantId,
    plant_name: &'a str,
    plant_words: String,
    name: &'a str,
    key: PublicKey,
    keyring: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sheets: Vec<String>,
}

/// Removes the keyring of a plant that does not exist; one that may exist keeps its only keys.
fn not_founded(
    home: &Home,
    keyring: NewKeyring,
    sheets: Option<Sheets>,
    error: FoundError,
) -> Failure {
    match error {
        FoundError::Belongs { home } => belongs_already(&home),
        FoundError::Start(error) => {
            // A write that failed may have reached the disk all the same. Of the other errors none
            // comes after the first byte.
            let is_written = matches!(error, StartError::Append(_))
                && !matches!(peek(home), Ok((_, belongs)) if !belongs);
            if is_written {
                keyring.keep();
                drop(sheets.map(Sheets::keep));
            }
            error.into()
        }
    }
}

/// The keyring's name with `.sheets` at its end.
pub(super) fn beside(keyring: &Path) -> PathBuf {
    let mut name = keyring.to_owned().into_os_string();
    name.push(".sheets");
    name.into()
}

/// The plant's beginning: with the key in the keyring as its root, or with those on the sheets.
fn genesis(own: &SigningKey, drawn: Option<&Drawn>, name: Title) -> Result<Act, Failure> {
    let alone = Root { keys: Bounded::first_of([PublicKey::of(own)]), threshold: 1 };
    let body = ActBody::Genesis(Genesis {
        name,
        root: drawn.map_or(alone, Drawn::root),
        at: signing::now(),
        salt: keyring::random()?,
    });
    let keys = drawn.map_or_else(|| vec![own], Drawn::keys);
    Ok(Act::sign(&keys, &PlantId::ZERO, &body))
}

/// The keyring's key becomes the first admin's.
fn first_admin(drawn: &Drawn, plant: &PlantId, own: &SigningKey) -> Result<VerifiedAct, Failure> {
    let delegation = Delegation {
        key: PublicKey::of(own),
        authority: Authority::Admin,
        name: FIRST_ADMIN.parse().map_err(Failure::system)?,
    };
    let record = TrustRecord::Delegation(delegation);
    let body = ActBody::Record(TrustEntry { at: signing::now(), record });
    let act = Act::sign(&drawn.keys(), plant, &body);
    act.verify(plant, &drawn.root()).map_err(Failure::system)
}

/// The founding node becomes a member, gateway and registrar, in one group.
fn first_group(
    author: &SigningKey,
    (plant, acting_under): (&PlantId, RecordId),
    node: PublicKey,
    name: &Name,
    scope: Scope,
) -> Result<VerifiedGroup, Failure> {
    let terms = Terms {
        name: name.clone(),
        roles: Bounded::first_of([Role::Gateway]),
        scope: Some(scope),
        subscribe: Bounded::new(),
        until: None,
    };
    let at = signing::now();
    let records = [
        TrustRecord::Admission(Admission { node, invitation: None, terms }),
        TrustRecord::Delegation(Delegation {
            key: node,
            authority: Authority::Registrar,
            name: name.clone(),
        }),
    ];
    let entries = records.map(|record| codec::encode(&TrustEntry { at, record })).to_vec();
    let draft = Draft {
        log: LogId { author: PublicKey::of(author), kind: LogKind::Trust },
        incarnation: keyring::incarnation()?,
        after: Vec::new(),
        acting_under,
        salt: Salt(keyring::random()?),
        entries,
    };
    Group::write(author, plant, draft).map_err(Failure::system)
}

fn print(context: &Context, title: &Title, plant: &PlantId, name: &Name, sheets: &[PathBuf]) {
    let keyring = context.keyring.display();
    let program = context.program();
    output::line(format!(
        "Plant     {title}        check words: {}",
        check_words(plant.as_bytes())
    ));
    output::line(format!("Node      {name}  (member, gateway, registrar)"));
    output::line(format!("Keyring   {keyring}"));
    match sheets {
        [] => {
            output::line(
                "          Whoever has it has the plant, and without it nobody can be added or",
            );
            output::line("          thrown out. Copy it to a stick that stays in a drawer:");
            output::line(format!("          cp -a {keyring} /media/stick/"));
        }
        sheets => print_sheets(sheets),
    }
    output::line(format!("Next      {program} up"));
    output::line(format!("          and, in another terminal: {program} add press-1 robot-1"));
}

fn print_sheets(sheets: &[PathBuf]) {
    output::line("          It holds an admin's key. Above it stand the keys on these sheets:");
    for sheet in sheets {
        output::line(format!("Sheet     {}", sheet.display()));
    }
    output::line(
        "          Print them, destroy the files (shred -u), and give each to another person.",
    );
    output::line(
        "          If the keyring is lost or stolen, they make a new one: gearmesh recover",
    );
}

fn belongs_already(home: &Path) -> Failure {
    Failure::from(FoundError::Belongs { home: home.to_owned() })
}

/// The machine's host name, as far as it can be a name.
fn host_name() -> Result<Name, Failure> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let short = text.trim().split('.').next().unwrap_or_default().to_ascii_lowercase();
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = short.chars().take(32).map(keep).collect();
    name.trim_matches('-').parse().map_err(|_| Refusal::HostNameUnfit.into())
}
