//! The world keeps the shell's order, and its disks know what they lost.

use gearmesh_node::core::plant::data::{DataEffect, DataInput};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::plant::ControlFrame;

use super::lane::{Frame, Inbox};
use super::*;

const ALONE: Shape = Shape {
    members: 1,
    joiners: 0,
    with_hostile: false,
    with_publishers: false,
    with_callers: false,
    with_offerers: false,
};

fn beat(number: u64) -> Frame {
    Frame::Control(Box::new(ControlFrame::Beat { number, seen: 0 }))
}

fn number(frame: Option<Frame>) -> u64 {
    match frame {
        Some(Frame::Control(frame)) => match *frame {
            ControlFrame::Beat { number, .. } => number,
            _ => 0,
        },
        Some(Frame::Data(_) | Frame::Command(_)) | None => 0,
    }
}

#[test]
fn a_frame_waits_for_its_end_and_is_not_overtaken() {
    let at = Duration::from_millis;
    let mut inbox = Inbox::default();
    assert_eq!(inbox.send(beat(1), at(9)), at(9));
    assert_eq!(inbox.send(beat(2), at(4)), at(9), "what is sent later arrives no earlier");
    let data = Frame::Data(Box::new(gearmesh_protocol::data::DataFrame::Ends(Default::default())));
    assert_eq!(inbox.send(data, at(5)), at(5), "the lanes do not wait for each other");
    inbox.wait(Lane::Control);
    assert_eq!(inbox.begin(), [(Lane::Control, 1), (Lane::Data, 0), (Lane::Command, 0)]);
    assert_eq!([number(inbox.next(Lane::Control)), number(inbox.next(Lane::Control))], [1, 2]);
}

#[test]
fn a_disk_answers_in_the_order_of_its_jobs() {
    let (mut disk, mut store) = (Disk::default(), store::Store::default());
    let (slow, fast) = (Duration::from_millis(900), Duration::from_millis(3));
    assert_eq!([disk.queue(slow), disk.queue(fast)], [slow; 2]);
    assert_eq!([store.queue(slow), store.queue(fast)], [slow; 2]);
}

#[test]
fn what_comes_to_a_machine_that_stands_still_waits_and_keeps_its_order() {
    let mut world = World::new(1, ALONE, Faults::default());
    while world.now() < Duration::from_secs(5) {
        assert!(world.advance());
    }
    let until = world.now() + Duration::from_secs(2);
    world.machines[0].frozen_until = until;
    // What comes the moment it goes on comes behind what came before.
    let publish = |entry: u8| {
        let (ticket, entries) = (Ticket(u64::from(entry)), vec![vec![entry]]);
        let input = DataInput::Publish { ticket, entries, ack: AckLevel::Local };
        Event::Comes { node: 0, life: 1, input: Box::new(Input::Data(input)) }
    };
    world.schedule(Duration::from_secs(2), publish(2));
    world.schedule(Duration::from_millis(1), publish(1));
    world.schedule(Duration::from_secs(2), Event::Thaw { node: 0 });
    world.take_steps();
    let mut written = Vec::new();
    while world.now() < until + Duration::from_secs(1) {
        assert!(world.advance());
        let steps = world.take_steps();
        assert!(world.now() >= until || steps.is_empty(), "it took something at {:?}", world.now());
        for effect in steps.iter().flat_map(|step| &step.effects) {
            if let Effect::Data(DataEffect::Store { groups, .. }) = effect {
                written.extend(groups.iter().flat_map(|group| group.entries().to_vec()));
            }
        }
    }
    assert_eq!(written, [[1], [2]]);
}

#[test]
fn an_older_image_takes_away_what_came_after_it_and_nothing_else() {
    let plant = Founding::of(1).plant;
    let first = history::data_group("machine-0", &plant, &[], vec![vec![1]]);
    let second = history::data_group("machine-0", &plant, &[first.tip()], vec![vec![2]]);
    let mut store = store::Store::default();
    let keep = |store: &mut store::Store, write: u64, group: &Arc<VerifiedGroup>| {
        store.begin(write, vec![Arc::clone(group)], false);
        store.end(write, true).expect("a write").iter().all(|kept| kept.is_new)
    };
    assert!(keep(&mut store, 1, &first));
    store.take_image();
    assert!(keep(&mut store, 2, &second));
    store.put_back();
    let away = |store: &store::Store| [&first, &second].map(|group| store.is_away(&group.id()));
    assert_eq!(away(&store), [false, true]);
    // What came again is not excused any more, though it is what a fork may come of.
    assert!(keep(&mut store, 3, &second));
    assert_eq!(away(&store), [false, false]);
    assert!(store.was_taken(&second.id()) && !store.was_taken(&first.id()));
}
