//! What two companies sign, and what their gateways say to each other.

use gearmesh_protocol::codec;
use gearmesh_protocol::limits::{
    FAN_OUT_MAX, FRAME_BYTES_MAX, GOSSIP_BYTES_MAX, KNOCK_BYTES_MAX, NOTICES_MAX, SEALED_KEY_BYTES,
    SHARE_ENTRY_BYTES_MAX, SHARE_PAGE_MAX, SHEET_TOPICS_MAX,
};
use gearmesh_protocol::partner::{
    CoReceivers, End, Envelope, Proposal, Receipt, ShareEntry, ShareHead, Sheet, Terms,
};
use gearmesh_protocol::partner_agreement::{Acceptance, Agreement, sheet_id};
use gearmesh_protocol::partner_gateway::{GatewayNotice, SharePapers};
use gearmesh_protocol::partner_link::{LINK_PREFIX, Link};
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{
    Carried, GossipMessage, Knock, KnockAnswer, Sealed, SessionFrame,
};

use super::{OTHER_PLANT, PLANT, read, within};

/// What two companies sign has one form, and a sheet names no more than it may.
pub fn partner(bytes: &[u8]) {
    if let Some(sheet) = read::<Sheet>(bytes, FRAME_BYTES_MAX) {
        check_terms(&sheet.terms);
    }
    if let Some(proposal) = read::<Proposal>(bytes, FRAME_BYTES_MAX) {
        check_terms(&proposal.terms);
    }
    let _: Option<End> = read(bytes, FRAME_BYTES_MAX);
    let _: Option<GatewayNotice> = read(bytes, FRAME_BYTES_MAX);
    if let Some(papers) = read::<SharePapers>(bytes, FRAME_BYTES_MAX) {
        within(&papers.ours, NOTICES_MAX);
        within(&papers.theirs, NOTICES_MAX);
    }
    let _: Option<Receipt> = read(bytes, FRAME_BYTES_MAX);
    let _: Option<ShareHead> = read(bytes, FRAME_BYTES_MAX);
    let _: Option<ShareEntry> = read(bytes, SHARE_ENTRY_BYTES_MAX);
    if let Some(envelope) = read::<Envelope>(bytes, FRAME_BYTES_MAX) {
        within(&envelope.sealed, SEALED_KEY_BYTES);
    }
    if let Some(list) = read::<CoReceivers>(bytes, FRAME_BYTES_MAX) {
        within(&list.receivers, FAN_OUT_MAX);
    }
    if let Some(agreement) = read::<Agreement>(bytes, FRAME_BYTES_MAX) {
        check_agreement(agreement);
    }
}

fn check_terms(terms: &Terms) {
    within(&terms.topics, SHEET_TOPICS_MAX);
    within(&terms.verbs, SHEET_TOPICS_MAX);
    terms.topics.iter().for_each(|topic| within(&topic.fields, SHEET_TOPICS_MAX));
}

/// An agreement is believed with all four signatures over one sheet, and with no other sheet.
pub(super) fn check_agreement(agreement: Agreement) {
    check_acceptance(agreement.accepted.clone());
    let Ok(agreed) = agreement.clone().verify() else { return };
    assert_eq!(agreed.id(), sheet_id(&agreement.accepted.sheet));
    let mut sheet = agreed.sheet().clone();
    sheet.revision ^= 1;
    let mut forged = agreement;
    forged.accepted.sheet = codec::encode(&sheet);
    assert!(forged.verify().is_err(), "four signatures under two sheets");
}

pub(super) fn check_acceptance(acceptance: Acceptance) {
    let sheet = acceptance.sheet.clone();
    let Ok(agreed) = acceptance.verify() else { return };
    assert_eq!(codec::encode(agreed.sheet()), sheet, "a second form was signed");
}

/// What a gateway says over a session or before it has one form, within its bounds.
pub fn session(bytes: &[u8]) {
    let _: Option<Knock> = read(bytes, KNOCK_BYTES_MAX);
    let _: Option<KnockAnswer> = read(bytes, KNOCK_BYTES_MAX);
    match read(bytes, FRAME_BYTES_MAX) {
        Some(SessionFrame::Accepted(acceptance)) => check_acceptance(acceptance),
        Some(SessionFrame::Confirmed(agreement)) => check_agreement(agreement),
        Some(SessionFrame::Notices(notices)) => within(&notices, NOTICES_MAX),
        Some(SessionFrame::Groups { groups, .. }) => within(&groups, SHARE_PAGE_MAX),
        Some(SessionFrame::Proposal(signed)) => {
            let Ok(value) = signed.peek() else { return };
            let admin = value.from.admin;
            if signed.verify(&PLANT, &admin).is_ok() {
                assert!(signed.verify(&OTHER_PLANT, &admin).is_err(), "signed for two plants");
            }
        }
        _ => {}
    }
}

/// A gossip message has one form, and opens under the key and for the stream that it was sealed
/// for or not at all; whatever a gateway seals is read if it is something that gateways say.
pub fn gossip(bytes: &[u8]) {
    let key = EpochKey::new([0xdd; 32]);
    let share = gearmesh_protocol::ids::ShareId([0x33; 16]);
    if let Some(GossipMessage::Sealed(sealed)) = read(bytes, GOSSIP_BYTES_MAX) {
        check_opened(&key, &sealed);
    }
    if let Some(carried) = read::<Carried>(bytes, GOSSIP_BYTES_MAX) {
        let sealed = key.seal(&share, 300, [0xee; 24], &carried).expect("a message of this size");
        assert_eq!(key.open(&share, &sealed), Ok(carried));
        check_opened(&key, &sealed);
    }
}

fn check_opened(key: &EpochKey, sealed: &Sealed) {
    let share = gearmesh_protocol::ids::ShareId([0x33; 16]);
    if key.open(&share, sealed).is_ok() {
        let later = Sealed { epoch: sealed.epoch ^ 1, ..sealed.clone() };
        assert!(key.open(&share, &later).is_err(), "one seal for two epochs");
        let other = gearmesh_protocol::ids::ShareId([0x34; 16]);
        assert!(key.open(&other, sealed).is_err(), "one seal for two streams");
    }
}

/// A link has one spelling apart from what people may write in two ways.
pub fn link(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(link) = text.parse::<Link>() else { return };
    let written = link.to_text();
    assert!(written.starts_with(LINK_PREFIX), "{written}");
    assert_eq!(written.parse::<Link>().as_ref(), Ok(&link));
}
