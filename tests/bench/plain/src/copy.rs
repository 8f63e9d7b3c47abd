//! A plain copy: all files of a folder over one encrypted stream into one file, synced once.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bench_common::{DurableWords, Report, Taken, ready};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::files::below;

/// Sent and written at once: a page of the node's.
const CHUNK_BYTES: usize = 256 << 10;
/// What the one who gets says when everything is on its disk.
const WHOLE: u8 = 1;

/// Waits for somebody, and until everything is on its disk.
pub(crate) fn give(words: &DurableWords) -> Result<()> {
    let tls = tls(words)?;
    let chain = CertificateDer::pem_file_iter(tls.join("server.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(tls.join("server.key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let listener = TcpListener::bind(words.address)?;
    let orders = ready()?;
    let (socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config))?, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let begun = Instant::now();
    let files = below(&words.folder)?;
    let mut bytes = 0;
    for file in &files {
        bytes += file.metadata()?.len();
    }
    stream.write_all(&bytes.to_le_bytes())?;
    let mut chunk = vec![0; CHUNK_BYTES];
    for file in files {
        copy(&mut File::open(file)?, &mut stream, &mut chunk, u64::MAX)?;
    }
    stream.flush()?;
    let mut word = [0];
    stream.read_exact(&mut word)?;
    ensure!(word == [WHOLE], "the copy is not whole");
    let seconds = begun.elapsed().as_secs_f64();
    Report::Taken(Taken { seconds, entries: words.entries, groups: 0 }).print();
    orders.wait_for_stop();
    Ok(())
}

/// Gets everything.
pub(crate) fn take(words: &DurableWords) -> Result<()> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(tls(words)?.join("ca.pem"))? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(words.address)?;
    socket.set_nodelay(true)?;
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
    let mut stream = StreamOwned::new(client, socket);
    let orders = ready()?;
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let mut file = File::create_new(words.folder.join("copy"))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let expected = u64::from_le_bytes(length);
    let bytes = copy(&mut stream, &mut file, &mut chunk, expected)?;
    ensure!(bytes == expected, "{bytes} of {expected} bytes came");
    file.sync_data()?;
    stream.write_all(&[WHOLE])?;
    stream.flush()?;
    orders.wait_for_stop();
    Ok(())
}

/// Copies until there is no more, or `most` bytes were copied.
fn copy(from: &mut impl Read, to: &mut impl Write, chunk: &mut [u8], most: u64) -> Result<u64> {
    let mut copied = 0;
    while copied < most {
        let room = usize::try_from(most - copied).unwrap_or(usize::MAX).min(chunk.len());
        let read = from.read(&mut chunk[..room])?;
        if read == 0 {
            break;
        }
        to.write_all(&chunk[..read])?;
        copied += read as u64;
    }
    Ok(copied)
}

fn tls(words: &DurableWords) -> Result<&Path> {
    words.tls.as_deref().context("a stream needs --tls")
}
