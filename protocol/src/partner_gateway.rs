//! A gateway's place in an agreement: it goes over to another gateway of its plant, or to none.
//!
//! The admin who signed the sheet for that side signs a notice. It is all that the partner needs, whoever
//! brings it: the gateway that goes, one that comes, or a file.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::ids::{PlantId, PublicKey, ShareId};
use crate::invite::CODE_ADDRESSES_MAX;
use crate::limits::NOTICES_MAX;
use crate::log::Tip;
use crate::partner::Party;
use crate::partner_agreement::Agreement;
use crate::partner_local::Local;
use crate::signed::{Signable, Signed, VerifyError};
use crate::time::UnixMillis;

/// What becomes of the gateway that had the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Former {
    /// It hands over: its log ends here, and what is missing of it is had from it.
    HandsOver(Option<Tip>),
    /// It is gone, or must not be believed any more: nothing is taken from it from here on. The last of its
    /// log that its plant knows.
    Gone(Option<Tip>),
}

/// A gateway that takes the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// Its partner-plane key.
    pub gateway: PublicKey,
    /// Where it may be reached.
    pub addresses: Bounded<SocketAddr, CODE_ADDRESSES_MAX>,
}

/// One side's gateway is another from here on, or none. Signed by the admin of that side, for the plant of
/// the offering one, as the sheet is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayNotice {
    /// In the agreement about this stream.
    pub share: ShareId,
    /// Whose gateway.
    pub of: PlantId,
    /// Which change of that side's gateway, from 1: an old notice changes nothing.
    pub number: u32,
    /// What becomes of the one before.
    pub former: Former,
    /// Who takes its place; none: nobody yet.
    pub successor: Option<Successor>,
    /// When it was signed.
    pub at: UnixMillis,
}

impl Signable for GatewayNotice {
    const PURPOSE: &'static str = "gearmesh/partner/gateway/v1";
}

impl GatewayNotice {
    /// Whether it is one about a side of an agreement, and that side's admin signed it.
    ///
    /// # Errors
    /// It was not.
    pub fn check(
        signed: &Signed<Self>,
        offering: &PlantId,
        side: &Party,
    ) -> Result<(), VerifyError> {
        signed.verify(offering, &side.admin).map(drop)
    }
}

/// All changes of one side's gateway, in their order.
pub type Notices = Bounded<Signed<GatewayNotice>, NOTICES_MAX>;

/// What another gateway of the same plant needs to go on with an agreement. Never shown to the partner: it
/// has what is selected inside the plant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharePapers {
    /// The sheets of the share under all signatures, the oldest first. The last one stands.
    pub sheets: Vec<Agreement>,
    /// Whether this side offered it.
    pub is_ours: bool,
    /// Names and selections.
    pub local: Local,
    /// Where the other's gateway may be reached.
    pub addresses: Vec<String>,
    /// Whether something came in under the last sheet.
    pub is_turned: bool,
    /// Changes of this side's gateway.
    pub ours: Notices,
    /// Changes of the other's.
    pub theirs: Notices,
    /// Where this side's log ends.
    pub sent: Option<Tip>,
    /// Where the other's log ends here.
    pub received: Option<Tip>,
    /// Entries of the other's log that did not come here.
    pub lost: u64,
    /// The number of this side's next call.
    pub next_call: u64,
    /// The highest number of a call of the other's that was taken.
    pub last_served: Option<u64>,
}
