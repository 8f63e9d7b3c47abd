//! `gearmesh root`: the keys above the admins, and which others take their place.

use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::membership::AuthorityStatus;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::roots::{RootStatus, RotationStatus};
use gearmesh_protocol::trust::{Root, TrustRecord};
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use super::admin::{authorities, plant};
use super::named::start;
use crate::cli::{Context, SettleRootArgs};
use crate::client::Client;
use crate::commands::confirmed::tell;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::{Pen, Signer, ask};

/// Digits that name a rotation without its words.
const DIGITS_MIN: usize = 8;

/// What an admin said, for programs.
#[derive(Serialize)]
struct Settled {
    rotation: RecordId,
    stands: bool,
}

/// How the root stands.
pub(super) async fn status(client: &Client) -> Result<RootStatus, Failure> {
    client.get("/v1/trust/root").await
}

pub(crate) async fn show(context: &Context) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let status = status(&client).await?;
    if context.json {
        output::json_document(&status)?;
        return Ok(DONE);
    }
    let admins = authorities(&client).await?;
    let since = status.rotations.iter().find(|it| it.id == status.made_by);
    let since = since.map_or("the founding".to_owned(), |it| it.at.to_string());
    output::line(format!("Root      {}, since {since}", counted(&status.root)));
    for key in status.root.keys.iter() {
        output::line(format!("Key       check words: {}", check_words(key.as_bytes())));
    }
    if status.is_frozen {
        output::line(
            "Frozen    several roots want to take over; until admins decide it signs nothing",
        );
        let voters: Vec<String> = status.voters.iter().map(|it| name_of(&admins, it)).collect();
        output::line(format!("Decide    more than half of: {}", voters.join(", ")));
    }
    if !status.rotations.is_empty() {
        let rows: Vec<_> = status.rotations.iter().map(|it| row(&status, &admins, it)).collect();
        output::table(&["ROTATION", "CHECK WORDS", "SIGNED", "TO", "HOW IT STANDS"], &rows);
    }
    if !status.acts.is_empty() {
        let rows = status.acts.iter().map(|act| {
            let counts = if act.counts { "counts" } else { "void" };
            let id = start(&act.id.to_string());
            vec![id, act.at.to_string(), counts.to_owned(), output::printable(&act.text)]
        });
        output::table(&["RECORD", "SIGNED", "", "THE ROOT"], &rows.collect::<Vec<_>>());
    }
    Ok(DONE)
}

/// How many keys a root has, and how many act.
pub(super) fn counted(root: &Root) -> String {
    match root.keys.len() {
        1 => "one key".to_owned(),
        count => format!("{} of {count} keys", root.threshold),
    }
}

fn row(status: &RootStatus, admins: &[AuthorityStatus], it: &RotationStatus) -> Vec<String> {
    let stands = match (it.stands, is_rival(status, it)) {
        (true, _) if it.id == status.made_by => "acts".to_owned(),
        (true, _) => "was replaced".to_owned(),
        (false, true) if it.votes.is_empty() => "nobody is for it yet".to_owned(),
        (false, true) => {
            let names: Vec<String> = it.votes.iter().map(|key| name_of(admins, key)).collect();
            format!("for it: {}", names.join(", "))
        }
        (false, false) => "does not stand".to_owned(),
    };
    let id = start(&it.id.to_string());
    vec![id, it.words.clone(), it.at.to_string(), counted(&it.root), stands]
}

fn is_rival(status: &RootStatus, it: &RotationStatus) -> bool {
    status.is_frozen && it.after == status.made_by
}

fn name_of(admins: &[AuthorityStatus], key: &PublicKey) -> String {
    let found = admins.iter().find(|admin| admin.key == *key);
    found.map_or_else(|| check_words(key.as_bytes()), |admin| admin.name.to_string())
}

/// The one of these that is meant by words or digits.
pub(super) fn named<'a>(
    mut rotations: impl Iterator<Item = &'a RotationStatus>,
    text: &str,
) -> Result<&'a RotationStatus, Failure> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let is_digits = |it: &RotationStatus| {
        words.len() >= DIGITS_MIN && it.id.to_string().starts_with(words.as_str())
    };
    let mut meant = rotations.by_ref().filter(|it| it.words == words || is_digits(it));
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Failure::from(Refusal::RotationUnknown)
            .saying(
                "several rotations are meant by that: somebody made one fit the words of another",
            )
            .mended_by("compare all digits of the id: gearmesh root show --json")),
        (None, _) => Err(Refusal::RotationUnknown.into()),
    }
}

pub(crate) async fn settle(context: &Context, args: SettleRootArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let plant = plant(&client).await?;
    let before = status(&client).await?;
    if !before.is_frozen {
        return Err(Refusal::NothingToSettle.into());
    }
    let rivals = before.rotations.iter().filter(|it| is_rival(&before, it));
    let meant = named(rivals, &args.rotation)?;
    let pen = Pen::of(context, &plant.id)?;
    if let Pen::Keyring(keyring) = &pen {
        check_vote(&before, meant, &keyring.public())?;
    }
    let question = format!(
        "The root with the check words {} takes over in {}, if more than half of the admins say so.\n\
         Have those who hold its sheets told you these words, at a number you know?\n\
         It cannot be taken back: who is for two of them is for none.",
        meant.words, plant.name
    );
    if !args.yes && !ask(&question, "Go on? (yes/no) ", "yes")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let signer = Signer::new(&client, &pen);
    let stored = signer.sign(TrustRecord::RootVote(meant.id)).await?;
    let after = status(&client).await?;
    let stands = after.rotations.iter().any(|it| it.id == meant.id && it.stands);
    if !context.json {
        let said = match after.rotations.iter().find(|it| it.id == meant.id) {
            Some(it) if !stands => {
                format!("{} of {} admins are for it", it.votes.len(), after.voters.len())
            }
            _ => format!("the root with the check words {} acts from now on", meant.words),
        };
        output::line(said);
    }
    tell(context, &client, &stored, &Settled { rotation: meant.id, stands }).await
}

/// Whether an admin's word would count, and is the first.
fn check_vote(status: &RootStatus, meant: &RotationStatus, key: &PublicKey) -> Result<(), Failure> {
    if !status.voters.contains(key) {
        return Err(Failure::from(Refusal::VoteUncounted)
            .saying("the key in this keyring is none of those that decide"));
    }
    let other = status.rotations.iter().find(|it| it.id != meant.id && it.votes.contains(key));
    match other {
        Some(other) => Err(Failure::from(Refusal::VoteUncounted)
            .saying(format!("this admin is for the root with the check words {}", other.words))),
        None => Ok(()),
    }
}
