//! `gearmesh claims`: who has seen this machine, which lets itself be found, and what to say to them.

use gearmesh_protocol::found::{ClaimDecision, Claims, Looker};

use crate::cli::{ClaimsArgs, Context};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: ClaimsArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let decision =
        args.take.map(|words| (words, true)).or(args.decline.map(|words| (words, false)));
    let taken = decision.as_ref().map(|(_, take)| *take);
    let claims: Claims = match decision {
        Some((words, take)) => {
            let words = words.to_ascii_lowercase();
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            client.post("/v1/claims", &ClaimDecision { words, take }).await?
        }
        None => client.get("/v1/claims").await?,
    };
    if context.json {
        output::json_document(&claims)?;
        return Ok(DONE);
    }
    match taken {
        Some(true) => output::line(format!(
            "the machine follows this claim; who has it now: {} claims",
            context.program()
        )),
        Some(false) => output::line("declined; the admin is told so"),
        None => print(context, &claims),
    }
    Ok(DONE)
}

fn print(context: &Context, claims: &Claims) {
    if let Some(by) = &claims.claimed {
        let how = if by.confirmed { "confirmed here" } else { "confirmed by nobody here" };
        output::line(format!("Claimed for  {}        check words: {}", by.plant, by.plant_words));
        output::line(format!("by           {} at {} ({}), {how}", by.address, by.at, by.words));
        output::line(format!(
            "             if that is not your plant: {} leave, then wipe",
            context.program()
        ));
    }
    match claims.closes_in_s {
        Some(left) => {
            let who = if claims.confirm { "once somebody here says so" } else { "by the first" };
            output::line(format!("Claimable    for {}, {who}", output::ago(left)));
        }
        None if claims.claimed.is_none() => {
            output::line("This machine does not let itself be found (any more).");
            output::line(format!(
                "Next         if it has no plant: {} up --claimable",
                context.program()
            ));
        }
        None => {}
    }
    if !claims.lookers.is_empty() {
        let rows: Vec<Vec<String>> = claims.lookers.iter().map(row).collect();
        output::table(&["SEEN BY", "WORDS ITS ADMIN SEES", ""], &rows);
    }
    if claims.turned_away > 0 {
        output::note(format!("{} were turned away: too many look", claims.turned_away));
    }
    if claims.lookers.iter().any(|looker| looker.waits) {
        output::line(format!(
            "Next         ask the admin for the words, then: {} claims --take 'WORDS'",
            context.program()
        ));
    }
}

fn row(looker: &Looker) -> Vec<String> {
    let waits = if looker.waits { "wants this machine" } else { "" };
    vec![looker.address.clone(), looker.words.clone(), waits.to_owned()]
}
