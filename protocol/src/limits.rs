//! Every bound on what is signed and on the wire, in one place, with the relations between them.

/// Bytes of one frame between members; checked before anything is decoded.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one frame of the admission exchange, sent by peers that are not trusted yet.
pub const ADMISSION_FRAME_BYTES_MAX: usize = 256 * 1024;

/// Frames of one credential: how much of a ledger a peer may show before it is believed.
pub const CREDENTIAL_FRAMES_MAX: usize = 64;

/// Bytes of the payload of one sample (text or bytes).
pub const SAMPLE_BYTES_MAX: usize = 512 * 1024;

/// Bytes of a topic or topic filter. MQTT allows 65,535; nothing in a plant needs that.
pub const TOPIC_BYTES_MAX: usize = 255;

/// Levels of a topic, so that matching has a bounded depth.
pub const TOPIC_LEVELS_MAX: usize = 16;

/// Bytes of a name of a machine, plant, partner or unit.
pub const NAME_BYTES_MAX: usize = 48;

/// Levels of a scope: `site/area/line/machine` is the deepest ISA-95 path in use.
pub const SCOPE_LEVELS_MAX: usize = 4;

/// Entries of one group of a log: one group commit, one signature.
pub const GROUP_ENTRIES_MAX: usize = 256;

/// Bytes of one entry of a log.
pub const ENTRY_BYTES_MAX: usize = 520 * 1024;

/// Bytes of one encoded group; what a group commit collects before it closes.
pub const GROUP_BYTES_MAX: usize = 768 * 1024;

/// Parents of a group. More than one only by a person's decision to settle a fork.
pub const PARENTS_MAX: usize = 8;

/// Leaves a log may have before branches are dropped (largest hash first).
pub const LEAVES_MAX: usize = 8;

/// Trust records one key may write; what lies beyond is void, whoever received it first.
pub const TRUST_RECORDS_MAX: u64 = 16_384;

/// Revocations may go on to here, so that a full log can still throw a key out.
pub const TRUST_REVOCATIONS_MAX: u64 = 2 * TRUST_RECORDS_MAX;

/// Bytes of one group of a trust log: every one must fit a frame of the admission exchange.
pub const TRUST_GROUP_BYTES_MAX: usize = 192 * 1024;

/// Root keys of a plant.
pub const ROOT_KEYS_MAX: usize = 8;

/// Acts of a root that may go on counting after another root took its place: all that a ledger holds.
pub const ROTATION_ACTS_MAX: usize = 256;

/// Signatures of one threshold act: a rotation carries those of the old and of the new root.
pub const ACT_SIGNATURES_MAX: usize = 2 * ROOT_KEYS_MAX;

/// Bytes of the first message of a connection, sent by somebody of whom nothing is known.
pub const HELLO_BYTES_MAX: usize = 512;

/// Bytes of an invitation code on its way to the machine that it is for.
pub const CARRIED_CODE_BYTES_MAX: usize = 256;

/// Roles one membership record may name.
pub const ROLES_MAX: usize = 4;

/// Topic filters one membership record may name.
pub const GRANT_FILTERS_MAX: usize = 16;

/// Logs one revocation cuts: trust, data, and one for each share of the key.
pub const CUT_LOGS_MAX: usize = 64;

/// Admissions one invitation may stand for.
pub const INVITATION_USES_MAX: u16 = 1024;

/// Addresses one member is known by.
pub const ADDRESSES_PER_MEMBER_MAX: usize = 8;

/// Members named in one address frame.
pub const ADDRESS_BOOK_MAX: usize = 256;

/// Bytes of one address in text.
pub const ADDRESS_BYTES_MAX: usize = 128;

/// Topic filters a member follows at another member.
pub const INTEREST_FILTERS_MAX: usize = 1024;

/// Aliases of topics on one link, in each direction. A link with more topics gives them in turn.
pub const LIVE_ALIASES_MAX: usize = 4096;

/// Log heads in one frame; more are sent as further pages.
pub const HEADS_PAGE_MAX: usize = 256;

/// Gaps of one copy of a log that are told one by one; the oldest beyond are told as one.
pub const GAPS_TOLD_MAX: usize = 8;

/// Points of a log by which a reader says what it has.
pub const LOCATOR_POINTS_MAX: usize = 64;

/// Sightings of members in one frame; more are sent as further pages.
pub const PRESENCE_PAGE_MAX: usize = 256;

/// Groups in one frame.
pub const GROUPS_PAGE_MAX: usize = 512;

/// Topic filters through which a reader without copies reads a log.
pub const READ_FILTERS_MAX: usize = 16;

/// Bytes of an argument or answer of a command.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// Time to live of a command, in milliseconds (600 s): the longest a caller may be held to it.
pub const COMMAND_TTL_MS_MAX: u32 = 600_000;

/// Bytes of the sentence that goes with the outcome of a command.
pub const COMMAND_DETAIL_BYTES_MAX: usize = 1024;

/// Verbs that one machine serves.
pub const VERBS_MAX: usize = 64;

/// Bytes of the schemas of all verbs of one machine: every member linked with it keeps them.
pub const VERBS_BYTES_MAX: usize = 128 * 1024;

/// Resources that one machine arbitrates.
pub const RESOURCES_MAX: usize = 64;

/// Places of one resource: as many leases of it may last at once.
pub const PLACES_MAX: usize = 256;

/// Members' wishes that wait for one resource.
pub const LEASES_WAITING_MAX: usize = 64;

/// Time to live of a lease, in milliseconds (600 s).
pub const LEASE_TTL_MS_MAX: u32 = 600_000;

/// Attempts at work items that one frame offers.
pub const ATTEMPTS_OFFERED_MAX: usize = 16;

/// Topics, fields and columns of one agreement sheet.
pub const SHEET_TOPICS_MAX: usize = 64;

/// Bytes of a sealed epoch key: the key and the seal's tag.
pub const SEALED_KEY_BYTES: usize = 48;

/// Bytes of the first message on a connection of the partner plane.
pub const KNOCK_BYTES_MAX: usize = 512;

/// Bytes of one encoded value that crosses to a partner.
pub const SHARE_ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one encoded group of a share log.
pub const SHARE_GROUP_BYTES_MAX: usize = 192 * 1024;

/// Bytes of one sealed message, well below what a gossip frame may have.
pub const GOSSIP_BYTES_MAX: usize = 256 * 1024;

/// Groups of a share log in one frame of a session.
pub const SHARE_PAGE_MAX: usize = 64;

/// Companies that receive one stream.
pub const FAN_OUT_MAX: usize = 64;

/// Bytes of all JSON Schemas of one sheet.
pub const SHEET_SCHEMAS_BYTES_MAX: usize = 256 * 1024;

/// Changes of one side's gateway under one agreement.
pub const NOTICES_MAX: usize = 64;

/// Longest time to live of a call at a partner's, in milliseconds: a day, since a person may have to allow it.
pub const PARTNER_TTL_MS_MAX: u32 = 24 * 3600 * 1000;

const _: () = {
    assert!(
        (CREDENTIAL_FRAMES_MAX * GROUPS_PAGE_MAX) as u64 >= 2 * TRUST_RECORDS_MAX,
        "the full logs of an admin and a registrar can be shown"
    );
    assert!(SAMPLE_BYTES_MAX + 2 * TOPIC_BYTES_MAX < ENTRY_BYTES_MAX, "a sample fits an entry");
    assert!(LIVE_ALIASES_MAX <= 1 << 16, "an alias has 16 bits");
    assert!(ENTRY_BYTES_MAX < GROUP_BYTES_MAX, "an entry fits a group");
    assert!(GROUP_BYTES_MAX + 4096 < FRAME_BYTES_MAX, "a group fits a frame with its header");
    assert!(COMMAND_BYTES_MAX + 4096 < ENTRY_BYTES_MAX, "the answer of a command fits an entry");
    assert!(VERBS_BYTES_MAX + VERBS_MAX * 128 < FRAME_BYTES_MAX, "all verbs fit a frame");
    assert!(READ_FILTERS_MAX >= GRANT_FILTERS_MAX, "a reader may ask for all that it may see");
    assert!(LEAVES_MAX <= PARENTS_MAX, "one settling group can join all leaves");
    assert!(LOCATOR_POINTS_MAX > LEAVES_MAX, "a locator names all leaves and more");
    assert!(
        TRUST_GROUP_BYTES_MAX + 8192 < ADMISSION_FRAME_BYTES_MAX,
        "a trust group is shown whole"
    );
    assert!(CARRIED_CODE_BYTES_MAX + 64 < HELLO_BYTES_MAX, "a carried code fits a first message");
    assert!(HELLO_BYTES_MAX < ADMISSION_FRAME_BYTES_MAX, "the unknown say least");
    assert!(ADMISSION_FRAME_BYTES_MAX < FRAME_BYTES_MAX, "strangers may say less than members");
    assert!(SHARE_ENTRY_BYTES_MAX + 4096 < SHARE_GROUP_BYTES_MAX, "a shared value fits a group");
    assert!(SHARE_GROUP_BYTES_MAX + 4096 < GOSSIP_BYTES_MAX, "a group fits a sealed message");
    assert!(4 * SHARE_GROUP_BYTES_MAX < FRAME_BYTES_MAX, "a page carries some groups");
};
