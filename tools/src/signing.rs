//! Signing a trust record with the keyring and handing it to the node.

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PlantId, RecordId};
use gearmesh_protocol::local::{Stored, TrustLine, TrustLog};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{TrustEntry, TrustRecord};

use crate::cli::Context;
use crate::client::Client;
use crate::exit::Failure;
use crate::keyring::{self, Keyring};
use crate::output;

pub(crate) mod paper;

/// The clocks of keyring and node may differ by so much: beyond, one of them is wrong, and what
/// was signed would mislead every member.
const CLOCKS_APART_MS_MAX: u64 = 24 * 3600 * 1000;

/// So long ago the newest record of a plant may be: beyond, it is more likely that a clock is years
/// ahead. A record from there would end codes and memberships everywhere, and cannot be taken back.
const NEWEST_AGO_MS_MAX: u64 = 5 * 365 * 24 * 3600 * 1000;

/// How many of the records that somebody else signed are shown.
const RECORDS_SHOWN: usize = 10;

/// What going on means when the foreign records follow ours in one chain.
const FOLLOWED: &str = "what you sign now follows them.";

/// What going on means when the foreign records stand beside ours.
const FORKED: &str = "what you sign now follows this keyring's own\nlast record, and the fork \
                      stays.";

/// What signs: a keyring here, or one elsewhere, for which what is to be signed is written down.
pub(crate) enum Pen {
    /// A keyring on this machine.
    Keyring(Arc<Keyring>),
    /// A file that is carried to the keyring.
    Paper(PathBuf),
}

impl Pen {
    /// What signs for the plant of the node here.
    pub(crate) fn of(context: &Context, plant: &PlantId) -> Result<Self, Failure> {
        match &context.unsigned {
            Some(file) => Ok(Self::Paper(file.clone())),
            None => context.open_keyring(plant).map(Self::Keyring),
        }
    }

    /// Whether what is to be signed is carried away.
    pub(crate) const fn is_paper(&self) -> bool {
        matches!(self, Self::Paper(_))
    }

    /// Whether the root signs, as far as that is known here.
    pub(crate) fn may_be_root(&self) -> bool {
        match self {
            Self::Keyring(keyring) => keyring.is_root(),
            Self::Paper(_) => true,
        }
    }
}

/// What signs, with the node that takes it.
pub(crate) struct Signer<'a> {
    client: &'a Client,
    pen: &'a Pen,
    /// Ends of foreign branches that the person has seen: one command asks once.
    seen: RefCell<Vec<GroupId>>,
}

/// Where the next record goes.
#[derive(Debug, PartialEq, Eq)]
enum Ground {
    /// On top of what this keyring wrote last, which is all there is.
    Own(Option<Tip>),
    /// On top of records that another holder of the key wrote after ours.
    Followed(Tip),
    /// On top of our own last record, beside branches of another holder of the key.
    Forked(Tip),
    /// The log has several ends, and none is known to be ours.
    Lost,
}

impl<'a> Signer<'a> {
    pub(crate) const fn new(client: &'a Client, pen: &'a Pen) -> Self {
        Self { client, pen, seen: RefCell::new(Vec::new()) }
    }

    /// Writes records as one group on top of the keyring's log, and does not hand it in yet.
    pub(crate) async fn write(
        &self,
        records: impl IntoIterator<Item = TrustRecord>,
    ) -> Result<VerifiedGroup, Failure> {
        let keyring = match self.pen {
            Pen::Keyring(keyring) => keyring,
            Pen::Paper(file) => return Err(paper::put_down(self.client, file, records).await),
        };
        let (after, at, acting_under) = self.ground(keyring).await?;
        draft(keyring, (after, acting_under), at, records)
    }

    /// Hands a group in. When this returns, it is on the node's disk.
    pub(crate) async fn store(&self, group: &VerifiedGroup) -> Result<GroupId, Failure> {
        if let Pen::Keyring(keyring) = self.pen {
            keyring.store_head(group)?;
        }
        let bytes = codec::encode(group.group());
        let stored: Stored = self.client.post_bytes("/v1/trust/groups", bytes).await?;
        Ok(stored.group)
    }

    /// Writes a record and hands it in.
    pub(crate) async fn sign(&self, record: TrustRecord) -> Result<GroupId, Failure> {
        let group = self.write([record]).await?;
        self.store(&group).await
    }

    /// Where the log goes on, the time to sign with, and the record to sign under. A group that was signed and never
    /// arrived is handed in first; records that this keyring did not write are shown.
    async fn ground(
        &self,
        keyring: &Keyring,
    ) -> Result<(Option<Tip>, UnixMillis, RecordId), Failure> {
        let mut log = self.log(keyring).await?;
        let head = keyring.head()?;
        if let Some(head) = head.as_ref().filter(|head| !is_known(&log, head)) {
            let bytes = codec::encode(head.group());
            self.client.post_bytes::<Stored>("/v1/trust/groups", bytes).await?;
            log = self.log(keyring).await?;
        }
        let now = now();
        if now.since(log.now).max(log.now.since(now)) > CLOCKS_APART_MS_MAX {
            let node = log.now;
            return Err(Failure::from(Refusal::ClocksDiffer)
                .saying(format!("this machine's clock says {now}, the node's says {node}")));
        }
        check_newest(now, log.newest)?;
        let place = place(keyring, &log, head.as_ref(), &self.seen)?;
        Ok((place.0, now, place.1))
    }

    async fn log(&self, keyring: &Keyring) -> Result<TrustLog, Failure> {
        self.client.get(&format!("/v1/trust/log?key={}", keyring.public())).await
    }
}

/// Whether a group of a log is known where the log was looked at.
fn is_known(log: &TrustLog, head: &VerifiedGroup) -> bool {
    let is_leaf = log.leaves.iter().any(|tip| tip.group == head.id());
    is_leaf || log.records.iter().any(|record| record.group == head.id())
}

/// Signs records as one group.
fn draft(
    keyring: &Keyring,
    (after, acting_under): (Option<Tip>, RecordId),
    at: UnixMillis,
    records: impl IntoIterator<Item = TrustRecord>,
) -> Result<VerifiedGroup, Failure> {
    let entry = |record| codec::encode(&TrustEntry { at, record });
    let draft = Draft {
        log: LogId { author: keyring.public(), kind: LogKind::Trust },
        incarnation: keyring::incarnation()?,
        after: after.into_iter().collect(),
        acting_under,
        salt: Salt(keyring::random()?),
        entries: records.into_iter().map(entry).collect(),
    };
    Group::write(keyring.key(), &keyring.plant(), draft).map_err(Failure::system)
}

/// Where a log that stands like this goes on, and the record to sign under. Records that the keyring
/// did not write are shown.
fn place(
    keyring: &Keyring,
    log: &TrustLog,
    head: Option<&VerifiedGroup>,
    seen: &RefCell<Vec<GroupId>>,
) -> Result<(Option<Tip>, RecordId), Failure> {
    let acting_under = keyring.acting_under(log.acting_under)?;
    let head = head.map(VerifiedGroup::tip);
    let after = match ground(&log.leaves, head) {
        Ground::Own(tip) => tip,
        Ground::Followed(tip) => {
            confirm(keyring, log, head, (FOLLOWED, seen))?;
            Some(tip)
        }
        Ground::Forked(tip) => {
            confirm(keyring, log, head, (FORKED, seen))?;
            Some(tip)
        }
        Ground::Lost => return Err(Refusal::KeyringBehind.into()),
    };
    Ok((after, acting_under))
}

/// Shows records that a keyring did not write, and asks whether to go on.
fn confirm(
    keyring: &Keyring,
    log: &TrustLog,
    head: Option<Tip>,
    (what_then, seen): (&str, &RefCell<Vec<GroupId>>),
) -> Result<(), Failure> {
    let own = head.map(|tip| tip.group);
    let ends: Vec<GroupId> =
        log.leaves.iter().map(|tip| tip.group).filter(|end| Some(*end) != own).collect();
    if ends.iter().all(|end| seen.borrow().contains(end)) {
        return Ok(());
    }
    let question = format!(
        "this key signed {}\n\
         If that was another copy of the keyring, go on: {what_then}\n\
         If not, the key was stolen.",
        listed(&foreign(log, own).collect::<Vec<_>>())
    );
    if !ask(&question, "Go on? (yes/no) ", "yes")? {
        let stolen = match keyring.is_root() {
            true => "treat the plant as compromised and found it again",
            false => "have the root revoke it: gearmesh admin remove NAME --reason compromised",
        };
        return Err(Failure::from(Refusal::NotSigned).mended_by(format!(
            "if another copy of the keyring wrote them, type this on a terminal and answer yes; \
             if the key was stolen, {stolen}"
        )));
    }
    seen.borrow_mut().extend(ends);
    Ok(())
}

/// Where a log with these leaves goes on for the keyring that wrote `head`.
///
/// Never on a branch beside ours: it may be a thief's, and what is signed on top of it would keep
/// it in every later cut.
fn ground(leaves: &[Tip], head: Option<Tip>) -> Ground {
    match (leaves, head) {
        ([], head) => Ground::Own(head),
        ([leaf], Some(head)) if leaf.group == head.group => Ground::Own(Some(*leaf)),
        // The node knows our head: in a log with one end it comes before that end.
        ([leaf], _) => Ground::Followed(*leaf),
        (_, Some(head)) => Ground::Forked(head),
        (_, None) => Ground::Lost,
    }
}

/// Records that this keyring did not write: those after its own last one, and those at the ends
/// of other branches. (How a shorter branch began, the node does not say.)
fn foreign(log: &TrustLog, own: Option<GroupId>) -> impl Iterator<Item = &TrustLine> {
    let known = own.and_then(|own| log.records.iter().rposition(|line| line.group == own));
    let after = known.map_or(0, |at| at + 1);
    let is_end = |line: &TrustLine| log.leaves.iter().any(|tip| tip.group == line.group);
    let is_foreign = move |(at, line): &(usize, &TrustLine)| {
        *at >= after || (is_end(line) && Some(line.group) != own)
    };
    log.records.iter().enumerate().filter(is_foreign).map(|(_, line)| line)
}

/// The last of the records that this keyring did not write, and how many there are.
fn listed(lines: &[&TrustLine]) -> String {
    let earlier = lines.len().saturating_sub(RECORDS_SHOWN);
    let mut said = format!("{} records that this keyring did not write:", lines.len());
    if earlier > 0 {
        said.push_str(&format!("\n  … {earlier} earlier"));
    }
    for line in &lines[earlier..] {
        said.push_str(&format!("\n  {}  {}", line.at, output::printable(&line.text)));
    }
    said
}

/// Asks a person. Without a terminal the answer is no.
pub(crate) fn ask(text: &str, question: &str, wanted: &str) -> Result<bool, Failure> {
    let mut out = std::io::stderr();
    writeln!(out, "{text}").map_err(Failure::system)?;
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(out, "{question}").and_then(|()| out.flush()).map_err(Failure::system)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::system)?;
    Ok(answer.trim() == wanted)
}

/// The wall clock: a person's command is signed with the time of the machine it is typed at.
#[expect(clippy::disallowed_methods, reason = "the command line is a shell of its own")]
pub(crate) fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// The node may run on the very machine whose clock is wrong; so the plant's records are asked too.
fn check_newest(now: UnixMillis, newest: UnixMillis) -> Result<(), Failure> {
    let is_likely =
        now.since(newest) <= NEWEST_AGO_MS_MAX && newest.since(now) <= CLOCKS_APART_MS_MAX;
    if is_likely {
        return Ok(());
    }
    let text = format!("this machine's clock says {now}, the plant's newest record is of {newest}");
    if ask(&format!("{text}."), "If this clock is right, type right to go on: ", "right")? {
        return Ok(());
    }
    Err(Failure::from(Refusal::ClocksDiffer).saying(text).mended_by(
        "set the clock of this machine; if it is right, type this on a terminal and say so",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(group: u8, number: u64) -> Tip {
        Tip { group: GroupId([group; 32]), number, entries: number }
    }

    fn log(records: &[u8], leaves: &[Tip]) -> TrustLog {
        let line = |group: &u8| TrustLine {
            group: GroupId([*group; 32]),
            at: UnixMillis(1),
            text: group.to_string(),
        };
        let records = records.iter().map(line).collect();
        TrustLog {
            leaves: leaves.to_vec(),
            records,
            now: UnixMillis(1),
            newest: UnixMillis(1),
            acting_under: None,
        }
    }

    #[test]
    fn a_log_that_ends_in_the_keyrings_own_head_goes_on_there() {
        assert_eq!(ground(&[], None), Ground::Own(None));
        assert_eq!(ground(&[tip(1, 3)], Some(tip(1, 3))), Ground::Own(Some(tip(1, 3))));
    }

    #[test]
    fn what_follows_the_head_in_one_chain_is_followed() {
        assert_eq!(ground(&[tip(2, 4)], Some(tip(1, 3))), Ground::Followed(tip(2, 4)));
        assert_eq!(ground(&[tip(2, 4)], None), Ground::Followed(tip(2, 4)));
    }

    #[test]
    fn a_fork_goes_on_from_the_own_head_however_long_another_branch_is() {
        let (own, thief) = (tip(1, 3), tip(2, 9));
        assert_eq!(ground(&[thief, own], Some(own)), Ground::Forked(own));
        assert_eq!(ground(&[own, thief], Some(own)), Ground::Forked(own));
        assert_eq!(ground(&[thief, tip(3, 8)], Some(own)), Ground::Forked(own));
        assert_eq!(ground(&[thief, tip(3, 8)], None), Ground::Lost);
    }

    #[test]
    fn of_many_foreign_records_the_last_are_shown_and_all_are_counted() {
        let many = log(&(1..=12).collect::<Vec<u8>>(), &[]);
        let said = listed(&many.records.iter().collect::<Vec<_>>());
        assert!(said.starts_with("12 records that this keyring did not write:\n  … 2 earlier\n"));
        assert_eq!(said.lines().count(), 12);
        assert!(said.ends_with("  12") && !said.contains("  2\n"), "{said}");
        let one = listed(&many.records.iter().take(1).collect::<Vec<_>>());
        assert_eq!(one.lines().count(), 2, "{one}");
    }

    #[test]
    fn foreign_records_are_those_after_the_head_and_at_other_ends() {
        let texts = |log: &TrustLog, own: u8| {
            let found = foreign(log, Some(GroupId([own; 32])));
            found.map(|line| line.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&log(&[1, 2, 3], &[tip(3, 3)]), 1), ["2", "3"]);
        let forked = log(&[1, 8, 2, 9], &[tip(8, 2), tip(2, 2), tip(9, 3)]);
        assert_eq!(texts(&forked, 2), ["8", "9"]);
    }
}
