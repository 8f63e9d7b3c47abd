//! The demo's steps, each timed and checked.

use std::path::Path;
use std::time::{Duration, Instant};

use gearmesh_protocol::local::{Delivered, Joined, MemberStatus, Presence, SubscribeEvent};
use gearmesh_protocol::refusal::Refusal;
use serde::Serialize;

use super::cell::{self, Cell};
use super::customer::{self, Customer};
use super::failed;
use super::plant::{AWAIT_MAX, DemoPlant, GATEWAY, LOOK_EVERY, MACHINES, RECORDING};
use crate::cli::{AddArgs, RoleWord};
use crate::client::{Client, query};
use crate::commands::{add, join};
use crate::exit::{DONE, Failure};
use crate::output;

/// Parts that go through the cell.
const PARTS: usize = 4;

/// Parts that the customer orders.
const ORDERS: usize = 2;

/// What was done, and how long it took.
#[derive(Serialize)]
struct Step {
    name: &'static str,
    ms: u128,
}

/// The list of steps on its way to the summary.
pub(super) struct Steps {
    done: Vec<Step>,
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    passed: bool,
    failed: Option<String>,
    steps: &'a [Step],
    total_ms: u128,
}

impl Steps {
    pub(super) const fn new(json: bool) -> Self {
        Self { done: Vec::new(), json }
    }

    /// Does one step and notes how long it took.
    #[expect(clippy::disallowed_methods, reason = "the demo times its own steps for people")]
    async fn take<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let result = work.await.map_err(|failure| {
            let what = format!("step {name:?}: {}", failure.body().error);
            failure.saying(what)
        })?;
        let ms = start.elapsed().as_millis();
        if !self.json {
            output::note(format!("{ms:>6} ms  {name}"));
        }
        self.done.push(Step { name, ms });
        Ok(result)
    }

    /// Prints the summary.
    pub(super) fn finish(&self, failed: Option<String>) -> Result<u8, Failure> {
        let total_ms = self.done.iter().map(|step| step.ms).sum();
        let passed = failed.is_none();
        if self.json {
            output::json_document(&Summary { passed, failed, steps: &self.done, total_ms })?;
        } else if passed {
            output::line(format!("{} steps passed in {total_ms} ms", self.done.len()));
        }
        Ok(DONE)
    }
}

/// Founds the plant, starts four nodes and lets three join.
pub(super) async fn bring_up(plant: &mut DemoPlant, steps: &mut Steps) -> Result<(), Failure> {
    let home = plant.home(GATEWAY).display().to_string();
    let keyring = plant.context(GATEWAY).keyring.display().to_string();
    let init =
        ["--home", &home, "--keyring", &keyring, "init", "Demo plant", "--node-name", GATEWAY];
    steps.take("found the plant", plant.run(&init)).await?;
    let gateway = steps.take("start the gateway", plant.start(GATEWAY)).await?;
    for machine in MACHINES {
        steps.take("start a machine", plant.start(machine)).await?;
    }
    let context = plant.context(GATEWAY);
    let wanted = AddArgs {
        names: MACHINES
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()
            .map_err(failed)?,
        found: Vec::new(),
        words: None,
        role: RoleWord::Machine,
        scope: None,
        expires: Duration::from_secs(600),
        until: None,
        node: None,
        qr: false,
        replace: false,
        no_wait: true,
    };
    let invites =
        steps.take("sign three invitations", add::invite(&context, &gateway, &wanted)).await?;
    for invite in invites {
        let client = plant.client(invite.name.as_str())?;
        let joined: Joined =
            steps.take("join with a code", join::redeem(&client, invite.code)).await?;
        if joined.name != invite.name.as_str() {
            return Err(failed(format!("{} joined as {}", invite.name, joined.name)));
        }
    }
    for name in MACHINES.into_iter().chain([GATEWAY]) {
        let client = plant.client(name)?;
        steps.take("see every other member", all_online(&client)).await?;
    }
    Ok(())
}

/// Lets the press play a recording, and checks that nobody takes it for the press.
pub(super) async fn replay(
    plant: &mut DemoPlant,
    steps: &mut Steps,
    recording: &Path,
) -> Result<(), Failure> {
    let press = MACHINES[0];
    let gateway = plant.client(GATEWAY)?;
    let topic = format!("{press}/{RECORDING}/#");
    plant.replay(press, recording)?;
    let played = steps.take("play a recording", first_sample(&gateway, &topic)).await?;
    match played.sample.replay {
        true => Ok(()),
        false => Err(failed("a recorded value came without its mark")),
    }
}

/// Has the machines work together.
pub(super) async fn begin_cell(plant: &mut DemoPlant, steps: &mut Steps) -> Result<Cell, Failure> {
    steps.take("let press, robot and packer serve", cell::begin(plant)).await
}

/// Has another company agree with the plant.
pub(super) async fn begin_customer(
    plant: &mut DemoPlant,
    steps: &mut Steps,
) -> Result<Customer, Failure> {
    steps.take("agree with another company", customer::begin(plant)).await
}

/// Checks that the other company gets its value, has parts made, and gets nothing after the end.
pub(super) async fn prove_customer(
    plant: &DemoPlant,
    steps: &mut Steps,
    (cell, customer): (&mut Cell, &Customer),
) -> Result<(), Failure> {
    steps.take("the customer follows a value", customer.follows()).await?;
    let orders = cell.make_orders(plant, customer, ORDERS);
    steps.take("the cell makes what the customer orders", orders).await?;
    steps.take("end the agreement: nothing crosses any more", customer.is_cut_off(plant)).await
}

/// Checks that no part is handled twice and none lost when a node of the cell is killed at work.
pub(super) async fn prove_cell(
    plant: &DemoPlant,
    steps: &mut Steps,
    mut cell: Cell,
) -> Result<(), Failure> {
    let parts = cell.survive(plant, PARTS);
    steps.take("load, press and pack four parts, and kill the press's node", parts).await?;
    steps.take("every part is recorded as completed once", cell.is_all_recorded()).await?;
    cell.end(plant).await;
    Ok(())
}

/// Checks that values flow, that grants hold, and that a revoked machine is out.
pub(super) async fn prove(plant: &mut DemoPlant, steps: &mut Steps) -> Result<(), Failure> {
    let gateway = plant.client(GATEWAY)?;
    for machine in MACHINES {
        let topic = format!("{machine}/host/memory/used");
        steps.take("see a machine's own value", first_sample(&gateway, &topic)).await?;
    }
    steps.take("publish from one machine to another", across(plant)).await?;
    steps.take("refuse a topic outside the grant", outside_grant(plant)).await?;
    let home = plant.home(GATEWAY).display().to_string();
    let keyring = plant.context(GATEWAY).keyring.display().to_string();
    let victim = MACHINES[2];
    let revoke = ["--home", &home, "--keyring", &keyring, "revoke", victim];
    let revoke = [&revoke[..], &["--reason", "lost", "--yes"]].concat();
    // The victim itself may be cut off before it could confirm, so the command may end with
    // "done in part"; what counts is checked next.
    let revoked = steps.take("revoke a machine", async {
        drop(plant.run(&revoke).await);
        Ok(())
    });
    revoked.await?;
    for name in [GATEWAY, MACHINES[0], MACHINES[1]] {
        let client = plant.client(name)?;
        steps.take("see that it is out", is_out(&client, victim)).await?;
    }
    let victim = plant.client(victim)?;
    steps.take("the revoked machine has no link left", no_links(&victim)).await
}

async fn all_online(client: &Client) -> Result<(), Failure> {
    until(client, "all members linked", |members| {
        let linked =
            |member: &MemberStatus| matches!(member.presence, Presence::Here | Presence::Online);
        members.len() == MACHINES.len() + 1 && members.iter().all(linked)
    })
    .await
}

async fn is_out(client: &Client, name: &str) -> Result<(), Failure> {
    until(client, "the machine thrown out", |members| {
        members.iter().any(|member| member.name == name && member.presence == Presence::Revoked)
    })
    .await
}

async fn no_links(client: &Client) -> Result<(), Failure> {
    let linked =
        |member: &MemberStatus| matches!(member.presence, Presence::Online | Presence::Quiet);
    until(client, "no link", |members| !members.iter().any(linked)).await
}

/// Waits until the list of members is as wanted.
async fn until(
    client: &Client,
    what: &str,
    is_so: impl Fn(&[MemberStatus]) -> bool,
) -> Result<(), Failure> {
    let watch = async {
        loop {
            let members: Vec<MemberStatus> = client.get("/v1/members").await?;
            if is_so(&members) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = |_| Err(failed(format!("{what}: not within {AWAIT_MAX:?}")));
    tokio::time::timeout(AWAIT_MAX, watch).await.unwrap_or_else(late)
}

/// The first value on a topic.
async fn first_sample(client: &Client, topic: &str) -> Result<Delivered, Failure> {
    let mut events = client.events(&format!("/v1/subscribe?filter={}", query(topic))).await?;
    let watch = async {
        loop {
            match events.next::<SubscribeEvent>().await? {
                Some(SubscribeEvent::Sample(delivered)) => return Ok(delivered),
                Some(SubscribeEvent::Lost { .. }) => {}
                None => return Err(failed("the node ended the stream")),
            }
        }
    };
    let late = |_| Err(failed(format!("no value on {topic} within {AWAIT_MAX:?}")));
    tokio::time::timeout(AWAIT_MAX, watch).await.unwrap_or_else(late)
}

async fn across(plant: &DemoPlant) -> Result<(), Failure> {
    let (from, to) = (plant.home(MACHINES[0]), plant.client(MACHINES[1])?);
    let home = from.display().to_string();
    let publish = async {
        loop {
            plant.run(&["--home", &home, "pub", "part/count", "42", "--unit", "1"]).await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let topic = format!("{}/part/count", MACHINES[0]);
    tokio::select! {
        sample = first_sample(&to, &topic) => {
            let sample = sample?;
            if sample.author != MACHINES[0] {
                return Err(failed(format!("it came from {}", sample.author)));
            }
            Ok(())
        }
        failed = publish => failed,
    }
}

async fn outside_grant(plant: &DemoPlant) -> Result<(), Failure> {
    let home = plant.home(MACHINES[0]).display().to_string();
    let topic = format!("/{}/part/count", MACHINES[1]);
    let wanted = format!("[code {}]", Refusal::TopicNotGranted.code());
    match plant.run(&["--home", &home, "pub", &topic, "1"]).await {
        Err(failure) if failure.body().error.contains(&wanted) => Ok(()),
        Err(failure) => Err(failure),
        Ok(_) => Err(failed("a machine published under another one's scope")),
    }
}
