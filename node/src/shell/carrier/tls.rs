//! TLS 1.3 between nodes: libp2p's wire format, our choice of cipher.
//!
//! The certificate, the mutual authentication and the protocol name are those of the libp2p TLS
//! specification 1.0.0, and the certificate's code is libp2p's own, so every stock libp2p peer can
//! talk to it. It differs from `libp2p::tls` in what it prefers and leaves out: AES-256-GCM comes
//! first where the processor has instructions for it (stock peers settle on ChaCha20-Poly1305,
//! which takes twice as long there); nothing but TLS 1.3, no resumption, no tickets, and no log of
//! keys whatever the environment says. See docs/decisions/0007.

use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::PeerId;
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    ServerConfig, SignatureScheme,
};

use super::joined::{Joined, WAITING_MAX};

/// The name that libp2p gives this upgrade.
const PROTOCOL: &str = "/tls/1.0.0";

/// The application protocol of the specification.
const ALPN: &[u8] = b"libp2p";

/// Why a connection has no TLS.
#[derive(Debug, thiserror::Error)]
pub(in crate::shell) enum TlsError {
    /// The key makes no certificate.
    #[error("the node's key makes no certificate: {0}")]
    Certificate(#[from] certificate::GenError),
    /// The configuration is refused.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
    /// The handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] std::io::Error),
    /// The peer's certificate names no key.
    #[error("the peer's certificate names no key")]
    NoKey,
}

/// The upgrade, for both directions.
#[derive(Clone)]
pub(in crate::shell) struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// The upgrade of a node with this key.
    ///
    /// # Errors
    /// The key makes no certificate.
    pub(in crate::shell) fn new(key: &Keypair) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let (certificate, secret) = certificate::generate(key)?;
        let secret = provider.key_provider.load_private_key(secret)?;
        let identity = CertifiedKey::new(vec![certificate], secret);
        let identity = Arc::new(SingleCertAndKey::from(identity));
        let verifier = Arc::new(Verifier);

        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::<Verifier>::clone(&verifier))
            .with_cert_resolver(Arc::<SingleCertAndKey>::clone(&identity));
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(identity);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

/// Draws a first random number of the cryptographic library, which collects entropy for it once in
/// a process (50 ms of a server's processor): time that the first handshakes need not wait for.
pub(in crate::shell) fn collect_entropy() {
    let mut unused = [0];
    // Whoever needs random bytes and gets none says so.
    _ = default_provider().secure_random.fill(&mut unused);
}

/// The ciphers, the faster one of this machine first.
fn provider() -> CryptoProvider {
    let (aes, chacha) = (TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256);
    let cipher_suites = if has_aes() { vec![aes, chacha] } else { vec![chacha, aes] };
    CryptoProvider { cipher_suites, ..default_provider() }
}

/// Whether the processor has instructions for AES.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

/// Verifies what the specification asks for: one certificate, self-signed, whose extension proves
/// that it belongs to a libp2p key.
#[derive(Debug)]
struct Verifier;

fn check(
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
) -> Result<(), rustls::Error> {
    if !others.is_empty() {
        return Err(rustls::Error::General("a node has exactly one certificate".into()));
    }
    certificate::parse(certificate).map(drop).map_err(Into::into)
}

fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let certificate = certificate::parse(certificate)?;
    certificate.verify_signature(signed.scheme, message, signed.signature())?;
    Ok(HandshakeSignatureValid::assertion())
}

/// Both kinds of key that libp2p's own certificates have.
fn schemes() -> Vec<SignatureScheme> {
    vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
}

/// TLS 1.2 is not spoken, so nothing is ever signed in it.
const fn no_tls12() -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::BadSignature)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        check(certificate, others)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        check(certificate, others)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

/// The key that the peer's certificate proves.
fn peer_of(state: &CommonState) -> Result<PeerId, TlsError> {
    let Some([certificate]) = state.peer_certificates() else { return Err(TlsError::NoKey) };
    certificate::parse(certificate).map(|parsed| parsed.peer_id()).map_err(|_| TlsError::NoKey)
}

impl UpgradeInfo for Tls {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Tls {
    type Output = (PeerId, Joined<TlsStream<C>>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, TlsError>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        let work = async move {
            let mut stream = TlsAcceptor::from(self.server).accept(socket).await?;
            let peer = peer_of(stream.get_ref().1)?;
            stream.get_mut().1.set_buffer_limit(Some(WAITING_MAX));
            Ok((peer, Joined::new(stream.into())))
        };
        work.boxed()
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Tls {
    type Output = (PeerId, Joined<TlsStream<C>>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, TlsError>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        // The specification: no server name, which an unspecified address stands for.
        let nobody = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        let work = async move {
            let mut stream = TlsConnector::from(self.client).connect(nobody, socket).await?;
            let peer = peer_of(stream.get_ref().1)?;
            stream.get_mut().1.set_buffer_limit(Some(WAITING_MAX));
            Ok((peer, Joined::new(stream.into())))
        };
        work.boxed()
    }
}

#[cfg(test)]
mod tests;
