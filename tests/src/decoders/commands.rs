//! The command lane: what machines ask each other to do.

use gearmesh_protocol::codec;
use gearmesh_protocol::command::{CommandFrame, fits_announcement};
use gearmesh_protocol::lease::LeaseFrame;
use gearmesh_protocol::limits::{
    ATTEMPTS_OFFERED_MAX, FRAME_BYTES_MAX, LEASES_WAITING_MAX, PLACES_MAX, RESOURCES_MAX, VERBS_MAX,
};
use gearmesh_protocol::work::WorkFrame;

use super::{OTHER_PLANT, PLANT, read, secret, within};

/// A frame of the command lane has one form, and what is signed on it is proven for one key and
/// plant alone.
pub fn command(bytes: &[u8]) {
    let caller = gearmesh_protocol::ids::PublicKey::of(&secret(6));
    match read(bytes, FRAME_BYTES_MAX) {
        Some(CommandFrame::Verbs(verbs)) => {
            within(&verbs, VERBS_MAX);
            let schemas: usize = verbs.iter().map(|verb| verb.schema.len()).sum();
            assert!(schemas <= bytes.len() || !fits_announcement(&verbs), "bytes from nowhere");
        }
        Some(CommandFrame::Call(signed)) => {
            let Ok(call) = signed.peek() else { return };
            assert_eq!(codec::encode(&call), signed.payload(), "a second form was read");
            if signed.verify(&PLANT, &caller).is_ok() {
                assert!(signed.verify(&OTHER_PLANT, &caller).is_err(), "for two plants");
                assert!(signed.verify(&PLANT, &call.target).is_err(), "signed by two keys");
            }
        }
        Some(CommandFrame::Outcome(signed)) => {
            let Ok(outcome) = signed.peek() else { return };
            assert_eq!(codec::encode(&outcome), signed.payload(), "a second form was read");
            assert!(signed.verify(&PLANT, &caller).is_err(), "a caller answers itself");
        }
        Some(CommandFrame::Lease(LeaseFrame::Resources(resources))) => {
            within(&resources, RESOURCES_MAX);
        }
        Some(CommandFrame::Lease(LeaseFrame::Shown { usage: Some(usage), .. })) => {
            within(&usage.held, PLACES_MAX);
            within(&usage.waiting, LEASES_WAITING_MAX);
        }
        Some(CommandFrame::Work(WorkFrame::Takes(verbs))) => within(&verbs, VERBS_MAX),
        Some(CommandFrame::Work(WorkFrame::Offered { attempts, .. })) => {
            within(&attempts, ATTEMPTS_OFFERED_MAX);
        }
        Some(
            CommandFrame::Clock(_)
            | CommandFrame::Progress { .. }
            | CommandFrame::Query(_)
            | CommandFrame::Told { .. }
            | CommandFrame::Lease(_)
            | CommandFrame::Work(_),
        )
        | None => {}
    }
}
