//! What a node and its own tools say to each other, as JSON over the node's Unix socket.
//!
//! Field names are stable: scripts read them. Fields may be added; none is renamed or removed
//! within a major version.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::grant::Role;
use crate::ids::{GroupId, PlantId, PublicKey, RecordId};
use crate::log::Tip;
use crate::refusal::Refusal;
use crate::sample::Sample;
use crate::time::UnixMillis;
use crate::trust::Reason;

/// `GET /v1/status`: what this node is and how it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Release of the program.
    pub version: String,
    /// This node's key.
    pub key: PublicKey,
    /// Check words of the key.
    pub key_words: String,
    /// The plant, once this node has joined one.
    pub plant: Option<PlantStatus>,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Why another member refuses this node, if one does.
    pub refused: Option<RefusalReport>,
    /// What needs a person.
    pub alarms: Vec<String>,
    /// What was counted since the start.
    pub counters: Counters,
}

/// A refusal as people and scripts read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// The reason code.
    pub code: u16,
    /// What is wrong.
    pub text: String,
    /// What mends it.
    pub mend: String,
}

impl From<Refusal> for RefusalReport {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code(),
            text: refusal.text().to_owned(),
            mend: refusal.mend().to_owned(),
        }
    }
}

/// This node's place in its plant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlantStatus {
    /// The plant's id.
    pub id: PlantId,
    /// What people call the plant.
    pub name: String,
    /// Check words of the plant.
    pub words: String,
    /// Root keys.
    pub root: Vec<PublicKey>,
    /// How many of them act together.
    #[serde(default = "one")]
    pub threshold: u8,
    /// This node's own membership, if it is a member now.
    pub me: Option<MemberStatus>,
    /// The record this node acts under.
    pub acting_under: Option<RecordId>,
    /// Members in the roster.
    pub members: usize,
    /// Members that are online, as far as this node knows, without this node.
    pub online: usize,
    /// Members with a working link, without this node: all that are online up to 64 members, above
    /// that those it needs.
    #[serde(default)]
    pub links: usize,
}

const fn one() -> u8 {
    1
}

/// Whether a member can be reached from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// This node itself.
    Here,
    /// A link works, or another member says that one of its links does.
    Online,
    /// A link stands, and nothing has come over it for longer than a beat.
    Quiet,
    /// No link from here.
    Unreachable,
    /// It said goodbye.
    Left,
    /// It is no member any more.
    Revoked,
}

impl std::fmt::Display for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Here => "here",
            Self::Online => "online",
            Self::Quiet => "quiet",
            Self::Unreachable => "unreachable",
            Self::Left => "left",
            Self::Revoked => "revoked",
        })
    }
}

/// `GET /v1/members`: one line of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberStatus {
    /// What people call it.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// Check words of the key.
    pub key_words: String,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Where it publishes.
    pub scope: Option<String>,
    /// Whether it redeems invitations.
    pub registrar: bool,
    /// Whether it can be reached from here.
    pub presence: Presence,
    /// Since when, in whole seconds before the answer.
    pub presence_for_s: u64,
    /// The member that says so, if this node has no link to it and did not see it itself. When
    /// unreachable: from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<String>,
    /// When the membership ends by itself.
    pub until: Option<UnixMillis>,
    /// Why it was thrown out.
    pub revoked: Option<Reason>,
    /// Whether its trust leaves equal this node's.
    pub in_step: bool,
    /// Where it is linked or was last reached.
    pub address: Option<String>,
}

/// What a node counts. Every bound that is reached shows here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Values published by this node and its tools.
    pub published: u64,
    /// Entries of this node made durable: values, and what it noted for itself.
    #[serde(default)]
    pub durable: u64,
    /// Values that arrived from other members and were within their grants.
    pub received: u64,
    /// Values dropped because a link could not take more.
    pub dropped_link: u64,
    /// Values dropped because a local subscriber did not read.
    pub dropped_subscriber: u64,
    /// Values dropped because their author may not publish there.
    pub dropped_grant: u64,
    /// Pages of data logs that a member asked for and did not get, because too many were on their
    /// way already. It asks again.
    #[serde(default)]
    pub dropped_pages: u64,
    /// Values that other members report as lost on the way here.
    pub lost_remote: u64,
    /// Bytes of control frames sent: beats, trust, presence, interest, addresses.
    #[serde(default)]
    pub control_bytes: u64,
    /// Bytes of data frames sent: what must not be lost, on its way to other members.
    #[serde(default)]
    pub data_bytes: u64,
    /// Admissions refused.
    pub refused_admissions: u64,
    /// Links refused to members because this node has as many as it may.
    #[serde(default)]
    pub refused_links: u64,
    /// Connections dropped before the handshake because too many were waiting.
    pub refused_connections: u64,
    /// Admins that came over the network from machines that are no nodes.
    pub visits: u64,
    /// Those that were turned away although they hold a key, because it is none that signs here or too many came.
    pub refused_visits: u64,
    /// Frames that were malformed or out of turn.
    pub malformed_frames: u64,
    /// Commands that this node's programs asked of machines.
    #[serde(default)]
    pub called: u64,
    /// Commands that programs here were given to execute.
    #[serde(default)]
    pub commands: u64,
    /// Queries that programs here were given to answer.
    #[serde(default)]
    pub queries: u64,
    /// Commands and queries of members that were refused here.
    #[serde(default)]
    pub refused_commands: u64,
    /// Bytes of command frames sent.
    #[serde(default)]
    pub command_bytes: u64,
    /// What came of attempts at work items after somebody else had taken the item.
    #[serde(default)]
    pub late_work: u64,
}

/// `GET /v1/invitations`: an invitation that a machine can still use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenInvitation {
    /// Its id: the public half of the key that its code holds.
    pub id: PublicKey,
    /// What the machine will be called.
    pub name: String,
    /// Where it will publish.
    pub scope: Option<String>,
    /// Its roles.
    pub roles: Vec<Role>,
    /// When it ends, by the redeemer's clock.
    pub expires_at: UnixMillis,
    /// How many machines can still use it.
    pub uses_left: u32,
    /// Key of the registrar that redeems it.
    pub redeemer_key: PublicKey,
    /// Its name, if it is a member still.
    pub redeemer: Option<String>,
    /// The one key that may use it, if it is for one.
    #[serde(default)]
    pub bound_to: Option<PublicKey>,
}

/// `POST /v1/publish`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublishRequest {
    /// Relative to the own scope; absolute with a leading `/`.
    pub topic: String,
    /// The value.
    pub sample: Sample,
    /// A resource that this node must hold a lease of, or nothing is published.
    #[serde(default)]
    pub lease: Option<String>,
}

/// Answer to a publish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// The whole topic.
    pub topic: String,
    /// How many links it was handed to.
    pub links: usize,
}

/// One event of `GET /v1/subscribe?filter=…`: `{"sample":{…}}` or `{"lost":N,"topic":…}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "EventForm")]
pub enum SubscribeEvent {
    /// A value.
    Sample(Delivered),
    /// Values this subscriber did not get: it did not read, or a link was too slow.
    Lost {
        /// How many.
        count: u64,
        /// Their topic, if it is known.
        topic: Option<String>,
    },
}

/// An event as it is read: a reader skips fields that it does not know.
#[derive(Deserialize)]
struct EventForm {
    sample: Option<Delivered>,
    lost: Option<u64>,
    topic: Option<String>,
}

impl TryFrom<EventForm> for SubscribeEvent {
    type Error = &'static str;

    fn try_from(form: EventForm) -> Result<Self, &'static str> {
        match (form.sample, form.lost) {
            (Some(sample), _) => Ok(Self::Sample(sample)),
            (None, Some(count)) => Ok(Self::Lost { count, topic: form.topic }),
            (None, None) => Err("an event that is neither a sample nor a loss"),
        }
    }
}

impl Serialize for SubscribeEvent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut event = to.serialize_map(None)?;
        match self {
            Self::Sample(sample) => event.serialize_entry("sample", sample)?,
            Self::Lost { count, topic } => {
                event.serialize_entry("lost", count)?;
                event.serialize_entry("topic", topic)?;
            }
        }
        event.end()
    }
}

/// A value as a subscriber gets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivered {
    /// Where it belongs.
    pub topic: String,
    /// Name of the member that published it.
    pub author: String,
    /// Its key.
    pub author_key: PublicKey,
    /// The value.
    #[serde(flatten)]
    pub sample: Sample,
    /// Milliseconds on this node's own clock since the value arrived here.
    pub age_ms: u64,
}

/// `GET /v1/trust/log?key=…`: where a key's trust log stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustLog {
    /// Its leaves.
    pub leaves: Vec<Tip>,
    /// The records, oldest first, as sentences.
    pub records: Vec<TrustLine>,
    /// The node's wall clock, so that a signer notices a wrong one.
    pub now: UnixMillis,
    /// The time of the newest record of the plant that raises its clocks, for the same end.
    #[serde(default)]
    pub newest: UnixMillis,
    /// The record under which the key signs now, if it may sign.
    #[serde(default)]
    pub acting_under: Option<RecordId>,
}

/// One record of a trust log in words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustLine {
    /// The group that holds it.
    pub group: GroupId,
    /// When it was signed.
    pub at: UnixMillis,
    /// What it says.
    pub text: String,
}

/// Answer to `POST /v1/trust/groups`: the group is on this node's disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// Which group.
    pub group: GroupId,
}

/// `GET /v1/trust/confirmations?group=…`: who has a group, as far as this node knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confirmations {
    /// Members that said they have stored it.
    pub confirmed: Vec<String>,
    /// Members with a link that have not said so yet.
    pub waiting: Vec<String>,
    /// Members without a link.
    pub unreachable: Vec<String>,
}

/// `GET /v1/trust/ends?key=…`: where all logs of a key end, for a cut.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogEnds {
    /// The cut that keeps everything that this node and the members linked to it know.
    pub cut: crate::log::Cut,
    /// Those of them that have more of the key's data log than this node, by name.
    pub elsewhere: Vec<String>,
    /// Whether that is all as far as anybody within reach knows; not where nobody is reached who is
    /// to have the data log.
    pub is_sure: bool,
}

/// `POST /v1/join`.
#[derive(Clone, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The invitation code. A secret: this type has no `Debug`.
    pub code: String,
}

/// Answer to a join.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Joined {
    /// The plant.
    pub plant: PlantId,
    /// What people call it.
    pub plant_name: String,
    /// Its check words.
    pub plant_words: String,
    /// This node's name in it.
    pub name: String,
    /// Where this node publishes.
    pub scope: Option<String>,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Who admitted it.
    pub admitted_by: String,
    /// Whether this node had joined before, with the same code.
    pub again: bool,
}

/// Name of the last event of a stream that breaks off; its data is an [`ErrorBody`]. Other events have
/// no name.
pub const REFUSED: &str = "refused";

/// Every answer that is not a success, and every failure of a command with `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The reason code; a number in JSON.
    pub code: Refusal,
    /// What is wrong.
    pub error: String,
    /// What mends it.
    pub mend: String,
}

impl ErrorBody {
    /// The same refusal, saying more exactly what is wrong.
    #[must_use]
    pub fn saying(self, error: impl std::fmt::Display) -> Self {
        Self { error: error.to_string(), ..self }
    }

    /// The same refusal, saying more exactly what mends it.
    #[must_use]
    pub fn mended_by(self, mend: impl Into<String>) -> Self {
        Self { mend: mend.into(), ..self }
    }
}

impl From<Refusal> for ErrorBody {
    fn from(code: Refusal) -> Self {
        Self { code, error: code.text().to_owned(), mend: code.mend().to_owned() }
    }
}

impl std::error::Error for ErrorBody {}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [code {}]", self.error, self.code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_names_its_topic_beside_its_count() {
        let lost = |topic: Option<&str>| SubscribeEvent::Lost {
            count: 17,
            topic: topic.map(str::to_owned),
        };
        let json = |event: &SubscribeEvent| serde_json::to_string(event).expect("JSON");
        assert_eq!(json(&lost(Some("a/b"))), r#"{"lost":17,"topic":"a/b"}"#);
        assert_eq!(json(&lost(None)), r#"{"lost":17,"topic":null}"#);
        for text in [r#"{"lost":17}"#, r#"{"lost":17,"topic":null,"more":1}"#] {
            let read = serde_json::from_str(text).expect("an event");
            assert!(matches!(read, SubscribeEvent::Lost { count: 17, topic: None }), "{text}");
        }
        assert!(serde_json::from_str::<SubscribeEvent>("{}").is_err());
    }

    #[test]
    fn a_number_keeps_its_last_digit() {
        for number in [48.015878818027076, 27.393706010250874, f64::MIN_POSITIVE, -f64::MAX] {
            let sample = Sample::good(number.into(), UnixMillis(0));
            let json = serde_json::to_string(&sample).expect("JSON");
            let read: Sample = serde_json::from_str(&json).expect("a sample");
            assert_eq!(read, sample, "{json}");
        }
    }
}
