//! `gearmesh service`: the node as a service of systemd, started with the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use gearmesh_protocol::refusal::Refusal;

use crate::cli::{Context, ServiceArgs, ServiceCommand};
use crate::exit::{DONE, Failure};
use crate::output;

mod unit;

use unit::Unit;

/// Where units of this machine's admin stand, and where users of services are declared.
const UNIT_PATH: &str = "etc/systemd/system/gearmesh.service";
const USERS_PATH: &str = "etc/sysusers.d/gearmesh.conf";

/// The home of a node that is a service, if none is named.
const HOME: &str = "/var/lib/gearmesh";

pub(crate) fn run(context: &Context, command: ServiceCommand) -> Result<u8, Failure> {
    match command {
        ServiceCommand::Print(args) => {
            let (home, program) = (home(context)?, program(&args)?);
            let unit = Unit { program: &program, home: &home, user: args.user.as_str() };
            output::line(unit.text().trim_end());
            Ok(DONE)
        }
        ServiceCommand::Install(args) => install(context, &args),
        ServiceCommand::Uninstall { root } => uninstall(&root),
    }
}

/// The home in full: a service has no folder that it starts in.
fn home(context: &Context) -> Result<PathBuf, Failure> {
    if !context.home_is_named {
        return Ok(PathBuf::from(HOME));
    }
    std::path::absolute(&context.home).map_err(Failure::system)
}

fn program(args: &ServiceArgs) -> Result<PathBuf, Failure> {
    match &args.program {
        Some(program) => Ok(program.clone()),
        None => std::env::current_exe().map_err(Failure::system),
    }
}

fn install(context: &Context, args: &ServiceArgs) -> Result<u8, Failure> {
    let (home, program) = (home(context)?, program(args)?);
    let unit = Unit { program: &program, home: &home, user: args.user.as_str() };
    let path = args.root.join(UNIT_PATH);
    write(&path, &unit.text())?;
    let user = format!("u {} - \"gearmesh node\" {HOME}\n", args.user);
    write(&args.root.join(USERS_PATH), &user)?;
    output::line(format!("wrote {}", path.display()));
    if args.root != Path::new("/") {
        output::line("Nothing is started in a folder that is not this machine's own.");
        return Ok(DONE);
    }
    is_systemd_here()?;
    system("systemd-sysusers", &[])?;
    system("systemctl", &["daemon-reload"])?;
    if !home.join("journal").exists() {
        let home = home.display();
        output::line(format!("Next      join a plant, then start it: as {}:", args.user));
        output::line(format!(
            "          gearmesh --home {home} join CODE; systemctl enable --now gearmesh"
        ));
        return Ok(DONE);
    }
    system("systemctl", &["enable", "--now", "gearmesh.service"])?;
    output::line("It runs, and starts with this machine: systemctl status gearmesh");
    Ok(DONE)
}

fn uninstall(root: &Path) -> Result<u8, Failure> {
    let path = root.join(UNIT_PATH);
    if !path.exists() {
        return Err(Failure::from(Refusal::ServiceMissing)
            .saying(format!("there is no {}", path.display())));
    }
    let is_own = root == Path::new("/");
    if is_own {
        is_systemd_here()?;
        system("systemctl", &["disable", "--now", "gearmesh.service"])?;
    }
    for path in [path, root.join(USERS_PATH)] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(not_done(&path, &error));
            }
            _ => output::line(format!("removed {}", path.display())),
        }
    }
    if is_own {
        system("systemctl", &["daemon-reload"])?;
    }
    output::line("The node's home and the keyring are as they were.");
    Ok(DONE)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|error| not_done(folder, &error))?;
    std::fs::write(path, text).map_err(|error| not_done(path, &error))
}

fn not_done(path: &Path, error: &std::io::Error) -> Failure {
    Failure::from(Refusal::ServiceNotDone).saying(format!("{}: {error}", path.display()))
}

/// Whether systemd runs this machine (sd_booted(3)).
fn is_systemd_here() -> Result<(), Failure> {
    match Path::new("/run/systemd/system").exists() {
        true => Ok(()),
        false => Err(Refusal::NoSystemd.into()),
    }
}

/// Runs a program of the system to its end.
fn system(program: &str, words: &[&str]) -> Result<(), Failure> {
    let said = |what: String| {
        let command = [&[program], words].concat().join(" ");
        Failure::from(Refusal::ServiceNotDone).saying(format!("{command}: {what}"))
    };
    let ended =
        Command::new(program).args(words).output().map_err(|error| said(error.to_string()))?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(said(String::from_utf8_lossy(&ended.stderr).trim().to_owned())),
    }
}
