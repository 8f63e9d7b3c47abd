//! A company of its own: a plant of one whose gateway meets partners, and what its people type.

use gearmesh_protocol::durable::{HistoryEntry, HistoryEvent};
use gearmesh_protocol::partner_local::{AgreementStatus, PartnersStatus, ShareState};
use gearmesh_protocol::sample::Value;

use crate::daemon::{Daemon, Plant, free_port};
use crate::wait::until;

/// The one machine of each.
pub const GATEWAY: &str = "gateway-1";

/// A company: its plant of one, and where its gateway meets partners.
pub struct Company {
    /// Its plant.
    pub plant: Plant,
    /// Of the plant, and for partners.
    pub ports: (u16, u16),
    /// Its gateway, while it runs.
    pub node: Option<Daemon>,
}

impl Default for Company {
    fn default() -> Self {
        Self::new()
    }
}

impl Company {
    /// Founds a plant and starts its gateway.
    #[must_use]
    pub fn new() -> Self {
        let mut company =
            Self { plant: Plant::founded(), ports: (free_port(), free_port()), node: None };
        company.up();
        company
    }

    /// Starts the gateway, where it was before.
    pub fn up(&mut self) {
        let (plant, partners) = self.ports;
        let words = [
            "--listen",
            &format!("127.0.0.1:{plant}"),
            "--partners",
            &format!("127.0.0.1:{partners}"),
            "--no-mdns",
            "--no-host",
        ];
        self.node = Some(self.plant.up_with(GATEWAY, &words));
    }

    /// Stops the gateway in good order.
    pub fn stop(&mut self) {
        let _code = self.node.take().expect("it runs").stop();
    }

    /// Publishes a durable value.
    pub fn write(&self, topic: &str, value: &str) {
        drop(self.says(&["pub", topic, value, "--durable"]));
    }

    /// Kills the gateway.
    pub fn down(&mut self) {
        self.node.take().expect("it runs").kill();
    }

    /// What a command says that succeeds.
    #[must_use]
    pub fn says(&self, words: &[&str]) -> String {
        self.plant.gearmesh(GATEWAY, words).ok()
    }

    /// How shares and agreements stand.
    #[must_use]
    pub fn partners(&self) -> PartnersStatus {
        serde_json::from_str(&self.says(&["agreements", "--json"])).expect("a status")
    }

    /// The first agreement.
    #[must_use]
    pub fn agreement(&self) -> AgreementStatus {
        self.partners().agreements.into_iter().next().expect("an agreement")
    }

    /// Publishes a live value.
    pub fn publish(&self, topic: &str, value: &str) {
        drop(self.says(&["pub", topic, value]));
    }

    /// The durable values that came from a partner, in their order.
    #[must_use]
    pub fn came(&self, filter: &str) -> Vec<(String, f64)> {
        let said = self.plant.gearmesh(GATEWAY, &["history", filter, "--json"]).out;
        let entries =
            said.lines().filter_map(|line| match serde_json::from_str(line).expect("an event") {
                HistoryEvent::Entry(entry) => Some(entry),
                HistoryEvent::Gap { .. } | HistoryEvent::End { .. } => None,
            });
        let number = |entry: HistoryEntry| match entry.sample.value {
            Value::Float(number) => (entry.topic, number),
            Value::Integer(number) => (entry.topic, number as f64),
            other => panic!("{other:?}"),
        };
        entries.map(number).collect()
    }

    /// Publishes until the partner has seen a value: what is published before a subscription stands
    /// is nobody's.
    pub fn publish_until(&self, topic: &str, value: &str, seen: impl Fn() -> bool) {
        until("the first value crosses", || {
            self.publish(topic, value);
            seen().then_some(())
        });
    }
}

/// The link that a company prints.
#[must_use]
pub fn share(company: &Company, name: &str, more: &[&str]) -> String {
    let words = [&["share", name, "--to", "Acme", "--yes"], more].concat();
    let said = company.says(&words);
    said.split_whitespace().find(|word| word.starts_with("gs1:")).expect("a link").to_owned()
}

/// The words that the accepting company reads by phone.
#[must_use]
pub fn accept(company: &Company, link: &str, more: &[&str]) -> String {
    let words = [&["accept", link, "--name", "rossi", "--yes", "--json"], more].concat();
    let said: serde_json::Value = serde_json::from_str(&company.says(&words)).expect("JSON");
    said["words"].as_str().expect("words").to_owned()
}

/// Confirms what the other side accepted, once it has.
pub fn confirm(company: &Company, name: &str, words: &str) {
    until("the other side has signed", || {
        let shares = company.partners().shares;
        let share = shares.into_iter().find(|share| share.name.as_str() == name)?;
        (share.state == ShareState::Accepted).then_some(())
    });
    let mut typed = vec!["share", "confirm", name];
    typed.extend(words.split(' '));
    drop(company.says(&typed));
}
