//! Partners' gateways that keep to nothing, at a real gateway: whatever they say over session and
//! gossip is bounded, refused, or ends with a reason, and the other partners notice nothing.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

#[path = "partner_hostile/bytes.rs"]
mod bytes;
#[path = "partner_hostile/rig.rs"]
mod rig;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, GOSSIP_BYTES_MAX};
use gearmesh_protocol::partner_session::{
    Carried, GossipMessage, KnockAnswer, Sealed, SessionFrame,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::rpc::Rpc;
use gearmesh_tests::stranger::Stranger;
use gearmesh_tests::wait::until;
use rig::{EPOCH, GATEWAY, Rossi, scene};

/// The id by which gossip knows a message.
fn id_of(topic: &str, message: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(topic.as_bytes());
    hasher.update(message);
    hasher.finalize().as_bytes().to_vec()
}

#[test]
fn a_flood_of_small_messages_is_cut_off_and_named() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    let topic = scene.partner.own_topic();
    for number in 0..20_000_u32 {
        line.gossip(&Rpc::default().publish(&topic, &number.to_le_bytes()));
        if !line.connection.is_open() {
            break;
        }
    }
    line.connection.wait_closed();
    // Either is true of it: nobody signed them, and they are too many.
    scene.is_kept_out();
    scene.rossi.alarmed(&scene.name, "sends");
    scene.others_are_served();
}

#[test]
fn a_flood_on_a_topic_that_nobody_hears_is_cut_off_and_named() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    let topic = scene.partner.their_topic();
    for number in 0..20_000_u32 {
        let message = [&number.to_le_bytes()[..], &[7; 60]].concat();
        line.gossip(&Rpc::default().publish(&topic, &message));
        if !line.connection.is_open() {
            break;
        }
    }
    line.connection.wait_closed();
    scene.is_kept_out();
    scene.rossi.alarmed(&scene.name, "sends more than anybody can use");
}

#[test]
fn a_frame_of_many_messages_costs_as_much_as_all_of_them() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    let topic = scene.partner.their_topic();
    for number in 0..1_200_u32 {
        let publish = |rpc: Rpc, at: u32| {
            rpc.publish(&topic, &[number.to_le_bytes(), at.to_le_bytes()].concat())
        };
        line.gossip(&(0..100).fold(Rpc::default(), publish));
        if !line.connection.is_open() {
            break;
        }
    }
    line.connection.wait_closed();
    scene.rossi.alarmed(&scene.name, "sends more than anybody can use");
}

#[test]
fn messages_that_are_too_long_are_refused_and_named() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    for topic in [scene.partner.own_topic(), scene.partner.their_topic()] {
        let long = vec![1; GOSSIP_BYTES_MAX + 1];
        line.gossip(&Rpc::default().publish(&topic, &long));
        line.gossip(&Rpc::default().publish(&topic, &long));
    }
    line.connection.wait_closed();
    scene.rossi.alarmed(&scene.name, "sends messages that are too long, or none");
    scene.is_kept_out();
}

#[test]
fn a_frame_that_is_too_long_ends_its_stream_and_a_second_stream_the_connection() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    let data = vec![1; FRAME_BYTES_MAX + 1];
    line.gossip(&Rpc::default().publish(&scene.partner.own_topic(), &data));
    line.gossip_anew();
    line.gossip(&Rpc::default());
    line.connection.wait_closed();
    scene.rossi.alarmed(&scene.name, "sends messages that are too long, or none");
}

#[test]
fn what_is_no_frame_ends_its_stream_and_a_second_stream_the_connection() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    line.gossip_raw(&[3, 0xff, 0xff, 0xff]);
    line.gossip_anew();
    line.gossip(&Rpc::default());
    line.connection.wait_closed();
    scene.rossi.alarmed(&scene.name, "sends messages that are too long, or none");
}

#[test]
fn what_is_no_word_of_a_session_ends_the_connection_and_is_named() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    line.session.send_raw(&[0, 0, 0, 2, 0xff, 0xff]);
    line.connection.wait_closed();
    scene.rossi.alarmed(&scene.name, "says what is no word of a session");
    scene.is_kept_out();
}

#[test]
fn messages_that_nobody_sealed_end_the_connection() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    line.session.send(&scene.envelope());
    // The envelope has been read when the answer to what follows it is there.
    line.session.send(&SessionFrame::Follow { sheet: scene.partner.id, after: None });
    let _answers = line.frames_until(|frame| matches!(frame, SessionFrame::Envelope(_)));
    for number in 0..16 {
        let sealed = Sealed { epoch: EPOCH, nonce: [number; 24], ciphertext: vec![number; 99] };
        let message = codec::encode(&GossipMessage::Sealed(sealed));
        line.gossip(&Rpc::default().publish(&scene.partner.own_topic(), &message));
    }
    line.connection.wait_closed();
    scene.rossi.alarmed(&scene.name, "sends messages that nobody signed or sealed");
    assert_eq!(scene.rossi.came(&scene), 0);
}

#[test]
fn yesterdays_messages_enter_once() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    line.session.send(&scene.envelope());
    let (first, tip) = scene.group(None, 1);
    let (second, _) = scene.group(Some(tip), 2);
    let topic = scene.partner.own_topic();
    let mut say = |nonce, group: &[u8]| {
        let message = scene.sealed(nonce, &Carried::Group(group.to_vec()));
        line.gossip(&Rpc::default().publish(&topic, &message));
    };
    until("the envelope was read, and the first group has entered", || {
        say(1, &first);
        say(2, &first);
        (scene.rossi.came(&scene) > 0).then_some(())
    });
    // Again as it was, again under another nonce, and only then what follows.
    (0..20).for_each(|nonce| say(nonce, &first));
    say(100, &second);
    until("the second group has entered", || (scene.rossi.came(&scene) > 1).then_some(()));
    (100..120).for_each(|nonce| say(nonce, &second));
    (0..20).for_each(|nonce| say(nonce, &first));
    line.session.send(&SessionFrame::Follow { sheet: scene.partner.id, after: None });
    assert_eq!(scene.rossi.came(&scene), 2);
    assert_eq!(scene.rossi.status().gateway, scene.partner.sheet.from.gateway);
}

#[test]
fn whoever_asks_for_ids_gets_what_it_cannot_open() {
    let (victim, thief) = (scene(), scene());
    let (_line, mut hearing, key) = victim.follow();
    victim.publish("4711");
    let theirs = victim.partner.their_topic();
    let (topic, message) = hearing.message_on(&theirs);
    assert!(victim.partner.opened(&key.1, &message).is_some(), "its own partner opens it");
    let (mut line, mut heard, stolen) = thief.follow();
    // Ids as gossipsub makes them by default, author and sequence; and the true one.
    let author = PublicKey::of(victim.partner.key());
    let guessed = (0..100_u64).map(|at| [author.as_bytes(), &at.to_be_bytes()[..]].concat());
    line.gossip(&Rpc::default().want(&guessed.collect::<Vec<_>>()));
    line.gossip(&Rpc::default().want(&[id_of(&topic, &message)]));
    thief.publish("4712");
    let own = thief.partner.their_topic();
    let mut seen = 0;
    while seen == 0 {
        for (topic, message) in heard.frame().messages {
            match topic == own {
                true => seen += 1,
                false => {
                    assert_eq!(topic, theirs, "what was guessed brings nothing");
                    assert_eq!(thief.partner.opened(&stolen.1, &message), None);
                }
            }
        }
    }
}

#[test]
fn a_graft_without_a_subscription_brings_nothing() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    let topic = scene.partner.their_topic();
    line.gossip(&Rpc::default().graft(&topic));
    (0..5).for_each(|number| scene.publish(&number.to_string()));
    let sheet = scene.partner.id;
    let is_head = |frame: &SessionFrame| matches!(frame, SessionFrame::Head { .. });
    until("something was shared", || {
        scene.publish("6");
        line.session.send(&SessionFrame::Follow { sheet, after: None });
        (scene.rossi.status().agreements.iter().any(|it| it.sheet == sheet && it.sent > 0))
            .then_some(())
    });
    line.session.send(&SessionFrame::Follow { sheet, after: None });
    let _came_by_session = line.frames_until(is_head);
    // Only now it subscribes; the first frame with a message is of something published after it.
    line.gossip(&Rpc::default().subscribe(&topic));
    let mut hearing = line.hear();
    until("it is heard once it is followed", || {
        scene.publish("7");
        hearing.heard_within_a_second(&topic)
    });
}

#[test]
fn nobody_publishes_into_a_share_that_it_only_reads() {
    let scene = scene();
    let (mut line, mut hearing, (epoch, key)) = scene.follow();
    let topic = scene.partner.their_topic();
    // Under the true key, on the true topic: its own group, and what was heard, changed.
    let (group, _) = scene.group(None, 99);
    let share = scene.partner.share();
    for (nonce, carried) in [(1, Carried::Group(group)), (2, Carried::Group(vec![1, 2, 3]))] {
        let sealed = key.seal(&share, epoch, [nonce; 24], &carried).expect("sealed");
        let message = codec::encode(&GossipMessage::Sealed(sealed));
        line.gossip(&Rpc::default().publish(&topic, &message));
    }
    // Over the session it says that the log, which is not its own, goes on.
    let groups = Bounded::try_from(vec![scene.group(None, 98).0]).expect("one");
    let other = rig::scene();
    line.session.send(&SessionFrame::Groups { sheet: other.partner.id, groups });
    scene.publish("5");
    let (_, message) = hearing.message_on(&topic);
    assert!(scene.partner.opened(&key, &message).is_some(), "what is heard is the gateway's own");
    assert_eq!(scene.rossi.came(&scene) + scene.rossi.came(&other), 0);
}

#[test]
fn whoever_takes_nothing_of_what_it_asks_for_is_closed() {
    let scene = scene();
    let mut line = scene.partner.come_in();
    let (text, sheet) = ("x".repeat(60_000), scene.partner.id);
    until("a page of something was shared", || {
        scene.publish(&text);
        let agreements = scene.rossi.status().agreements;
        agreements.iter().any(|it| it.sheet == sheet && it.sent >= 9).then_some(())
    });
    for _ in 0..64 {
        line.session.send(&SessionFrame::Follow { sheet, after: None });
    }
    // It reads nothing: 64 pages of half a MiB do not fit in.
    until("it is closed, and the log says why", || {
        let log = scene.rossi.plant.log(GATEWAY);
        log.contains("a partner takes nothing of what it is sent").then_some(())
    });
    scene.others_are_served();
}

#[test]
fn an_unadmitted_connection_reaches_neither_session_nor_gossip() {
    let (rossi, _) = Rossi::of_all();
    let stranger = Stranger::unknown();
    for first in [&b"\x13/multistream/1.0.0\n"[..], b"\x00\x00\x00\x01\x07", &[0xff; 64]] {
        let connection = stranger.dial(&rossi.address);
        let (mut one, mut two) = (connection.open(), connection.open());
        one.send_raw(first);
        two.send_raw(&Rpc::default().subscribe("a").framed());
        let answers = [one.receive(), two.receive()];
        let said: Vec<KnockAnswer> = answers.into_iter().flatten().collect();
        let refused = KnockAnswer::Refused(Refusal::Protocol);
        assert!(said.is_empty() || said == [refused], "{said:?}");
        connection.wait_closed();
    }
}

#[test]
fn a_session_that_signs_for_others_changes_nothing() {
    let (scene, other) = (scene(), scene());
    let mut line = scene.partner.come_in();
    let end = gearmesh_protocol::partner::End { sheet: other.partner.id, at: UnixMillis(1) };
    let plant = other.partner.sheet.from.plant;
    let forged = Signed::sign(scene.partner.key(), &plant, &end);
    line.session.send(&SessionFrame::End(forged));
    let by_admin = Signed::sign(other.partner.admin(), &plant, &end);
    line.session.send(&SessionFrame::End(by_admin));
    line.session.send(&SessionFrame::Follow { sheet: other.partner.id, after: None });
    line.session.send(&SessionFrame::Follow { sheet: scene.partner.id, after: None });
    let answers = line.frames_until(|frame| matches!(frame, SessionFrame::Envelope(_)));
    let of_other = |frame: &SessionFrame| match frame {
        SessionFrame::Groups { sheet, .. } | SessionFrame::Head { sheet, .. } => {
            *sheet == other.partner.id
        }
        _ => false,
    };
    assert!(!answers.iter().any(of_other), "nothing of what others agreed on");
    let agreements = scene.rossi.status().agreements;
    assert!(agreements.iter().all(|it| it.ended.is_none()));
}
