//! How this node itself stands, and what follows for those who ask it: whether it may follow, and
//! whether it may join.

use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::{ErrorBody, Joined};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::TopicFilter;
use gearmesh_protocol::trust::{ActBody, VerifiedAct};
use gearmesh_protocol::words::check_words;

use super::ledger::Ledger;
use super::roster::Member;
use super::view::View;

/// This node's own membership, or why it has none.
///
/// # Errors
/// It has not joined, was thrown out, or is no member for another reason.
pub fn member(view: &View) -> Result<&Member, ErrorBody> {
    if view.roster.is_none() {
        return Err(no_plant());
    }
    if is_revoked(view) {
        return Err(Refusal::Revoked.into());
    }
    if view.refused_by == Some(Refusal::MembershipEnded) {
        return Err(Refusal::MembershipEnded.into());
    }
    view.own().ok_or_else(|| view.refused_by.unwrap_or(Refusal::NotAMember).into())
}

/// What a node without a plant says to whoever needs one.
#[must_use]
pub fn no_plant() -> ErrorBody {
    ErrorBody::from(Refusal::NotAMember)
        .saying("this node has not joined a plant")
        .mended_by("join one: gearmesh join CODE; or found one: gearmesh init NAME")
}

/// Whether a new record of a root would count. A rotation may always be stored: somebody may have to
/// object to one that stands.
///
/// # Errors
/// Another root took the place of the one that signed it, or none acts until admins decide.
pub fn may_act(ledger: &Ledger, act: &VerifiedAct) -> Result<(), ErrorBody> {
    let by = match act.body() {
        ActBody::Record(_) => RecordId(ledger.plant().0),
        ActBody::RecordOf { root, .. } => *root,
        ActBody::Genesis(_) | ActBody::RootRotation { .. } | ActBody::Rotation(_) => return Ok(()),
    };
    let line = ledger.line();
    let is_here = ledger.act_ids().any(|id| id == act.id());
    if is_here {
        return Ok(());
    }
    match line.contested() {
        Some(_) => Err(Refusal::RootFrozen.into()),
        None if line.made_by() != by => Err(Refusal::RootReplaced.into()),
        None => Ok(()),
    }
}

/// Whether this node was thrown out. Whoever is rarely hears of it by record: the members hang up
/// first, and say why when they are dialled.
#[must_use]
pub fn is_revoked(view: &View) -> bool {
    let named = view.roster.as_ref().is_some_and(|roster| roster.revoked().contains_key(&view.me));
    named || view.refused_by == Some(Refusal::Revoked)
}

/// Whether this node may follow a filter, and anything can ever come of it.
///
/// # Errors
/// It is no member, no member can publish what the filter stands for, or its grant lets it see
/// nothing of that.
pub fn may_follow(view: &View, filter: &TopicFilter) -> Result<(), ErrorBody> {
    let own = member(view)?;
    if !filter.is_publishable() {
        let text = format!("no member can ever publish what {filter} stands for");
        return Err(ErrorBody::from(Refusal::FilterMatchesNothing).saying(text));
    }
    if !own.may_see_some_of(filter) {
        let text = format!("this member may see nothing of {filter}");
        return Err(ErrorBody::from(Refusal::SubscribeNotGranted).saying(text));
    }
    Ok(())
}

/// Why this member may not publish on a topic.
#[must_use]
pub fn not_granted(own: &Member, topic: &str) -> ErrorBody {
    let refused = ErrorBody::from(Refusal::TopicNotGranted);
    let publishes = own.roles().into_iter().any(|role| role != Role::Observer);
    match own.scope().filter(|_| publishes) {
        Some(scope) => {
            refused.saying(format!("{topic} lies outside the scope {scope}")).mended_by(format!(
                "publish under the machine's own scope: {scope}/…; a topic without a leading / is"
            ))
        }
        None => refused.saying(format!("an observer publishes nothing, so not on {topic}")).mended_by(
            "publish on a machine, or have an admin make this one a machine: gearmesh set NAME --role machine",
        ),
    }
}

/// What a node that belongs to a plant answers to a code; none if it may go and redeem it.
#[must_use]
pub fn joined_before(view: &View, code: &Code) -> Option<Result<Joined, ErrorBody>> {
    let roster = view.roster.as_ref()?;
    if !code.fingerprint().is_of(&roster.plant()) {
        let text = format!("this node belongs to the plant {:?} already", roster.name().as_str());
        return Some(Err(ErrorBody::from(Refusal::BelongsAlready).saying(text)));
    }
    if is_revoked(view) {
        return Some(Err(Refusal::Revoked.into()));
    }
    let invited = roster.invitations().get(&code.id());
    let is_same = invited.is_some_and(|invited| invited.redeemed.contains_key(&view.me));
    let joined = joined(view, true)?;
    Some(if is_same { Ok(joined) } else { Err(Refusal::AlreadyMember.into()) })
}

/// What this node became by joining, once it is a member.
#[must_use]
pub fn joined(view: &View, again: bool) -> Option<Joined> {
    let roster = view.roster.as_ref()?;
    let own = view.own()?;
    let admitted_by = roster
        .invitations()
        .values()
        .find(|invited| invited.redeemed.contains_key(&view.me))
        .and_then(|invited| roster.member(&invited.invitation.redeemer))
        .map_or_else(|| "an admin".to_owned(), |member| member.name().as_str().to_owned());
    Some(Joined {
        plant: roster.plant(),
        plant_name: roster.name().as_str().to_owned(),
        plant_words: check_words(roster.plant().as_bytes()),
        name: own.name().as_str().to_owned(),
        scope: own.scope().map(|scope| scope.as_str().to_owned()),
        roles: own.roles(),
        admitted_by,
        again,
    })
}

/// Why one address of a code led nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// This side or the other said no.
    Refused(Refusal),
    /// Nobody answered there, or not to the end.
    Silent {
        /// The address.
        address: String,
        /// What went wrong, in words.
        cause: &'static str,
    },
}

/// The most telling of the failures at these addresses: a refusal by the redeemer, then one of ours,
/// then silence.
#[must_use]
pub fn explain(trials: &[Trial], asked: &[String]) -> ErrorBody {
    let refusals = trials.iter().filter_map(|trial| match trial {
        Trial::Refused(refusal) => Some(*refusal),
        Trial::Silent { .. } => None,
    });
    let telling = refusals.max_by_key(|refusal| match refusal {
        Refusal::NotAdmitted => 0,
        Refusal::OtherPlant | Refusal::NotTheRedeemer => 1,
        _ => 2,
    });
    match telling {
        // A stranger hears no more than this; whoever holds a code can be told what it means.
        Some(Refusal::NotAdmitted | Refusal::InvitationUnknown) => unknown(trials, asked),
        Some(refusal) => refusal.into(),
        None => {
            let tried = trials.iter().filter_map(|trial| match trial {
                Trial::Silent { address, cause } => Some(format!("{address}: {cause}")),
                Trial::Refused(_) => None,
            });
            let tried = tried.collect::<Vec<_>>().join("; ");
            ErrorBody::from(Refusal::RedeemerSilent)
                .saying(format!("the redeemer does not answer ({tried})"))
        }
    }
}

/// A machine answered, and does not know the invitation. Its address may be another machine's by
/// now, so it is named: whoever did not stay silent has answered.
fn unknown(trials: &[Trial], asked: &[String]) -> ErrorBody {
    let is_silent = |asked: &String| {
        trials
            .iter()
            .any(|trial| matches!(trial, Trial::Silent { address, .. } if address == asked))
    };
    let answered: Vec<&str> =
        asked.iter().filter(|asked| !is_silent(asked)).map(String::as_str).collect();
    if answered.is_empty() {
        return Refusal::InvitationUnknown.into();
    }
    let answered = answered.join(" or ");
    ErrorBody::from(Refusal::InvitationUnknown)
        .saying(format!(
            "the machine at {answered} does not know this invitation: it may belong to another \
             plant, or the code was withdrawn"
        ))
        .mended_by(format!(
            "check that {answered} is the machine that the code names, or ask for a new code"
        ))
}

#[cfg(test)]
pub(super) mod tests;
