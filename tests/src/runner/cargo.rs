//! Running `cargo test`, its output shown as it comes and counted on the way.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use gearmesh_tests::{cli, skip};

use super::tally::Tally;

/// Runs cargo with these arguments; `list` is where suites write the tests they skip.
pub(crate) fn test(arguments: &[OsString], list: &Path) -> io::Result<Tally> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env(skip::LIST, list).stdout(Stdio::piped());
    cli::forget_cargo(&mut command);
    let mut child = command.spawn()?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        follow(BufReader::new(output), io::stdout(), &mut tally)?;
    }
    let status = child.wait()?;
    tally.finish(status.success());
    Ok(tally)
}

fn follow(mut from: impl BufRead, mut to: impl io::Write, tally: &mut Tally) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        // Nobody may be reading any more; the tests run to their end all the same.
        _ = to.write_all(&line).and_then(|()| to.flush());
        tally.line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Tally, follow};

    #[test]
    fn output_passes_through_unchanged() {
        let text = b"running 1 test\ntest a ... ok\n\xff\ntest result: ok. 1 passed; 0 failed; \
                     0 ignored; 0 measured; 0 filtered out\nno newline at the end";
        let (mut shown, mut tally) = (Vec::new(), Tally::default());
        follow(&text[..], &mut shown, &mut tally).unwrap();
        assert_eq!((shown.as_slice(), tally.passed), (&text[..], 1));
    }
}
