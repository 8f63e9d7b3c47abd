//! What is really built: the versions in `Cargo.lock` and where they come from.

use crate::sources::Violation;

/// The oldest version of each package that may be built, and what is wrong with older ones is in
/// their advisories; a package that is not in the lock is no concern.
pub(crate) const FLOORS: &[(&str, &str)] = &[
    ("bytes", "1.11.1"),
    ("crossbeam-epoch", "0.9.20"),
    ("curve25519-dalek", "4.1.3"),
    ("ed25519-dalek", "2.0.0"),
    ("hickory-proto", "0.26.3"),
    ("libp2p-gossipsub", "0.50.1"),
    ("quinn-proto", "0.11.19"),
    ("rustls", "0.23.46"),
    ("rustls-webpki", "0.103.16"),
    ("time", "0.3.47"),
    ("yamux", "0.14.0"),
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// One `[[package]]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) source: Option<String>,
    pub(crate) dependencies: Vec<String>,
}

/// Reads a lock file as cargo writes it.
pub(crate) fn packages(text: &str) -> Vec<Package> {
    let mut found: Vec<Package> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line == "[[package]]" {
            found.push(Package { line: index + 1, ..Package::default() });
        }
        let Some(package) = found.last_mut() else { continue };
        let quoted = line.split('"').nth(1).unwrap_or_default();
        match line.split(" = ").next().unwrap_or_default() {
            "name" => package.name = quoted.to_owned(),
            "version" => package.version = quoted.to_owned(),
            "source" => package.source = Some(quoted.to_owned()),
            _ if line.starts_with(" \"") => {
                let name = quoted.split(' ').next().unwrap_or_default();
                package.dependencies.push(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// Every copy of a package that is older than its floor.
pub(crate) fn below_floor(packages: &[Package]) -> Vec<Violation> {
    let floor =
        |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| floor);
    let old = packages.iter().filter_map(|package| {
        let floor = floor(&package.name)?;
        let what = format!("{} {} is older than {floor}", package.name, package.version);
        (numbers(&package.version) < numbers(floor))
            .then(|| Violation::at("Cargo.lock", package.line, what))
    });
    old.collect()
}

/// Orders a version; one that is still being tested stands before its release.
fn numbers(version: &str) -> (Vec<u64>, bool) {
    let plain = version.split('+').next().unwrap_or_default();
    let (release, testing) = plain.split_once('-').map_or((plain, ""), |parts| parts);
    (release.split('.').map(|part| part.parse().unwrap_or(0)).collect(), testing.is_empty())
}

/// Every package that is neither a member of the workspace nor from crates.io.
pub(crate) fn foreign(packages: &[Package], members: &[&str]) -> Vec<Violation> {
    let strange = packages.iter().filter(|package| match &package.source {
        Some(source) => source != REGISTRY,
        None => !members.contains(&package.name.as_str()),
    });
    strange
        .map(|package| {
            let source = package.source.as_deref().unwrap_or("a folder outside the workspace");
            Violation::at("Cargo.lock", package.line, format!("{} is from {source}", package.name))
        })
        .collect()
}

/// What postcard must not be built with.
pub(crate) fn postcard_extras(packages: &[Package]) -> Vec<Violation> {
    let postcard = packages.iter().filter(|package| package.name == "postcard");
    let extra = postcard.flat_map(|package| {
        let bad = package.dependencies.iter().filter(|name| {
            matches!(name.as_str(), "heapless" | "atomic-polyfill" | "postcard-derive")
        });
        bad.map(|name| Violation::at("Cargo.lock", package.line, format!("postcard takes {name}")))
    });
    extra.collect()
}

#[cfg(test)]
mod tests {
    use super::{below_floor, foreign, packages, postcard_extras};

    const HEAD: &str = "# generated\nversion = 4\n\n";

    fn lock(name: &str, version: &str, source: &str, dependencies: &str) -> String {
        format!(
            "{HEAD}[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}\n\
             dependencies = [\n{dependencies}]\n"
        )
    }

    #[test]
    fn reads_what_cargo_writes() {
        let text = lock("a", "1.2.3", "source = \"git+https://x\"", " \"b\",\n \"c 0.4.0\",\n");
        let read = packages(&text);
        assert_eq!((read.len(), read[0].line, read[0].version.as_str()), (1, 4, "1.2.3"));
        assert_eq!(read[0].dependencies, ["b", "c"]);
        assert_eq!(foreign(&read, &["a"]).len(), 1);
    }

    #[test]
    fn members_and_the_registry_are_the_only_sources() {
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert_eq!(foreign(&packages(&lock("a", "1.0.0", registry, "")), &[]).len(), 0);
        assert_eq!(foreign(&packages(&lock("a", "1.0.0", "", "")), &["a"]).len(), 0);
        assert_eq!(foreign(&packages(&lock("a", "1.0.0", "", "")), &["b"]).len(), 1);
    }

    #[test]
    fn compares_versions_as_numbers() {
        let old = |version: &str| below_floor(&packages(&lock("rustls", version, "", ""))).len();
        assert_eq!((old("0.23.46"), old("0.23.100"), old("0.24.0"), old("1.0.0")), (0, 0, 0, 0));
        assert_eq!((old("0.23.45"), old("0.23.9"), old("0.23.46-rc.1")), (1, 1, 1));
        assert_eq!(below_floor(&packages(&lock("unknown", "0.0.1", "", ""))).len(), 0);
        let yamux = |version: &str| below_floor(&packages(&lock("yamux", version, "", ""))).len();
        assert_eq!((yamux("0.13.10"), yamux("0.14.1")), (1, 0));
    }

    #[test]
    fn postcard_stays_small() {
        let with = |names: &str| postcard_extras(&packages(&lock("postcard", "1.1.3", "", names)));
        assert_eq!(with(" \"cobs\",\n \"serde\",\n").len(), 0);
        assert_eq!(with(" \"cobs\",\n \"heapless 0.7.0\",\n").len(), 1);
    }
}
