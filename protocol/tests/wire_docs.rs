//! What `docs/wire.md` and `docs/glossary.md` say about the format is still so.
//!
//! A person at a machine looks a reason code up, and another implementation is written from these
//! pages: a table that lags behind the code is worse than none.
#![allow(clippy::expect_used, reason = "a test that cannot read the pages has failed")]

mod fixtures;

use fixtures::names::{CONTEXTS, PURPOSES};
use gearmesh_protocol::command::COMMAND_PROTOCOL;
use gearmesh_protocol::limits;
use gearmesh_protocol::partner_session::{GOSSIP_PROTOCOL, SESSION_PROTOCOL};
use gearmesh_protocol::plant::{CONTROL_PROTOCOL, LIVE_PROTOCOL};
use gearmesh_protocol::refusal::Refusal;

const WIRE: &str = include_str!("../../docs/wire.md");
const GLOSSARY: &str = include_str!("../../docs/glossary.md");
const LIMITS: &str = include_str!("../src/limits.rs");

/// Lists limits by name and value.
macro_rules! bounds {
    ($($name:ident)*) => { [$((stringify!($name), limits::$name.to_string()),)*] };
}

/// The cells of each table row.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_reason_code_is_explained_as_in_the_source() {
    let rows = rows(WIRE);
    for refusal in Refusal::ALL {
        let code = refusal.code().to_string();
        let name = format!("{refusal:?}");
        let row = vec![code.as_str(), &name, refusal.text(), refusal.mend()];
        assert!(rows.contains(&row), "docs/wire.md lacks the row {row:?}");
    }
    let is_code = |cell: &str| cell.len() == 3 && cell.bytes().all(|b| b.is_ascii_digit());
    let explained = rows.iter().filter(|row| is_code(row[0])).count();
    assert_eq!(explained, Refusal::ALL.len(), "docs/wire.md explains codes that do not exist");
}

#[test]
fn every_bound_has_its_value() {
    let bounds = bounds! {
        FRAME_BYTES_MAX ADMISSION_FRAME_BYTES_MAX CREDENTIAL_FRAMES_MAX SAMPLE_BYTES_MAX
        TOPIC_BYTES_MAX TOPIC_LEVELS_MAX NAME_BYTES_MAX SCOPE_LEVELS_MAX GROUP_ENTRIES_MAX
        ENTRY_BYTES_MAX GROUP_BYTES_MAX PARENTS_MAX LEAVES_MAX TRUST_RECORDS_MAX
        TRUST_REVOCATIONS_MAX ROOT_KEYS_MAX ROLES_MAX GRANT_FILTERS_MAX CUT_LOGS_MAX
        INVITATION_USES_MAX ADDRESSES_PER_MEMBER_MAX ADDRESS_BOOK_MAX ADDRESS_BYTES_MAX
        INTEREST_FILTERS_MAX HEADS_PAGE_MAX GAPS_TOLD_MAX LOCATOR_POINTS_MAX GROUPS_PAGE_MAX COMMAND_BYTES_MAX
        COMMAND_TTL_MS_MAX SHEET_TOPICS_MAX TRUST_GROUP_BYTES_MAX ACT_SIGNATURES_MAX ROTATION_ACTS_MAX
        HELLO_BYTES_MAX CARRIED_CODE_BYTES_MAX LIVE_ALIASES_MAX PRESENCE_PAGE_MAX READ_FILTERS_MAX
        COMMAND_DETAIL_BYTES_MAX VERBS_MAX VERBS_BYTES_MAX RESOURCES_MAX PLACES_MAX
        LEASES_WAITING_MAX LEASE_TTL_MS_MAX ATTEMPTS_OFFERED_MAX
        SEALED_KEY_BYTES KNOCK_BYTES_MAX SHARE_ENTRY_BYTES_MAX SHARE_GROUP_BYTES_MAX
        GOSSIP_BYTES_MAX SHARE_PAGE_MAX PARTNER_TTL_MS_MAX
        SHEET_SCHEMAS_BYTES_MAX NOTICES_MAX FAN_OUT_MAX
    };
    assert_eq!(LIMITS.matches("pub const ").count(), bounds.len(), "a limit is not compared here");
    let rows = rows(WIRE);
    for (name, value) in bounds {
        let is_listed = rows.iter().any(|row| row[0] == format!("`{name}`") && row[1] == value);
        assert!(is_listed, "docs/wire.md does not say that {name} is {value}");
    }
}

#[test]
fn every_purpose_context_and_protocol_is_listed() {
    let purposes = PURPOSES.iter().map(|(_, purpose)| *purpose);
    let names = purposes.chain(CONTEXTS).chain([CONTROL_PROTOCOL, LIVE_PROTOCOL, COMMAND_PROTOCOL]);
    let names = names.chain([SESSION_PROTOCOL, GOSSIP_PROTOCOL]);
    for name in names {
        assert!(WIRE.contains(&format!("`{name}`")), "docs/wire.md lacks {name}");
    }
}

#[test]
fn the_glossary_has_one_line_for_each_word_in_order() {
    let lines: Vec<&str> = GLOSSARY.lines().filter(|line| line.starts_with("- ")).collect();
    let words: Vec<String> = lines
        .iter()
        .map(|line| {
            let parts = line.strip_prefix("- **").and_then(|line| line.split_once("**: "));
            let (word, meaning) = parts.expect("a line `- **word**: meaning`");
            assert!(meaning.ends_with('.'), "{word}");
            word.to_lowercase()
        })
        .collect();
    for pair in words.windows(2) {
        assert!(pair[0] < pair[1], "{:?} stands before {:?}", pair[0], pair[1]);
    }
    assert!(words.len() > 100, "the glossary was not read");
}
