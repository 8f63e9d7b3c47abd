//! `gearmesh request`: this machine's key, for an admin to make a code that fits no other.

use gearmesh_node::home::Home;
use gearmesh_node::peek;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::Status;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use crate::cli::Context;
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

/// A machine that asks to be let in, for programs.
#[derive(Serialize)]
struct Requested {
    key: PublicKey,
    key_words: String,
}

pub(crate) async fn run(context: &Context) -> Result<u8, Failure> {
    let home = Home::open(&context.home)?;
    let client = Client::of(&context.home)?;
    let (key, belongs) = match client.is_up().await {
        true => {
            let status: Status = client.get("/v1/status").await?;
            (status.key, status.plant.is_some())
        }
        false => {
            // Its journal waits for a thread of its own.
            let peeked = tokio::task::spawn_blocking(move || peek(&home)).await;
            let (key, belongs) = peeked.map_err(Failure::system)??;
            (PublicKey::of(&key), belongs)
        }
    };
    if belongs {
        return Err(Refusal::BelongsAlready.into());
    }
    let key_words = check_words(key.as_bytes());
    if context.json {
        output::json_document(&Requested { key, key_words })?;
        return Ok(DONE);
    }
    output::line(format!("Key     {key}"));
    output::line(format!("        check words: {key_words}"));
    output::line(
        "Next    give the key to the admin, who makes a code that fits this machine alone:",
    );
    output::line(format!("        gearmesh add NAME --for {key}"));
    output::line(format!("        and here: {} join CODE", context.program()));
    Ok(DONE)
}
