//! What of files of settings is taken, and what is refused how.

use std::collections::BTreeSet;

use clap::{Args, Command};

use super::*;
use crate::shell::daemon::UpArgs;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::check(&Raw::read(text)?)
}

fn refused(text: &str) -> String {
    read(text).expect_err("a refusal").to_string()
}

/// The printed file with every setting in force.
fn all_in_force() -> String {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    printed(&Raw::default()).lines().map(uncommented).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_printed_as_default_is_the_default() {
    assert_eq!(read(&printed(&Raw::default())), Ok(Config::default()));
    let raw = Raw::read(&all_in_force()).expect("the printed file");
    assert_eq!(raw.given().count(), SETTINGS.len(), "every setting is printed once");
    assert_eq!(Config::check(&raw), Ok(Config::default()));
}

#[test]
fn what_a_file_says_is_printed_as_it_says_it() {
    let text = "[keep]\nbytes = \"1G\"\n[network]\nconnect = [\"192.0.2.1\", \"192.0.2.2:7431\"]\nmdns = false\n";
    let raw = Raw::read(text).expect("settings");
    let again = Raw::read(&printed(&raw)).expect("the printed file");
    let config = Config::check(&again).expect("a sound one");
    assert_eq!(config, Config::check(&raw).expect("a sound one"));
    assert_eq!((config.connect.len(), config.mdns, config.keep.log_bytes), (2, false, 1 << 30));
}

#[test]
fn every_option_of_up_has_its_setting_and_every_setting_its_option() {
    let command = UpArgs::augment_args(Command::new("up"));
    let options = command.get_arguments().filter(|option| !option.is_hide_set());
    let names = options.filter_map(|option| option.get_long().map(|name| format!("--{name}")));
    // Which file is read, and what is done once, are no settings.
    let is_setting = |name: &String| !["--config", "--fresh"].contains(&name.as_str());
    let options: BTreeSet<String> = names.filter(is_setting).collect();
    let settings = SETTINGS.iter().filter_map(|setting| setting.option.map(str::to_owned));
    assert_eq!(options, settings.collect::<BTreeSet<_>>());
}

#[test]
fn a_name_that_is_no_settings_is_refused_with_the_nearest() {
    for (text, line, nearest) in [
        ("[network]\nlisten = []\nconect = []", 3, "network.connect"),
        ("[netwrok]\nmdns = true", 2, "network.mdns"),
        ("[keep]\nbyts = \"1G\"", 2, "keep.bytes"),
        ("keep-all-bytes = \"1G\"", 1, "keep.all_bytes"),
    ] {
        let said = refused(text);
        assert!(said.starts_with(&format!("line {line}: there is no setting")), "{said}");
        assert!(said.contains(nearest), "{said}");
    }
    let said = refused("[x]\nqqqq = 1");
    assert_eq!(said, "line 2: there is no setting x.qqqq");
}

#[test]
fn a_value_that_a_setting_cannot_have_is_refused_with_its_line() {
    for (text, start) in [
        ("[network]\nmdns = \"yes\"", "line 2: network.mdns: write true or false"),
        ("[network]\n\nlisten = \"192.0.2.1\"", "line 3: network.listen: write a list"),
        ("[network]\nlisten = [\"home\"]", "line 2: network.listen: \"home\" is no address"),
        ("[keep]\ntime = \"soon\"", "line 2: keep.time: \"soon\" is no duration"),
        ("[keep]\nbytes = \"0M\"", "line 2: keep.bytes: \"0M\" is no size"),
        ("[leases]\nresources = [\"a/b\"]", "line 2: leases.resources: \"a/b\" is no resource"),
        ("[api]\nlisten = \"7480\"", "line 2: api.listen: \"7480\" is no address"),
        ("[keep]\nbytes = 1024", "line 2: keep.bytes: write a text"),
        ("[keep\n", "line 1: "),
        ("[keep]\nbytes = \"1M\"\nbytes = \"2M\"", "line 3: "),
    ] {
        let said = refused(text);
        assert!(said.starts_with(start), "{said}");
    }
}
