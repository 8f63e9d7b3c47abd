//! This side's stream: groups signed for the log, and sealed for the way.

use std::collections::BTreeMap;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey, RecordId, ShareId, SheetId};
use gearmesh_protocol::limits::{GROUP_ENTRIES_MAX, SHARE_GROUP_BYTES_MAX};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::partner::{Envelope, ShareEntry, ShareHead};
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{Carried, Sealed};
use gearmesh_protocol::signed::Signed;

use crate::core::random::Random;

/// How long one key seals a stream.
pub(super) const EPOCH_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Messages that one key seals.
pub(super) const EPOCH_MESSAGES_MAX: u64 = 1 << 20;

/// How often the head is repeated, so that a lost last message shows.
pub(super) const HEAD_EVERY: Duration = Duration::from_secs(30);

/// Where this side's stream stands.
pub(super) struct Outgoing {
    pub(super) tip: Option<Tip>,
    epoch: Option<Epoch>,
    pub(super) head_told: Option<Duration>,
}

/// What is signed and sealed with.
pub(super) struct Writer<'a> {
    pub(super) key: &'a SigningKey,
    pub(super) plant: PlantId,
    pub(super) share: ShareId,
    /// What groups say they were sent under.
    pub(super) under: SheetId,
    pub(super) incarnation: Incarnation,
    /// All who may read it now.
    pub(super) receivers: Vec<PublicKey>,
}

/// A message, and the envelopes of the epoch that begins with it, if one does.
pub(super) type Sealing = (Sealed, Vec<(PublicKey, Signed<Envelope>)>);

struct Epoch {
    id: u64,
    key: EpochKey,
    since: Duration,
    messages: u64,
    /// For all who may read it. Its key never serves others, so it is over when these change.
    /// None for one whose key is none that anything can be sealed to: the others have theirs.
    envelopes: BTreeMap<PublicKey, Option<Signed<Envelope>>>,
    /// Whether all of them were sent theirs.
    is_told: bool,
}

impl Outgoing {
    pub(super) const fn after(tip: Option<Tip>) -> Self {
        Self { tip, epoch: None, head_told: None }
    }

    /// What is sealed from here on is sealed under a key that former receivers do not have.
    pub(super) fn rekey(&mut self) {
        self.epoch = None;
    }

    /// Entries of the log.
    pub(super) fn entries(&self) -> u64 {
        self.tip.map_or(0, |tip| tip.entries)
    }

    /// Signs entries into groups that fit a message each. Whatever cannot be signed is not sent.
    pub(super) fn write(
        &mut self,
        writer: &Writer<'_>,
        random: &mut Random,
        entries: &[ShareEntry],
    ) -> Vec<VerifiedGroup> {
        let encoded: Vec<Vec<u8>> = entries.iter().map(codec::encode).collect();
        let mut groups = Vec::new();
        for run in runs(encoded) {
            let draft = Draft {
                log: LogId {
                    author: PublicKey::of(writer.key),
                    kind: LogKind::Share(writer.share),
                },
                incarnation: writer.incarnation,
                after: self.tip.into_iter().collect(),
                acting_under: RecordId(writer.under.0),
                salt: Salt(random.bytes()),
                entries: run,
            };
            match Group::write(writer.key, &writer.plant, draft) {
                Ok(group) => {
                    self.tip = Some(group.tip());
                    groups.push(group);
                }
                Err(error) => tracing::error!(%error, "values for a partner cannot be signed"),
            }
        }
        groups
    }

    /// Seals a message. With it come the envelopes of a new epoch, if not all of its receivers have them.
    pub(super) fn seal(
        &mut self,
        at: Duration,
        writer: &Writer<'_>,
        random: &mut Random,
        carried: &Carried,
    ) -> Option<Sealing> {
        let epoch = self.renew(at, writer, random)?;
        let is_news = !std::mem::replace(&mut epoch.is_told, true);
        epoch.messages += 1;
        let sealed = epoch.key.seal(&writer.share, epoch.id, drawn(random), carried).ok()?;
        let envelopes = epoch.envelopes.iter().filter(|_| is_news);
        let envelopes = envelopes.filter_map(|(to, envelope)| Some((*to, envelope.clone()?)));
        Some((sealed, envelopes.collect()))
    }

    /// A receiver's envelope of the present epoch; one begins if there is none. None for who may not read it.
    pub(super) fn envelope(
        &mut self,
        at: Duration,
        writer: &Writer<'_>,
        random: &mut Random,
        to: &PublicKey,
    ) -> Option<Signed<Envelope>> {
        if !writer.receivers.contains(to) {
            return None;
        }
        let epoch = self.renew(at, writer, random)?;
        epoch.is_told |= writer.receivers.len() == 1;
        epoch.envelopes.get(to)?.clone()
    }

    /// The present epoch. One begins if the last one is over: by its age, or because others may read from here on.
    fn renew(
        &mut self,
        at: Duration,
        writer: &Writer<'_>,
        random: &mut Random,
    ) -> Option<&mut Epoch> {
        let is_good = self.epoch.as_ref().is_some_and(|epoch| {
            epoch.messages < EPOCH_MESSAGES_MAX
                && at < epoch.since + EPOCH_TIME_MAX
                && epoch.envelopes.keys().eq(writer.receivers.iter())
        });
        if is_good {
            return self.epoch.as_mut();
        }
        let id = u64::from_le_bytes(drawn::<8>(random));
        let key = EpochKey::new(drawn(random));
        let ends = (writer.key, &writer.plant);
        let sealed = writer.receivers.iter().map(|to| {
            let envelope = key.envelop(ends, (writer.share, id), *to, drawn(random));
            let envelope = envelope.inspect_err(|error| {
                tracing::error!(%error, %to, "a key cannot be sealed to a partner");
            });
            (*to, envelope.ok())
        });
        let envelopes: BTreeMap<_, _> = sealed.collect();
        if envelopes.values().all(Option::is_none) {
            return None;
        }
        Some(self.epoch.insert(Epoch {
            id,
            key,
            since: at,
            messages: 0,
            envelopes,
            is_told: false,
        }))
    }

    /// Where the log stands, signed.
    pub(super) fn head(&self, writer: &Writer<'_>) -> Option<Signed<ShareHead>> {
        let tip = self.tip?;
        let head = ShareHead { share: writer.share, head: tip.group, entries: tip.entries };
        Some(Signed::sign(writer.key, &writer.plant, &head))
    }
}

/// Entries in runs of which each makes a group.
fn runs(entries: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        let is_full = run.len() == GROUP_ENTRIES_MAX || bytes + entry.len() > RUN_BYTES_MAX;
        if is_full && !run.is_empty() {
            runs.push(std::mem::take(&mut run));
            bytes = 0;
        }
        bytes += entry.len() + 4;
        run.push(entry);
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

/// Bytes of entries in one group, so that it is within its bound with all that is around them.
const RUN_BYTES_MAX: usize = SHARE_GROUP_BYTES_MAX - 2048;

/// Bytes that nobody can guess.
pub(super) fn drawn<const N: usize>(random: &mut Random) -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(16) {
        chunk.copy_from_slice(&random.bytes()[..chunk.len()]);
    }
    bytes
}
