//! Everything that is printed, in one place: answers to standard output, the rest to standard
//! error, so that a script can read the one without the other.
//!
//! Values, names and topics come from other machines. Printed as text they pass through
//! [`printable`], so that no machine of the plant can steer the terminal of whoever watches it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is this module's job")]

use std::io::{BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;

use crate::exit::{DONE, Failure};

/// Text of others with its control characters as escapes: `\u{1b}` rather than a command to the
/// terminal, `\n` rather than a line that looks like one of ours.
pub(crate) fn printable(text: impl std::fmt::Display) -> String {
    let mut safe = String::new();
    for character in text.to_string().chars() {
        match character.is_control() {
            true => safe.extend(character.escape_default()),
            false => safe.push(character),
        }
    }
    safe
}

/// A number of things, as one says it.
pub(crate) fn counted(count: u64, one: &str, several: &str) -> String {
    let what = if count == 1 { one } else { several };
    format!("{count} {what}")
}

/// Lines of ours: each is made [`printable`], in case a part of it that was not should have been.
fn lines(text: impl std::fmt::Display) -> String {
    text.to_string().split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// A line of the answer.
pub(crate) fn line(text: impl std::fmt::Display) {
    write(&lines(text), false);
}

/// A line of the answer as it is. A command whose answer gets nowhere ends here.
fn write(text: &str, json: bool) {
    let mut out = std::io::stdout().lock();
    let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) else { return };
    let unwritten = unwritten(error);
    failure(&unwritten, json);
    std::process::exit(i32::from(unwritten.exit()));
}

/// An answer of any length, written in large pieces and as it is: it is meant for a file.
pub(crate) struct Bulk(BufWriter<Stdout>);

impl Bulk {
    pub(crate) fn begin() -> Self {
        Self(BufWriter::with_capacity(1 << 16, std::io::stdout()))
    }

    /// A row of a table (RFC 4180).
    pub(crate) fn row(&mut self, cells: [impl AsRef<[u8]>; 9]) -> Result<(), Failure> {
        let mut row = csv::WriterBuilder::new().buffer_capacity(256).from_writer(Vec::new());
        row.write_record(cells).map_err(Failure::system)?;
        let bytes = row.into_inner().map_err(Failure::system)?;
        self.take(|out| out.write_all(&bytes))
    }

    /// A value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut bytes = serde_json::to_vec(value).map_err(Failure::system)?;
        bytes.push(b'\n');
        self.take(|out| out.write_all(&bytes))
    }

    /// That was all.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        self.take(BufWriter::flush)
    }

    fn take(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Stdout>) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.0).map_err(unwritten)
    }
}

/// An answer that gets nowhere. It is no failure if the reader went away (`| head`): it has what it
/// wanted, and the command ends.
fn unwritten(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(i32::from(DONE));
    }
    Failure::system(format!("the answer cannot be written: {error}"))
}

/// A line for the person who watches.
pub(crate) fn note(text: impl std::fmt::Display) {
    eprintln!("{}", lines(text));
}

/// A value as one line of JSON. JSON has escapes of its own; ours would break it.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    write(&serde_json::to_string(value).map_err(Failure::system)?, true);
    Ok(())
}

/// A value as a JSON document.
pub(crate) fn json_document(value: &impl Serialize) -> Result<(), Failure> {
    write(&serde_json::to_string_pretty(value).map_err(Failure::system)?, true);
    Ok(())
}

/// What went wrong, and what mends it; with `json` as one line for a program.
pub(crate) fn failure(failure: &Failure, json: bool) {
    let body = failure.body();
    match serde_json::to_string(body) {
        Ok(document) if json => eprintln!("{document}"),
        _ => {
            eprintln!("gearmesh: {}", lines(body));
            eprintln!("          {}", lines(&body.mend));
        }
    }
}

/// Rows with columns as wide as they need to be.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    for row in aligned(head, rows) {
        line(row);
    }
}

/// Clears the screen and starts at its top, on a terminal.
pub(crate) fn clear() {
    if std::io::stdout().is_terminal() {
        print!("\x1b[2J\x1b[H");
    }
}

/// The lines of a table. Cells hold what others say, so they are made [`printable`] first.
pub(crate) fn aligned(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let printable_row = |row: &Vec<String>| row.iter().map(printable).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(printable_row).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let format = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows.iter().map(|row| format(row.iter().map(String::as_str).collect()));
    std::iter::once(format(head.to_vec())).chain(body).collect()
}

/// Seconds as people say them: `12 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["press-1".to_owned(), "x".to_owned()]];
        assert_eq!(aligned(&["A", "B"], &rows), vec!["A        B", "press-1  x"]);
    }

    #[test]
    fn text_of_others_does_not_steer_the_terminal() {
        assert_eq!(printable("\x1b[2Jgone\r\n\x07"), "\\u{1b}[2Jgone\\r\\n\\u{7}");
        assert_eq!(printable("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}", "nor in one character");
        assert_eq!(printable("21 °C, “größer” \\ 機械"), "21 °C, “größer” \\ 機械");
        assert_eq!(lines("\nours\x1b[1m"), "\nours\\u{1b}[1m", "our own lines stay lines");
        let rows = [vec!["a\n".to_owned(), "b".to_owned()]];
        assert_eq!(aligned(&["A", "B"], &rows), vec!["A    B", "a\\n  b"]);
    }
}
