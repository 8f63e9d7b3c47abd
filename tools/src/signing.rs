//! Signing a trust record with the keyring and handing it to the node.

use std::io::{BufRead, IsTerminal, Write};

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, RecordId};
use gearmesh_protocol::local::{Stored, TrustLog};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{TrustEntry, TrustRecord};

use crate::client::Client;
use crate::exit::Failure;
use crate::keyring::{self, Keyring};

/// The clocks of keyring and node may differ by so much: beyond, one of them is wrong, and what
/// was signed would mislead every member.
const CLOCKS_APART_MS_MAX: u64 = 24 * 3600 * 1000;

/// A keyring with the node that takes what it signs.
pub(crate) struct Signer<'a> {
    client: &'a Client,
    keyring: &'a Keyring,
}

impl<'a> Signer<'a> {
    pub(crate) const fn new(client: &'a Client, keyring: &'a Keyring) -> Self {
        Self { client, keyring }
    }

    /// Writes a record on top of the keyring's log, and does not hand it in yet.
    pub(crate) async fn write(&self, record: TrustRecord) -> Result<VerifiedGroup, Failure> {
        let (tips, at) = self.tips().await?;
        let plant = self.keyring.plant();
        let draft = Draft {
            log: LogId { author: self.keyring.public(), kind: LogKind::Trust },
            incarnation: keyring::incarnation()?,
            after: tips.into_iter().take(1).collect(),
            acting_under: RecordId(plant.0),
            salt: Salt(keyring::random()?),
            entries: vec![codec::encode(&TrustEntry { at, record })],
        };
        Group::write(self.keyring.key(), &plant, draft).map_err(Failure::plain)
    }

    /// Hands a group in. When this returns, it is on the node's disk.
    pub(crate) async fn store(&self, group: &VerifiedGroup) -> Result<GroupId, Failure> {
        self.keyring.store_head(group)?;
        let bytes = codec::encode(group.group());
        let stored: Stored = self.client.post_bytes("/v1/trust/groups", bytes).await?;
        Ok(stored.group)
    }

    /// Writes a record and hands it in.
    pub(crate) async fn sign(&self, record: TrustRecord) -> Result<GroupId, Failure> {
        let group = self.write(record).await?;
        self.store(&group).await
    }

    /// Where the log goes on, and the time to sign with. A group that was signed and never
    /// arrived is handed in first; records that this keyring did not write are shown.
    async fn tips(&self) -> Result<(Vec<Tip>, UnixMillis), Failure> {
        let mut log = self.log().await?;
        if let Some(head) = self.keyring.head()? {
            let is_known = log.records.iter().any(|record| record.group == head.id());
            if !is_known {
                let bytes = codec::encode(head.group());
                self.client.post_bytes::<Stored>("/v1/trust/groups", bytes).await?;
                log = self.log().await?;
            }
            if !log.leaves.iter().any(|tip| tip.group == head.id()) {
                confirm_foreign(&log, &head.id())?;
            }
        }
        let now = now();
        if now.since(log.now).max(log.now.since(now)) > CLOCKS_APART_MS_MAX {
            return Err(Failure::new(
                format!("this machine's clock says {now}, the node's says {}", log.now),
                "set the wrong one right before you sign anything",
            ));
        }
        Ok((log.leaves, now))
    }

    async fn log(&self) -> Result<TrustLog, Failure> {
        self.client.get(&format!("/v1/trust/log?key={}", self.keyring.public())).await
    }
}

/// Shows records that came after the keyring's own last one, and asks whether to go on.
fn confirm_foreign(log: &TrustLog, head: &GroupId) -> Result<(), Failure> {
    let known = log.records.iter().rposition(|record| record.group == *head);
    let foreign = &log.records[known.map_or(0, |at| at + 1)..];
    let lines = foreign.iter().map(|record| format!("  {}  {}", record.at, record.text));
    let list = lines.collect::<Vec<_>>().join("\n");
    let question = format!(
        "this key signed records that this keyring did not write:\n{list}\n\
         If that was another copy of the keyring, go on. If not, the key was stolen."
    );
    if ask(&question, "Go on? (yes/no) ", "yes")? {
        return Ok(());
    }
    Err(Failure::new(
        "nothing was signed",
        "if the key was stolen, treat the plant as compromised and found it again",
    ))
}

/// Asks a person. Without a terminal the answer is no.
pub(crate) fn ask(text: &str, question: &str, wanted: &str) -> Result<bool, Failure> {
    let mut out = std::io::stderr();
    writeln!(out, "{text}").map_err(Failure::plain)?;
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(out, "{question}").and_then(|()| out.flush()).map_err(Failure::plain)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::plain)?;
    Ok(answer.trim() == wanted)
}

/// The wall clock: a person's command is signed with the time of the machine it is typed at.
#[expect(clippy::disallowed_methods, reason = "the command line is a shell of its own")]
pub(crate) fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}
