//! A terminal's second screen: drawn over again and again, and gone afterwards as if it had never been.
#![expect(clippy::print_stdout, reason = "drawing is this module's job")]

use std::io::{IsTerminal, Write};

use crate::output::printable;

/// Lines of a terminal that does not say how many it has.
const LINES_USUAL: usize = 24;

/// The second screen of the terminal, until it is dropped.
pub(crate) struct Screen;

impl Screen {
    /// Goes there, and hides the cursor.
    pub(crate) fn open() -> Self {
        print!("\x1b[?1049h\x1b[?25l");
        Self
    }

    /// How many lines it has.
    #[expect(clippy::unused_self, reason = "only an open screen is asked")]
    pub(crate) fn lines(&self) -> usize {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let lines = size.map(|size| usize::from(size.ws_row)).filter(|lines| *lines > 1);
        lines.unwrap_or(LINES_USUAL)
    }

    /// Draws a picture from the top left corner. Each line clears what stood behind it, so nothing
    /// flickers.
    #[expect(clippy::unused_self, reason = "only an open screen is drawn on")]
    pub(crate) fn show(&self, picture: &str) {
        let mut text = String::from("\x1b[H");
        for line in picture.lines() {
            text.push_str(&printable(line));
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        print!("{text}");
        // A terminal that is gone ends the command with its next answer.
        drop(std::io::stdout().flush());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        print!("\x1b[?25h\x1b[?1049l");
        drop(std::io::stdout().flush());
    }
}

/// Whether answers go to a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
