//! Who has stored a record that was handed in a moment ago.

use std::time::Duration;

use gearmesh_protocol::ids::{GroupId, RecordId};
use gearmesh_protocol::local::Confirmations;
use serde::Serialize;

use crate::cli::Context;
use crate::client::Client;
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::output;

/// How long members with a link get to confirm.
const CONFIRM_MAX: Duration = Duration::from_secs(5);

/// How often confirmations are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What was done and who has it, for programs.
#[derive(Serialize)]
struct Done<'a, T> {
    #[serde(flatten)]
    what: &'a T,
    #[serde(flatten)]
    confirmations: &'a Confirmations,
}

/// Waits for whoever stores what was handed in, and says who does, for programs with what was done.
pub(super) async fn tell<T: Serialize + Sync>(
    context: &Context,
    client: &Client,
    stored: &GroupId,
    what: &T,
) -> Result<u8, Failure> {
    let told = confirmations(client, stored).await?;
    match context.json {
        true => output::json_document(&Done { what, confirmations: &told })?,
        false => print(&told),
    }
    Ok(exit(&told))
}

/// Who has confirmed, once everybody with a link has or the time is over.
pub(super) async fn confirmations(
    client: &Client,
    group: &GroupId,
) -> Result<Confirmations, Failure> {
    watched(client, &format!("/v1/trust/confirmations?group={group}")).await
}

/// The same of an act.
pub(super) async fn act_confirmations(
    client: &Client,
    act: &RecordId,
) -> Result<Confirmations, Failure> {
    watched(client, &format!("/v1/trust/acts/confirmations?act={act}")).await
}

async fn watched(client: &Client, path: &str) -> Result<Confirmations, Failure> {
    let watch = async {
        loop {
            let now: Confirmations = client.get(path).await?;
            if now.waiting.is_empty() {
                return Ok::<_, Failure>(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let mut last = match tokio::time::timeout(CONFIRM_MAX, watch).await {
        Ok(last) => last?,
        Err(_) => client.get(path).await?,
    };
    for names in [&mut last.confirmed, &mut last.waiting, &mut last.unreachable] {
        names.sort();
    }
    Ok(last)
}

/// Says who has it.
pub(super) fn print(said: &Confirmations) {
    output::line(format!("confirmed    {}", list(&said.confirmed)));
    if !said.waiting.is_empty() {
        output::line(format!("no answer    {}", list(&said.waiting)));
    }
    if !said.unreachable.is_empty() {
        output::line(format!("unreachable  {}", list(&said.unreachable)));
        output::line("             they learn it when they come back, from any member they reach");
    }
}

fn list(names: &[String]) -> String {
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.join(", "),
    }
}

/// The exit code. Who cannot be reached learns it on coming back; nobody has to do anything about
/// that.
pub(super) fn exit(said: &Confirmations) -> u8 {
    if said.waiting.is_empty() { DONE } else { INCOMPLETE }
}
