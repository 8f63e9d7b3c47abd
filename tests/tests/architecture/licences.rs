//! Under what terms the dependencies come, and whether the project can meet them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sources::{Violation, root};

/// Terms that need nothing but keeping the notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Terms that bind the named package's own files only; each is used unchanged.
const ALLOWED_FOR: &[(&str, &str)] = &[("attohttpc", "MPL-2.0")];

/// A dependency and its SPDX expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    name: String,
    version: String,
    expression: Option<String>,
}

/// The terms of every dependency, or why they cannot be read.
pub(crate) fn terms() -> Result<Vec<Terms>, String> {
    let metadata = metadata()?;
    let parsed: Value = serde_json::from_slice(&metadata).map_err(|error| error.to_string())?;
    let packages = parsed["packages"].as_array().ok_or("no packages")?;
    let foreign = packages.iter().filter(|package| !package["source"].is_null());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(foreign
        .map(|package| Terms {
            name: text(&package["name"]).unwrap_or_default(),
            version: text(&package["version"]).unwrap_or_default(),
            expression: text(&package["license"]),
        })
        .collect())
}

/// Asks cargo. Packages for other systems may not be on this disk: then cargo may fetch them, and
/// where it cannot, what is built for this system is what can be judged.
fn metadata() -> Result<Vec<u8>, String> {
    let host = host().unwrap_or_default();
    let here = format!("--filter-platform={host}");
    let mut last = String::new();
    for arguments in [&["--offline"][..], &[], &["--offline", here.as_str()]] {
        match cargo(&[&["metadata", "--format-version=1", "--locked"], arguments].concat()) {
            Ok(output) => return Ok(output),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn host() -> Option<String> {
    let version = String::from_utf8(cargo(&["-vV"]).ok()?).ok()?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

fn cargo(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let top: &Path = root();
    let output = Command::new(program).args(arguments).current_dir(top).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every dependency whose terms cannot be met.
pub(crate) fn unmet(terms: &[Terms]) -> Vec<Violation> {
    let bad = terms.iter().filter(|terms| {
        let expression = terms.expression.as_deref().unwrap_or_default();
        let own = ALLOWED_FOR.iter().filter(|(name, _)| *name == terms.name).map(|(_, id)| *id);
        let allowed: Vec<&str> = ALLOWED.iter().copied().chain(own).collect();
        !satisfied(expression, &allowed)
    });
    bad.map(|terms| {
        let expression = terms.expression.as_deref().unwrap_or("no licence expression");
        Violation::at(&terms.name, 1, format!("version {}: {expression}", terms.version))
    })
    .collect()
}

/// Whether an SPDX expression can be met with these terms; what it cannot read is not met.
pub(crate) fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), at: 0, allowed };
    parser.either() == Some(true) && parser.at == parser.words.len()
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn takes(&mut self, word: &str) -> bool {
        let taken = self.words.get(self.at) == Some(&word);
        self.at += usize::from(taken);
        taken
    }

    fn either(&mut self) -> Option<bool> {
        let mut met = self.both()?;
        while self.takes("OR") {
            met |= self.both()?;
        }
        Some(met)
    }

    fn both(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.takes("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let met = self.either()?;
            return self.takes(")").then_some(met);
        }
        let name = self.next().filter(|word| !matches!(*word, ")" | "AND" | "OR" | "WITH"))?;
        let terms = if self.takes("WITH") {
            format!("{name} WITH {}", self.next()?)
        } else {
            name.to_owned()
        };
        Some(self.allowed.contains(&terms.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, Terms, satisfied, unmet};

    #[test]
    fn reads_spdx_expressions() {
        let met = |expression: &str| satisfied(expression, ALLOWED);
        assert!(met("MIT") && met("MIT/Apache-2.0") && met("Unlicense/MIT"));
        assert!(met("LGPL-2.1-or-later OR MIT") && met("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(met("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
        assert!(met("ISC AND (Apache-2.0 OR ISC) AND (Apache-2.0 OR ISC OR MIT-0)"));
        assert!(!met("MIT AND GPL-3.0") && !met("GPL-3.0") && !met("(MIT OR ISC) AND SSPL-1.0"));
        assert!(!met("GPL-2.0 WITH Classpath-exception-2.0 OR MPL-2.0"));
    }

    #[test]
    fn binds_and_before_or() {
        let met = |expression: &str| satisfied(expression, ALLOWED);
        assert!(met("MIT OR GPL-3.0 AND SSPL-1.0") && met("GPL-3.0 AND SSPL-1.0 OR MIT"));
        assert!(!met("GPL-3.0 OR MIT AND SSPL-1.0"));
    }

    #[test]
    fn what_cannot_be_read_is_not_met() {
        let met = |expression: &str| satisfied(expression, ALLOWED);
        for broken in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND MIT", "MIT WITH"] {
            assert!(!met(broken), "{broken:?}");
        }
    }

    #[test]
    fn an_exception_is_for_its_package_alone() {
        let of = |name: &str, expression: Option<&str>| Terms {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            expression: expression.map(str::to_owned),
        };
        assert_eq!(unmet(&[of("attohttpc", Some("MPL-2.0"))]).len(), 0);
        assert_eq!(unmet(&[of("other", Some("MPL-2.0")), of("none", None)]).len(), 2);
    }
}
