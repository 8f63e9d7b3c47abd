//! Counting tests from the lines that test programs print.
//!
//! A program announces `running N tests` and ends with `test result:`. A result is believed only if
//! its counts add up to what was announced, since the output of a failed test may hold such lines too;
//! a program that announces and never ends has crashed, which is a failure of its own.

/// What came of the tests so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many passed.
    pub(crate) passed: usize,
    /// Each one that failed, by name.
    pub(crate) failed: Vec<String>,
    /// Each one marked as ignored, with the reason.
    pub(crate) ignored: Vec<String>,
    open: Option<Program>,
}

/// A test program between its announcement and its result.
#[derive(Debug, Default, PartialEq, Eq)]
struct Program {
    announced: usize,
    passed: usize,
    last: Option<String>,
    failed: Vec<String>,
    ignored: Vec<String>,
    /// The names under the latest `failures:`.
    listed: Vec<String>,
}

struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
    measured: usize,
}

impl Tally {
    /// Takes the next line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = plain(line);
        if let Some(announced) = announcement(&line) {
            self.crashed();
            self.open = Some(Program { announced, ..Program::default() });
        } else if let Some(mut program) = self.open.take() {
            match counts(&line).filter(|counts| counts.total() == program.announced) {
                Some(counts) => self.close(program, &counts),
                None => {
                    program.line(&line);
                    self.open = Some(program);
                }
            }
        }
    }

    /// Takes cargo's own end: it fails also where no test did, as when something does not compile.
    pub(crate) fn finish(&mut self, succeeded: bool) {
        self.crashed();
        if !succeeded && self.failed.is_empty() {
            self.failed.push("cargo test itself, as it says above".to_owned());
        }
    }

    fn close(&mut self, program: Program, counts: &Counts) {
        self.passed += counts.passed;
        let shown =
            if program.failed.len() == counts.failed { program.failed } else { program.listed };
        self.failed.extend(filled(shown, counts.failed));
        self.ignored.extend(filled(program.ignored, counts.ignored));
    }

    fn crashed(&mut self) {
        let Some(program) = self.open.take() else { return };
        self.passed += program.passed;
        self.failed.extend(program.failed);
        self.ignored.extend(program.ignored);
        let last = program.last.map_or_else(String::new, |last| format!(", after {last}"));
        self.failed.push(format!("a test program that ended without a result{last}"));
    }
}

impl Program {
    fn line(&mut self, line: &str) {
        if line == "failures:" {
            self.listed.clear();
        } else if let Some(name) = line.strip_prefix("    ") {
            self.listed.push(name.trim().to_owned());
        }
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
        else {
            return;
        };
        let name = name.trim_end_matches(" - should panic").to_owned();
        if outcome.starts_with("ok") {
            self.passed += 1;
        } else if outcome.starts_with("FAILED") {
            self.failed.push(name.clone());
        } else if let Some(reason) = outcome.strip_prefix("ignored") {
            let reason = reason.trim_start_matches(", ").trim();
            self.ignored
                .push(format!("{name}: {}", if reason.is_empty() { "ignored" } else { reason }));
        }
        self.last = Some(name);
    }
}

impl Counts {
    fn total(&self) -> usize {
        self.passed + self.failed + self.ignored + self.measured
    }
}

/// As many names as were counted: threads may garble the lines that carry names, never the counts.
fn filled(mut names: Vec<String>, count: usize) -> Vec<String> {
    names.resize(count, "a test whose name was lost in the output".to_owned());
    names
}

/// The line without colours and without its end.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    text.trim_end().to_owned()
}

fn announcement(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("running ")?;
    rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"))?.parse().ok()
}

fn counts(line: &str) -> Option<Counts> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        rest.split("; ").find_map(|part| part.strip_suffix(what)?.trim().parse::<usize>().ok())
    };
    Some(Counts {
        passed: count(" passed")?,
        failed: count(" failed")?,
        ignored: count(" ignored")?,
        measured: count(" measured")?,
    })
}

#[cfg(test)]
mod tests;
