//! What the node tells whoever supervises it: systemd's notification protocol (sd_notify(3)), lines in a
//! datagram to the socket that `NOTIFY_SOCKET` names. Where none is named, nothing is said.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The supervisor of this process, if it has one that listens.
pub(super) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// Within which time it wants to hear that the node lives.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(super) fn of_environment() -> Self {
        let name = std::env::var("NOTIFY_SOCKET").ok();
        let socket = name.as_deref().and_then(|name| match connect(name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, name, "the supervisor cannot be told anything");
                None
            }
        });
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_for_us =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|span| *span > 0 && is_for_us);
        Self { socket, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// The node answers, and this is what it is.
    pub(super) fn ready(&self, status: &str) {
        let line = status.lines().next().unwrap_or_default();
        self.say(&format!("READY=1\nSTATUS={line}\n"));
    }

    /// The node says goodbye to members and closes its files.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1\n");
    }

    /// Says that the node lives, twice as often as the supervisor wants to hear it. It runs on the
    /// thread that carries everything else: when that hangs, it hangs too.
    pub(super) async fn keep_alive(&self) {
        let Some(within) = self.watchdog.filter(|_| self.socket.is_some()) else {
            return std::future::pending().await;
        };
        let mut beats = tokio::time::interval(within / 2);
        loop {
            beats.tick().await;
            self.say("WATCHDOG=1\n");
        }
    }

    fn say(&self, lines: &str) {
        // A supervisor that went away is nobody's loss but its own.
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(lines.as_bytes())) {
            tracing::debug!(%error, "the supervisor does not listen");
        }
    }
}

/// A name that begins with `@` stands for one in the abstract name space.
fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.strip_prefix('@') {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(name)?,
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(listener: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = listener.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn both_kinds_of_names_are_reached_and_only_one_line_is_a_status() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let abstracted = format!("gearmesh-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstracted).expect("a name");
        let listeners = [
            (UnixDatagram::bind(&path).expect("a socket"), path.display().to_string()),
            (UnixDatagram::bind_addr(&address).expect("a socket"), format!("@{abstracted}")),
        ];
        for (listener, name) in listeners {
            let supervisor =
                Supervisor { socket: Some(connect(&name).expect("reached")), watchdog: None };
            supervisor.ready("plant Rossi\nSTOPPING=1");
            assert_eq!(said(&listener), "READY=1\nSTATUS=plant Rossi\n", "{name}");
            supervisor.stopping();
            assert_eq!(said(&listener), "STOPPING=1\n");
        }
        Supervisor { socket: None, watchdog: None }.ready("nobody listens");
    }
}
