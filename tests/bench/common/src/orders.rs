//! What `bench` says to a program: `go`, and `stop`.

use std::io::{BufRead as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::Result;

/// How many orders may wait; there are only two.
const ORDERS_MAX: usize = 4;

/// How often the end is told again until `bench` says `stop`.
const END_EVERY: Duration = Duration::from_millis(50);

/// Orders from standard input; its end is `stop`.
#[derive(Debug)]
pub struct Orders {
    lines: Receiver<String>,
}

/// Says that this program can be reached, and listens for orders.
///
/// # Errors
/// Standard output is closed.
pub fn ready() -> Result<Orders> {
    let (sender, lines) = sync_channel(ORDERS_MAX);
    std::thread::spawn(move || {
        let read = std::io::stdin().lock().lines();
        for line in read.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    Ok(Orders { lines })
}

impl Orders {
    /// Waits for `go`; false if `stop` came instead.
    #[must_use]
    pub fn wait_for_go(&self) -> bool {
        self.lines.recv().is_ok_and(|line| line == "go")
    }

    /// Waits for `stop`.
    pub fn wait_for_stop(&self) {
        while self.lines.recv().is_ok_and(|line| line != "stop") {}
    }

    /// Waits a moment; whether `stop` came.
    #[must_use]
    pub fn stopped(&self) -> bool {
        !matches!(self.lines.recv_timeout(END_EVERY), Err(RecvTimeoutError::Timeout))
    }

    /// Ends the program at `stop`, whatever it does then.
    pub fn end_at_stop(self) {
        std::thread::spawn(move || {
            self.wait_for_stop();
            std::process::exit(0);
        });
    }
}
