//! `gearmesh join`: become a member with a code.

use std::io::Read;

use gearmesh_node::home::Home;
use gearmesh_node::listen::Endpoint;
use gearmesh_node::{Node, Options};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::{JoinRequest, Joined};
use gearmesh_protocol::refusal::Refusal;

use crate::cli::{Context, JoinArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: JoinArgs) -> Result<u8, Failure> {
    let code = read_code(&args.code)?;
    // A mistyped code is noticed here, before anything is created or dialled.
    code.parse::<Code>().map_err(|error| Failure::from(Refusal::from(&error)).saying(error))?;
    Home::open(&context.home)?;
    let client = Client::of(&context.home)?;
    let is_running = client.is_up().await;
    let joined = match is_running {
        true => redeem(&client, code).await?,
        false => redeem_alone(context, &client, code).await?,
    };
    match context.json {
        true => output::json_document(&joined)?,
        false => print(context, &joined, is_running),
    }
    Ok(DONE)
}

/// Asks the running node to redeem a code.
pub(crate) async fn redeem(client: &Client, code: String) -> Result<Joined, Failure> {
    client.post("/v1/join", &JoinRequest { code }).await
}

/// Starts the node for as long as it takes to redeem a code.
async fn redeem_alone(context: &Context, client: &Client, code: String) -> Result<Joined, Failure> {
    let loopback: Endpoint = "127.0.0.1:0".parse().map_err(Failure::system)?;
    let options = Options { listen: vec![loopback], mdns: false, ..Options::at(&context.home) };
    let node = Node::start(options).await?;
    let joined = redeem(client, code).await;
    node.stop().await;
    joined
}

/// The code without the blanks and line breaks of whatever showed it.
fn read_code(words: &[String]) -> Result<String, Failure> {
    let mut text = words.concat();
    if text == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text).map_err(Failure::system)?;
    }
    Ok(text.split_whitespace().collect())
}

fn print(context: &Context, joined: &Joined, is_running: bool) {
    let Joined { plant_name, plant_words, name, admitted_by, .. } = joined;
    let roles = joined.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let verb = if joined.again { "Already joined" } else { "Joined" };
    output::line(format!("{verb}  {plant_name}        check words: {plant_words}"));
    output::line(format!("As      {name}  ({roles}), admitted by {admitted_by}"));
    if let Some(scope) = &joined.scope {
        output::line(format!("Scope   {scope}  (its values appear under {scope}/…)"));
    }
    let program = context.program();
    output::line("        Compare the check words with those that gearmesh init printed.");
    match is_running {
        true => output::line(format!("Next    {program} members")),
        false => output::line(format!("Next    {program} up")),
    }
}
