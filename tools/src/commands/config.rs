//! `gearmesh config`: all settings of a node.

use gearmesh_node::config::{SETTINGS, Value, printed};
use gearmesh_node::daemon::settings;
use serde::Serialize;

use crate::cli::{ConfigArgs, Context};
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) fn run(context: &Context, args: &ConfigArgs) -> Result<u8, Failure> {
    let raw = settings(&context.home, args.config.as_deref())?;
    if context.json {
        let lines = SETTINGS.iter().map(|setting| Line {
            name: setting.name,
            given: raw.get(setting.name).map(|given| &given.value),
            default: setting.default,
            option: setting.option,
        });
        output::json_document(&lines.collect::<Vec<_>>())?;
        return Ok(DONE);
    }
    output::line(printed(&raw).trim_end());
    Ok(DONE)
}

/// One setting for a program.
#[derive(Serialize)]
struct Line<'a> {
    name: &'static str,
    /// What the file says; null where it says nothing.
    given: Option<&'a Value>,
    /// What it is by itself, as TOML.
    default: &'static str,
    option: Option<&'static str>,
}
