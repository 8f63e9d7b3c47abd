//! `gearmesh accept`: seeing what another company offers, and signing it.

use gearmesh_protocol::codec;
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner::{Proposal, Sheet};
use gearmesh_protocol::partner_agreement::{agreement_words, sheet_id, sign_sheet};
use gearmesh_protocol::partner_local::{
    AcceptRequest, AgreementStatus, Local, LookRequest, Looked, PartnersStatus, Selection,
    SheetToSign, TakeRequest,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use serde::Serialize;

use super::partner_move;
use super::partner_schemas::shown;
use super::partner_share::keyring_of;
use super::partner_sheet::{in_words, selected, slug};
use crate::cli::{AcceptArgs, Context};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::ask;

/// What a program is told.
#[derive(Serialize)]
struct Accepted {
    name: String,
    words: String,
}

pub(crate) async fn run(context: &Context, args: AcceptArgs) -> Result<u8, Failure> {
    let link = match (&args.notice, &args.link) {
        (Some(file), _) => return partner_move::hear(context, file).await,
        (None, Some(link)) => link.clone(),
        (None, None) => {
            return Err(
                Failure::from(Refusal::WrongWords).saying("say which link, or --notice FILE")
            );
        }
    };
    let client = Client::of(&context.home)?;
    let keyring = keyring_of(&client, context).await?;
    let looked: Looked = client.post("/v1/partner/look", &LookRequest { link }).await?;
    let unreadable = |error| Failure::from(Refusal::AnswerUnreadable).saying(error);
    let signed: Signed<Proposal> =
        codec::decode(&looked.signed.0, FRAME_BYTES_MAX).map_err(unreadable)?;
    let proposal = signed.peek().map_err(unreadable)?;
    let from = output::printable(&proposal.from.name);
    let name = args.name.clone().map_or_else(|| slug(&from), Ok)?;
    let selections: Vec<Selection> =
        args.send.iter().cloned().map(|(alias, filter)| Selection { alias, filter }).collect();
    let mut question = String::new();
    if let Some(old) = stands(&client, &proposal).await? {
        let words = in_words(&old.terms, &from, "you").join("\n");
        question = format!("a new sheet for {}; until now:\n{words}\nfrom then on:\n", old.name);
    }
    question += &format!("{}\n", in_words(&proposal.terms, &from, "you").join("\n"));
    selected(&selections).for_each(|line| question += &format!("{line}\n"));
    shown(&looked.schemas).for_each(|line| question += &format!("{line}\n"));
    if !args.yes && !ask(&question, "Type accept to sign it: ", "accept")? {
        return Err(Refusal::NotConfirmed.into());
    }
    let share = proposal.share;
    let (partner, verbs, schemas) = (name.clone(), Vec::new(), Vec::new());
    let local = Local { name: name.clone(), partner, selections, verbs, schemas };
    let request = TakeRequest { share, admin: keyring.public(), local };
    let taken: SheetToSign = client.post("/v1/partner/take", &request).await?;
    let bytes = taken.sheet.0;
    let sheet: Sheet = codec::decode(&bytes, FRAME_BYTES_MAX).map_err(unreadable)?;
    let is_same = sheet.terms == proposal.terms
        && sheet.from == proposal.from
        && sheet.to.admin == keyring.public()
        && sheet.to.plant == keyring.plant();
    if !is_same {
        return Err(
            Failure::from(Refusal::AcceptanceWrong).saying("the sheet is not what was shown")
        );
    }
    let signature = sign_sheet(keyring.key(), &sheet.from.plant, &bytes);
    let signature = HexBytes(signature.to_bytes().to_vec());
    let () = client.post("/v1/partner/accept", &AcceptRequest { share, signature }).await?;
    let words = agreement_words(&sheet_id(&bytes));
    if context.json {
        output::json_document(&Accepted { name: name.to_string(), words })?;
        return Ok(DONE);
    }
    question.lines().for_each(output::line);
    output::line(format!("\nsigned. Call {from} at a number you know, and read these words:\n"));
    output::line(format!("    {words}\n"));
    output::line(format!("nothing flows before {from} has confirmed them: gearmesh agreements"));
    Ok(DONE)
}

/// The agreement in whose place a proposal is to stand.
async fn stands(client: &Client, proposal: &Proposal) -> Result<Option<AgreementStatus>, Failure> {
    if proposal.revision == 0 {
        return Ok(None);
    }
    let status: PartnersStatus = client.get("/v1/partner").await?;
    let is_it = |it: &AgreementStatus| it.share == proposal.share && it.ended.is_none();
    Ok(status.agreements.into_iter().find(is_it))
}
