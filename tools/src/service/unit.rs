//! The unit of a node as a service, made from the one that the Debian package ships.

use std::path::Path;

/// As the package ships it.
const SHIPPED: &str = include_str!("../../debian/gearmesh.service");

/// What it names and another unit may name otherwise.
const HOME: &str = "/var/lib/gearmesh";
const USER: &str = "gearmesh";

/// What one unit is for.
pub(super) struct Unit<'a> {
    pub(super) program: &'a Path,
    pub(super) home: &'a Path,
    pub(super) user: &'a str,
}

impl Unit<'_> {
    /// The unit's text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in SHIPPED.lines() {
            match line.split_once('=') {
                Some(("ExecStart", _)) => text.push_str(&self.start()),
                Some((key @ ("User" | "Group"), USER)) => {
                    text.push_str(&format!("{key}={}", quoted(self.user)));
                }
                Some(("StateDirectory", _)) => text.push_str(&self.own_folder()),
                Some(("StateDirectoryMode", _)) if !self.is_at_the_usual_place() => continue,
                Some(("ProtectHome", _)) if self.is_under_a_home() => {
                    text.push_str(&format!(
                        "ProtectHome=tmpfs\nBindPaths={}",
                        quoted_path(self.home)
                    ));
                }
                _ => text.push_str(line),
            }
            text.push('\n');
        }
        text
    }

    fn start(&self) -> String {
        format!("ExecStart={} --home {} up", quoted_path(self.program), quoted_path(self.home))
    }

    /// The folder that the service may write to: made by systemd at the usual place, and otherwise one
    /// that is there.
    fn own_folder(&self) -> String {
        match self.is_at_the_usual_place() {
            true => "StateDirectory=gearmesh".to_owned(),
            false => format!("ReadWritePaths={}", quoted_path(self.home)),
        }
    }

    fn is_at_the_usual_place(&self) -> bool {
        self.home == Path::new(HOME)
    }

    /// Whether it lies where services see nothing.
    fn is_under_a_home(&self) -> bool {
        ["/home", "/root", "/run/user"].iter().any(|folder| self.home.starts_with(folder))
    }
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A word of a unit: percent signs and dollars mean themselves, blanks do not end it.
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-%$:@+".contains(c));
    if is_plain { word } else { format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The unit for the usual places, which is the shipped one.
    fn usual() -> Unit<'static> {
        Unit { program: Path::new("/usr/bin/gearmesh"), home: Path::new(HOME), user: USER }
    }

    #[test]
    fn the_usual_unit_is_the_shipped_one() {
        assert_eq!(usual().text(), SHIPPED);
    }

    #[test]
    fn another_home_program_and_user_stand_where_they_belong() {
        let home = Path::new("/home/ada/my node 100%");
        let unit = Unit { program: Path::new("/opt/gearmesh"), home, user: "ada" }.text();
        for line in [
            "ExecStart=/opt/gearmesh --home \"/home/ada/my node 100%%\" up",
            "User=ada",
            "Group=ada",
            "ReadWritePaths=\"/home/ada/my node 100%%\"",
            "ProtectHome=tmpfs",
            "BindPaths=\"/home/ada/my node 100%%\"",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
        }
        assert!(!unit.contains("StateDirectory"), "{unit}");
        let elsewhere = Unit { home: Path::new("/srv/node"), ..usual() }.text();
        assert!(elsewhere.contains("ProtectHome=yes\n"), "{elsewhere}");
    }
}
