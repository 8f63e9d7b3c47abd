//! What a file of settings says, setting by setting, before anybody asks what it means.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::settings::{Kind, SETTINGS, nearest};

/// The settings of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    given: BTreeMap<&'static str, Given>,
}

/// One setting as a file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it is.
    pub value: Value,
    /// On which line.
    pub line: usize,
}

/// What a setting can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Truth(bool),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

impl Raw {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no TOML, names what is no setting, or gives a setting another type than it has.
    pub fn read(text: &str) -> Result<Self, ConfigError> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| ConfigError::Form {
            line: line(error.span().map_or(0, |span| span.start)),
            what: error.message().to_owned(),
        })?;
        let mut raw = Self::default();
        for (section, inner) in table.get_ref() {
            let Some(inner) = inner.get_ref().as_table() else {
                return Err(unknown(section.get_ref(), line(section.span().start)));
            };
            for (key, value) in inner {
                let (name, line) =
                    (format!("{}.{}", section.get_ref(), key.get_ref()), line(key.span().start));
                raw.take(&name, value, line)?;
            }
        }
        Ok(raw)
    }

    fn take(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        line: usize,
    ) -> Result<(), ConfigError> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = setting.ok_or_else(|| unknown(name, line))?;
        let read = read(setting.kind, value.get_ref());
        let what = match setting.kind {
            Kind::Truth => "write true or false",
            Kind::Text => "write a text, in quotes",
            Kind::Texts => "write a list of texts: [\"…\", \"…\"]",
        };
        let wrong = || ConfigError::Value { line, name: setting.name, what: what.to_owned() };
        self.given.insert(setting.name, Given { value: read.ok_or_else(wrong)?, line });
        Ok(())
    }

    /// What it says of a setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// All that it says.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &Given)> {
        self.given.iter().map(|(name, given)| (*name, given))
    }
}

fn unknown(name: &str, line: usize) -> ConfigError {
    ConfigError::Unknown { line, name: name.to_owned(), nearest: nearest(name) }
}

fn read(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match kind {
        Kind::Truth => value.as_bool().map(Value::Truth),
        Kind::Text => value.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::Texts => {
            let items = value.as_array()?.iter();
            let texts = items.map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Value::Texts)
        }
    }
}

impl fmt::Display for Value {
    /// As TOML, whose texts may be written like those of JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
