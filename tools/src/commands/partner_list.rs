//! `gearmesh shares`, `agreements`, `receipts`, `preview` and `end`.

use gearmesh_protocol::partner_local::{
    AgreementStatus, ByName, GatewayChange, PartnersStatus, PreviewRequest, Previewed,
    ReceiptStatus, ShareState,
};
use gearmesh_protocol::refusal::Refusal;

use super::partner_sheet::{in_words, millis, stand_for};
use crate::cli::{Context, EndArgs, PreviewArgs, ReceiptsArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::ask;

async fn status(context: &Context) -> Result<PartnersStatus, Failure> {
    Client::of(&context.home)?.get("/v1/partner").await
}

fn alarms(status: &PartnersStatus) {
    if let Some(since) = status.silent_since {
        output::note(format!(
            "alarm  nothing is shared: no registrar or admin of this plant was linked since {since}; it goes on when \
             one is"
        ));
    }
    status.alarms.iter().for_each(|alarm| output::note(format!("alarm  {alarm}")));
}

pub(crate) async fn shares(context: &Context) -> Result<u8, Failure> {
    let status = status(context).await?;
    if context.json {
        output::json_document(&status.shares)?;
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> = status
        .shares
        .iter()
        .map(|share| {
            let state = match (share.state, share.is_ours) {
                (ShareState::Open, _) => "link not used yet".to_owned(),
                (ShareState::Taken, _) => "being accepted".to_owned(),
                (ShareState::Accepted, true) => {
                    format!(
                        "accepted; type: {} share confirm {} WORDS",
                        context.program(),
                        share.name
                    )
                }
                (ShareState::Accepted, false) => "signed here; waits for the partner".to_owned(),
                (ShareState::Expired, _) => "nobody accepted in time".to_owned(),
            };
            let direction = if share.is_ours { "to" } else { "from" };
            vec![share.name.to_string(), format!("{direction} {}", share.with), state]
        })
        .collect();
    output::table(&["NAME", "PARTNER", "STATE"], &rows);
    alarms(&status);
    Ok(DONE)
}

pub(crate) async fn agreements(context: &Context) -> Result<u8, Failure> {
    let status = status(context).await?;
    if context.json {
        output::json_document(&status)?;
        return Ok(DONE);
    }
    for agreement in &status.agreements {
        output::line(format!(
            "{}  with {}  {}",
            agreement.name,
            agreement.with.name,
            state(agreement)
        ));
        let (giver, taker) = match agreement.is_ours {
            true => ("you", agreement.with.name.as_str()),
            false => (agreement.with.name.as_str(), "you"),
        };
        let words = in_words(&agreement.terms, giver, taker).into_iter();
        for line in words.chain(stand_for(&agreement.verbs)) {
            output::line(format!("    {line}"));
        }
        if let Some(change) = agreement.moved.as_ref().or(agreement.partner_moved.as_ref()) {
            output::line(format!("    {}", changed(change, agreement.moved.is_some())));
        }
        if !agreement.verbs.is_empty() {
            output::line(format!("    calls of the partner: {}", agreement.called));
        }
        if !agreement.co_receivers.is_empty() {
            let others = &agreement.co_receivers;
            let connected = others.iter().filter(|it| it.is_connected).count();
            output::line(format!(
                "    others that receive it: {}, connected with {connected}",
                others.len()
            ));
        }
        output::line(format!(
            "    sent {}, received {}, lost {}, not exported {}, refused {}",
            agreement.sent,
            agreement.received,
            agreement.lost,
            agreement.not_exported,
            agreement.refused
        ));
    }
    if status.agreements.is_empty() {
        output::line("nothing is agreed with anybody");
    }
    alarms(&status);
    Ok(DONE)
}

/// How a gateway changed, in words.
fn changed(change: &GatewayChange, is_ours: bool) -> String {
    let whose = if is_ours { "your" } else { "the partner's" };
    let how = match change.hands_over {
        true => "handed over",
        false => "was ended by its admin and is refused",
    };
    let next =
        change.gateway.as_ref().map_or_else(String::new, |key| format!("; its place has {key}"));
    format!("gateway:   {whose} gateway {how}, signed at {}{next}", change.at)
}

fn state(agreement: &AgreementStatus) -> String {
    match &agreement.ended {
        Some((at, Some(by))) if *by == agreement.with.gateway => {
            format!("ended by the partner at {at}")
        }
        Some((at, Some(_))) => format!("ended here at {at}"),
        Some((at, None)) => format!("its time was up at {at}"),
        None if agreement.moved.is_some() => {
            "went over to another gateway of this plant".to_owned()
        }
        None if agreement.partner_moved.as_ref().is_some_and(|it| it.gateway.is_none()) => {
            "nothing crosses: the partner's admin ended its gateway, and named no other yet"
                .to_owned()
        }
        None if agreement.awaits_partner => {
            "waits until the partner says what it has: send it the notice, gearmesh share notice"
                .to_owned()
        }
        None if !agreement.is_open => {
            "nothing crosses: this node is no gateway of its plant, whoever signed \
             no admin of it any more, or no registrar was heard for a week"
                .to_owned()
        }
        None if agreement.is_connected => "flows".to_owned(),
        None => "flows; the partner's gateway is away".to_owned(),
    }
}

pub(crate) async fn receipts(context: &Context, args: ReceiptsArgs) -> Result<u8, Failure> {
    let status = status(context).await?;
    let mut agreements: Vec<&AgreementStatus> = status.agreements.iter().collect();
    if let Some(name) = &args.name {
        agreements.retain(|agreement| agreement.name == *name);
        if agreements.is_empty() {
            return Err(Refusal::ShareUnknown.into());
        }
    }
    if context.json {
        let all: Vec<(&str, &[ReceiptStatus])> =
            agreements.iter().map(|it| (it.name.as_str(), &it.receipts[..])).collect();
        output::json_document(&all)?;
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> =
        agreements.iter().flat_map(|agreement| rows_of(agreement)).collect();
    output::table(&["NAME", "WHAT", "COUNTED BY", "DELIVERED", "LOST", "SIGNED"], &rows);
    Ok(DONE)
}

fn rows_of(agreement: &AgreementStatus) -> Vec<Vec<String>> {
    let who = |key| if key == agreement.with.gateway { "the partner" } else { "you" };
    let row = |it: &ReceiptStatus| {
        let what = if it.log == agreement.with.gateway { "what came" } else { "what went out" };
        vec![
            agreement.name.to_string(),
            what.to_owned(),
            who(it.by).to_owned(),
            it.delivered.to_string(),
            it.lost.to_string(),
            it.at.to_string(),
        ]
    };
    agreement.receipts.iter().map(row).collect()
}

pub(crate) async fn preview(context: &Context, args: PreviewArgs) -> Result<u8, Failure> {
    let status = status(context).await?;
    let shares = status.shares.iter().map(|it| (&it.name, &it.terms, &it.selections));
    let agreed = status.agreements.iter().map(|it| (&it.name, &it.terms, &it.selections));
    let found = shares.chain(agreed).find(|(name, ..)| **name == args.name);
    let (name, terms, selections) = found.ok_or(Refusal::ShareUnknown)?;
    let request = |past_ms, for_ms| PreviewRequest {
        lines: terms.topics.to_vec(),
        selections: selections.clone(),
        for_ms,
        past_ms,
        name: Some(name.clone()),
    };
    let client = Client::of(&context.home)?;
    let past = request(millis(args.last), 0);
    let mut shown: Vec<Previewed> = client.post("/v1/partner/preview", &past).await?;
    let span = output::ago(args.last.as_secs());
    if shown.is_empty() && args.seconds > 0 {
        if !context.json {
            output::note(format!(
                "nothing of the last {span} is kept; looking for {} s at what is published now …",
                args.seconds
            ));
        }
        shown = client.post("/v1/partner/preview", &request(0, args.seconds * 1000)).await?;
    } else if !context.json {
        output::note(format!("of the last {span}:"));
    }
    if context.json {
        output::json_document(&shown)?;
        return Ok(DONE);
    }
    for value in &shown {
        let (alias, sample) = (&value.alias, &value.sample);
        let unit = sample.unit.as_ref().map_or_else(String::new, |unit| format!(" {unit}"));
        let at = sample.source_time;
        output::line(format!("{at}  {alias}  {}{unit}  {}", sample.value, sample.quality));
    }
    if shown.is_empty() {
        output::line("the partner would have seen nothing of it");
    }
    Ok(DONE)
}

pub(crate) async fn end(context: &Context, args: EndArgs) -> Result<u8, Failure> {
    let text = format!("From now on nothing flows under {}, in either direction.", args.name);
    if !args.yes && !ask(&text, &format!("Type {} to end it: ", args.name), args.name.as_str())? {
        return Err(Refusal::NotConfirmed.into());
    }
    let request = ByName { name: args.name.clone() };
    let () = Client::of(&context.home)?.post("/v1/partner/end", &request).await?;
    if context.json {
        output::json_document(&request)?;
        return Ok(DONE);
    }
    output::line(format!(
        "ended: nothing flows under {} any more; the partner hears of it",
        args.name
    ));
    Ok(DONE)
}
