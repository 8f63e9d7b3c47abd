//! Reading at a panel whose core runs, from members that answer out of their stores.

mod scene;

use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::refusal::Refusal;

use super::super::data::ReadError;
use scene::Scene;

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
        let refusal = Refusal::Busy;
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
