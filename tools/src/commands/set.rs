//! `gearmesh set`: change what a member is called, where it publishes, and what it may do.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::{LogEnds, MemberStatus, OpenInvitation, Status};
use gearmesh_protocol::log::LogKind;
use gearmesh_protocol::membership::StandingTerms;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Amendment, TrustRecord};
use serde::Serialize;

use crate::cli::{Context, SetArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::commands::confirmed::tell;
use crate::commands::named::standing;
use crate::commands::taken::{check_name, check_scope};
use crate::exit::Failure;
use crate::output;
use crate::signing::{Pen, Signer};

pub(crate) async fn run(context: &Context, args: SetArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let status: Status = client.get("/v1/status").await?;
    let Some(plant) = status.plant else {
        return Err(no_plant());
    };
    let pen = Pen::of(context, &plant.id)?;
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    let member = standing(&members, args.member.as_str(), args.key.as_deref())?;
    let now: Vec<StandingTerms> =
        client.get(&format!("/v1/trust/terms?key={}", member.key)).await?;
    let Some(first) = now.first() else {
        return Err(Refusal::NameUnknown.into());
    };
    let terms = changed(&first.terms, &args)?;
    if now.iter().all(|standing| standing.terms == terms) {
        return Err(Failure::from(Refusal::NothingChanged).saying(format!(
            "{} is like that already: {}",
            args.member,
            said(&terms)
        )));
    }
    check_free(&client, &members, member.key, &first.terms, &terms).await?;
    let records = amendments(&client, member.key, &now, &terms).await?;
    let signer = Signer::new(&client, &pen);
    let stored = signer.store(&signer.write(records).await?).await?;
    if !context.json {
        output::line(format!("{} is now {}  {}", args.member, terms.name, said(&terms)));
    }
    tell(context, &client, &stored, &Changed { key: member.key, terms: &terms }).await
}

/// What a member became, for programs.
#[derive(Serialize)]
struct Changed<'a> {
    key: PublicKey,
    #[serde(flatten)]
    terms: &'a Terms,
}

/// The terms with what is to be otherwise.
fn changed(now: &Terms, args: &SetArgs) -> Result<Terms, Failure> {
    let mut terms = now.clone();
    if let Some(name) = &args.name {
        terms.name = name.clone();
    }
    if !args.role.is_empty() {
        let mut roles: Vec<Role> = args.role.iter().copied().map(Role::from).collect();
        roles.sort_unstable();
        roles.dedup();
        terms.roles = Bounded::first_of(roles);
    }
    if let Some(scope) = &args.scope {
        terms.scope = Some(scope.clone());
    }
    if terms.scope.is_none() && terms.roles.iter().any(|role| *role != Role::Observer) {
        terms.scope = Some(terms.name.clone().into());
    }
    match &args.see[..] {
        [] => {}
        [all] if all.as_str() == "#" => terms.subscribe = Bounded::new(),
        filters => {
            let text = format!("{} filters are more than one member can have", filters.len());
            let filters = filters.to_vec().try_into();
            terms.subscribe =
                filters.map_err(|_| Failure::from(Refusal::WrongWords).saying(text))?;
        }
    }
    if let Some(end) = args.until {
        terms.until = end.time();
    }
    Ok(terms)
}

/// A new name or scope must be nobody else's.
async fn check_free(
    client: &Client,
    members: &[MemberStatus],
    key: PublicKey,
    now: &Terms,
    terms: &Terms,
) -> Result<(), Failure> {
    let others = members.iter().filter(|other| other.key != key);
    let others: Vec<MemberStatus> = others.cloned().collect();
    let open: Vec<OpenInvitation> = client.get("/v1/invitations").await?;
    if terms.name != now.name {
        check_name(&terms.name, &[], &others, &open)?;
    }
    match &terms.scope {
        Some(scope) if terms.scope != now.scope => check_scope(scope, &others, &open),
        _ => Ok(()),
    }
}

/// One amendment for each record that stands. They carry where the member's durable values end: what
/// it writes under its old terms after that is withheld.
async fn amendments(
    client: &Client,
    key: PublicKey,
    now: &[StandingTerms],
    terms: &Terms,
) -> Result<Vec<TrustRecord>, Failure> {
    let ends: LogEnds = client.get(&format!("/v1/trust/ends?key={key}")).await?;
    let data = ends.cut.iter().find(|cut| cut.kind == LogKind::Data);
    let leaves = data.map(|cut| cut.leaves.clone()).unwrap_or_default();
    let amendment = |standing: &StandingTerms| {
        TrustRecord::Amendment(Amendment {
            node: key,
            replaces: standing.record,
            terms: terms.clone(),
            data_leaves: leaves.clone(),
        })
    };
    Ok(now.iter().map(amendment).collect())
}

/// Terms in words.
fn said(terms: &Terms) -> String {
    let roles: Vec<String> = terms.roles.iter().map(ToString::to_string).collect();
    let mut words = format!("({})", roles.join(", "));
    if let Some(scope) = &terms.scope {
        words.push_str(&format!(", scope {scope}"));
    }
    if !terms.subscribe.is_empty() {
        let filters: Vec<&str> = terms.subscribe.iter().map(|filter| filter.as_str()).collect();
        words.push_str(&format!(", sees {}", filters.join(" ")));
    }
    if let Some(until) = terms.until {
        words.push_str(&format!(", until {until}"));
    }
    words
}
