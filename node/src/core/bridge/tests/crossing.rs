//! Who stands behind an agreement, and what is let in.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms as Membership};
use gearmesh_protocol::ids::SheetId;
use gearmesh_protocol::limits::SAMPLE_BYTES_MAX;
use gearmesh_protocol::partner::{Direction, ShareEntry};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use serde_json::Value as Json;

use super::super::*;
use crate::core::partner::tests::stage::{NOTHING, Stage, line, local, terms, value};
use crate::core::partner::{Answer, Input, Wish};
use crate::core::plant::world::records::{admin, admit, machine, revoke_wholly};
use crate::core::plant::world::{Plant, few, key, signing};

/// Whole numbers alone.
struct Numbers;

impl Schemas for Numbers {
    fn check(&self, schema: &[u8; 32], value: &Json) -> Result<(), String> {
        assert_eq!(schema, &[7; 32]);
        if value.is_i64() { Ok(()) } else { Err("no number".to_owned()) }
    }
}

/// Two companies, and what the first one's plant says of the gateway.
struct Scene {
    stage: Stage,
    plant: Plant,
    bridge: Bridge,
    sheet: SheetId,
}

fn gateway() -> Membership {
    Membership { roles: few(vec![Role::Gateway]), ..machine("gateway") }
}

impl Scene {
    fn new(member: Membership) -> Self {
        let mut plant = Plant::with_one_root();
        plant.write("root", admin("admin"));
        plant.write("admin", admit("gateway", member));
        let mut stage = Stage::new(2);
        stage.companies[0].plant = plant.id;
        stage.companies[0].admin = signing("admin");
        let both = vec![line(Direction::Export, "output"), line(Direction::Import, "orders")];
        let selections = [("output", "hall/+/count")];
        let proposed = stage.propose(0, terms(both), local("a", "acme", &selections));
        stage.accept(1, proposed, local("b", "rossi", &[("orders", "erp/orders")]));
        let (_, sheet) = stage.confirm(0, "a");
        Self { stage, plant, bridge: Bridge::default(), sheet }
    }

    fn view(&self) -> View {
        let mut view = View::without_plant(key("gateway"));
        view.roster = Some(Arc::new(self.plant.roster()));
        view
    }

    fn follow(&mut self, view: &View) -> Vec<String> {
        let now = self.stage.now();
        self.bridge.follow(now, &self.stage.companies[0].core, view);
        self.bridge.filters().map(|(_, filter)| filter.to_string()).collect()
    }

    /// A value of the plant, and what company 1 gets of it.
    fn publish(&mut self, topic: &str, number: i64) -> Vec<i64> {
        let now = self.stage.now();
        let sample = Sample::good(Value::Integer(number), now.wall);
        let topic = topic.parse().expect("a topic");
        let ids: Vec<LineId> = self.bridge.filters().map(|(id, _)| id).collect();
        ids.iter().for_each(|id| self.bridge.offer(now, id, &topic, &sample));
        let effects = self.bridge.export(now, &mut self.stage.companies[0].core);
        self.stage.carry_out(0, effects);
        self.stage.received(1, self.sheet)
    }

    /// What company 1 sends, as it enters the plant of company 0.
    fn import(&mut self, entries: Vec<ShareEntry>) -> Vec<Imported> {
        self.stage.export(1, self.sheet, entries);
        let (now, sheet) = (self.stage.now(), self.sheet);
        let core = &self.stage.companies[0].core;
        let Some((_, values)) = self.bridge.import(now, core, &Numbers) else { return Vec::new() };
        self.stage.give(0, Input::Delivered { sheet });
        values
    }
}

#[test]
fn values_cross_while_the_plant_stands_behind_the_agreement() {
    let mut scene = Scene::new(gateway());
    let view = scene.view();
    assert_eq!(scene.follow(&view), ["hall/+/count"]);
    assert_eq!(scene.publish("hall/press-1/count", 7), [7]);
    assert_eq!(scene.publish("hall/press-1/temp", 8), NOTHING, "not selected");
    scene.plant.write("root", revoke_wholly("admin"));
    let view = scene.view();
    assert!(scene.follow(&view).is_empty(), "who signed is no admin any more");
    assert_eq!(scene.publish("hall/press-1/count", 9), NOTHING);
}

#[test]
fn nothing_crosses_at_a_node_that_is_no_gateway_of_this_plant() {
    let mut scene = Scene::new(machine("gateway"));
    let view = scene.view();
    assert!(scene.follow(&view).is_empty(), "a machine");
    let mut scene = Scene::new(gateway());
    assert!(scene.follow(&View::without_plant(key("gateway"))).is_empty(), "no plant");
    let mut view = scene.view();
    view.roster = Some(Arc::new(Plant::with_three_roots().roster()));
    assert!(scene.follow(&view).is_empty(), "another plant");
    let mut view = scene.view();
    view.refused_by = Some(Refusal::Revoked);
    assert!(scene.follow(&view).is_empty(), "members say that it is revoked");
}

#[test]
fn nothing_crosses_after_the_end() {
    let mut scene = Scene::new(gateway());
    let view = scene.view();
    scene.follow(&view);
    assert_eq!(scene.publish("hall/press-1/count", 1), [1]);
    let name = "a".parse().expect("a name");
    assert!(matches!(scene.stage.wish(0, Wish::End { name }), Answer::Done));
    assert_eq!(scene.publish("hall/press-1/count", 2), NOTHING, "before the bridge has followed");
    assert!(scene.follow(&view).is_empty());
    assert_eq!(scene.publish("hall/press-1/count", 3), NOTHING);
    assert!(scene.import(vec![value("orders", 1)]).is_empty());
}

#[test]
fn what_comes_in_lands_below_the_partner_and_never_goes_out_again() {
    let mut scene = Scene::new(gateway());
    let view = scene.view();
    scene.follow(&view);
    let entered = scene.import(vec![value("orders", 5), value("output", 6), value("admin/x", 7)]);
    let topics: Vec<&str> = entered.iter().map(|it| it.topic().as_str()).collect();
    assert_eq!(topics, ["partner/acme/orders"], "what no line names stays outside");
    assert_eq!(scene.bridge.crossed(&scene.sheet).map(|it| it.refused), Some(2));
    let selection = Selection {
        alias: "output".parse().expect("a topic"),
        filter: "#".parse().expect("a filter"),
    };
    let output = line(Direction::Export, "output");
    let mut everything = Preview::of(&[output], &[selection]);
    let at = Duration::from_secs(1);
    everything.offer(at, 0, entered[0].topic(), entered[0].sample());
    assert!(everything.due(at).is_empty(), "a loop");
}

#[test]
fn a_gate_checks_form_size_and_schema() {
    let name = "acme".parse().expect("a name");
    let mut ruled = line(Direction::Import, "orders");
    ruled.schema = Some([7; 32]);
    let lines = [ruled, line(Direction::Import, "text")];
    let gate = Gate::new(Duration::ZERO, &name, lines.iter());
    let admit = |alias: &str, value: Value| {
        let sample = Sample::good(value, UnixMillis(0));
        gate.admit(ShareEntry { alias: alias.parse().expect("a topic"), sample }, &Numbers)
    };
    assert!(admit("orders", Value::Integer(3)).is_ok());
    let refused = admit("orders", Value::Bool(true));
    assert!(matches!(refused, Err(ImportRefusal::Schema { .. })), "{refused:?}");
    let refused = admit("text", Value::Float(f64::NAN));
    assert!(matches!(refused, Err(ImportRefusal::Sample(_))), "{refused:?}");
    let refused = admit("text", Value::Bytes(vec![0; SAMPLE_BYTES_MAX / 4]));
    assert!(matches!(refused, Err(ImportRefusal::TooLarge { .. })), "{refused:?}");
    let refused = admit("else", Value::Integer(3));
    assert!(matches!(refused, Err(ImportRefusal::NotAgreed { .. })), "{refused:?}");
}

#[test]
fn a_flood_waits() {
    let name = "acme".parse().expect("a name");
    let mut gate = Gate::new(Duration::ZERO, &name, std::iter::empty());
    let entered = |gate: &mut Gate, at| (0..100_000).filter(|_| gate.has_room(at, 1)).count();
    assert_eq!(entered(&mut gate, Duration::ZERO), 10_000);
    assert_eq!(entered(&mut gate, Duration::from_secs(2)), 2_000);
    assert_eq!(entered(&mut gate, Duration::from_secs(3600)), 10_000);
}

#[test]
fn terms_that_cannot_be_kept_are_named() {
    let wall = UnixMillis(1_000);
    let check = |terms: &gearmesh_protocol::partner::Terms| check_terms(terms, wall);
    let good = terms(vec![line(Direction::Export, "a")]);
    assert_eq!(check(&good), Ok(()));
    assert_eq!(check(&terms(vec![])), Err(TermsError::Empty));
    let alike = terms(vec![line(Direction::Export, "a"), line(Direction::Import, "a")]);
    assert!(matches!(check(&alike), Err(TermsError::TwoAlike { .. })));
    let mut summed = good.clone();
    let mut mean = line(Direction::Export, "a");
    mean.aggregate = Some(gearmesh_protocol::partner::Aggregate::Mean);
    summed.topics = Bounded::first_of([mean]);
    assert!(matches!(check(&summed), Err(TermsError::NoWindow { .. })));
    let over = gearmesh_protocol::partner::Terms { until: Some(wall), ..good.clone() };
    assert!(matches!(check(&over), Err(TermsError::Over { .. })));
    let several = gearmesh_protocol::partner::Terms { fan_out: true, ..good };
    assert_eq!(check(&several), Ok(()));
    let back = terms(vec![line(Direction::Export, "a"), line(Direction::Import, "b")]);
    let back = gearmesh_protocol::partner::Terms { fan_out: true, ..back };
    assert_eq!(check(&back), Err(TermsError::OneWay));
    for filter in ["partner/acme/#", "admin/#", "$SYS/#"] {
        let filter = filter.parse().expect("a filter");
        assert!(matches!(check_selection(&filter), Err(TermsError::Forbidden { .. })));
    }
    assert_eq!(check_selection(&"hall/#".parse().expect("a filter")), Ok(()));
}
