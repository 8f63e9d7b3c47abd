//! `gearmesh share`: offering values to another company, and confirming what it accepted.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner::{Direction, Proposal, Sheet, SheetTopic, Terms};
use gearmesh_protocol::partner_agreement::{agreement_words, sheet_id, sign_sheet};
use gearmesh_protocol::partner_local::{
    AgreementStatus, ByName, ConfirmRequest, Draft, DraftRequest, Local, PartnersStatus,
    ProposeRequest, Selection, ShareStatus,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::{Name, Title, Topic};

use super::partner_schemas::Schemas;
use super::partner_sheet::{in_words, millis, selected, slug, stand_for};
use super::{partner_calls, partner_move};
use crate::cli::{AmendArgs, Context, ProposeArgs, ShareArgs, ShareCommand};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::ask;

pub(crate) async fn run(context: &Context, args: ShareArgs) -> Result<u8, Failure> {
    match (args.command, args.propose) {
        (Some(ShareCommand::Confirm { name, words }), _) => confirm(context, name, &words).await,
        (Some(ShareCommand::Gateway), _) => partner_move::gateway(context).await,
        (Some(ShareCommand::Papers { name, out }), _) => {
            partner_move::papers(context, name, &out).await
        }
        (Some(ShareCommand::Move(args)), _) => partner_move::hand_over(context, args).await,
        (Some(ShareCommand::Take(args)), _) => partner_move::take(context, args).await,
        (Some(ShareCommand::Succeed(args)), _) => partner_move::succeed(context, args).await,
        (Some(ShareCommand::Notice(args)), _) => partner_move::notice(context, args).await,
        (Some(ShareCommand::Requests), _) => partner_calls::requests(context).await,
        (Some(ShareCommand::Allow(args)), _) => partner_calls::allow(context, args, true).await,
        (Some(ShareCommand::Deny(args)), _) => partner_calls::allow(context, args, false).await,
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

/// What is offered, and to whom.
struct Offer {
    name: Name,
    to: Title,
    partner: Name,
    /// On which terms, and what is selected for them.
    terms: Terms,
    selections: Vec<Selection>,
    /// The sheet in whose place the new one is to stand.
    old: Option<AgreementStatus>,
}

async fn propose(context: &Context, args: ProposeArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let to = args.to.clone().ok_or_else(|| {
        Failure::from(Refusal::WrongWords).saying("say for whom it is: --to \"Acme\"")
    })?;
    let partner = args.partner.clone().map_or_else(|| slug(to.as_str()), Ok)?;
    let (terms, selections) = match &args.join {
        Some(stream) => stream_of(&client, stream).await?,
        None => (terms_of(&args, &Schemas::read(&args)?)?, selections_of(&args)),
    };
    let offered = Offer { name: args.name.clone(), to, partner, terms, selections, old: None };
    offer(context, &client, offered, args).await
}

/// On which terms a stream is sent that a further company is to receive.
async fn stream_of(client: &Client, name: &Name) -> Result<(Terms, Vec<Selection>), Failure> {
    let status: PartnersStatus = client.get("/v1/partner").await?;
    let stands = |it: &AgreementStatus| it.name == *name && it.is_ours && it.ended.is_none();
    let agreed = status.agreements.into_iter().find(stands);
    let agreed = agreed.map(|it| (it.terms, it.selections));
    let offered = status.shares.into_iter().find(|it| it.name == *name && it.is_ours);
    let found = agreed.or_else(|| offered.map(|it| (it.terms, it.selections)));
    Ok(found.ok_or(Refusal::ShareUnknown)?)
}

/// `gearmesh amend`: a new sheet in place of one that stands.
pub(crate) async fn amend(context: &Context, args: AmendArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let AmendArgs { withdraw, terms } = args;
    let name = terms.name.clone();
    if withdraw {
        let request = ByName { name: name.clone() };
        let () = client.post("/v1/partner/withdraw", &request).await?;
        match context.json {
            true => output::json_document(&request)?,
            false => output::line(format!("withdrawn: {name} stays as it is")),
        }
        return Ok(DONE);
    }
    let status: PartnersStatus = client.get("/v1/partner").await?;
    let stands = |it: &AgreementStatus| it.name == name && it.ended.is_none();
    let old = status.agreements.into_iter().find(stands).ok_or(Refusal::ShareUnknown)?;
    if terms.join.is_some() {
        let text = "a further company gets a share of its own: gearmesh share NAME --join";
        return Err(Failure::from(Refusal::WrongWords).saying(text));
    }
    let (to, partner, args) = (old.with.name.clone(), old.partner.clone(), terms);
    let (terms, selections) = (terms_of(&args, &Schemas::read(&args)?)?, selections_of(&args));
    let offered = Offer { name, to, partner, terms, selections, old: Some(old) };
    offer(context, &client, offered, args).await
}

async fn offer(
    context: &Context,
    client: &Client,
    offer: Offer,
    args: ProposeArgs,
) -> Result<u8, Failure> {
    let keyring = keyring_of(client, context).await?;
    let schemas = Schemas::read(&args)?;
    let Offer { name, to, partner, terms, selections, old } = offer;
    let verbs = args.verbs.clone();
    let mut shown = in_words(&terms, "you", to.as_str());
    if let Some(old) = &old {
        shown.insert(0, "from then on:".to_owned());
        shown.splice(0..0, in_words(&old.terms, "you", to.as_str()));
        shown.insert(0, "until now:".to_owned());
    }
    let mut question = format!("{}\n", shown.join("\n"));
    selected(&selections).for_each(|line| question += &format!("{line}\n"));
    stand_for(&verbs).for_each(|line| question += &format!("{line}\n"));
    if !args.yes && !ask(&question, "Type share to make the link: ", "share")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let schemas = schemas.into_texts();
    let local = Local { name: name.clone(), partner, selections, verbs, schemas };
    let request = DraftRequest {
        admin: keyring.public(),
        to: to.clone(),
        terms: terms.clone(),
        open_ms: millis(args.expires),
        local,
        amends: old.is_some(),
        joins: args.join.clone(),
    };
    let draft = sign_draft(client, &keyring, &request).await?;
    if context.json {
        output::json_document(&draft)?;
        return Ok(DONE);
    }
    shown.iter().for_each(output::line);
    output::line(format!("\nSend this link to {to}; whoever has it can accept, once:\n"));
    output::line(&draft.link);
    output::line(format!(
        "\nnothing {} yet: {to} accepts it (gearmesh accept {}), and reads you five words by phone; \
         then type: {} share confirm {name} WORDS",
        if old.is_some() { "changes" } else { "flows" },
        draft.link.chars().take(8).collect::<String>() + "…",
        context.program(),
    ));
    Ok(DONE)
}

/// Has the node draft a proposal, and signs it.
async fn sign_draft(
    client: &Client,
    keyring: &Keyring,
    request: &DraftRequest,
) -> Result<Draft, Failure> {
    let draft: Draft = client.post("/v1/partner/draft", request).await?;
    let proposal: Proposal = codec::decode(&draft.proposal.0, FRAME_BYTES_MAX)
        .map_err(|error| Failure::from(Refusal::AnswerUnreadable).saying(error))?;
    if proposal.terms != request.terms || proposal.from.admin != keyring.public() {
        return Err(Failure::from(Refusal::AnswerUnreadable).saying("the node drafted other terms"));
    }
    let signed = Signed::sign(keyring.key(), &draft.plant, &proposal);
    let signed = HexBytes(codec::encode(&signed));
    let () = client.post("/v1/partner/propose", &ProposeRequest { signed }).await?;
    Ok(draft)
}

fn terms_of(args: &ProposeArgs, schemas: &Schemas) -> Result<Terms, Failure> {
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
    let lines: Vec<SheetTopic> =
        given.chain(args.accept_from.iter().map(|alias| wanted(alias, schemas))).collect();
    let verbs: Vec<Name> = args.verbs.iter().map(|it| it.verb.clone()).collect();
    let topics = Bounded::try_from(lines).map_err(|error| wrong(&error.to_string()))?;
    Ok(Terms {
        verbs: Bounded::try_from(verbs).map_err(|error| wrong(&error.to_string()))?,
        confirm_at_machine: args.confirm_calls,
        retention_ms: args.retention.map(millis),
        fan_out: args.fan_out,
        until: args.until,
        ..Terms::of(topics, args.purpose.clone())
    })
}

fn wanted(alias: &Topic, schemas: &Schemas) -> SheetTopic {
    SheetTopic {
        direction: Direction::Import,
        alias: alias.clone(),
        fields: Bounded::new(),
        round: None,
        every_ms: None,
        aggregate: None,
        delay_ms: 0,
        schema: schemas.of(alias),
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
