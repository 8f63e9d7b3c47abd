//! The way to other zenoh programs, peer to peer.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bench_common::within;
use zenoh::{Config, Session, Wait as _};

/// How long a program waits for its hub.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Opens a session that listens, or one that dials, with certificates of both sides if there is a
/// folder of them.
///
/// # Errors
/// The address is taken, or a certificate is no good.
pub fn open(at: SocketAddr, tls: Option<&Path>, is_hub: bool) -> Result<Session> {
    zenoh::open(config(at, tls, is_hub)?).wait().map_err(|error| anyhow!(error))
}

fn config(at: SocketAddr, tls: Option<&Path>, is_hub: bool) -> Result<Config> {
    let mut config = Config::default();
    let mut set = |key: &str, value: String| {
        config.insert_json5(key, &value).map_err(|error| anyhow!("{key}: {error}"))
    };
    set("mode", "\"peer\"".to_owned())?;
    set("scouting/multicast/enabled", "false".to_owned())?;
    set("scouting/gossip/enabled", "false".to_owned())?;
    // As the certificates name it.
    let (scheme, host) = if tls.is_some() { ("tls", "localhost") } else { ("tcp", "127.0.0.1") };
    let port = at.port();
    let (listen, connect) = if is_hub {
        (format!("[\"{scheme}/127.0.0.1:{port}\"]"), "[]".to_owned())
    } else {
        ("[]".to_owned(), format!("[\"{scheme}/{host}:{port}\"]"))
    };
    set("listen/endpoints", listen)?;
    set("connect/endpoints", connect)?;
    for (key, value) in tls.map(settings).into_iter().flatten() {
        set(&format!("transport/link/tls/{key}"), value)?;
    }
    Ok(config)
}

/// Both sides show a certificate, and both are checked.
fn settings(folder: &Path) -> [(&'static str, String); 7] {
    let file = |name: &str| format!("\"{}\"", folder.join(name).display());
    [
        ("root_ca_certificate", file("ca.pem")),
        ("listen_private_key", file("server.key")),
        ("listen_certificate", file("server.pem")),
        ("connect_private_key", file("client.key")),
        ("connect_certificate", file("client.pem")),
        ("enable_mtls", "true".to_owned()),
        ("verify_name_on_connect", "true".to_owned()),
    ]
}

/// Waits until one that dials is connected.
///
/// # Errors
/// It is not in time.
pub fn wait_for_hub(session: &Session) -> Result<()> {
    let hub = within(CONNECT_MAX, || session.info().peers_zid().wait().next());
    hub.map(|_| ()).context("no connection to the hub")
}
