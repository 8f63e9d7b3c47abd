//! The way to the server.

use anyhow::{Result, anyhow};
use async_nats::ConnectOptions;
use std::net::SocketAddr;
use std::path::Path;

/// Messages that may wait in a subscription: the client drops what finds no room.
const WAITING_MAX: usize = 1 << 20;

/// Connects, with certificates of both sides if there is a folder of them.
///
/// # Errors
/// There is no server.
pub async fn connect(at: SocketAddr, tls: Option<&Path>) -> Result<async_nats::Client> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("cryptography was chosen twice"))?;
    let mut options = ConnectOptions::new().subscription_capacity(WAITING_MAX);
    let (mut scheme, mut host) = ("nats", "127.0.0.1");
    if let Some(folder) = tls {
        // As the certificates name it.
        (scheme, host) = ("tls", "localhost");
        options = options
            .require_tls(true)
            .add_root_certificates(folder.join("ca.pem"))
            .add_client_certificate(folder.join("client.pem"), folder.join("client.key"));
    }
    Ok(options.connect(format!("{scheme}://{host}:{}", at.port())).await?)
}
