//! Reading at a panel whose core runs, from members that answer out of their stores.

mod scene;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::durable::HistoryEvent;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::{ShownGroup, ShownPage};
use gearmesh_protocol::trust::Reason;

use super::super::data::{ReadError, Stay};
use crate::core::plant::data::WrongPage;
use crate::core::plant::world::{key, records};
use scene::{Found, Scene};

/// Values, one after the other.
fn values(numbers: impl IntoIterator<Item = i64>) -> Vec<Found> {
    numbers.into_iter().map(Found::Value).collect()
}

#[tokio::test]
async fn no_group_is_lost_where_the_shape_of_the_log_cannot_be_learnt_for_a_while() {
    let scene = Scene::new().await;
    let mut log = scene.row("left", 0..6).await;
    log.push(scene.group("left", &[log[2].tip()], 9));
    scene.store("left", &log[6..]).await;
    scene.tell("left").await;
    let mut asked = 0;
    scene.answer_with(move |_, request| {
        asked += 1;
        let refusal = Refusal::NoCopy;
        (asked == 2).then_some(DataFrame::NotShown { number: request.number, refusal })
    });
    let mut reader = scene.reader("left", Vec::new());
    let mut found = Vec::new();
    let mut refused = 0;
    loop {
        match scene.next(&mut reader).await {
            Ok(Some(group)) => found.extend(scene::numbers(&group)),
            Ok(None) => break,
            Err(ReadError::Refused { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    found.sort_unstable();
    assert_eq!((found, refused), (vec![0, 1, 2, 3, 4, 5, 9], 1));
}

#[tokio::test]
async fn a_forked_log_is_read_behind_what_was_let_go() {
    let scene = Scene::new().await;
    let mut trunk: Vec<VerifiedGroup> = Vec::new();
    for number in 0..30 {
        let after: Vec<Tip> = trunk.last().map(VerifiedGroup::tip).into_iter().collect();
        trunk.push(scene.wide_group("left", &after, number, 60 << 10));
    }
    let side = scene.group("left", &[trunk[4].tip()], 100);
    let more = scene.group("left", &[side.tip()], 101);
    scene.store("left", &trunk[..6]).await;
    scene.store("left", &[side, more]).await;
    scene.store("left", &trunk[6..]).await;
    let stay = Stay { bytes: 600 << 10, since: None, from: u64::MAX };
    scene.at("left").prune(key("left"), stay).await.expect("let go");
    scene.tell("left").await;
    let (found, refusal) = scene.read(&mut scene.reader("left", Vec::new())).await;
    let Some(Found::Value(first)) = found.iter().find(|it| matches!(it, Found::Value(_))) else {
        panic!("{found:?}");
    };
    let begin = [Found::Gap(10), Found::Beside(100), Found::Beside(101)];
    // Two entries in each group of the trunk; those before the side branch were told with it.
    let missing = u64::try_from(2 * first - 10).expect("some were let go");
    let expected = [&begin[..], &[Found::Gap(missing)], &values(*first..30)].concat();
    assert_eq!((found, refusal, scene.wrong()), (expected, None, vec![]));
}

#[tokio::test]
async fn a_side_branch_that_came_and_was_settled_meanwhile_is_read_by_name() {
    let scene = Scene::new().await;
    let trunk = scene.row("left", 0..6).await;
    scene.tell("left").await;
    let mut reader = scene.reader("left", Vec::new());
    assert_eq!(scene.read(&mut reader).await.0, values(0..6));
    let side = scene.group("left", &[trunk[2].tip()], 100);
    let more = scene.group("left", &[side.tip()], 101);
    let settled = scene.group("left", &[trunk[5].tip(), more.tip()], 6);
    scene.store("left", &[side, more, settled]).await;
    scene.tell("left").await;
    let (found, refusal) = scene.read(&mut reader).await;
    assert_eq!((found, refusal), (values([100, 101, 6]), None));
    let place = reader.position().to_vec();
    assert_eq!(scene.read(&mut scene.reader("left", place)).await, (vec![], None), "no more");
    let again = scene.reader("left", vec![trunk[5].tip()]);
    let (found, refusal) = scene.read(&mut { again }).await;
    assert_eq!((found, refusal), (values([100, 101, 6]), None), "from the cursor of a reader");
    assert_eq!(scene.wrong(), []);
}

#[tokio::test]
async fn what_a_member_says_of_ends_marks_no_value() {
    let scene = Scene::new().await;
    let trunk = scene.row("left", 0..4).await;
    scene.store("right", &trunk).await;
    let end = trunk[3].tip();
    let fake = Tip { group: GroupId([9; 32]), number: 1 << 63, entries: 1 << 63 };
    scene.say("left", key("left"), vec![fake, end]).await;
    scene.tell("right").await;
    let (found, refusal) = scene.read(&mut scene.reader("left", Vec::new())).await;
    assert_eq!((found, refusal), (values(0..4), None));
    let wrong = scene.wrong();
    assert!(!wrong.is_empty() && wrong.iter().all(|it| *it == WrongPage::Withheld), "{wrong:?}");
}

#[tokio::test]
async fn the_longest_branch_is_of_what_was_read_not_of_what_was_said() {
    let scene = Scene::new().await;
    let trunk = scene.row("left", 0..6).await;
    let side = scene.group("left", &[trunk[1].tip()], 100);
    scene.store("left", std::slice::from_ref(&side)).await;
    scene.store("right", &trunk[..4]).await;
    scene.store("right", std::slice::from_ref(&side)).await;
    scene.tell("left").await;
    scene.tell("right").await;
    let mut reader = scene.reader("left", Vec::new());
    let whole = [values(0..2), values([2]), vec![Found::Beside(100)], values(3..6)].concat();
    let found = scene.read(&mut reader).await;
    let sorted = |mut found: Vec<Found>| {
        found.sort_by_key(|it| format!("{it:?}"));
        found
    };
    assert_eq!((sorted(found.0), found.1), (sorted(whole), None));
    scene.lose("left").await;
    let (found, refusal) = scene.read(&mut scene.reader("left", Vec::new())).await;
    let rest = [values(0..4), vec![Found::Beside(100)]].concat();
    assert_eq!((sorted(found), refusal), (sorted(rest), None));
}

#[tokio::test]
async fn a_log_is_not_given_out_twice_by_a_member_that_says_that_it_forked() {
    let scene = Scene::new().await;
    let trunk = scene.row("left", 0..6).await;
    scene.store("right", &trunk).await;
    scene.tell("left").await;
    let mut reader = scene.reader("left", Vec::new());
    assert_eq!(scene.read(&mut reader).await.0, values(0..6));
    let bogus = Tip { group: GroupId([9; 32]), number: 2, entries: 3 };
    scene.say("left", key("left"), vec![trunk[5].tip(), bogus]).await;
    let old: Vec<ShownGroup> =
        trunk[..3].iter().map(|group| ShownGroup::of(group.group(), |_| true)).collect();
    scene.answer_with(move |machine, request| {
        let is_lie = machine == "left" && !request.after.is_empty();
        let headers = request.filters.is_empty();
        let groups = Bounded::first_of(old.clone());
        let page = ShownPage { number: request.number, author: request.author, groups };
        (is_lie && !headers).then_some(DataFrame::Shown(page))
    });
    for _ in 0..3 {
        assert_eq!(scene.read(&mut reader).await.0, []);
    }
    assert_eq!(scene.wrong(), [WrongPage::Repeated(trunk[0].id())]);
    assert_eq!(reader.position(), [trunk[5].tip()]);
}

/// A plant in which the key of `left` ends, and counts up to a group.
async fn with_cut(reason: Reason, leaf: usize) -> (Scene, Vec<VerifiedGroup>) {
    let row = |scene: &Scene| {
        let mut groups: Vec<VerifiedGroup> = Vec::new();
        for number in 0..10 {
            let after: Vec<Tip> = groups.last().map(VerifiedGroup::tip).into_iter().collect();
            groups.push(scene.group("left", &after, number));
        }
        groups
    };
    let groups = row(&Scene::new().await);
    let leaf = groups[leaf].clone();
    let scene = Scene::with(|_| vec![records::revoke_beyond("left", reason, &leaf)]).await;
    (scene, groups)
}

#[tokio::test]
async fn what_lies_before_a_hole_lies_before_a_cut_behind_it() {
    for (reason, beyond) in [
        (Reason::Compromised, vec![Found::Withheld(1); 2]),
        (Reason::Retired, vec![Found::AfterCut(8), Found::AfterCut(9)]),
    ] {
        let (scene, groups) = with_cut(reason, 7).await;
        let owned = |some: &[VerifiedGroup]| some.iter().cloned().map(Arc::new).collect();
        scene.store("right", &groups[..3]).await;
        scene.at("right").append_apart(owned(&groups[5..])).await.expect("stored");
        let expected = [values(0..3), vec![Found::Gap(2)], values(5..8), beyond].concat();
        let mut at_right = scene.reader_at("right", "left");
        assert_eq!(scene.read(&mut at_right).await, (expected.clone(), None), "{reason}");
        let evidence = scene.export_at("right").await;
        let counted = &evidence.authors[&key("left")];
        assert_eq!((counted.across_gaps, counted.missing), (3, 2), "{reason}: {counted:?}");
        scene.tell("right").await;
        let mut at_panel = scene.reader("left", Vec::new());
        assert_eq!(scene.read(&mut at_panel).await, (expected, None), "{reason} at the panel");
    }
}

#[tokio::test]
async fn a_log_that_nobody_shows_holds_up_no_other_and_is_asked_for_seldom() {
    let scene = Scene::new().await;
    let stuck = scene.row("left", 0..3).await;
    let other = scene.row("right", 0..40).await;
    scene.store("right", &stuck).await;
    scene.store("left", &other[..20]).await;
    scene.tell("left").await;
    scene.tell("right").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let left = key("left");
    scene.answer_with(move |_, request| {
        let (number, refusal) = (request.number, Refusal::MissingParent);
        let is_stuck = request.author == left;
        count.fetch_add(usize::from(is_stuck), Ordering::Relaxed);
        is_stuck.then_some(DataFrame::NotShown { number, refusal })
    });
    let mut consumer = scene.consumer().await;
    for expected in 0..40 {
        // Its author says again and again that it has more: of the other log.
        scene.say("left", key("right"), vec![other[expected / 2].tip()]).await;
        let next = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await;
        match next.expect("in time").expect("an event").event {
            HistoryEvent::Entry(entry) => assert_eq!(entry.entry, expected as u64),
            other => panic!("a value was expected, not {other:?}"),
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2, "each member once");
}

#[tokio::test]
async fn all_logs_have_their_turn() {
    let scene = Scene::new().await;
    scene.row("left", 0..20).await;
    scene.row("right", 0..20).await;
    scene.tell("left").await;
    scene.tell("right").await;
    let mut consumer = scene.consumer().await;
    let mut authors = Vec::new();
    for _ in 0..8 {
        match consumer.next().await.expect("an event").event {
            HistoryEvent::Entry(entry) => authors.push(entry.author),
            other => panic!("a value was expected, not {other:?}"),
        }
    }
    let of_left = authors.iter().filter(|author| *author == "left").count();
    assert_eq!(of_left, 4, "{authors:?}");
}
