//! How a node is set up: what a file says ([`raw`]), then what of it is sound ([`Config`]).
//!
//! Every setting stands once, in [`settings`]: the file that `gearmesh config` prints, its reader, and
//! the test that every option of `up` has a setting all rest on that list.

use std::net::SocketAddr;
use std::time::Duration;

use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::topic::TopicFilter;

use crate::core::plant::claimable::Opening;
use crate::core::plant::data::Keep;
use crate::shell::listen::Endpoint;
use crate::shell::{bytes, duration, resource};

mod card;
pub mod raw;
pub mod settings;

pub use card::Card;
pub use raw::{Given, Raw, Value};
pub use settings::{SETTINGS, Setting, printed};

/// The log filter if nobody names one.
const LOG_FILTER: &str = "warn,gearmesh_node=warn";

/// What a file of settings is called in a home.
pub const FILE_NAME: &str = "gearmesh.toml";

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; empty means every interface at the default port.
    pub listen: Vec<Endpoint>,
    /// Members to dial besides those that are found.
    pub connect: Vec<Endpoint>,
    /// Whether to find other nodes by multicast.
    pub mdns: bool,
    /// How much of durable values is kept, and for how long.
    pub keep: Keep,
    /// Whether to publish the machine's own values.
    pub host: bool,
    /// What is wired to this machine, for which it gives leases.
    pub resources: Vec<Resource>,
    /// What the board follows all the time.
    pub follow: Vec<TopicFilter>,
    /// What the machine is.
    pub card: Card,
    /// Where programs with a token reach the API, besides the socket in the home.
    pub api: Option<SocketAddr>,
    /// Where to meet partners, on a gateway that does.
    pub partners: Option<SocketAddr>,
    /// For how long a machine without a plant lets itself be found and claimed, if it does.
    pub claimable: Option<Duration>,
    /// Whether a person at the machine has to confirm the words of a claim.
    pub confirm: bool,
    /// What is logged, in tracing's syntax.
    pub log_filter: String,
    /// How it is written.
    pub log_form: LogForm,
}

/// How a node writes what it has to say to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// An object of JSON on each line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            connect: Vec::new(),
            mdns: true,
            keep: Keep::default(),
            host: true,
            resources: Vec::new(),
            follow: Vec::new(),
            card: Card::default(),
            api: None,
            partners: None,
            claimable: None,
            confirm: false,
            log_filter: LOG_FILTER.to_owned(),
            log_form: LogForm::default(),
        }
    }
}

/// What is wrong with a file of settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no TOML.
    #[error("line {line}: {what}")]
    Form {
        /// Where.
        line: usize,
        /// What the reader says.
        what: String,
    },
    /// It has a name that is no setting's.
    #[error("line {line}: there is no setting {name}{}", nearest.map(|name| format!("; {name} is the nearest")).unwrap_or_default())]
    Unknown {
        /// Where.
        line: usize,
        /// The name.
        name: String,
        /// The setting whose name is most like it, if one is.
        nearest: Option<&'static str>,
    },
    /// A setting has a value that it cannot have.
    #[error("line {line}: {name}: {what}")]
    Value {
        /// Where.
        line: usize,
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl Config {
    /// What a file says, if it is sound; the rest is as it is by itself.
    ///
    /// # Errors
    /// The first setting with a value that it cannot have.
    pub fn check(raw: &Raw) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (name, given) in raw.given() {
            let wrong = |what| ConfigError::Value { line: given.line, name, what };
            config.set(name, &given.value).map_err(wrong)?;
        }
        Ok(config)
    }

    /// How a machine without a plant lets itself be found and claimed.
    pub(crate) fn opening(&self) -> Option<Opening> {
        self.claimable.map(|lasts| Opening { lasts, confirm: self.confirm })
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        match (name, value) {
            ("network.listen", Value::Texts(list)) => self.listen = endpoints(list)?,
            ("network.connect", Value::Texts(list)) => self.connect = endpoints(list)?,
            ("network.mdns", Value::Truth(is_on)) => self.mdns = *is_on,
            ("keep.bytes", Value::Text(text)) => self.keep.log_bytes = bytes(text)?,
            ("keep.all_bytes", Value::Text(text)) => self.keep.all_bytes = bytes(text)?,
            ("keep.time", Value::Text(text)) => self.keep.age = age(text)?,
            ("host.publish", Value::Truth(is_on)) => self.host = *is_on,
            ("leases.resources", Value::Texts(list)) => {
                self.resources =
                    list.iter().map(|text| resource(text)).collect::<Result<_, _>>()?;
            }
            ("board.follow", Value::Texts(list)) => self.follow = filters(list)?,
            ("machine.maker", Value::Text(text)) => self.card.maker.clone_from(text),
            ("machine.model", Value::Text(text)) => self.card.model.clone_from(text),
            ("machine.serial", Value::Text(text)) => self.card.serial.clone_from(text),
            ("machine.firmware", Value::Text(text)) => self.card.firmware.clone_from(text),
            ("machine.capabilities", Value::Texts(list)) => self.card.capabilities.clone_from(list),
            ("machine.clock", Value::Text(text)) => self.card.clock.clone_from(text),
            ("api.listen", Value::Text(text)) => self.api = address(text)?,
            ("partners.listen", Value::Text(text)) => self.partners = address(text)?,
            ("claims.open", Value::Text(text)) => self.claimable = age(text)?,
            ("claims.confirm", Value::Truth(is_on)) => self.confirm = *is_on,
            ("log.filter", Value::Text(text)) => self.log_filter.clone_from(text),
            ("log.form", Value::Text(text)) => self.log_form = form(text)?,
            (_, value) => return Err(format!("{value} does not belong there")),
        }
        Ok(())
    }
}

fn endpoints(texts: &[String]) -> Result<Vec<Endpoint>, String> {
    let read = texts.iter().map(|text| text.parse());
    read.collect::<Result<_, _>>()
        .map_err(|error: crate::shell::listen::NoEndpoint| error.to_string())
}

fn filters(texts: &[String]) -> Result<Vec<TopicFilter>, String> {
    let read = texts
        .iter()
        .map(|text| text.parse().map_err(|error| format!("{text:?} is no topic filter: {error}")));
    read.collect()
}

/// An address; an empty text means none.
fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    let wrong = |_| format!("{text:?} is no address: write IP:PORT (127.0.0.1:7480)");
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(wrong) }
}

fn form(text: &str) -> Result<LogForm, String> {
    match text {
        "text" => Ok(LogForm::Text),
        "json" => Ok(LogForm::Json),
        _ => Err(format!("{text:?} is no form of a log: write \"text\" or \"json\"")),
    }
}

/// A span of time; an empty text means without end.
fn age(text: &str) -> Result<Option<Duration>, String> {
    if text.is_empty() { Ok(None) } else { duration(text).map(Some) }
}

#[cfg(test)]
mod tests;
