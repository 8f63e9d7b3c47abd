//! Signing where no node is: what is to be signed is carried to the keyring in a file, and what was
//! signed is carried back.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use gearmesh_node::home::write_private;
use gearmesh_protocol::codec;
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, GROUP_ENTRIES_MAX};
use gearmesh_protocol::local::{Status, TrustLog};
use gearmesh_protocol::log::{Group, VerifiedGroup};
use gearmesh_protocol::membership::AuthorityStatus;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Authority, Target, TrustRecord};
use gearmesh_protocol::words::check_words;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{draft, is_known, now, place};
use crate::client::Client;
use crate::exit::Failure;
use crate::keyring::Keyring;

/// The form of these files.
const FORM: u16 = 1;

/// Signed groups in one file: what was signed last and never arrived, and the new one.
const GROUPS_MAX: usize = 2;

/// What is to be signed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unsigned {
    gearmesh_unsigned: u16,
    /// For which plant.
    pub(crate) plant: PlantId,
    /// What people call it.
    pub(crate) plant_name: String,
    /// When it was written down.
    pub(crate) at: UnixMillis,
    records: Vec<HexBytes>,
    /// Where the logs of all end who may sign.
    signers: Vec<SignerLog>,
}

#[derive(Serialize, Deserialize)]
struct SignerLog {
    key: PublicKey,
    log: TrustLog,
}

/// What was signed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Carried {
    gearmesh_signed: u16,
    groups: Vec<HexBytes>,
}

/// Writes down what is to be signed. It is not done with that, so this is a failure either way.
pub(super) async fn put_down(
    client: &Client,
    file: &Path,
    records: impl IntoIterator<Item = TrustRecord>,
) -> Failure {
    let records: Vec<TrustRecord> = records.into_iter().collect();
    match written(client, file, &records).await {
        Ok(()) => Failure::from(Refusal::NotSignedYet)
            .saying(format!("{} holds what is to be signed", file.display()))
            .mended_by(format!(
                "where the keyring is: gearmesh sign {}; then here: gearmesh hand-in {}",
                file.display(),
                signed_name(file).display()
            )),
        Err(failure) => failure,
    }
}

async fn written(client: &Client, file: &Path, records: &[TrustRecord]) -> Result<(), Failure> {
    let status: Status = client.get("/v1/status").await?;
    let plant = status.plant.ok_or_else(crate::commands::add::no_plant)?;
    let there: Vec<AuthorityStatus> = client.get("/v1/trust/authorities").await?;
    let admins = there.iter().filter(|it| it.authority == Authority::Admin).map(|it| it.key);
    let roots = plant.root.iter().copied().filter(|_| plant.threshold == 1);
    let mut signers = Vec::new();
    for key in roots.chain(admins) {
        let log = client.get(&format!("/v1/trust/log?key={key}")).await?;
        signers.push(SignerLog { key, log });
    }
    let unsigned = Unsigned {
        gearmesh_unsigned: FORM,
        plant: plant.id,
        plant_name: plant.name,
        at: now(),
        records: records.iter().map(|record| HexBytes(codec::encode(record))).collect(),
        signers,
    };
    write(file, &unsigned)
}

/// Where what was signed goes: beside what was not.
pub(crate) fn signed_name(file: &Path) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(".signed");
    name.into()
}

impl Unsigned {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let read: Self = read(file)?;
        match read.gearmesh_unsigned {
            FORM if read.records.len() <= GROUP_ENTRIES_MAX => Ok(read),
            _ => Err(unfit(file)),
        }
    }

    /// The records.
    pub(crate) fn records(&self, file: &Path) -> Result<Vec<TrustRecord>, Failure> {
        let decode = |bytes: &HexBytes| codec::decode(&bytes.0, ENTRY_BYTES_MAX);
        self.records.iter().map(decode).collect::<Result<_, _>>().map_err(|_| unfit(file))
    }

    /// Signs the records, on top of what the keyring signed last.
    pub(crate) fn sign(
        &self,
        keyring: &Keyring,
        records: Vec<TrustRecord>,
    ) -> Result<Carried, Failure> {
        let own = self.signers.iter().find(|signer| signer.key == keyring.public());
        let log = &own.ok_or_else(|| Failure::from(Refusal::NotAnAdmin))?.log;
        let head = keyring.head()?;
        let pending: Option<VerifiedGroup> = head.clone().filter(|head| !is_known(log, head));
        let (after, acting_under) = match &pending {
            Some(pending) => (Some(pending.tip()), keyring.acting_under(log.acting_under)?),
            None => place(keyring, log, head.as_ref(), &RefCell::default())?,
        };
        let group = draft(keyring, (after, acting_under), now(), records)?;
        let groups = pending.iter().chain([&group]);
        let groups = groups.map(|group| HexBytes(codec::encode(group.group()))).collect();
        let carried = Carried { gearmesh_signed: FORM, groups };
        keyring.store_head(&group)?;
        Ok(carried)
    }
}

impl Carried {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let read: Self = read(file)?;
        match read.gearmesh_signed {
            FORM if (1..=GROUPS_MAX).contains(&read.groups.len()) => Ok(read),
            _ => Err(unfit(file)),
        }
    }

    /// Writes a file.
    pub(crate) fn write(&self, file: &Path) -> Result<(), Failure> {
        write(file, self)
    }

    /// The groups, in their order.
    pub(crate) fn groups(&self, plant: &PlantId) -> Result<Vec<VerifiedGroup>, Failure> {
        let read = |bytes: &HexBytes| Group::read(plant, &bytes.0);
        let groups = self.groups.iter().map(read).collect::<Result<_, _>>();
        groups.map_err(|error| Failure::from(Refusal::PaperUnfit).saying(error))
    }
}

/// A record in words that rest on nothing but the record: keys are told by their check words.
pub(crate) fn told(record: &TrustRecord) -> String {
    let words = |key: &PublicKey| check_words(key.as_bytes());
    match record {
        TrustRecord::Delegation(it) => {
            let what = match it.authority {
                Authority::Admin => "an admin",
                Authority::Registrar => "a registrar",
            };
            format!("makes {} {what}: {}", it.name, words(&it.key))
        }
        TrustRecord::Invitation(it) => {
            let terms = &it.terms;
            let roles: Vec<String> = terms.roles.iter().map(ToString::to_string).collect();
            let until = it.expires_at;
            format!("invites {} ({}) until {until}", terms.name, roles.join(", "))
        }
        TrustRecord::Admission(it) => format!("admits {}: {}", it.terms.name, words(&it.node)),
        TrustRecord::Amendment(it) => {
            let roles: Vec<String> = it.terms.roles.iter().map(ToString::to_string).collect();
            let scope = it.terms.scope.as_ref().map(|scope| format!(", scope {scope}"));
            format!(
                "makes {} ({}{}) of: {}",
                it.terms.name,
                roles.join(", "),
                scope.unwrap_or_default(),
                words(&it.node)
            )
        }
        TrustRecord::Revocation(it) => match it.target {
            Target::Key(key) => format!("revokes, for good ({}): {}", it.reason, words(&key)),
            Target::Invitation(key) => format!("makes a code void: {key}"),
            Target::Registrar(key) => format!("lets redeem no more: {}", words(&key)),
        },
        TrustRecord::RootVote(it) => {
            format!("is for the root with the words: {}", check_words(it.as_bytes()))
        }
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let text = std::fs::read(file)
        .map_err(|error| Failure::system(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_slice(&text).map_err(|_| unfit(file))
}

fn write(file: &Path, what: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(what).map_err(Failure::system)?;
    text.push(b'\n');
    Ok(write_private(file, &text)?)
}

fn unfit(file: &Path) -> Failure {
    Failure::from(Refusal::PaperUnfit).saying(format!(
        "{} is not what gearmesh --unsigned or gearmesh sign wrote",
        file.display()
    ))
}
