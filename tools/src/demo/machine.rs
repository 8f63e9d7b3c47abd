//! The programs of the demo's machines: what `gearmesh serve` starts there for each verb.
//!
//! ```text
//!   gateway-1 ── offers `load` ──► robot-1 ── call `press` ──► press-1
//!                                     └── offers `pack` ──► packer-1
//!   robot and packer move parts with press-1's `convey`, under a lease of the conveyor
//!   acme-1, of another company, has gateway-1 do `order`, which offers `load`
//! ```

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gearmesh_node::commands::api::{CallEvent, CallRequest, CallState};
use gearmesh_node::items::api::{OfferRequest, WorkKey};
use gearmesh_node::leases::api::{LeaseNews, LeaseRequest, LeaseState};
use gearmesh_protocol::entry::FencingToken;
use gearmesh_protocol::ids::{CommandId, WorkId};
use gearmesh_protocol::refusal::Refusal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failed;
use super::record::{Record, Taken};
use crate::cli::{Context, token};
use crate::client::{Client, Events};
use crate::exit::{DONE, Failure};
use crate::output;

/// The conveyor, and the machine that it is wired to.
pub(super) const CONVEYOR: &str = "conveyor";
const PRESS: &str = "press-1";

/// Where `gearmesh serve` says under which token a program works.
const TOKEN: &str = "GEARMESH_TOKEN";

/// How long a machine is at work before and after the moment that counts.
pub(super) const STROKE: Duration = Duration::from_millis(60);

/// How long a program goes on asking. Then it fails, and its item is offered again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two asks of one program.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How long a command may take to be begun, and a wish for the conveyor to be granted.
const WITHIN: Duration = Duration::from_secs(5);

/// How long the conveyor is leased.
const LEASE: Duration = Duration::from_millis(1500);

/// How long a machine that has an item may be away until that is offered again.
const SILENCE: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct MachineArgs {
    /// What is to be done; the part comes as JSON on standard input.
    #[arg(value_enum)]
    task: Task,

    /// The machine's own record.
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
}

/// What a program of the demo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    /// The robot puts a part into the press, has it pressed, and hands it over.
    Load,
    /// The press presses it.
    Press,
    /// Was it pressed?
    Pressed,
    /// The conveyor brings it, or takes it away.
    Convey,
    /// The packer packs it.
    Pack,
    /// The gateway takes it as an order of the customer's.
    Order,
}

/// What is said of a part.
#[derive(Clone, Debug, Deserialize)]
struct Part {
    part: u32,
    #[serde(default)]
    way: Option<Way>,
}

/// Where the conveyor moves.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    In,
    Out,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// The id of the item by which a part is worked on: the same part is the same item.
pub(super) fn item_of(verb: &str, part: u32) -> WorkId {
    WorkId(id_of(verb, part, 0))
}

/// The id of the customer's order of a part. Where nobody knows what became of it, it orders anew.
pub(super) fn order_of(part: u32, attempt: u32) -> CommandId {
    CommandId(id_of("order", part, attempt))
}

/// An id that follows from what is asked for.
fn id_of(verb: &str, part: u32, attempt: u32) -> [u8; 16] {
    let mut id = [0; 16];
    for (place, byte) in id.iter_mut().zip(verb.bytes().take(8)) {
        *place = byte;
    }
    id[8..12].copy_from_slice(&part.to_be_bytes());
    id[12..].copy_from_slice(&attempt.to_be_bytes());
    id
}

/// What a node is asked for to have a part worked on.
pub(super) fn work_on(verb: &str, part: u32) -> Result<OfferRequest, Failure> {
    Ok(OfferRequest {
        verb: verb.parse().map_err(failed)?,
        arguments: json!({ "part": part }),
        id: Some(item_of(verb, part)),
        silence_ms: u32::try_from(SILENCE.as_millis()).ok(),
        tries: Some(u8::MAX),
        again_if_failed: true,
    })
}

pub(crate) async fn run(context: &Context, args: MachineArgs) -> Result<u8, Failure> {
    let part: Part = serde_json::from_reader(std::io::stdin()).map_err(failed)?;
    let (client, record) = (Client::of(&context.home)?, Record::at(args.record));
    let under = std::env::var(TOKEN).ok().filter(|text| !text.is_empty());
    let token = under.map(|text| token(&text)).transpose().map_err(failed)?;
    let machine = Machine { client, record, token, part };
    let done = async {
        match args.task {
            Task::Load => machine.load().await,
            Task::Press => machine.deed(&part_of(machine.part.part)).await,
            Task::Pressed => Ok(json!(machine.record.told().has(&part_of(machine.part.part)))),
            Task::Convey => machine.convey().await,
            Task::Pack => machine.pack().await,
            Task::Order => machine.order().await,
        }
    };
    let late = |_| Err(failed(format!("not done within {PATIENCE:?}")));
    let answer = tokio::time::timeout(PATIENCE, done).await.unwrap_or_else(late)?;
    output::line(answer);
    Ok(DONE)
}

fn part_of(part: u32) -> String {
    part.to_string()
}

/// A machine at work on one part.
struct Machine {
    client: Client,
    record: Record,
    token: Option<FencingToken>,
    part: Part,
}

impl Machine {
    /// Moves the equipment. What counts is the line in the record.
    async fn deed(&self, deed: &str) -> Result<Value, Failure> {
        tokio::time::sleep(STROKE).await;
        let taken = self.record.take(deed, self.token.as_ref()).map_err(Failure::system)?;
        tokio::time::sleep(STROKE).await;
        match taken {
            Taken::Now | Taken::Before => Ok(json!({ "part": self.part.part })),
            Taken::Late => Err(failed("somebody else has this work by now")),
        }
    }

    async fn convey(&self) -> Result<Value, Failure> {
        let way = self.part.way.ok_or_else(|| failed("which way?"))?;
        self.deed(&format!("{}-{}", way.word(), self.part.part)).await
    }

    async fn load(&self) -> Result<Value, Failure> {
        self.over_the_conveyor(Way::In).await?;
        let loaded = self.deed(&part_of(self.part.part)).await?;
        self.have_it_pressed().await?;
        // Handed over when the offer is on this machine's disk.
        let work = work_on("pack", self.part.part)?;
        let _: WorkKey = self.client.post("/v1/offer", &work).await?;
        Ok(loaded)
    }

    /// What is ordered goes the way of all parts. The same order is the same item.
    async fn order(&self) -> Result<Value, Failure> {
        let work = work_on("load", self.part.part)?;
        let _: WorkKey = self.client.post("/v1/offer", &work).await?;
        Ok(json!({ "part": self.part.part }))
    }

    async fn pack(&self) -> Result<Value, Failure> {
        self.over_the_conveyor(Way::Out).await?;
        self.deed(&part_of(self.part.part)).await
    }

    /// Has the part pressed once. The same id is answered with what became of the first command; where
    /// nobody knows that, the press's own record is asked.
    async fn have_it_pressed(&self) -> Result<(), Failure> {
        let mut attempt = 0;
        loop {
            let id = CommandId(id_of("press", self.part.part, attempt));
            let arguments = json!({ "part": self.part.part });
            match self.call("press", arguments, self.token, Some(id)).await {
                Ok(CallState::Done { .. }) => return Ok(()),
                Ok(CallState::Indeterminate | CallState::Failed { .. }) => {
                    if self.is_pressed().await {
                        return Ok(());
                    }
                    attempt += 1;
                }
                // It was not begun.
                Ok(CallState::Refused(_) | CallState::Expired) => attempt += 1,
                // Nobody has said what became of it: the same command is asked for again.
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Asks the press until it answers.
    async fn is_pressed(&self) -> bool {
        loop {
            let arguments = json!({ "part": self.part.part });
            if let Ok(CallState::Done { result }) = self.ask("pressed", arguments).await {
                return result == json!(true);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Has the part moved, while nobody else has the conveyor. To move what is there already does no harm,
    /// so this is asked for until it is done.
    async fn over_the_conveyor(&self, way: Way) -> Result<(), Failure> {
        loop {
            if let Ok((token, _held)) = self.lease().await {
                let arguments = json!({ "part": self.part.part, "way": way.word() });
                let moved = self.call("convey", arguments, Some(token), None).await;
                if matches!(moved, Ok(CallState::Done { .. })) {
                    return Ok(());
                }
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// The conveyor's token, and what gives the lease back when it is dropped.
    async fn lease(&self) -> Result<(FencingToken, Events), Failure> {
        let millis = |time: Duration| u32::try_from(time.as_millis()).ok();
        let request = LeaseRequest {
            resource: CONVEYOR.to_owned(),
            ttl_ms: millis(LEASE),
            wait_ms: millis(WITHIN),
            on_loss: None,
            id: None,
            hold: true,
        };
        let mut events = self.client.post_events("/v1/lease", &request).await?;
        while let Some(news) = events.next::<LeaseNews>().await? {
            match news.state {
                LeaseState::Waiting { .. } => {}
                LeaseState::Held { token, .. } => return Ok((token, events)),
                LeaseState::Refused(body) => return Err(body.into()),
                LeaseState::Ended { .. } => return Err(Refusal::LeaseOver.into()),
            }
        }
        Err(Refusal::NodeStopped.into())
    }

    async fn call(
        &self,
        verb: &str,
        arguments: Value,
        token: Option<FencingToken>,
        id: Option<CommandId>,
    ) -> Result<CallState, Failure> {
        self.outcome(request(verb, arguments, token, id, false)?).await
    }

    async fn ask(&self, verb: &str, arguments: Value) -> Result<CallState, Failure> {
        self.outcome(request(verb, arguments, None, None, true)?).await
    }

    async fn outcome(&self, request: CallRequest) -> Result<CallState, Failure> {
        let mut events = self.client.post_events("/v1/call", &request).await?;
        while let Some(event) = events.next::<CallEvent>().await? {
            if event.state.is_final() {
                return Ok(event.state);
            }
        }
        Err(Refusal::NodeStopped.into())
    }
}

/// What the press is asked for.
fn request(
    verb: &str,
    arguments: Value,
    token: Option<FencingToken>,
    id: Option<CommandId>,
    query: bool,
) -> Result<CallRequest, Failure> {
    Ok(CallRequest {
        machine: PRESS.to_owned(),
        verb: verb.parse().map_err(failed)?,
        arguments,
        id,
        ttl_ms: u32::try_from(WITHIN.as_millis()).ok(),
        wait: true,
        query,
        token,
        lease: None,
    })
}
