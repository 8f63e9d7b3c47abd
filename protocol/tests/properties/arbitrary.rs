//! Values of every wire type, of all variants, short enough that every byte can be mutated.

use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::entry::{CommandState, CursorRecord, DataEntry};
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey, RecordId, SheetId};
use gearmesh_protocol::log::{LogCut, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::partner::{self as agreed, Envelope, Receipt, Sheet, SheetTopic};
use gearmesh_protocol::plant::{
    AdmissionMessage, ControlFrame, LedgerPage, LogHeads, MemberAddresses, Seen, Sighting,
};
use gearmesh_protocol::sample::{Quality, Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Topic, TopicFilter};
use gearmesh_protocol::trust::{
    Act, ActBody, Admission, Amendment, Reason, Revocation, Target, TrustEntry, TrustRecord,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fixtures::{SHARE, command, entry, key, list, log, partner, plant, text, trust};

/// Bytes as they make decoders stumble: small counts, ends of integers, anything.
pub(crate) fn hostile_byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0..8_u8, 1 => select(vec![0x7f, 0x80, 0xff]), 2 => any::<u8>()]
}

fn public_key() -> impl Strategy<Value = PublicKey> {
    (1..32_u8).prop_map(key)
}

fn group_ids() -> impl Strategy<Value = Vec<GroupId>> {
    vec(any::<[u8; 32]>().prop_map(GroupId), 0..4)
}

fn time() -> impl Strategy<Value = UnixMillis> {
    any::<u64>().prop_map(UnixMillis)
}

fn log_kind() -> impl Strategy<Value = LogKind> {
    select(vec![LogKind::Trust, LogKind::Data, LogKind::Share(SHARE)])
}

fn log_id() -> impl Strategy<Value = LogId> {
    (public_key(), log_kind()).prop_map(|(author, kind)| LogId { author, kind })
}

pub(crate) fn topic() -> impl Strategy<Value = Topic> {
    "[a-z0-9$ ]{1,8}(/[a-z\u{e0}\u{1f600}]{0,4}){0,3}".prop_map(|topic| text(&topic))
}

fn filter() -> impl Strategy<Value = TopicFilter> {
    "(\\+|[a-z]{1,6})(/\\+|/[a-z]{0,4}){0,3}(/#)?".prop_map(|filter| text(&filter))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        select(vec![f64::NAN, -0.0, f64::INFINITY]).prop_map(Value::Float),
        "\\PC{0,12}".prop_map(Value::Text),
        vec(any::<u8>(), 0..24).prop_map(Value::Bytes),
    ]
}

pub(crate) fn sample() -> impl Strategy<Value = Sample> {
    let quality = select(vec![Quality::Good, Quality::Uncertain, Quality::Bad]);
    let unit = option::of("[!-~]{1,6}".prop_map(|unit| text(&unit)));
    let parts = (value(), quality, time(), unit, any::<bool>());
    parts.prop_map(|(value, quality, source_time, unit, replay)| Sample {
        value,
        quality,
        source_time,
        unit,
        replay,
    })
}

fn tip() -> impl Strategy<Value = Tip> {
    (any::<[u8; 32]>(), any::<u32>(), any::<u32>()).prop_map(|(id, number, entries)| Tip {
        group: GroupId(id),
        number: number.into(),
        entries: entries.into(),
    })
}

/// Any frame of the data lane.
pub(crate) fn command_frame() -> impl Strategy<Value = CommandFrame> {
    select(command::command_frames())
}

pub(crate) fn data_frame() -> impl Strategy<Value = DataFrame> {
    select(plant::data_frames())
}

/// A group of any shape: first, following, settling, with and without entries.
pub(crate) fn group() -> impl Strategy<Value = VerifiedGroup> {
    let entries = vec(vec(any::<u8>(), 0..12), 0..5);
    (log_kind(), vec(tip(), 0..3), entries)
        .prop_map(|(kind, after, entries)| log::group(kind, after, entries))
}

fn terms() -> impl Strategy<Value = Terms> {
    let roles = vec(select(vec![Role::Machine, Role::Gateway, Role::Observer]), 0..4);
    let scope = option::of("[a-z]{3,6}(/[a-z0-9]{1,6}){1,3}");
    let subscribe = vec(filter(), 0..3);
    ("[a-z0-9]{1,6}", roles, scope, subscribe, option::of(time())).prop_map(
        |(name, roles, scope, subscribe, until)| Terms {
            name: text(&name),
            roles: list(roles),
            scope: scope.map(|scope| text(&scope)),
            subscribe: list(subscribe),
            until,
        },
    )
}

fn record() -> impl Strategy<Value = TrustRecord> {
    let fixed: Vec<_> = trust::trust_entries().into_iter().map(|entry| entry.record).collect();
    let admission =
        (public_key(), option::of(public_key()), terms()).prop_map(|(node, invitation, terms)| {
            TrustRecord::Admission(Admission { node, invitation, terms })
        });
    let amendment = (public_key(), any::<[u8; 32]>(), terms(), group_ids()).prop_map(
        |(node, replaces, terms, leaves)| {
            let (replaces, data_leaves) = (RecordId(replaces), list(leaves));
            TrustRecord::Amendment(Amendment { node, replaces, terms, data_leaves })
        },
    );
    prop_oneof![2 => select(fixed), 1 => admission, 1 => amendment, 1 => revocation()]
}

fn revocation() -> impl Strategy<Value = TrustRecord> {
    let target =
        prop_oneof![public_key().prop_map(Target::Key), public_key().prop_map(Target::Invitation),];
    let reason = select(vec![Reason::Retired, Reason::Lost, Reason::Replaced, Reason::Compromised]);
    let ends =
        (log_kind(), group_ids()).prop_map(|(kind, leaves)| LogCut { kind, leaves: list(leaves) });
    (target, reason, vec(ends, 0..3)).prop_map(|(target, reason, cut)| {
        TrustRecord::Revocation(Revocation { target, reason, cut: list(cut) })
    })
}

pub(crate) fn trust_entry() -> impl Strategy<Value = TrustEntry> {
    (time(), record()).prop_map(|(at, record)| TrustEntry { at, record })
}

/// An act of any kind, signed by as many keys as it needs.
pub(crate) fn act() -> impl Strategy<Value = Act> {
    let fixed = select(trust::act_bodies());
    let body = prop_oneof![3 => fixed, 2 => trust_entry().prop_map(ActBody::Record)];
    body.prop_map(|body| trust::act(&body))
}

pub(crate) fn data_entry() -> impl Strategy<Value = DataEntry> {
    let sample =
        (topic(), sample()).prop_map(|(topic, sample)| DataEntry::Sample { topic, sample });
    let done = vec(any::<u8>(), 0..24).prop_map(|result| CommandState::Done { result });
    let failed = (any::<i32>(), "\\PC{0,12}")
        .prop_map(|(code, message)| CommandState::Failed { code, message });
    let state = prop_oneof![2 => select(entry::command_states()), 1 => done, 1 => failed];
    let cursor = (log_id(), vec(tip(), 0..3)).prop_map(|(log, leaves)| {
        DataEntry::Cursor(CursorRecord { consumer: text("mes"), log, leaves: list(leaves) })
    });
    let fixed = select(entry::data_entries());
    prop_oneof![sample, state.prop_map(entry::command), cursor, fixed]
}

fn ledger_page() -> impl Strategy<Value = LedgerPage> {
    (vec(act(), 0..2), vec(group(), 0..2), any::<bool>()).prop_map(|(acts, groups, more)| {
        let groups: Vec<_> = groups.iter().map(|group| group.group().clone()).collect();
        LedgerPage { acts: list(acts), groups: list(groups), more }
    })
}

pub(crate) fn admission_message() -> impl Strategy<Value = AdmissionMessage> {
    prop_oneof![
        2 => select(plant::admission_messages()),
        1 => ledger_page().prop_map(AdmissionMessage::Credential),
    ]
}

pub(crate) fn control_frame() -> impl Strategy<Value = ControlFrame> {
    let beat =
        (any::<u64>(), any::<u64>()).prop_map(|(number, seen)| ControlFrame::Beat { number, seen });
    let interest =
        vec(filter(), 0..4).prop_map(|filters| ControlFrame::Interest { filters: list(filters) });
    let address = "/ip4/[0-9.]{7,15}/tcp/[0-9]{1,5}"
        .prop_map(|address| address.try_into().expect("a short address"));
    let member = (public_key(), vec(address, 0..3))
        .prop_map(|(member, addresses)| MemberAddresses { member, addresses: list(addresses) });
    let heads =
        (log_id(), group_ids()).prop_map(|(log, leaves)| LogHeads { log, leaves: list(leaves) });
    let pull = (log_id(), group_ids())
        .prop_map(|(log, have)| ControlFrame::Pull { log, have: list(have) });
    let sighting = (public_key(), any::<[u8; 16]>(), any::<u64>(), any::<u32>(), public_key());
    let sighting = sighting.prop_map(|(member, life, number, age_ms, from)| Sighting {
        member,
        incarnation: Incarnation(life),
        number,
        age_ms,
        seen: if number % 2 == 0 { Seen::Online } else { Seen::Unreachable(from) },
    });
    prop_oneof![
        select(plant::control_frames()),
        beat,
        vec(sighting, 0..3).prop_map(|seen| ControlFrame::Presence(list(seen))),
        interest,
        vec(member, 0..3).prop_map(|book| ControlFrame::Addresses(list(book))),
        vec(heads, 0..3).prop_map(|heads| ControlFrame::Heads(list(heads))),
        pull,
        ledger_page().prop_map(ControlFrame::Ledger),
    ]
}

fn sheet_topic() -> impl Strategy<Value = SheetTopic> {
    let numbers = (option::of(any::<i8>()), option::of(any::<u32>()), any::<u64>());
    let aggregate = option::of(select(partner::aggregates()));
    (topic(), numbers, aggregate, option::of(any::<[u8; 32]>())).prop_map(
        |(alias, (round, every_ms, delay_ms), aggregate, schema)| SheetTopic {
            alias,
            round,
            every_ms,
            aggregate,
            delay_ms,
            schema,
            ..partner::bare_topic()
        },
    )
}

pub(crate) fn sheet() -> impl Strategy<Value = Sheet> {
    let flags = (any::<bool>(), any::<bool>());
    let ends = (option::of(any::<u64>()), option::of(time()), any::<u32>());
    (vec(sheet_topic(), 0..3), flags, ends).prop_map(
        |(topics, (confirm_at_machine, fan_out), (retention_ms, until, revision))| Sheet {
            terms: agreed::Terms {
                topics: list(topics),
                confirm_at_machine,
                fan_out,
                retention_ms,
                until,
                ..partner::terms()
            },
            revision,
            ..partner::sheet()
        },
    )
}

pub(crate) fn receipt() -> impl Strategy<Value = Receipt> {
    (any::<[u8; 32]>(), any::<[u64; 3]>(), any::<[u8; 32]>(), time()).prop_map(
        |(sheet, [start, delivered, lost], head, at)| Receipt {
            sheet: SheetId(sheet),
            log: key(7),
            start,
            head: GroupId(head),
            delivered,
            lost,
            at,
        },
    )
}

pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    (any::<u64>(), public_key(), vec(any::<u8>(), 0..48)).prop_map(|(epoch, to, sealed)| Envelope {
        epoch,
        to,
        sealed: list(sealed),
        ..partner::envelope()
    })
}
