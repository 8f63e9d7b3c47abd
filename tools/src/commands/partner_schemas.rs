//! JSON Schemas that what a partner sends must fit.

use std::collections::BTreeMap;

use gearmesh_protocol::partner_agreement::schema_hash;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Topic;

use crate::cli::ProposeArgs;
use crate::exit::Failure;
use crate::output;

/// The schemas of one sheet, by alias.
pub(super) struct Schemas {
    texts: BTreeMap<Topic, String>,
}

impl Schemas {
    /// Reads the files that were named.
    pub(super) fn read(args: &ProposeArgs) -> Result<Self, Failure> {
        let mut texts = BTreeMap::new();
        for given in &args.schemas {
            let (alias, file) = place(&args.accept_from, given)?;
            let unusable = |why: String| {
                Failure::from(Refusal::SchemaUnusable).saying(format!("{file}: {why}"))
            };
            let text =
                std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
            if texts.insert(alias.clone(), text).is_some() {
                return Err(unusable(format!("{alias} has a schema already")));
            }
        }
        Ok(Self { texts })
    }

    /// By what a line names its schema, if it has one.
    pub(super) fn of(&self, alias: &Topic) -> Option<[u8; 32]> {
        self.texts.get(alias).map(|text| schema_hash(text.as_bytes()))
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts.into_values().collect()
    }
}

/// For which name a schema is, and in which file.
fn place<'a>(aliases: &'a [Topic], given: &'a str) -> Result<(&'a Topic, &'a str), Failure> {
    let named = given.split_once('=');
    let found = named.and_then(|(name, file)| {
        aliases.iter().find(|alias| alias.as_str() == name).map(|alias| (alias, file))
    });
    match (found, aliases) {
        (Some(found), _) => Ok(found),
        (None, [only]) => Ok((only, given)),
        (None, _) => Err(Failure::from(Refusal::WrongWords)
            .saying(format!("for which of them is {given}? write --schema ALIAS=FILE"))),
    }
}

/// Schemas as people read them before they sign.
pub(super) fn shown(texts: &[String]) -> impl Iterator<Item = String> {
    texts.iter().map(|text| format!("values must fit:  {}", output::printable(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_for_the_one_name_or_for_that_which_is_said() {
        let topic = |text: &str| text.parse::<Topic>().expect("a topic");
        let one = [topic("orders")];
        let two = [topic("orders"), topic("returns")];
        let placed = |aliases, given| {
            place(aliases, given).ok().map(|(alias, file)| (alias.to_string(), file.to_owned()))
        };
        let orders = |file: &str| Some(("orders".to_owned(), file.to_owned()));
        assert_eq!(placed(&one, "a.json"), orders("a.json"));
        assert_eq!(placed(&one, "x=a.json"), orders("x=a.json"));
        assert_eq!(placed(&two, "orders=a.json"), orders("a.json"));
        assert_eq!(placed(&two, "a.json"), None);
    }
}
