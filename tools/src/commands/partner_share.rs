//! `gearmesh share`: offering values to another company, and confirming what it accepted.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner::{Direction, Proposal, Sheet, SheetTopic, Terms};
use gearmesh_protocol::partner_agreement::{agreement_words, sheet_id, sign_sheet};
use gearmesh_protocol::partner_local::{
    ConfirmRequest, Draft, DraftRequest, Local, PartnersStatus, ProposeRequest, Selection,
    ShareStatus,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::{Name, Topic};

use super::partner_sheet::{in_words, millis, selected, slug};
use crate::cli::{Context, ProposeArgs, ShareArgs, ShareCommand};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::ask;

pub(crate) async fn run(context: &Context, args: ShareArgs) -> Result<u8, Failure> {
    match (args.command, args.propose) {
        (Some(ShareCommand::Confirm { name, words }), _) => confirm(context, name, &words).await,
        (None, Some(args)) => propose(context, args).await,
        (None, None) => Err(Failure::from(Refusal::WrongWords).saying("say what is shared")),
    }
}

/// The keyring of the plant of the node here.
pub(crate) async fn keyring_of(client: &Client, context: &Context) -> Result<Keyring, Failure> {
    let status: gearmesh_protocol::local::Status = client.get("/v1/status").await?;
    let plant = status.plant.ok_or_else(no_plant)?;
    Keyring::open(&context.keyring, &plant.id)
}

async fn propose(context: &Context, args: ProposeArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let keyring = keyring_of(&client, context).await?;
    let terms = terms_of(&args)?;
    let partner = args.partner.clone().map_or_else(|| slug(args.to.as_str()), Ok)?;
    let selections = selections_of(&args);
    let shown = in_words(&terms, "you", args.to.as_str());
    let mut question = format!("{}\n", shown.join("\n"));
    selected(&selections).for_each(|line| question += &format!("{line}\n"));
    if !args.yes && !ask(&question, "Type share to make the link: ", "share")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let local = Local { name: args.name.clone(), partner, selections };
    let request = DraftRequest {
        admin: keyring.public(),
        to: args.to.clone(),
        terms: terms.clone(),
        open_ms: millis(args.expires),
        local,
    };
    let draft: Draft = client.post("/v1/partner/draft", &request).await?;
    let proposal: Proposal = codec::decode(&draft.proposal.0, FRAME_BYTES_MAX)
        .map_err(|error| Failure::from(Refusal::AnswerUnreadable).saying(error))?;
    if proposal.terms != terms || proposal.from.admin != keyring.public() {
        return Err(Failure::from(Refusal::AnswerUnreadable).saying("the node drafted other terms"));
    }
    let signed = Signed::sign(keyring.key(), &draft.plant, &proposal);
    let signed = HexBytes(codec::encode(&signed));
    let () = client.post("/v1/partner/propose", &ProposeRequest { signed }).await?;
    if context.json {
        output::json_document(&draft)?;
        return Ok(DONE);
    }
    shown.iter().for_each(output::line);
    output::line(format!("\nSend this link to {}; whoever has it can accept, once:\n", args.to));
    output::line(&draft.link);
    output::line(format!(
        "\nnothing flows yet: {} accepts it (gearmesh accept {}), and reads you five words by phone; \
         then type: {} share confirm {} WORDS",
        args.to,
        draft.link.chars().take(8).collect::<String>() + "…",
        context.program(),
        args.name
    ));
    Ok(DONE)
}

fn terms_of(args: &ProposeArgs) -> Result<Terms, Failure> {
    let wrong = |text: &str| Failure::from(Refusal::WrongWords).saying(text);
    if args.topics.len() != args.aliases.len() {
        return Err(wrong("each --topics needs its --as, under which the partner sees it"));
    }
    let fields =
        Bounded::try_from(args.fields.clone()).map_err(|error| wrong(&error.to_string()))?;
    let every_ms = args.every.map(|every| u32::try_from(every.as_millis()).unwrap_or(u32::MAX));
    let given = args.aliases.iter().map(|alias| SheetTopic {
        direction: Direction::Export,
        alias: alias.clone(),
        fields: fields.clone(),
        round: args.round,
        every_ms,
        aggregate: args.aggregate.map(Into::into),
        delay_ms: args.delay.map_or(0, millis),
        schema: None,
    });
    let lines: Vec<SheetTopic> = given.chain(args.accept_from.iter().map(wanted)).collect();
    let topics = Bounded::try_from(lines).map_err(|error| wrong(&error.to_string()))?;
    Ok(Terms {
        topics,
        verbs: Bounded::new(),
        confirm_at_machine: false,
        purpose: args.purpose.clone(),
        retention_ms: args.retention.map(millis),
        fan_out: false,
        until: args.until,
    })
}

fn wanted(alias: &Topic) -> SheetTopic {
    SheetTopic {
        direction: Direction::Import,
        alias: alias.clone(),
        fields: Bounded::new(),
        round: None,
        every_ms: None,
        aggregate: None,
        delay_ms: 0,
        schema: None,
    }
}

fn selections_of(args: &ProposeArgs) -> Vec<Selection> {
    let pairs = args.aliases.iter().zip(&args.topics);
    pairs
        .map(|(alias, filter)| Selection { alias: alias.clone(), filter: filter.clone() })
        .collect()
}

async fn confirm(context: &Context, name: Name, words: &[String]) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let keyring = keyring_of(&client, context).await?;
    let status: PartnersStatus = client.get("/v1/partner").await?;
    let share = status.shares.iter().find(|share| share.name == name && share.is_ours);
    let share: &ShareStatus = share.ok_or(Refusal::ShareUnknown)?;
    let bytes = share.sheet.as_ref().ok_or(Refusal::NotAccepted)?;
    let typed = words.join(" ").to_lowercase();
    if agreement_words(&sheet_id(&bytes.0))
        != typed.split_whitespace().collect::<Vec<_>>().join(" ")
    {
        return Err(Refusal::WordsDiffer.into());
    }
    let sheet: Sheet = codec::decode(&bytes.0, FRAME_BYTES_MAX)
        .map_err(|error| Failure::from(Refusal::AnswerUnreadable).saying(error))?;
    let signature = sign_sheet(keyring.key(), &sheet.from.plant, &bytes.0);
    let signature = HexBytes(signature.to_bytes().to_vec());
    let request = ConfirmRequest { name: name.clone(), signature };
    let () = client.post("/v1/partner/confirm", &request).await?;
    if context.json {
        output::json_document(&sheet_id(&bytes.0))?;
        return Ok(DONE);
    }
    output::line(format!("confirmed: from now on {name} flows to {}", sheet.to.name));
    output::line(format!("see it: {} agreements; end it: {0} end {name}", context.program()));
    Ok(DONE)
}
