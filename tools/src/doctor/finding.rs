//! What a check found.

use serde::Serialize;

use crate::output;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// It may be meant so.
    Look,
    /// It keeps the node from doing its work, or will.
    Wrong,
    /// Nobody could see it from here.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) evidence: String,
    /// Lines to paste or to do, if there are any.
    pub(super) mend: Vec<String>,
}

impl Finding {
    pub(super) fn fine(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fine, evidence: evidence.into(), mend: Vec::new() }
    }

    pub(super) fn look(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Look, ..Self::fine(check, evidence) }
    }

    pub(super) fn wrong(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, ..Self::fine(check, evidence) }
    }

    pub(super) fn unknown(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, ..Self::fine(check, evidence) }
    }

    pub(super) fn mended_by(mut self, line: impl Into<String>) -> Self {
        self.mend.push(line.into());
        self
    }

    /// For people.
    pub(super) fn tell(&self) {
        let verdict = match self.verdict {
            Verdict::Fine => "fine",
            Verdict::Look => "look",
            Verdict::Wrong => "WRONG",
            Verdict::Unknown => "unknown",
        };
        output::line(format!("{verdict:<8}{:<14}{}", self.check, self.evidence));
        for line in &self.mend {
            output::line(format!("{:<22}{line}", ""));
        }
    }
}
