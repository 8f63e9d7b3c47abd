//! `gearmesh status` and `gearmesh members`.

use gearmesh_node::listen::plain;
use gearmesh_protocol::local::{Counters, MemberStatus, PlantStatus, Presence, Status};

use crate::cli::Context;
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn status(context: &Context) -> Result<u8, Failure> {
    let status: Status = Client::reach(context)?.get("/v1/status").await?;
    if context.json {
        output::json_document(&status)?;
        return Ok(DONE);
    }
    output::line(format!("Node      {}  (up {})", status.key_words, output::ago(status.uptime_s)));
    output::line(format!("Release   {}", status.version));
    match &status.plant {
        Some(plant) => print_plant(plant),
        None => output::line(format!("Plant     none yet: {} join CODE", context.program())),
    }
    let (quic, tcp): (Vec<_>, Vec<_>) =
        status.listen.iter().partition(|address| address.ends_with("/quic-v1"));
    if tcp.is_empty() {
        output::line(
            "Listens   nowhere: this machine has no network address; the node waits for one",
        );
    }
    for address in &tcp {
        output::line(format!("Listens   {}", plain(address)));
    }
    match (tcp.is_empty(), quic.is_empty()) {
        (_, false) => output::line("          and for QUIC on the UDP ports of the same numbers"),
        (false, true) => {
            output::line("          not for QUIC: gearmesh up said why when it started")
        }
        (true, true) => {}
    }
    if let Some(refused) = &status.refused {
        output::line(format!("REFUSED   {} [code {}]", refused.text, refused.code));
        output::line(format!("          {}", refused.mend));
    }
    for alarm in &status.alarms {
        output::line(format!("ALARM     {alarm}"));
    }
    print_counters(&status.counters);
    Ok(DONE)
}

fn print_plant(plant: &PlantStatus) {
    output::line(format!("Plant     {}        check words: {}", plant.name, plant.words));
    output::line(format!("Members   {}, {} of them linked", plant.members, plant.links));
    let Some(me) = &plant.me else {
        output::line("Me        no member of this plant (any more)");
        return;
    };
    let roles = words(me);
    output::line(format!("Me        {}  ({roles})", me.name));
    if let Some(scope) = &me.scope {
        output::line(format!("Scope     {scope}"));
    }
}

fn print_counters(counters: &Counters) {
    let Counters { published, received, .. } = counters;
    output::line(format!("Values    {published} published, {received} received"));
    let losses = [
        ("dropped because a link was full", counters.dropped_link),
        ("dropped because a subscriber did not read", counters.dropped_subscriber),
        ("dropped because their author may not publish there", counters.dropped_grant),
        ("pages of logs that a member has to ask for again", counters.dropped_pages),
        ("lost on the way here", counters.lost_remote),
        ("admissions refused", counters.refused_admissions),
        ("visits of admins over the network", counters.visits),
        ("such visits refused", counters.refused_visits),
        ("connections turned away", counters.refused_connections),
        ("malformed frames", counters.malformed_frames),
    ];
    for (what, count) in losses.into_iter().filter(|(_, count)| *count > 0) {
        output::line(format!("          {count} {what}"));
    }
}

pub(crate) async fn members(context: &Context) -> Result<u8, Failure> {
    let members: Vec<MemberStatus> = Client::reach(context)?.get("/v1/members").await?;
    if context.json {
        output::json_document(&members)?;
        return Ok(DONE);
    }
    if members.is_empty() {
        output::note(format!("no plant yet: {} join CODE", context.program()));
    }
    let rows: Vec<Vec<String>> = members.iter().map(row).collect();
    output::table(&["NAME", "PRESENCE", "FOR", "ROLES", "SCOPE", "CHECK WORDS", "ADDRESS"], &rows);
    Ok(DONE)
}

fn row(member: &MemberStatus) -> Vec<String> {
    let presence = match (&member.revoked, member.presence) {
        (Some(reason), _) => format!("revoked ({reason})"),
        (None, presence) => presence.to_string(),
    };
    let since = match member.presence {
        Presence::Here => String::new(),
        _ => output::ago(member.presence_for_s),
    };
    vec![
        member.name.clone(),
        presence,
        since,
        words(member),
        member.scope.clone().unwrap_or_default(),
        member.key_words.clone(),
        member.address.as_deref().map(plain).unwrap_or_default(),
    ]
}

fn words(member: &MemberStatus) -> String {
    let mut words: Vec<String> = member.roles.iter().map(ToString::to_string).collect();
    if member.registrar {
        words.push("registrar".to_owned());
    }
    words.join(", ")
}
