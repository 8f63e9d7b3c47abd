//! What a gateway and its own tools say to each other about partners, as JSON.
//!
//! As in [`local`](crate::local), field names are stable. What was signed, or is to be, is in
//! hexadecimal: its bytes may not change on the way.

use serde::{Deserialize, Serialize};

use crate::entry::CommandState;
use crate::hex::HexBytes;
use crate::ids::{CommandId, PlantId, PublicKey, ShareId, SheetId};
use crate::partner::{Party, SheetTopic, Terms};
use crate::partner_call::PartnerProgress;
use crate::sample::Sample;
use crate::time::UnixMillis;
use crate::topic::{Name, Title, Topic, TopicFilter};

/// What is selected inside the plant for one exporting line. It never leaves the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The line.
    pub alias: Topic,
    /// What it stands for.
    pub filter: TopicFilter,
}

/// What a verb of a sheet stands for inside the plant. It never leaves the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerbSelection {
    /// What the sheet calls it.
    pub verb: Name,
    /// The machine that is to do it.
    pub machine: Name,
    /// What the machine calls it.
    pub stands_for: Name,
}

/// What one side calls an agreement, and selects for it. It never leaves the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Under which name people find it here.
    pub name: Name,
    /// What the partner is called here: its values land below `partner/<name>`.
    pub partner: Name,
    /// For the lines that export here.
    pub selections: Vec<Selection>,
    /// For the verbs that the partner may call here.
    pub verbs: Vec<VerbSelection>,
    /// JSON Schemas that lines of the sheet name by their hashes.
    pub schemas: Vec<String>,
}

/// `GET /v1/partner`: who would sign here, and how all agreements stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartnersStatus {
    /// The gateway's partner-plane key.
    pub gateway: PublicKey,
    /// Where it listens for partners.
    pub listen: Vec<String>,
    /// What was proposed, or is being accepted.
    pub shares: Vec<ShareStatus>,
    /// What both sides signed.
    pub agreements: Vec<AgreementStatus>,
    /// Calls of partners that wait for a person here.
    pub requests: Vec<CallWaiting>,
    /// Since when no registrar or admin was linked, if nothing is shared because of that.
    pub silent_since: Option<UnixMillis>,
    /// What needs a person.
    pub alarms: Vec<String>,
}

/// How far a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareState {
    /// Its link can be used.
    Open,
    /// Its link was used, and nothing was signed yet.
    Taken,
    /// The accepting side signed; the offering side is to compare the words and confirm.
    Accepted,
    /// Nobody accepted in time.
    Expired,
}

/// A proposal, of this side or of the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareStatus {
    /// Under which name people find it here.
    pub name: Name,
    /// The stream.
    pub share: ShareId,
    /// Whether this side proposed it.
    pub is_ours: bool,
    /// What the other is called.
    pub with: Title,
    /// How far it is.
    pub state: ShareState,
    /// Until when it may be accepted.
    pub open_until: UnixMillis,
    /// Which version of the sheet it leads to; beyond 0 it replaces one that stands.
    pub revision: u32,
    /// On which terms.
    pub terms: Terms,
    /// What is selected for what.
    pub selections: Vec<Selection>,
    /// The sheet's bytes, once both sides are known.
    pub sheet: Option<HexBytes>,
}

/// An agreement, and what flows under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgreementStatus {
    /// Under which name people find it here.
    pub name: Name,
    /// Its id.
    pub sheet: SheetId,
    /// The stream.
    pub share: ShareId,
    /// Whether this side proposed it.
    pub is_ours: bool,
    /// The other side.
    pub with: Party,
    /// What the other side is called in topics.
    pub partner: Name,
    /// Which version of the sheet it is, from 0.
    pub revision: u32,
    /// On which terms.
    pub terms: Terms,
    /// What is selected for what.
    pub selections: Vec<Selection>,
    /// Which verb stands for what.
    pub verbs: Vec<VerbSelection>,
    /// Whether the partner's gateway is connected.
    pub is_connected: bool,
    /// Whether it flows: false for one that ended, or that the plant does not stand behind.
    pub is_open: bool,
    /// The change by which this side's place went over to another gateway of the plant, or to none.
    pub moved: Option<GatewayChange>,
    /// The last change of the partner's gateway.
    pub partner_moved: Option<GatewayChange>,
    /// Whether this side's log begins when the partner has said where the one before it ended.
    pub awaits_partner: bool,
    /// When it ended, and who ended it; its time was up if nobody did.
    pub ended: Option<(UnixMillis, Option<PublicKey>)>,
    /// Entries of this side's log.
    pub sent: u64,
    /// Entries of the other side's log that are here.
    pub received: u64,
    /// Entries of the other side's log that retention took first.
    pub lost: u64,
    /// Values that the terms could not be applied to, or that were too large.
    pub not_exported: u64,
    /// Values of the partner that were not let in.
    pub refused: u64,
    /// Calls under it that were carried out or refused here.
    pub called: u64,
    /// The last count of each side about what it received, and of the exporting side about it.
    pub receipts: Vec<ReceiptStatus>,
    /// Who else receives what the partner sends, where that is passed on.
    #[serde(default)]
    pub co_receivers: Vec<CoReceiverStatus>,
}

/// A gateway that receives the same as this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoReceiverStatus {
    /// Its partner-plane key.
    pub gateway: PublicKey,
    /// Where it says that it may be reached.
    pub addresses: Vec<String>,
    /// Whether this gateway is connected with it.
    pub is_connected: bool,
}

/// How one side's gateway changed, as its admin has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayChange {
    /// Which change of that side's, from 1.
    pub number: u32,
    /// Whether the gateway before handed over; it is gone, or not to be believed, otherwise.
    pub hands_over: bool,
    /// The gateway from then on; none: nobody yet.
    pub gateway: Option<PublicKey>,
    /// When it was signed.
    pub at: UnixMillis,
}

/// One side's signed count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptStatus {
    /// Whose log was counted.
    pub log: PublicKey,
    /// Who counted.
    pub by: PublicKey,
    /// Entries delivered.
    pub delivered: u64,
    /// Entries lost to retention.
    pub lost: u64,
    /// When it was signed.
    pub at: UnixMillis,
}

/// `POST /v1/partner/draft`: what is to be proposed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DraftRequest {
    /// The admin key that will sign.
    pub admin: PublicKey,
    /// Whom it is for.
    pub to: Title,
    /// On which terms.
    pub terms: Terms,
    /// For how long it may be accepted, in milliseconds.
    pub open_ms: u64,
    /// Names and selections.
    pub local: Local,
    /// Whether it leads to a new sheet in place of the one of this name that stands.
    #[serde(default)]
    pub amends: bool,
    /// The stream that is passed on to a further company, by the name of any agreement under which it is sent.
    #[serde(default)]
    pub joins: Option<Name>,
}

/// What is to be signed, and the link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// The proposal's bytes.
    pub proposal: HexBytes,
    /// The plant that it is signed for.
    pub plant: PlantId,
    /// The link. A secret.
    pub link: String,
}

/// `POST /v1/partner/propose`: a signed proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposeRequest {
    /// Its bytes, with the signature.
    pub signed: HexBytes,
}

/// `POST /v1/partner/look`: what does a link stand for?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LookRequest {
    /// The link. A secret.
    pub link: String,
}

/// A proposal of the other side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Looked {
    /// Its bytes, with the signature.
    pub signed: HexBytes,
    /// JSON Schemas that its lines name by their hashes.
    pub schemas: Vec<String>,
}

/// `POST /v1/partner/take`: use the link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TakeRequest {
    /// Which proposal.
    pub share: ShareId,
    /// The admin key that will sign.
    pub admin: PublicKey,
    /// Names and selections.
    pub local: Local,
}

/// A sheet to be signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SheetToSign {
    /// Its bytes.
    pub sheet: HexBytes,
}

/// `POST /v1/partner/accept`: an admin's signature under a sheet that was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcceptRequest {
    /// Which proposal.
    pub share: ShareId,
    /// The signature, 64 bytes.
    pub signature: HexBytes,
}

/// `POST /v1/partner/confirm`: an admin's signature under a sheet that was accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfirmRequest {
    /// Under which name.
    pub name: Name,
    /// The signature, 64 bytes.
    pub signature: HexBytes,
}

/// `POST /v1/partner/end`: by which name people know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ByName {
    /// The name.
    pub name: Name,
}

/// `POST /v1/partner/preview`: what would a partner see, or have seen?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PreviewRequest {
    /// The lines that would export.
    pub lines: Vec<SheetTopic>,
    /// What they stand for.
    pub selections: Vec<Selection>,
    /// For how long to look at what is published now, in milliseconds.
    pub for_ms: u64,
    /// How far to look back, in milliseconds: at durable values, and at live ones of the last hour that were kept
    /// for a draft.
    #[serde(default)]
    pub past_ms: u64,
    /// The draft or agreement.
    #[serde(default)]
    pub name: Option<Name>,
}

/// One value as a partner would see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previewed {
    /// Under which name.
    pub alias: Topic,
    /// The value.
    pub sample: Sample,
}

/// A call of a partner's that waits for a person here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallWaiting {
    /// The agreement.
    pub name: Name,
    /// Which call under it.
    pub number: u64,
    /// What the partner is called in topics.
    pub partner: Name,
    /// What the sheet calls it.
    pub verb: Name,
    /// The arguments, JSON as it came.
    pub arguments: String,
    /// How long it may still wait, in milliseconds.
    pub left_ms: u64,
}

/// `POST /v1/partner/allow`: what a person decides about a call that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowRequest {
    /// The agreement.
    pub name: Name,
    /// Which call under it.
    pub number: u64,
    /// Whether it is to be done.
    pub allow: bool,
}

/// `POST /v1/partner/call`: what a partner's machine is to do. The same again says how far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartnerCallRequest {
    /// The agreement.
    pub name: Name,
    /// What the sheet calls it.
    pub verb: Name,
    /// The arguments, JSON.
    pub arguments: String,
    /// The call's id.
    pub id: CommandId,
    /// How long it may take until it is begun, in milliseconds.
    pub ttl_ms: u32,
}

/// How far a call at a partner's is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerCalled {
    /// Its number under the agreement.
    pub number: u64,
    /// How far it is; none while it is not with the partner.
    pub progress: Option<PartnerProgress>,
    /// What became of it, once it is over.
    pub state: Option<CommandState>,
    /// The same in a sentence, where there is more to say.
    pub detail: String,
}

/// A value that a line holds back for its delay, as the terms have made it. It never leaves the node before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Under which agreement.
    pub sheet: SheetId,
    /// The line.
    pub alias: Topic,
    /// How long it waits from now on, while the gateway runs, in milliseconds.
    pub left_ms: u64,
    /// The value.
    pub sample: Sample,
}

/// `POST /v1/partner/papers`: what another gateway needs to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PapersAnswer {
    /// The bytes of the papers. They name what is selected in the plant.
    pub papers: HexBytes,
}

/// `POST /v1/partner/move`: this side's place goes over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MoveRequest {
    /// The notice's bytes, with the signature.
    pub signed: HexBytes,
}

/// `POST /v1/partner/takeover`: this gateway goes on with an agreement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TakeoverRequest {
    /// The bytes of the papers, with the notice that names this gateway.
    pub papers: HexBytes,
}

/// `POST /v1/partner/notices`: a partner has another gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoticesRequest {
    /// The bytes of all notices of its side, with the signatures.
    pub notices: HexBytes,
}
