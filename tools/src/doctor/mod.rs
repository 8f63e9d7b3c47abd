//! `gearmesh doctor`: looks at everything on this machine that has ever kept a node from working, and
//! says of each what it saw and what mends it. It changes nothing, and works without a node.

use gearmesh_node::audit::{self, Looked};
use gearmesh_node::config::Config;
use gearmesh_node::daemon::settings;
use gearmesh_node::home::Home;
use gearmesh_protocol::local::{MemberStatus, Status};
use gearmesh_protocol::refusal::Refusal;

use crate::cli::Context;
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

mod files;
mod finding;
mod network;
mod node;
mod outside;
mod trust;

use finding::{Finding, Verdict};

/// What all checks look at.
struct Facts {
    home: Option<Home>,
    config: Option<Config>,
    journal: Option<Looked>,
    /// What the node says, if one runs.
    node: Option<Running>,
}

/// A node that answers.
struct Running {
    status: Status,
    members: Vec<MemberStatus>,
    /// Its process, where the system says so.
    process: Option<i32>,
}

pub(crate) async fn run(context: &Context) -> Result<u8, Failure> {
    if !context.home.exists() {
        return Err(Refusal::NoHome.into());
    }
    let mut findings = vec![files::permissions(context), files::configuration(context)];
    let facts = Facts::of(context).await;
    findings.push(files::disk(context));
    findings.extend(node::checks(context, &facts));
    findings.push(trust::clock(&facts));
    findings.push(trust::ledger(context, &facts));
    findings.extend(network::checks(&facts));
    findings.push(outside::contacts(&facts));
    match context.json {
        true => output::json_document(&findings)?,
        false => findings.iter().for_each(Finding::tell),
    }
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    if wrong > 0 {
        let things = output::counted(wrong as u64, "thing needs", "things need");
        return Err(Failure::from(Refusal::DoctorFound).saying(format!("{things} a person")));
    }
    Ok(DONE)
}

impl Facts {
    async fn of(context: &Context) -> Self {
        let home = Home::open(&context.home).ok();
        let config = settings(&context.home, None).ok().and_then(|raw| Config::check(&raw).ok());
        let journal = home.as_ref().and_then(|home| audit::journal(home).ok().flatten());
        Self { home, config, journal, node: Running::at(context).await }
    }
}

impl Running {
    async fn at(context: &Context) -> Option<Self> {
        let client = Client::of(&context.home).ok()?;
        if !client.is_up().await {
            return None;
        }
        let status = client.get("/v1/status").await.ok()?;
        let members = client.get("/v1/members").await.ok()?;
        Some(Self { status, members, process: client.process().await })
    }
}
