//! The demo's live table, and the lines to type beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::local::{Delivered, MemberStatus, SubscribeEvent};
use gearmesh_protocol::sample::Value;

use super::failed;
use super::plant::{DemoPlant, GATEWAY, MACHINES};
use crate::client::{Client, query};
use crate::exit::Failure;
use crate::output;

/// Between two drawings of the table.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// Columns of the table: the last level or levels of a topic, and their heading.
const COLUMNS: [(&str, &str); 4] = [
    ("host/cpu/usage", "CPU"),
    ("host/memory/used", "MEMORY"),
    ("host/cpu/load1", "LOAD"),
    ("host/uptime", "UPTIME"),
];

/// Draws the table until somebody interrupts.
pub(super) async fn watch(plant: &DemoPlant) -> Result<(), Failure> {
    let gateway = plant.client(GATEWAY)?;
    let mut events = gateway.events(&format!("/v1/subscribe?filter={}", query("+/host/#"))).await?;
    let mut values: BTreeMap<String, Delivered> = BTreeMap::new();
    let mut draw = tokio::time::interval(DRAW_EVERY);
    loop {
        tokio::select! {
            event = events.next::<SubscribeEvent>() => match event? {
                Some(SubscribeEvent::Sample(delivered)) => {
                    values.insert(delivered.topic.clone(), delivered);
                }
                Some(SubscribeEvent::Lost { .. }) => {}
                None => return Err(failed("the gateway stopped")),
            },
            _ = draw.tick() => show(plant, &gateway, &values).await?,
        }
    }
}

async fn show(
    plant: &DemoPlant,
    gateway: &Client,
    values: &BTreeMap<String, Delivered>,
) -> Result<(), Failure> {
    let members: Vec<MemberStatus> = gateway.get("/v1/members").await?;
    let rows: Vec<Vec<String>> = members.iter().map(|member| row(member, values)).collect();
    let heads = COLUMNS.iter().map(|(_, head)| *head);
    let head: Vec<&str> = ["NAME", "PRESENCE"].into_iter().chain(heads).collect();
    output::clear();
    output::line("A plant of four nodes on this machine, seen by its gateway (Ctrl-C ends it)\n");
    output::table(&head, &rows);
    let program = plant.program().display();
    let home = plant.home(GATEWAY);
    let home = home.display();
    let keyring = plant.context(GATEWAY).keyring;
    output::line("\nType in another terminal:");
    output::line(format!("  {program} --home {home} sub '+/host/cpu/#'"));
    output::line(format!("  {program} --home {home} members"));
    output::line(format!(
        "  {program} --home {home} --keyring {} revoke {} --reason lost",
        keyring.display(),
        MACHINES[2]
    ));
    Ok(())
}

fn row(member: &MemberStatus, values: &BTreeMap<String, Delivered>) -> Vec<String> {
    let scope = member.scope.clone().unwrap_or_default();
    let cell = |(column, _): &(&str, &str)| {
        let is_there = member.revoked.is_none();
        let value = values.get(&format!("{scope}/{column}")).filter(|_| is_there);
        value.map(shown).unwrap_or_default()
    };
    let mut cells = vec![member.name.clone(), member.presence.to_string()];
    cells.extend(COLUMNS.iter().map(cell));
    cells
}

fn shown(delivered: &Delivered) -> String {
    let sample = &delivered.sample;
    let unit = sample.unit.as_ref().map(|unit| unit.as_str()).unwrap_or_default();
    match (&sample.value, unit) {
        (Value::Integer(bytes), "By") => format!("{} MB", bytes / 1_000_000),
        (Value::Integer(seconds), "s") => output::ago(u64::try_from(*seconds).unwrap_or(0)),
        (value, "1") => value.to_string(),
        (value, unit) => format!("{value} {unit}"),
    }
}
