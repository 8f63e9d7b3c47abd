//! What the suites need from the machine: `ip` and `nft`, for networks of their own, a library that
//! shifts a program's clock, and `patch`, for bugs that are planted.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// A program, and the Debian package that holds it.
const NEEDED: [(&str, &str); 4] =
    [("ip", "iproute2"), ("nft", "nftables"), ("faketime", "faketime"), ("patch", "patch")];

/// Installs what is missing where that is possible; says so and goes on where it is not.
pub(crate) fn prepare() {
    let missing = packages(present);
    if missing.is_empty() {
        return;
    }
    let names = missing.join(" ");
    if !present("apt-get") {
        return eprintln!("missing: {names}, and no apt-get; suites that need it will be skipped");
    }
    if !is_root() {
        return eprintln!("missing: {names}; not root, so suites that need it will be skipped");
    }
    eprintln!(
        "installing {names} with apt-get, for suites that build networks, shift clocks and plant bugs"
    );
    let install = ["install", "--yes", "--no-install-recommends"];
    let install: Vec<&str> = install.into_iter().chain(missing).collect();
    // Package lists may be missing or old: only then they are worth the wait.
    let installed = apt_get(&install) || (apt_get(&["update"]) && apt_get(&install));
    if !installed {
        eprintln!("installing {names} failed; suites that need it will be skipped");
    }
}

fn packages(present: impl Fn(&str) -> bool) -> Vec<&'static str> {
    NEEDED.iter().filter(|(program, _)| !present(program)).map(|(_, package)| *package).collect()
}

/// Whether a program can be started; administration's folders are not on everybody's path.
fn present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

/// Who owns this process says who runs it, without a call that std does not have.
fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0)
}

fn apt_get(arguments: &[&str]) -> bool {
    // A machine without a network must not wait for one.
    let patience = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", "-qq"];
    let status = Command::new("apt-get")
        .args(patience)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::packages;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(packages(|_| false), ["iproute2", "nftables", "faketime", "patch"]);
        assert_eq!(packages(|program| program == "ip"), ["nftables", "faketime", "patch"]);
        assert!(packages(|_| true).is_empty());
    }
}
