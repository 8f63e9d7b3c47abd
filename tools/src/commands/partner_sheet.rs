//! Terms in plain words, as both admins read them before they sign.

use std::time::Duration;

use gearmesh_protocol::partner::{Aggregate, Direction, SheetTopic, Terms};
use gearmesh_protocol::partner_local::{Selection, VerbSelection};
use gearmesh_protocol::topic::Name;

use crate::exit::Failure;
use crate::output;

/// The terms, line by line. `giver` and `taker` are the names of the offering and the accepting side.
pub(crate) fn in_words(terms: &Terms, giver: &str, taker: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in &terms.topics {
        let (from, to) = match line.direction {
            Direction::Export => (giver, taker),
            Direction::Import => (taker, giver),
        };
        lines.push(format!("{from} → {to}:  {}{}", line.alias, limits(line)));
    }
    if !terms.verbs.is_empty() {
        let verbs: Vec<&str> = terms.verbs.iter().map(Name::as_str).collect();
        let how = match terms.confirm_at_machine {
            true => format!(", if a person at {giver} allows it"),
            false => String::new(),
        };
        lines.push(format!("{taker} may have done at {giver}:  {}{how}", verbs.join(", ")));
    }
    if terms.fan_out {
        lines.push(
            "passed on: others receive the same, on the same terms. The gateways of all who do learn each \
             other's keys and addresses, and pass the sealed messages on to each other"
                .to_owned(),
        );
    }
    lines.push(format!("used for:  {}", terms.purpose));
    let kept = terms.retention_ms.map_or_else(|| "no limit".to_owned(), span);
    lines.push(format!("kept for:  {kept}"));
    let end = terms.until.map_or_else(|| "until one side ends it".to_owned(), |at| at.to_string());
    lines.push(format!("ends:      {end}"));
    lines
}

/// What is selected for which name, which only this side sees.
pub(crate) fn selected(selections: &[Selection]) -> impl Iterator<Item = String> {
    selections.iter().map(|it| format!("{} stands for {} here", it.alias, it.filter))
}

/// Which verb stands for what, which only this side sees.
pub(crate) fn stand_for(verbs: &[VerbSelection]) -> impl Iterator<Item = String> {
    verbs.iter().map(|it| format!("{} is {} of {} here", it.verb, it.stands_for, it.machine))
}

fn limits(line: &SheetTopic) -> String {
    let mut limits = String::new();
    if !line.fields.is_empty() {
        let fields: Vec<&str> = line.fields.iter().map(Name::as_str).collect();
        limits += &format!(", only {}", fields.join(", "));
    }
    match (line.every_ms, line.aggregate) {
        (Some(every), Some(how)) => {
            limits += &format!(", {} of each {}", word(how), span(every.into()));
        }
        (Some(every), None) => limits += &format!(", at most one in {}", span(every.into())),
        (None, _) => {}
    }
    match line.round {
        Some(places @ 0..) => limits += &format!(", {places} decimal places"),
        Some(places) => limits += &format!(", rounded to 10^{}", -i32::from(places)),
        None => {}
    }
    if line.schema.is_some() {
        limits += ", of an agreed form";
    }
    if line.delay_ms > 0 {
        limits += &format!(", {} later", span(line.delay_ms));
    }
    limits
}

const fn word(how: Aggregate) -> &'static str {
    match how {
        Aggregate::Mean => "the mean",
        Aggregate::Min => "the smallest",
        Aggregate::Max => "the largest",
        Aggregate::Last => "the last",
        Aggregate::Count => "the number",
    }
}

fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => output::ago(ms / 1000),
    }
}

/// Milliseconds of a time that people typed.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A name for topics from what a company is called.
pub(crate) fn slug(title: &str) -> Result<Name, Failure> {
    let small = title.to_lowercase();
    let parts = small.split(|letter: char| !letter.is_ascii_alphanumeric());
    let slug = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    slug.parse().map_err(|error| {
        Failure::from(gearmesh_protocol::refusal::Refusal::WrongWords)
            .saying(format!("{title:?} makes no name for topics: {error}"))
            .mended_by("name it: --partner NAME, or --name NAME")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companies_get_names_for_topics() {
        let named = |title| slug(title).map(|name| name.to_string()).ok();
        assert_eq!(named("Acme GmbH & Co."), Some("acme-gmbh-co".to_owned()));
        assert_eq!(named("機械"), None);
    }
}
