//! The demo's cell: press, robot and packer at work, and the counters that have to agree whatever is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_node::commands::api::VerbStatus;
use gearmesh_node::items::api::{WorkKey, WorkStatus, WorkWord};

use super::customer::{Customer, Ordered};
use super::failed;
use super::machine::{CONVEYOR, STROKE, item_of, work_on};
use super::plant::{AWAIT_MAX, DemoPlant, GATEWAY, LOOK_EVERY, MACHINES};
use super::record::{Record, Told};
use crate::client::Client;
use crate::exit::Failure;

const PRESS: &str = MACHINES[0];
const ROBOT: &str = MACHINES[1];
const PACKER: &str = MACHINES[2];

/// What machines serve: the machine, the verb, how it is served, and where it keeps what it did.
const SERVED: [(&str, &str, &[&str], &str); 6] = [
    (PRESS, "press", &[], PRESS),
    (PRESS, "pressed", &["--query"], PRESS),
    (PRESS, "convey", &["--resource", CONVEYOR], CONVEYOR),
    (ROBOT, "load", &["--jobs"], ROBOT),
    (PACKER, "pack", &["--jobs"], PACKER),
    (GATEWAY, "order", &[], GATEWAY),
];

/// Parts that may be in the cell at once: with more the gateway waits.
const IN_THE_CELL_MAX: usize = 6;

/// How long a program may take; it gives up before.
const PROGRAM_MAX: &str = "30s";

/// The cell, as the gateway sees it.
pub(super) struct Cell {
    gateway: Client,
    robot: Client,
    /// Parts that were offered: the gateway said that they are on its disk.
    offered: u32,
    /// How often the next part was ordered in vain.
    attempt: u32,
}

/// What was counted, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) offered: usize,
    pub(super) loaded: usize,
    pub(super) pressed: usize,
    pub(super) packed: usize,
    /// Movements of the conveyor: two for each part.
    pub(super) conveyed: usize,
    /// Deeds that a machine has more than once in its record.
    pub(super) twice: usize,
    /// Parts that were packed, and not pressed; or pressed, and not loaded.
    pub(super) left_out: usize,
    /// What came twice or late, and was refused at a machine.
    pub(super) refused: usize,
}

impl Counted {
    /// Whether everything that was offered went its whole way, once.
    pub(super) fn agrees(&self) -> bool {
        let all = [self.loaded, self.pressed, self.packed];
        all.iter().all(|count| *count == self.offered)
            && self.conveyed == 2 * self.offered
            && self.twice == 0
            && self.left_out == 0
    }
}

/// How the name of a process that serves a verb begins.
const fn serving() -> &'static str {
    "serve "
}

/// Has the machines serve what the cell needs, and waits until they know of each other.
pub(super) async fn begin(plant: &mut DemoPlant) -> Result<Cell, Failure> {
    for (machine, verb, how, record) in SERVED {
        let name = format!("{}{verb} of {machine}", serving());
        let words = serve_words(plant, (machine, verb), how, record);
        let log = plant.log(&format!("{machine}-{verb}"));
        plant.processes.start(&name, words, log).map_err(Failure::system)?;
    }
    plant.processes.keep();
    let (gateway, robot) = (plant.client(GATEWAY)?, plant.client(ROBOT)?);
    for client in [&gateway, &robot] {
        until("all verbs are served", || all_are_served(client)).await?;
    }
    Ok(Cell { gateway, robot, offered: 0, attempt: 0 })
}

fn serve_words(
    plant: &DemoPlant,
    (machine, verb): (&str, &str),
    how: &[&str],
    record: &str,
) -> Vec<String> {
    let home = plant.home(machine).display().to_string();
    let (program, record) = (plant.program().display().to_string(), plant.record(record));
    let serve = ["--home", &home, "serve", verb, "--exec", &program, "--timeout", PROGRAM_MAX];
    let record = record.display().to_string();
    let program = ["--", "--home", &home, "demo-machine", verb, "--record", &record];
    let words = serve.into_iter().chain(["--until-stdin-ends"]);
    words.chain(how.iter().copied()).chain(program).map(str::to_owned).collect()
}

async fn all_are_served(client: &Client) -> bool {
    // A node that is being started again says so a moment later.
    let verbs: Vec<VerbStatus> = client.get("/v1/verbs").await.unwrap_or_default();
    let is_served = |machine: &str, verb: &str, how: &[&str]| {
        let mut verbs = verbs.iter();
        verbs.any(|it| {
            let is_it = it.machine.as_str() == machine && it.verb.as_str() == verb;
            is_it && it.jobs == how.contains(&"--jobs")
        })
    };
    SERVED.iter().all(|(machine, verb, how, _)| is_served(machine, verb, how))
}

/// Waits until something is so.
pub(super) async fn until(what: &str, is_so: impl AsyncFn() -> bool) -> Result<(), Failure> {
    let watch = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = |_| failed(format!("{what}: not within {AWAIT_MAX:?}"));
    tokio::time::timeout(AWAIT_MAX, watch).await.map_err(late)
}

impl Cell {
    /// Has one more part made, if there is room for it: as the customer's order as long as there is an
    /// agreement. A gateway that is being started again is asked again later, for the same part.
    pub(super) async fn feed(
        &mut self,
        counted: &Counted,
        customer: Option<&Customer>,
    ) -> Result<(), Failure> {
        if counted.offered >= counted.packed + IN_THE_CELL_MAX {
            return Ok(());
        }
        if let Some(customer) = customer {
            let ordered = customer.order(self.offered + 1, self.attempt).await;
            match ordered.unwrap_or(Ordered::UnderWay) {
                Ordered::Taken => (self.offered, self.attempt) = (self.offered + 1, 0),
                Ordered::UnderWay => {}
                Ordered::Unknown => self.attempt += 1,
            }
            return Ok(());
        }
        let work = work_on("load", self.offered + 1)?;
        let taken: Result<WorkKey, Failure> = self.gateway.post("/v1/offer", &work).await;
        self.offered += u32::from(taken.is_ok());
        Ok(())
    }

    /// What the machines' own records say.
    pub(super) fn counted(&self, plant: &DemoPlant) -> Counted {
        let told = |name: &str| Record::at(plant.record(name)).told();
        // What comes later is read first, so that a part on its way is not taken for one left out.
        let (packed, pressed, loaded) = (told(PACKER), told(PRESS), told(ROBOT));
        let conveyed = told(CONVEYOR);
        let beyond = |later: &Told, earlier: &Told| {
            let earlier: BTreeSet<&str> = earlier.deeds();
            later.deeds().difference(&earlier).count()
        };
        let all = [&loaded, &pressed, &packed, &conveyed];
        Counted {
            offered: self.offered as usize,
            left_out: beyond(&packed, &pressed) + beyond(&pressed, &loaded),
            loaded: loaded.count(),
            pressed: pressed.count(),
            packed: packed.count(),
            conveyed: conveyed.count(),
            twice: all.iter().map(|told| told.twice()).sum(),
            refused: all.iter().map(|told| told.refused).sum(),
        }
    }

    /// Parts of which nobody will do the rest: whoever offered them gave them up. None while a node that
    /// knows it is being started again.
    pub(super) async fn lost(&self) -> Option<usize> {
        let mut lost = 0;
        for client in [&self.gateway, &self.robot] {
            let items: Vec<WorkStatus> = client.get("/v1/jobs").await.ok()?;
            lost += items.iter().filter(|item| item.state == WorkWord::Failed).count();
        }
        Some(lost)
    }

    /// Has parts made that the customer orders.
    pub(super) async fn make_orders(
        &mut self,
        plant: &DemoPlant,
        customer: &Customer,
        parts: usize,
    ) -> Result<(), Failure> {
        let parts = self.offered as usize + parts;
        let work = async {
            loop {
                let counted = self.counted(plant);
                if counted.offered < parts {
                    self.feed(&counted, Some(customer)).await?;
                } else if counted.agrees() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let within = tokio::time::timeout(SURVIVED_MAX, work).await;
        within.unwrap_or_else(|_| Err(self.too_late(plant)))
    }

    /// Lets parts through the cell, and kills the press's node while it is at work; then everything has to
    /// agree all the same.
    pub(super) async fn survive(&mut self, plant: &DemoPlant, parts: usize) -> Result<(), Failure> {
        let mut is_killed = false;
        let parts = self.offered as usize + parts;
        let work = async {
            loop {
                let counted = self.counted(plant);
                if counted.offered < parts {
                    self.feed(&counted, None).await?;
                }
                // The robot has put a part in, and the press has not pressed it yet.
                if !is_killed && counted.packed > 0 && counted.loaded > counted.pressed {
                    tokio::time::sleep(STROKE * 3 / 2).await;
                    plant.processes.kill(PRESS).map_err(Failure::system)?;
                    is_killed = true;
                }
                if counted.offered == parts && counted.agrees() && is_killed {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let within = tokio::time::timeout(SURVIVED_MAX, work).await;
        within.unwrap_or_else(|_| Err(self.too_late(plant)))
    }

    fn too_late(&self, plant: &DemoPlant) -> Failure {
        failed(format!("not within {SURVIVED_MAX:?}: {:?}", self.counted(plant)))
    }

    /// Checks that what was offered is recorded as completed, once, by whoever offered it.
    pub(super) async fn is_all_recorded(&self) -> Result<(), Failure> {
        let is_recorded = async |client: &Client, verb: &str| {
            let items: Vec<WorkStatus> = client.get("/v1/jobs").await.unwrap_or_default();
            let ends = |id| {
                let of_it = items.iter().filter(|item| item.id == id);
                of_it.map(|item| item.state).collect::<Vec<_>>()
            };
            (1..=self.offered).all(|part| ends(item_of(verb, part)) == [WorkWord::Completed])
        };
        let both = async || {
            is_recorded(&self.gateway, "load").await && is_recorded(&self.robot, "pack").await
        };
        until("every part is recorded as completed", both).await
    }

    /// Ends the programs of the machines.
    pub(super) async fn end(self, plant: &DemoPlant) {
        plant.processes.stop(|name| name.starts_with(serving())).await;
    }
}

/// How long the cell may take for what `--once` gives it, with a node killed in between.
const SURVIVED_MAX: Duration = Duration::from_secs(60);
