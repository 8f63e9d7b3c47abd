//! The JSON that a node, its tools and programs beside it say to each other.

use gearmesh_protocol::local::{
    Confirmations, ErrorBody, JoinRequest, Joined, LogEnds, MemberStatus, OpenInvitation,
    PublishRequest, Published, Status, Stored, SubscribeEvent, TrustLog,
};
use serde::{Serialize, de::DeserializeOwned};

/// What is read from JSON and written again is read as the same, to the last digit.
pub fn local(bytes: &[u8]) {
    check::<PublishRequest>(bytes);
    check::<Published>(bytes);
    check::<SubscribeEvent>(bytes);
    check::<JoinRequest>(bytes);
    check::<Joined>(bytes);
    check::<Status>(bytes);
    check::<MemberStatus>(bytes);
    check::<OpenInvitation>(bytes);
    check::<TrustLog>(bytes);
    check::<Stored>(bytes);
    check::<Confirmations>(bytes);
    check::<LogEnds>(bytes);
    check::<ErrorBody>(bytes);
}

fn check<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_string(&value).expect("JSON");
    let read: T = serde_json::from_str(&written).expect("what was written is read");
    let again = serde_json::to_string(&read).expect("JSON");
    assert_eq!(again, written, "another value was read");
}
