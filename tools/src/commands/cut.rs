//! Where the logs of a revoked key end.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::inspect::{DataLog, GroupLine};
use gearmesh_protocol::limits::LEAVES_MAX;
use gearmesh_protocol::local::{LogEnds, TrustLog};
use gearmesh_protocol::log::{Cut, LogCut, LogKind};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::Reason;

use super::named::start;
use crate::cli::{Context, CutWord};
use crate::client::Client;
use crate::exit::Failure;
use crate::output;

/// Records of a compromised key that are shown: a theft is noticed within days, not years.
const RECORDS_SHOWN: usize = 30;

/// Whose logs are cut.
#[derive(Clone, Copy)]
pub(super) struct Signatory<'a> {
    /// What people call it.
    pub(super) name: &'a str,
    /// Its key.
    pub(super) key: PublicKey,
    /// The words that revoke it: `revoke press-1`.
    pub(super) words: &'a str,
    /// Whether it may have written durable values: it is a member's key.
    pub(super) is_member: bool,
}

/// What a key signed, as the node knows it.
struct Logs {
    trust: TrustLog,
    data: DataLog,
    ends: LogEnds,
}

/// The cut that keeps all that the key signed, as far as the node and those that it reaches know.
pub(super) async fn known_ends(client: &Client, key: &PublicKey) -> Result<Cut, Failure> {
    Ok(ends(client, key).await?.cut)
}

/// The cut that goes with a reason: what a person says of a compromised key, of others all that it
/// signed until now.
pub(super) async fn decided(
    context: &Context,
    client: &Client,
    of: &Signatory<'_>,
    reason: Reason,
    words: &[CutWord],
) -> Result<Cut, Failure> {
    match (reason, words.is_empty()) {
        (Reason::Compromised, _) => compromised(context, client, of, words).await,
        (_, true) => known_ends(client, &of.key).await,
        (_, false) => {
            Err(Failure::from(Refusal::CutMisplaced)
                .saying(format!("--cut does not go with {reason}")))
        }
    }
}

async fn ends(client: &Client, key: &PublicKey) -> Result<LogEnds, Failure> {
    client.get(&format!("/v1/trust/ends?key={key}")).await
}

/// The cut of a key that somebody else may hold. From when on it was somebody else who signed,
/// only a person can say, of each log of the key.
async fn compromised(
    context: &Context,
    client: &Client,
    of: &Signatory<'_>,
    words: &[CutWord],
) -> Result<Cut, Failure> {
    let is_all = words.contains(&CutWord::All);
    let logs = Logs {
        trust: client.get(&format!("/v1/trust/log?key={}", of.key)).await?,
        // Of what does not count at all nothing need be seen.
        data: if is_all || !of.is_member {
            DataLog::default()
        } else {
            data_log(client, of, "").await?
        },
        ends: ends(client, &of.key).await?,
    };
    let mut named: BTreeMap<LogKind, BTreeSet<GroupId>> = BTreeMap::new();
    for word in words {
        if let CutWord::After(digits) = word {
            let (kind, group) = group_of(client, of, &logs, digits).await?;
            named.entry(kind).or_default().insert(group);
        }
    }
    let is_said = |kind: &LogKind| is_all || named.contains_key(kind);
    let unsaid: Vec<LogKind> = logs.kinds(of).into_iter().filter(|kind| !is_said(kind)).collect();
    if !unsaid.is_empty() {
        return Err(ask(context, of, &logs, &unsaid, words));
    }
    let cut = |kind| {
        let leaves: Vec<GroupId> = named.remove(&kind).unwrap_or_default().into_iter().collect();
        let leaves = leaves.try_into().map_err(|_| too_many())?;
        Ok(LogCut { kind, leaves })
    };
    let cuts: Vec<LogCut> = logs.kinds(of).into_iter().map(cut).collect::<Result<_, Failure>>()?;
    Ok(Bounded::first_of(cuts))
}

impl Logs {
    /// The logs of which something is known; that of data also where nobody could know.
    fn kinds(&self, of: &Signatory<'_>) -> Vec<LogKind> {
        let has_data = !self.data.ends.is_empty() || !self.ends.elsewhere.is_empty();
        let trust = (!self.trust.leaves.is_empty()).then_some(LogKind::Trust);
        let may_have = of.is_member && (has_data || !self.ends.is_sure);
        let data = may_have.then_some(LogKind::Data);
        trust.into_iter().chain(data).collect()
    }

    /// Groups of the trust log whose ids begin like this.
    fn records_of<'a>(&'a self, digits: &'a str) -> impl Iterator<Item = GroupId> + 'a {
        let of_records = self.trust.records.iter().map(|line| line.group);
        let all = of_records.chain(self.trust.leaves.iter().map(|tip| tip.group));
        all.filter(move |group| group.to_string().starts_with(digits))
    }
}

async fn data_log(client: &Client, of: &Signatory<'_>, digits: &str) -> Result<DataLog, Failure> {
    client.get(&format!("/v1/data/log?key={}&group={digits}", of.key)).await
}

/// The one group of the key whose id begins like this, and of which log it is.
async fn group_of(
    client: &Client,
    of: &Signatory<'_>,
    logs: &Logs,
    digits: &str,
) -> Result<(LogKind, GroupId), Failure> {
    let trust = logs.records_of(digits).map(|group| (LogKind::Trust, group));
    let data = data_log(client, of, digits).await?.groups;
    let data = data.iter().map(|line| (LogKind::Data, line.group));
    let found: BTreeSet<(LogKind, GroupId)> = trust.chain(data).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(group), None) => Ok(group),
        (Some(_), Some(_)) => Err(Failure::from(Refusal::CutUnknown)
            .saying(format!("several groups of this key begin with {digits}"))
            .mended_by("write more of its digits")),
        (None, _) => Err(Failure::from(Refusal::CutUnknown)
            .saying(format!("no group of this key begins with {digits}"))
            .mended_by("without --cut, this command lists them")),
    }
}

fn too_many() -> Failure {
    Failure::from(Refusal::CutUnknown)
        .saying(format!("a cut names at most {LEAVES_MAX} groups of one log"))
        .mended_by("name the last good group of each branch")
}

/// Shows what the key signed in these logs, and says how to answer.
fn ask(
    context: &Context,
    of: &Signatory<'_>,
    logs: &Logs,
    unsaid: &[LogKind],
    words: &[CutWord],
) -> Failure {
    let say = |line: String| if context.json { output::note(line) } else { output::line(line) };
    let name = of.name;
    let (mut did, mut lists) = (Vec::new(), Vec::new());
    if unsaid.contains(&LogKind::Trust) {
        show_records(name, &logs.trust, &say);
        did.push("signed for the plant");
        lists.push(" --cut RECORD");
    }
    let said: String = words.iter().map(|word| format!(" --cut {word}")).collect();
    let again = format!("{} {} --reason compromised{said}", context.program(), of.words);
    if unsaid.contains(&LogKind::Data) {
        if logs.data.ends.is_empty() {
            return unseen(name, logs, &again);
        }
        show_groups(name, logs, &say);
        did.push("wrote durable values");
        lists.push(" --cut GROUP");
    }
    Failure::from(Refusal::CutNeeded)
        .saying(format!("{name} {}: how much of that still counts?", did.join(" and ")))
        .mended_by(format!(
            "up to one of the list: {again}{}; nothing of it: {again} --cut all",
            lists.concat()
        ))
}

/// Shows the records that a key signed last, oldest first.
fn show_records(name: &str, log: &TrustLog, say: &impl Fn(String)) {
    let before = log.records.len().saturating_sub(RECORDS_SHOWN);
    say(format!("{name} signed, oldest first:"));
    if before > 0 {
        say(format!("  … {before} earlier"));
    }
    for line in &log.records[before..] {
        say(format!("  {}  {}  {}", start(&line.group.to_string()), line.at, line.text));
    }
}

/// Nothing of the key's durable values is here: who could show them, or that nobody can.
fn unseen(name: &str, logs: &Logs, again: &str) -> Failure {
    let (wrong, mend) = match &logs.ends.elsewhere[..] {
        [] => (
            format!("nobody within reach can say whether {name} wrote durable values"),
            "try again where more members are reached".to_owned(),
        ),
        there => (
            format!(
                "{name} wrote durable values, and none of them are here: how much of that counts?"
            ),
            format!("see and say it at {}", there.join(" or ")),
        ),
    };
    let mend = format!("{mend}; nothing of it: {again} --cut all");
    Failure::from(Refusal::CutNeeded).saying(wrong).mended_by(mend)
}

/// Shows the groups of durable values that a key wrote last, oldest first.
fn show_groups(name: &str, logs: &Logs, say: &impl Fn(String)) {
    let log = &logs.data;
    say(format!("{name} wrote, oldest first:"));
    if log.earlier > 0 {
        say(format!(
            "  … {} earlier; gearmesh history --json names the group of each value",
            log.earlier
        ));
    }
    for line in &log.groups {
        say(group_text(line));
    }
    if !logs.ends.elsewhere.is_empty() {
        say(format!("  … later ones at {}, not here yet", logs.ends.elsewhere.join(" and ")));
    }
}

fn group_text(line: &GroupLine) -> String {
    let at = line.at.map(|at| at.to_string()).unwrap_or_default();
    let topics: Vec<String> = line.topics.iter().map(output::printable).collect();
    let entries = output::counted(line.entries.into(), "entry", "entries");
    let text =
        format!("  {}  {at:<24}  {entries}  {}", start(&line.group.to_string()), topics.join(", "));
    text.trim_end().to_owned()
}
