//! The configuration that a node starts with: its file, and over it the words of the command line.

use std::io::ErrorKind;
use std::path::Path;

use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;

use super::daemon::UpArgs;
use crate::config::{Config, ConfigError, FILE_NAME, Raw};

/// Bytes of a file of settings that is read; the printed one has a few thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the file says that is `named`, or the one in a home, where there may be none.
///
/// # Errors
/// It cannot be read, or says what no setting says.
pub fn settings(home: &Path, named: Option<&Path>) -> Result<Raw, ErrorBody> {
    let own = home.join(FILE_NAME);
    let path = named.unwrap_or(&own);
    let text = match std::fs::metadata(path).and_then(|file| read(path, file.len())) {
        Ok(text) => text,
        // What is wrong with a home is said by whoever opens it.
        Err(error) if named.is_none() && is_not_there(&error) => String::new(),
        Err(error) => {
            let said = format!("{} cannot be read: {error}", path.display());
            return Err(ErrorBody::from(Refusal::ConfigUnreadable).saying(said));
        }
    };
    let raw = Raw::read(&text).map_err(|error| refused(path, &error))?;
    Config::check(&raw).map_err(|error| refused(path, &error))?;
    Ok(raw)
}

/// What a node starts with.
pub(super) fn configuration(home: &Path, args: &UpArgs) -> Result<Config, ErrorBody> {
    let raw = settings(home, args.config.as_deref())?;
    let config = Config::check(&raw).map_err(|error| refused(home, &error))?;
    Ok(over(config, args))
}

/// The words of the command line win.
fn over(mut config: Config, args: &UpArgs) -> Config {
    if !args.listen.is_empty() {
        config.listen.clone_from(&args.listen);
    }
    if !args.connect.is_empty() {
        config.connect.clone_from(&args.connect);
    }
    if !args.resource.is_empty() {
        config.resources.clone_from(&args.resource);
    }
    config.api = args.api.or(config.api);
    config.partners = args.partners.or(config.partners);
    config.log_form = args.log.unwrap_or(config.log_form);
    config.claimable = args.claimable.or(config.claimable);
    config.confirm |= args.confirm;
    config.mdns &= !args.no_mdns;
    config.host &= !args.no_host;
    config.keep.log_bytes = args.keep_bytes.unwrap_or(config.keep.log_bytes);
    config.keep.all_bytes = args.keep_all_bytes.unwrap_or(config.keep.all_bytes);
    config.keep.age = args.keep.or(config.keep.age);
    config
}

fn is_not_there(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn read(path: &Path, bytes: u64) -> std::io::Result<String> {
    if bytes > FILE_BYTES_MAX {
        return Err(std::io::Error::other("it is far too long for a file of settings"));
    }
    std::fs::read_to_string(path)
}

fn refused(path: &Path, error: &ConfigError) -> ErrorBody {
    let refusal = match error {
        ConfigError::Form { .. } => Refusal::ConfigUnreadable,
        ConfigError::Unknown { .. } => Refusal::SettingUnknown,
        ConfigError::Value { .. } => Refusal::SettingWrong,
    };
    ErrorBody::from(refusal).saying(format!("{}, {error}", path.display()))
}
