//! What a node counts, in the words of Prometheus, and all members as targets for it.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use gearmesh_protocol::local::{Counters, MemberStatus, Presence, Status};
use serde::Serialize;

use super::super::listen::plain;
use super::State;
use super::status::status_of;
use crate::core::plant::report;

/// The port at which programs beside a member find its API, if nobody chose another.
const USUAL_PORT: u16 = 7480;

/// `GET /metrics`: the text format of Prometheus, version 0.0.4.
pub(super) async fn metrics(Shared(state): Shared<State>) -> impl IntoResponse {
    let members = report::members(&state.core.view(), state.clock.now());
    let text = text(&status_of(&state), &members);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// One group of targets (Prometheus, HTTP service discovery).
#[derive(Serialize)]
pub(super) struct Targets {
    targets: Vec<String>,
    labels: Labels,
}

#[derive(Serialize)]
struct Labels {
    #[serde(rename = "__meta_gearmesh_plant")]
    plant: String,
    #[serde(rename = "__meta_gearmesh_member")]
    member: String,
    #[serde(rename = "__meta_gearmesh_roles")]
    roles: String,
    #[serde(rename = "__meta_gearmesh_scope")]
    scope: String,
    #[serde(rename = "__meta_gearmesh_presence")]
    presence: String,
}

/// `GET /v1/sd`: every member whose address is known.
pub(super) async fn targets(Shared(state): Shared<State>) -> Json<Vec<Targets>> {
    let view = state.core.view();
    let plant = view.roster.as_ref().map(|roster| roster.name().as_str().to_owned());
    let plant = plant.unwrap_or_default();
    let members = report::members(&view, state.clock.now()).into_iter();
    Json(members.filter_map(|member| target(&plant, member)).collect())
}

fn target(plant: &str, member: MemberStatus) -> Option<Targets> {
    if member.presence == Presence::Revoked {
        return None;
    }
    let host = match member.presence {
        Presence::Here => "127.0.0.1".to_owned(),
        _ => {
            let address: std::net::SocketAddr = plain(member.address.as_deref()?).parse().ok()?;
            std::net::SocketAddr::new(address.ip(), USUAL_PORT).to_string()
        }
    };
    let target = if host.contains(':') { host } else { format!("{host}:{USUAL_PORT}") };
    let roles: Vec<String> = member.roles.iter().map(ToString::to_string).collect();
    Some(Targets {
        targets: vec![target],
        labels: Labels {
            plant: plant.to_owned(),
            member: member.name,
            roles: roles.join(","),
            scope: member.scope.unwrap_or_default(),
            presence: member.presence.to_string(),
        },
    })
}

fn text(status: &Status, members: &[MemberStatus]) -> String {
    let mut page = Page::default();
    page.head("build_info", "gauge", "The release of the node.");
    page.line("build_info", &[("version", &status.version)], 1);
    page.one("uptime_seconds", "gauge", "Since the node started.", status.uptime_s);
    page.one("alarms", "gauge", "Things that need a person.", status.alarms.len() as u64);
    let away = u64::from(status.refused.is_some());
    page.one("refused", "gauge", "Whether another member refuses this node.", away);
    if let Some(plant) = &status.plant {
        page.one("members", "gauge", "Members of the plant, with this node.", plant.members as u64);
        page.one("members_online", "gauge", "Other members that are online.", plant.online as u64);
        page.one("links", "gauge", "Links to other members.", plant.links as u64);
    }
    page.head("member_online", "gauge", "Whether a member is online, seen from this node.");
    for member in members.iter().filter(|member| member.presence != Presence::Revoked) {
        let is_online = matches!(member.presence, Presence::Here | Presence::Online);
        let labels = [("member", member.name.as_str()), ("key", &member.key.to_string()[..16])];
        page.line("member_online", &labels, u64::from(is_online));
    }
    page.counters(&status.counters);
    page.text
}

/// A page of metrics.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP gearmesh_{name} {help}\n# TYPE gearmesh_{name} {kind}\n"));
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        self.put(format_args!("gearmesh_{name}{labels} {value}\n"));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // A text in memory takes everything.
        let _ = self.text.write_fmt(text);
    }

    /// Every counter, by its name on the local API.
    fn counters(&mut self, counters: &Counters) {
        let Ok(serde_json::Value::Object(counters)) = serde_json::to_value(counters) else {
            return;
        };
        for (name, value) in counters {
            let help = "See Counters in docs/local-api.md.";
            self.one(&format!("{name}_total"), "counter", help, value.as_u64().unwrap_or(0));
        }
    }
}

/// A label's text, as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_type_for_every_metric_and_whole_lines() {
        let mut page = Page::default();
        page.counters(&Counters { published: 7, ..Counters::default() });
        page.head("member_online", "gauge", "Whether.");
        page.line("member_online", &[("member", "a\"b\\c\nd")], 1);
        assert!(page.text.contains("# TYPE gearmesh_published_total counter\n"), "{}", page.text);
        assert!(page.text.contains("\ngearmesh_published_total 7\n"), "{}", page.text);
        assert!(page.text.ends_with("{member=\"a\\\"b\\\\c\\nd\"} 1\n"), "{}", page.text);
        for line in page.text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            assert!(page.text.contains(&format!("# TYPE {name} ")), "{line}");
        }
    }
}
