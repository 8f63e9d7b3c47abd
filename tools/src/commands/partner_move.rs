//! `gearmesh share move`, `papers`, `take`, `succeed`, `notice`, `gateway`: this side of an agreement goes on at
//! another gateway of the plant, and `accept --notice` hears that of a partner.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gearmesh_node::home::write_private;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::ids::PlantId;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner::{Party, Sheet};
use gearmesh_protocol::partner_gateway::{Former, GatewayNotice, Notices, SharePapers, Successor};
use gearmesh_protocol::partner_local::{
    ByName, MoveRequest, NoticesRequest, PapersAnswer, PartnersStatus, TakeoverRequest,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;
use serde::{Deserialize, Serialize};

use super::partner_share::keyring_of;
use crate::cli::{Context, NoticeArgs, ShareMoveArgs, TakeArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::keyring::Keyring;
use crate::output;
use crate::signing::{ask, now};

/// How often a move is tried while values go out.
const TRIES: u32 = 50;

/// How long a move waits between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// What a file holds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    /// What another gateway of the plant needs.
    SharePapers(HexBytes),
    /// What the partner needs.
    GatewayNotices(HexBytes),
}

/// What a program is told.
#[derive(Serialize)]
struct Moved {
    name: String,
    gateway: Option<String>,
    file: Option<PathBuf>,
}

/// What to type elsewhere to move a share here.
pub(crate) async fn gateway(context: &Context) -> Result<u8, Failure> {
    let here = successor(&Client::of(&context.home)?).await?;
    let addresses: Vec<String> = here.addresses.iter().map(ToString::to_string).collect();
    let text = format!("{}@{}", here.gateway, addresses.join(","));
    match context.json {
        true => output::json_document(&text)?,
        false => output::line(text),
    }
    Ok(DONE)
}

/// Writes down what another gateway needs to go on.
pub(crate) async fn papers(context: &Context, name: Name, out: &Path) -> Result<u8, Failure> {
    let papers = papers_of(&Client::of(&context.home)?, &name).await?;
    write(out, &Kept::SharePapers(HexBytes(codec::encode(&papers))))?;
    tell(context, &name, None, Some(out), || {
        output::line(format!(
            "written: {}; keep it where your admin keyring is: it says what is selected in your plant",
            out.display()
        ));
        output::line(
            "if this gateway is gone for good, type at another: gearmesh share succeed FILE",
        );
    })
}

/// Hands a share over to another gateway.
pub(crate) async fn hand_over(context: &Context, args: ShareMoveArgs) -> Result<u8, Failure> {
    let ShareMoveArgs { name, to, out, yes } = args;
    let client = Client::of(&context.home)?;
    let keyring = keyring_of(&client, context).await?;
    let text = format!(
        "From now on nothing crosses under {name} here; it goes on at gateway {}, once {} is taken there.",
        to.gateway,
        out.display()
    );
    if !yes && !ask(&text, &format!("Type {name} to move it: "), name.as_str())? {
        return Err(Refusal::NotConfirmed.into());
    }
    let mut tries = 0;
    loop {
        let papers = papers_of(&client, &name).await?;
        let former = Former::HandsOver(papers.sent);
        let signed = sign(&keyring, &papers, former, Some(to.clone()))?;
        let request = MoveRequest { signed: HexBytes(codec::encode(&signed)) };
        tries += 1;
        match client.post("/v1/partner/move", &request).await {
            Ok(()) => break,
            // Something went out after it was signed where the log ends.
            Err(failure) if failure.body().code == Refusal::ShareMoving && tries < TRIES => {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    let papers = papers_of(&client, &name).await?;
    write(&out, &Kept::SharePapers(HexBytes(codec::encode(&papers))))?;
    tell(context, &name, Some(to.gateway.to_string()), Some(&out), || {
        output::line(format!(
            "closed here. Type at the other gateway: gearmesh share take {}",
            out.display()
        ));
        output::line(
            "leave this gateway running until the partner has fetched what is left of its log: gearmesh agreements",
        );
    })
}

/// Goes on with a share that was moved to this gateway.
pub(crate) async fn take(context: &Context, args: TakeArgs) -> Result<u8, Failure> {
    let papers = read_papers(&args.file)?;
    let client = Client::of(&context.home)?;
    take_over(&client, &papers).await?;
    let name = papers.local.name;
    tell(context, &name, None, None, || {
        output::line(format!("{name} goes on here; see it: gearmesh agreements"));
    })
}

/// Goes on with a share of a gateway that is gone.
pub(crate) async fn succeed(context: &Context, args: TakeArgs) -> Result<u8, Failure> {
    let mut papers = read_papers(&args.file)?;
    let client = Client::of(&context.home)?;
    let keyring = keyring_of(&client, context).await?;
    let name = papers.local.name.clone();
    let text = format!(
        "The gateway that has {name} is refused by the partner from now on, also if it comes back. What it sent \
         and the partner does not have is lost. {name} goes on here."
    );
    if !args.yes && !ask(&text, &format!("Type {name} to go on here: "), name.as_str())? {
        return Err(Refusal::NotConfirmed.into());
    }
    let here = successor(&client).await?;
    let signed = sign(&keyring, &papers, Former::Gone(papers.sent), Some(here))?;
    papers.ours = and(&papers.ours, signed)?;
    take_over(&client, &papers).await?;
    tell(context, &name, None, None, || {
        output::line(format!(
            "{name} goes on here once the partner knows. Send it the notice: gearmesh share notice {name} --out FILE"
        ));
        output::line("the partner types: gearmesh accept --notice FILE");
    })
}

/// Writes down for the partner how the gateway changed; with papers, that the one that had the place is gone.
pub(crate) async fn notice(context: &Context, args: NoticeArgs) -> Result<u8, Failure> {
    let NoticeArgs { name, gone, out } = args;
    let (name, notices) = match (name, gone) {
        (_, Some(file)) => {
            let papers = read_papers(&file)?;
            let (side, _) = side_of(&papers)?;
            let keyring = Keyring::open(&context.keyring, &side.plant)?;
            let signed = sign(&keyring, &papers, Former::Gone(papers.sent), None)?;
            let notices = and(&papers.ours, signed)?;
            // Whoever goes on later goes on from these.
            let papers = SharePapers { ours: notices.clone(), ..papers };
            write(&file, &Kept::SharePapers(HexBytes(codec::encode(&papers))))?;
            (papers.local.name, notices)
        }
        (Some(name), None) => {
            let papers = papers_of(&Client::of(&context.home)?, &name).await?;
            (name, papers.ours)
        }
        (None, None) => return Err(Failure::from(Refusal::WrongWords).saying("say of which share")),
    };
    if notices.is_empty() {
        return Err(Failure::from(Refusal::NoPapers)
            .saying(format!("the gateway of {name} is the one that the agreement names"))
            .mended_by("hand it over first: gearmesh share move NAME --to GATEWAY"));
    }
    write(&out, &Kept::GatewayNotices(HexBytes(codec::encode(&notices))))?;
    tell(context, &name, None, Some(&out), || {
        output::line(format!(
            "written: {}; send it to the partner, it is no secret",
            out.display()
        ));
        output::line("the partner types: gearmesh accept --notice FILE");
    })
}

/// Hears that a partner has another gateway.
pub(crate) async fn hear(context: &Context, file: &Path) -> Result<u8, Failure> {
    let Kept::GatewayNotices(notices) = read(file)? else {
        return Err(Refusal::NoPapers.into());
    };
    let client = Client::of(&context.home)?;
    let () = client.post("/v1/partner/notices", &NoticesRequest { notices }).await?;
    match context.json {
        true => output::json_document(&true)?,
        false => output::line("taken; see how it stands: gearmesh agreements"),
    }
    Ok(DONE)
}

async fn take_over(client: &Client, papers: &SharePapers) -> Result<(), Failure> {
    let papers = HexBytes(codec::encode(papers));
    client.post("/v1/partner/takeover", &TakeoverRequest { papers }).await
}

fn tell(
    context: &Context,
    name: &Name,
    gateway: Option<String>,
    file: Option<&Path>,
    say: impl FnOnce(),
) -> Result<u8, Failure> {
    if context.json {
        let file = file.map(Path::to_owned);
        output::json_document(&Moved { name: name.to_string(), gateway, file })?;
    } else {
        say();
    }
    Ok(DONE)
}

/// This gateway, as a notice names it.
async fn successor(client: &Client) -> Result<Successor, Failure> {
    let status: PartnersStatus = client.get("/v1/partner").await?;
    let addresses = status.listen.iter().filter_map(|text| text.parse().ok());
    Ok(Successor { gateway: status.gateway, addresses: Bounded::first_of(addresses) })
}

async fn papers_of(client: &Client, name: &Name) -> Result<SharePapers, Failure> {
    let answer: PapersAnswer =
        client.post("/v1/partner/papers", &ByName { name: name.clone() }).await?;
    codec::decode(&answer.papers.0, FRAME_BYTES_MAX)
        .map_err(|error| Failure::from(Refusal::AnswerUnreadable).saying(error))
}

/// This side of the sheet that stands, and the plant for which its admin signs.
fn side_of(papers: &SharePapers) -> Result<(Party, Sheet), Failure> {
    let unusable = |error| Failure::from(Refusal::NoPapers).saying(error);
    let last = papers.sheets.last().ok_or(Refusal::NoPapers)?;
    let sheet: Sheet = codec::decode(&last.accepted.sheet, FRAME_BYTES_MAX).map_err(unusable)?;
    let side = if papers.is_ours { &sheet.from } else { &sheet.to };
    Ok((side.clone(), sheet))
}

fn sign(
    keyring: &Keyring,
    papers: &SharePapers,
    former: Former,
    successor: Option<Successor>,
) -> Result<Signed<GatewayNotice>, Failure> {
    let (side, sheet) = side_of(papers)?;
    if side.admin != keyring.public() {
        return Err(Failure::from(Refusal::NotAuthorised)
            .saying("the admin who signed the agreement signs where its gateway is")
            .mended_by("name the keyring that signed it: --keyring DIR"));
    }
    let number = u32::try_from(papers.ours.len()).unwrap_or(u32::MAX).saturating_add(1);
    let (share, of): (_, PlantId) = (sheet.share, side.plant);
    let notice = GatewayNotice { share, of, number, former, successor, at: now() };
    Ok(Signed::sign(keyring.key(), &sheet.from.plant, &notice))
}

fn and(notices: &Notices, signed: Signed<GatewayNotice>) -> Result<Notices, Failure> {
    let mut all = notices.to_vec();
    all.push(signed);
    Bounded::try_from(all).map_err(|error| Failure::from(Refusal::PartnersFull).saying(error))
}

fn write(path: &Path, kept: &Kept) -> Result<(), Failure> {
    let path = std::path::absolute(path).map_err(Failure::system)?;
    let text = serde_json::to_vec(kept).map_err(Failure::system)?;
    Ok(write_private(&path, &text)?)
}

fn read(path: &Path) -> Result<Kept, Failure> {
    let text = std::fs::read(path).map_err(|error| {
        Failure::from(Refusal::NoPapers).saying(format!("{}: {error}", path.display()))
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        Failure::from(Refusal::NoPapers).saying(format!("{}: {error}", path.display()))
    })
}

fn read_papers(path: &Path) -> Result<SharePapers, Failure> {
    let unusable = |error| Failure::from(Refusal::NoPapers).saying(error);
    let Kept::SharePapers(papers) = read(path)? else { return Err(Refusal::NoPapers.into()) };
    codec::decode(&papers.0, FRAME_BYTES_MAX).map_err(unusable)
}
