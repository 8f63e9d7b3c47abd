//! What nodes of a plant send each other: admission, control, and the ledger in pages.

use gearmesh_protocol::codec;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::limits::{
    ADDRESS_BOOK_MAX, ADDRESS_BYTES_MAX, ADDRESSES_PER_MEMBER_MAX, ADMISSION_FRAME_BYTES_MAX,
    ENTRY_BYTES_MAX, FRAME_BYTES_MAX, GAPS_TOLD_MAX, GROUP_ENTRIES_MAX, GROUPS_PAGE_MAX,
    HEADS_PAGE_MAX, HELLO_BYTES_MAX, INTEREST_FILTERS_MAX, LEAVES_MAX, LOCATOR_POINTS_MAX,
    PRESENCE_PAGE_MAX, READ_FILTERS_MAX, TOPIC_BYTES_MAX,
};
use gearmesh_protocol::plant::{AdmissionMessage, ControlFrame, LedgerPage, MemberAddresses};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::ShownPage;

use super::{OTHER_PLANT, PLANT, read, signed, within};

/// A message of the admission exchange has one form, what it carries is within its bounds, and
/// every `Hello` fits the little that a stranger may say.
pub fn admission(bytes: &[u8]) {
    match read(bytes, ADMISSION_FRAME_BYTES_MAX) {
        Some(AdmissionMessage::Hello(_)) => within(bytes, HELLO_BYTES_MAX),
        Some(AdmissionMessage::Credential(page)) => check_page(&page),
        Some(AdmissionMessage::Redeem(signed)) => {
            let Ok(proof) = signed.peek() else { return };
            assert_eq!(codec::encode(&proof), signed.payload(), "a second form was read");
            if let Ok(verified) = signed.verify(&PLANT, &proof.invitation) {
                assert_eq!((verified.by(), verified.value()), (proof.invitation, &proof));
                assert!(signed.verify(&PLANT, &proof.redeemer).is_err(), "signed by two keys");
                assert!(signed.verify(&OTHER_PLANT, &proof.invitation).is_err(), "for two plants");
            }
        }
        Some(AdmissionMessage::Visitor(visitor)) => {
            let Ok(proof) = visitor.proof.peek() else { return };
            assert_eq!(codec::encode(&proof), visitor.proof.payload(), "a second form was read");
            if visitor.proves(&PLANT, &proof) {
                assert!(!visitor.proves(&OTHER_PLANT, &proof), "for two plants");
            }
        }
        Some(AdmissionMessage::Refused(refusal)) => {
            assert_eq!(Refusal::from(refusal.code()), refusal);
        }
        Some(
            AdmissionMessage::Prove(_)
            | AdmissionMessage::Welcome(_)
            | AdmissionMessage::Offer(_)
            | AdmissionMessage::Here { .. }
            | AdmissionMessage::Reveal(_)
            | AdmissionMessage::Claiming(_)
            | AdmissionMessage::Reception { .. },
        )
        | None => {}
    }
}

/// A frame of the control lane has one form, and all its lists are within their bounds.
pub fn control(bytes: &[u8]) {
    match read(bytes, FRAME_BYTES_MAX) {
        Some(ControlFrame::Interest { filters }) => {
            within(&filters, INTEREST_FILTERS_MAX);
            filters.iter().for_each(|filter| within(filter.as_str().as_bytes(), TOPIC_BYTES_MAX));
        }
        Some(ControlFrame::Addresses(book)) => {
            within(&book, ADDRESS_BOOK_MAX);
            book.iter().for_each(check_addresses);
        }
        Some(ControlFrame::Heads(heads)) => {
            within(&heads, HEADS_PAGE_MAX);
            heads.iter().for_each(|head| within(&head.leaves, LEAVES_MAX));
        }
        Some(ControlFrame::Acts(acts)) => within(&acts, HEADS_PAGE_MAX),
        Some(ControlFrame::Pull { have, .. }) => within(&have, LOCATOR_POINTS_MAX),
        Some(ControlFrame::Ledger(page)) => check_page(&page),
        Some(ControlFrame::Presence(sightings)) => within(&sightings, PRESENCE_PAGE_MAX),
        Some(ControlFrame::Beat { .. } | ControlFrame::PullActs | ControlFrame::Bye) | None => {}
    }
}

/// A frame of the data lane has one form, its lists are within their bounds, and every group on it
/// that can be read has one form too.
pub fn data(bytes: &[u8]) {
    match read(bytes, FRAME_BYTES_MAX) {
        Some(DataFrame::Ends(logs)) => {
            within(&logs, HEADS_PAGE_MAX);
            logs.iter().for_each(|log| within(&log.ends, LEAVES_MAX));
        }
        Some(DataFrame::Pull { after, .. }) => within(&after, LEAVES_MAX),
        Some(DataFrame::Groups(page)) => {
            within(&page.groups, GROUPS_PAGE_MAX);
            page.groups.iter().for_each(|group| signed::group(group));
        }
        Some(DataFrame::Read(request)) => {
            within(&request.after, LEAVES_MAX);
            within(&request.filters, READ_FILTERS_MAX);
        }
        Some(DataFrame::Shown(page)) => check_shown(&page),
        Some(DataFrame::NotShown { refusal, .. }) => {
            assert_eq!(Refusal::from(refusal.code()), refusal);
        }
        Some(DataFrame::Parts(logs)) => {
            within(&logs, HEADS_PAGE_MAX);
            for log in &logs {
                within(&log.ends, LEAVES_MAX);
                within(&log.gaps, GAPS_TOLD_MAX);
            }
        }
        None => {}
    }
}

/// What is proven of a page is within its bounds, in order, and proven for one plant alone.
fn check_shown(page: &ShownPage) {
    within(&page.groups, GROUPS_PAGE_MAX);
    for group in &page.groups {
        assert!(codec::encode(group).len() <= group.bytes(), "more bytes than are counted");
        let Ok(verified) = group.clone().verify(&PLANT) else { continue };
        assert!(group.clone().verify(&OTHER_PLANT).is_err(), "signed for two plants");
        let (entries, header) = (verified.entries(), verified.header());
        within(entries, GROUP_ENTRIES_MAX);
        let places: Vec<u32> = entries.iter().map(|entry| entry.proof.index).collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "out of order: {places:?}");
        assert!(places.iter().all(|place| *place < header.entries), "beyond the group");
        entries.iter().for_each(|entry| within(&entry.bytes, ENTRY_BYTES_MAX));
    }
}

/// A page of a ledger has one form, and so has all that is on it.
pub fn ledger_page(bytes: &[u8]) {
    if let Some(page) = read(bytes, FRAME_BYTES_MAX) {
        check_page(&page);
    }
}

fn check_page(page: &LedgerPage) {
    within(&page.acts, GROUPS_PAGE_MAX);
    page.acts.iter().for_each(|act| signed::act(&codec::encode(act)));
    within(&page.groups, GROUPS_PAGE_MAX);
    page.groups.iter().for_each(|group| signed::group(&codec::encode(group)));
}

/// Addresses of a member, from a frame or from the journal.
pub(super) fn check_addresses(book: &MemberAddresses) {
    within(&book.addresses, ADDRESSES_PER_MEMBER_MAX);
    for address in &book.addresses {
        within(address.as_str().as_bytes(), ADDRESS_BYTES_MAX);
        assert!(address.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{address:?}");
    }
}
