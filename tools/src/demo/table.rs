//! The demo's live tables: values, the cell's counters, its processes, and the lines to type beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::local::{Delivered, MemberStatus, SubscribeEvent};
use gearmesh_protocol::sample::Value;

use super::cell::{Cell, Counted};
use super::customer::{Customer, SHARE, Seen};
use super::plant::{DemoPlant, GATEWAY, MACHINES};
use super::process::Standing;
use crate::client::{Client, Events, query};
use crate::exit::Failure;
use crate::output;

/// Between two drawings of the tables, and two parts.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// Columns of the first table: the last level or levels of a topic, and their heading.
const COLUMNS: [(&str, &str); 4] = [
    ("host/cpu/usage", "CPU"),
    ("host/memory/used", "MEMORY"),
    ("host/cpu/load1", "LOAD"),
    ("host/uptime", "UPTIME"),
];

/// What is drawn.
struct Screen<'a> {
    plant: &'a DemoPlant,
    gateway: Client,
    cell: Cell,
    customer: Customer,
    values: BTreeMap<String, Delivered>,
    /// Parts given up, as far as those who offered them said last.
    lost: usize,
}

/// Draws the tables until somebody interrupts. The gateway may be killed like everybody else.
pub(super) async fn watch(
    plant: &DemoPlant,
    cell: Cell,
    customer: Customer,
) -> Result<(), Failure> {
    let (gateway, values) = (plant.client(GATEWAY)?, BTreeMap::new());
    let mut screen = Screen { plant, gateway, cell, customer, values, lost: 0 };
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let mut events: Option<Events> = None;
    loop {
        tokio::select! {
            event = next(&mut events) => match event {
                Some(SubscribeEvent::Sample(delivered)) => {
                    screen.values.insert(delivered.topic.clone(), delivered);
                }
                Some(SubscribeEvent::Lost { .. }) => {}
                None => events = None,
            },
            _ = draw.tick() => {
                if events.is_none() {
                    let path = format!("/v1/subscribe?filter={}", query("+/host/#"));
                    events = screen.gateway.events(&path).await.ok();
                }
                screen.draw().await?;
            }
        }
    }
}

/// The next event, if somebody tells any; none at their end.
async fn next(events: &mut Option<Events>) -> Option<SubscribeEvent> {
    match events {
        Some(events) => events.next().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

impl Screen<'_> {
    async fn draw(&mut self) -> Result<(), Failure> {
        let counted = self.cell.counted(self.plant);
        let seen = self.customer.seen().await;
        let customer = seen.flows.unwrap_or(true).then_some(&self.customer);
        self.cell.feed(&counted, customer).await?;
        self.lost = self.cell.lost().await.unwrap_or(self.lost);
        let members: Option<Vec<MemberStatus>> = self.gateway.get("/v1/members").await.ok();
        output::clear();
        output::line(
            "A plant of four nodes on this machine, seen by its gateway (Ctrl-C ends it)\n",
        );
        match members {
            Some(members) => self.draw_members(&members),
            None => output::line("The gateway does not answer; it is being started again."),
        }
        self.draw_cell(&counted);
        draw_customer(&seen);
        self.draw_processes();
        self.draw_lines_to_type();
        Ok(())
    }

    fn draw_members(&self, members: &[MemberStatus]) {
        let rows: Vec<Vec<String>> = members.iter().map(|it| row(it, &self.values)).collect();
        let heads = COLUMNS.iter().map(|(_, head)| *head);
        let head: Vec<&str> = ["NAME", "PRESENCE"].into_iter().chain(heads).collect();
        output::table(&head, &rows);
    }

    fn draw_cell(&self, counted: &Counted) {
        output::line(
            "\nIts cell at work: the robot loads, the press presses, the packer packs; they share a conveyor.",
        );
        let Counted { offered, loaded, pressed, packed, conveyed, twice, left_out, refused } =
            *counted;
        let lost = self.lost + left_out;
        let counts = [offered, loaded, pressed, packed, conveyed, twice, lost];
        let head = ["OFFERED", "LOADED", "PRESSED", "PACKED", "CONVEYED", "TWICE", "LOST"];
        output::table(&head, &[counts.map(|count| count.to_string()).to_vec()]);
        output::line(format!(
            "On their way: {}. Each is conveyed in and out.",
            offered.saturating_sub(packed)
        ));
        output::line(format!(
            "Counted in each machine's own record, synced before it answers. What came there twice, or late, \
             and was refused: {refused}."
        ));
    }

    fn draw_processes(&self) {
        let standings = self.plant.processes.standings();
        output::line("\nKill whichever you like, with kill -9 PID; the demo starts it again.");
        let rows: Vec<Vec<String>> = standings.iter().map(standing_row).collect();
        output::table(&["PROCESS", "PID", "STARTED AGAIN"], &rows);
    }

    fn draw_lines_to_type(&self) {
        let (program, home) = (self.plant.program().display(), self.plant.home(GATEWAY));
        let (home, keyring) = (home.display(), self.plant.context(GATEWAY).keyring);
        output::line("\nType in another terminal:");
        output::line(format!("  {program} --home {home} end {SHARE} --yes"));
        output::line(format!("  {program} --home {home} sub '+/host/cpu/#'"));
        output::line(format!("  {program} --home {home} members"));
        output::line(format!("  {program} --home {home} jobs --all"));
        output::line(format!("  {program} --home {home} why conveyor"));
        output::line(format!(
            "  {program} --home {home} --keyring {} revoke {} --reason lost",
            keyring.display(),
            MACHINES[2]
        ));
    }
}

fn draw_customer(seen: &Seen) {
    let state = match seen.flows {
        Some(true) => "follows the press's load, and orders what the cell makes",
        Some(false) => "cut off: the agreement has ended, and the plant makes its own parts",
        None => "is being started again",
    };
    let last = seen.last.as_deref().unwrap_or("none");
    output::line(format!("\nAcme, another company with its own plant, {state}."));
    output::line(format!(
        "It has {} values, the mean of two seconds each; the last: {last} %.",
        seen.values
    ));
}

fn standing_row(standing: &Standing) -> Vec<String> {
    let id = standing.id.map_or_else(|| "(killed)".to_owned(), |id| id.to_string());
    let again = if standing.again > 0 { format!("{}x", standing.again) } else { String::new() };
    vec![standing.name.clone(), id, again]
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
