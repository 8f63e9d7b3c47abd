//! The demo's second company: a plant of one that follows a value of the first plant, as both signed, and
//! orders parts that the first plant's cell makes.

use gearmesh_node::commands::api::VerbStatus;
use gearmesh_protocol::durable::HistoryEvent;
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::partner_local::{
    AgreementStatus, PartnerCallRequest, PartnerCalled, PartnersStatus, ShareState,
};
use gearmesh_protocol::topic::Name;
use serde_json::Value as Json;

use super::cell::until;
use super::failed;
use super::machine::order_of;
use super::plant::{CUSTOMER, DemoPlant, GATEWAY, MACHINES};
use crate::client::{Client, query};
use crate::exit::Failure;

/// What the first company calls the agreement, and the second.
pub(super) const SHARE: &str = "acme-orders";
const AGREEMENT: &str = "rossi";

/// What is shared, under which name, and what may be ordered.
const ALIAS: &str = "press-load";
const VERB: &str = "order";

/// How long an order may take until it is taken.
const TTL_MS: u32 = 5_000;

/// The customer, as its own gateway sees it.
pub(super) struct Customer {
    client: Client,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordered {
    /// The plant has it.
    Taken,
    /// It is not answered yet.
    UnderWay,
    /// It was not taken, or nobody knows: it is ordered anew, which does no harm, since a part is one item.
    Unknown,
}

/// What the customer knows.
#[derive(Default)]
pub(super) struct Seen {
    /// Whether it flows; none while the customer's gateway is being started again.
    pub(super) flows: Option<bool>,
    /// Values that came, and the last one.
    pub(super) values: u64,
    pub(super) last: Option<String>,
}

/// Founds the second company, and lets both sign.
pub(super) async fn begin(plant: &mut DemoPlant) -> Result<Customer, Failure> {
    let (home, keyring) = (plant.home(CUSTOMER), plant.keyring(CUSTOMER));
    let (home, keyring) = (home.display().to_string(), keyring.display().to_string());
    let acme = ["--home", &home, "--keyring", &keyring];
    plant.run(&[&acme[..], &["init", "Acme", "--node-name", CUSTOMER]].concat()).await?;
    let client = plant.start(CUSTOMER).await?;
    let gateway = plant.client(GATEWAY)?;
    let served = async || {
        let verbs: Vec<VerbStatus> = gateway.get("/v1/verbs").await.unwrap_or_default();
        verbs.iter().any(|it| it.machine.as_str() == GATEWAY && it.verb.as_str() == VERB)
    };
    until("orders are taken", served).await?;
    let (host, owner) = (plant.home(GATEWAY), plant.keyring(GATEWAY));
    let (host, owner) = (host.display().to_string(), owner.display().to_string());
    let rossi = ["--home", &host, "--keyring", &owner];
    let (topic, verb) =
        (format!("{}/host/cpu/usage", MACHINES[0]), format!("{VERB}={GATEWAY}/{VERB}"));
    let terms = [
        "share",
        SHARE,
        "--to",
        "Acme",
        "--topics",
        &topic,
        "--as",
        ALIAS,
        "--round",
        "0",
        "--every",
        "2s",
        "--aggregate",
        "mean",
        "--verb",
        &verb,
        "--yes",
        "--json",
    ];
    let shared: Json = json(&plant.run(&[&rossi[..], &terms].concat()).await?)?;
    let link = shared["link"].as_str().ok_or_else(|| failed("no link was made"))?;
    let accept = ["accept", link, "--name", AGREEMENT, "--yes", "--json"];
    let accepted = json(&plant.run(&[&acme[..], &accept].concat()).await?)?;
    let words = accepted["words"].as_str().ok_or_else(|| failed("no words were told"))?.to_owned();
    let is_accepted = async || {
        let status: Option<PartnersStatus> = gateway.get("/v1/partner").await.ok();
        let mut shares = status.into_iter().flat_map(|status| status.shares);
        shares.any(|it| it.state == ShareState::Accepted)
    };
    until("the customer has signed", is_accepted).await?;
    let confirm = ["share", "confirm", SHARE].into_iter().chain(words.split(' '));
    plant.run(&rossi.into_iter().chain(confirm).collect::<Vec<_>>()).await?;
    let customer = Customer { client };
    until("it flows", async || customer.flows().await == Some(true)).await?;
    Ok(customer)
}

fn json(text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text).map_err(failed)
}

impl Customer {
    async fn agreement(&self) -> Option<Option<AgreementStatus>> {
        let status: PartnersStatus = self.client.get("/v1/partner").await.ok()?;
        Some(status.agreements.into_iter().next())
    }

    /// Whether anything may flow; none while nobody can say.
    pub(super) async fn flows(&self) -> Option<bool> {
        let agreement = self.agreement().await?;
        Some(agreement.is_some_and(|it| it.ended.is_none() && it.is_open))
    }

    /// What has come here under the agreement.
    pub(super) async fn seen(&self) -> Seen {
        let Some(agreement) = self.agreement().await else { return Seen::default() };
        let values = agreement.as_ref().map_or(0, |it| it.received);
        let flows = Some(agreement.is_some_and(|it| it.ended.is_none() && it.is_open));
        Seen { flows, values, last: self.last().await }
    }

    /// The last value that is durable here.
    async fn last(&self) -> Option<String> {
        let topic = format!("partner/{AGREEMENT}/{ALIAS}");
        let path = format!("/v1/history?filter={}", query(&topic));
        let mut events = self.client.events(&path).await.ok()?;
        let mut last = None;
        while let Some(event) = events.next::<HistoryEvent>().await.ok().flatten() {
            if let HistoryEvent::Entry(entry) = event {
                last = Some(entry.sample.value.to_string());
            }
        }
        last
    }

    /// Orders a part. The same attempt asked for again is the same order.
    pub(super) async fn order(&self, part: u32, attempt: u32) -> Result<Ordered, Failure> {
        let name: Name = AGREEMENT.parse().map_err(failed)?;
        let (verb, arguments) = (VERB.parse().map_err(failed)?, format!("{{\"part\":{part}}}"));
        let id = order_of(part, attempt);
        let request = PartnerCallRequest { name, verb, arguments, id, ttl_ms: TTL_MS };
        let called: PartnerCalled = self.client.post("/v1/partner/call", &request).await?;
        Ok(match called.state {
            None => Ordered::UnderWay,
            Some(CommandState::Done { .. }) => Ordered::Taken,
            Some(_) => Ordered::Unknown,
        })
    }

    /// Waits until a value has come.
    pub(super) async fn follows(&self) -> Result<(), Failure> {
        until("a value", async || self.seen().await.values > 0).await
    }

    /// Ends the agreement at the plant, and checks that the customer gets and does nothing more.
    pub(super) async fn is_cut_off(&self, plant: &DemoPlant) -> Result<(), Failure> {
        let home = plant.home(GATEWAY).display().to_string();
        plant.run(&["--home", &home, "end", SHARE, "--yes"]).await?;
        until("the end is known", async || self.flows().await == Some(false)).await?;
        match self.order(u32::MAX, 0).await {
            Err(_) => Ok(()),
            Ok(_) => Err(failed("an order was taken after the end")),
        }
    }
}
