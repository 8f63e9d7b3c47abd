//! `gearmesh init`: found a plant.

use std::path::Path;

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
};
use gearmesh_protocol::words::check_words;

use serde::Serialize;

use crate::cli::{Context, InitArgs};
use crate::exit::{DONE, Failure};
use crate::keyring::{self, Holder, NewKeyring};
use crate::{output, signing};

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
    let keyring = NewKeyring::create(&context.keyring, Holder::Root)?;
    let genesis = genesis(keyring.key(), args.name.clone())?;
    keyring.store_genesis(&genesis)?;
    let (plant, _, _) = genesis.clone().verify_genesis().map_err(Failure::system)?;
    let group = first_group(keyring.key(), &plant, PublicKey::of(&node_key), &name, scope)?;
    keyring.store_head(&group)?;
    let records = [Record::Act(genesis), Record::Group(group.group().clone())];
    if let Err(error) = found(&home, &records) {
        return Err(not_founded(&home, keyring, error));
    }
    keyring.keep();
    match context.json {
        true => output::json_document(&Founded {
            plant,
            plant_name: args.name.as_str(),
            plant_words: check_words(plant.as_bytes()),
            name: name.as_str(),
            key: PublicKey::of(&node_key),
            keyring: &context.keyring.display().to_string(),
        })?,
        false => print(context, &args.name, &plant, &name),
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
}

/// Removes the keyring of a plant that does not exist; one that may exist keeps its only key.
fn not_founded(home: &Home, keyring: NewKeyring, error: FoundError) -> Failure {
    match error {
        FoundError::Belongs { home } => belongs_already(&home),
        FoundError::Start(error) => {
            // A write that failed may have reached the disk all the same. Of the other errors none
            // comes after the first byte.
            let is_written = matches!(error, StartError::Append(_))
                && !matches!(peek(home), Ok((_, belongs)) if !belongs);
            if is_written {
                keyring.keep();
            }
            error.into()
        }
    }
}

fn genesis(root: &SigningKey, name: Title) -> Result<Act, Failure> {
    let body = ActBody::Genesis(Genesis {
        name,
        root: Root { keys: Bounded::first_of([PublicKey::of(root)]), threshold: 1 },
        at: signing::now(),
        salt: keyring::random()?,
    });
    Ok(Act::sign(&[root], &PlantId::ZERO, &body))
}

/// The founding node becomes a member, gateway and registrar, in one group.
fn first_group(
    root: &SigningKey,
    plant: &PlantId,
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
        log: LogId { author: PublicKey::of(root), kind: LogKind::Trust },
        incarnation: keyring::incarnation()?,
        after: Vec::new(),
        acting_under: RecordId(plant.0),
        salt: Salt(keyring::random()?),
        entries,
    };
    Group::write(root, plant, draft).map_err(Failure::system)
}

fn print(context: &Context, title: &Title, plant: &PlantId, name: &Name) {
    let keyring = context.keyring.display();
    let program = context.program();
    output::line(format!(
        "Plant     {title}        check words: {}",
        check_words(plant.as_bytes())
    ));
    output::line(format!("Node      {name}  (member, gateway, registrar)"));
    output::line(format!("Keyring   {keyring}"));
    output::line("          Whoever has it has the plant, and without it nobody can be added or");
    output::line("          thrown out. Copy it to a stick that stays in a drawer:");
    output::line(format!("          cp -a {keyring} /media/stick/"));
    output::line(format!("Next      {program} up"));
    output::line(format!("          and, in another terminal: {program} add press-1 robot-1"));
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
