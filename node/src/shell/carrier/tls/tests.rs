//! Whom the TLS upgrade talks to, and whom it refuses.

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::tls::Config as Stock;
use rustls::ProtocolVersion;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;

fn key() -> Keypair {
    Keypair::generate_ed25519()
}

/// Both ends of a handshake, the first dialling.
macro_rules! shake_hands {
    ($dialer:expr, $listener:expr) => {{
        let (near, far) = tokio::io::duplex(64 * 1024);
        let dial = $dialer.upgrade_outbound(near.compat(), PROTOCOL);
        let listen = $listener.upgrade_inbound(far.compat(), PROTOCOL);
        tokio::join!(dial, listen)
    }};
}

fn state(stream: &Joined<TlsStream<impl Sized>>) -> &CommonState {
    stream.inner().get_ref().1
}

#[tokio::test]
async fn both_sides_learn_each_others_key_over_aes() {
    let (one, other) = (key(), key());
    let (dialed, listened) =
        shake_hands!(Tls::new(&one).expect("an upgrade"), Tls::new(&other).expect("an upgrade"));
    let ((seen, mut near), (seen_back, mut far)) =
        (dialed.expect("a connection"), listened.expect("a connection"));
    assert_eq!(seen, other.public().to_peer_id());
    assert_eq!(seen_back, one.public().to_peer_id());
    assert_eq!(state(&near).protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(state(&far).alpn_protocol(), Some(ALPN));
    let suite = state(&near).negotiated_cipher_suite().map(|suite| suite.suite());
    let expected = provider().cipher_suites[0].suite();
    assert_eq!(suite, Some(expected));

    near.write_all(b"value").await.expect("a write");
    near.flush().await.expect("a flush");
    let mut read = [0; 5];
    far.read_exact(&mut read).await.expect("a read");
    assert_eq!(&read, b"value");
}

#[tokio::test]
async fn stock_libp2p_can_be_dialled_and_can_dial() {
    let (ours, stock) = (key(), key());
    let tls = Tls::new(&ours).expect("an upgrade");
    let config = Stock::new(&stock).expect("an upgrade");
    let (dialed, listened) = shake_hands!(tls.clone(), config.clone());
    assert_eq!(dialed.expect("a connection").0, stock.public().to_peer_id());
    assert_eq!(listened.expect("a connection").0, ours.public().to_peer_id());
    let (dialed, listened) = shake_hands!(config, tls);
    assert_eq!(dialed.expect("a connection").0, ours.public().to_peer_id());
    assert_eq!(listened.expect("a connection").0, stock.public().to_peer_id());
}

/// A peer's upgrade with its configuration changed.
fn changed(change: impl FnOnce(&mut ServerConfig, &mut ClientConfig)) -> Tls {
    let tls = Tls::new(&key()).expect("an upgrade");
    let (mut server, mut client) = ((*tls.server).clone(), (*tls.client).clone());
    change(&mut server, &mut client);
    Tls { server: Arc::new(server), client: Arc::new(client) }
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_refused() {
    #[derive(Debug)]
    struct Nothing;
    impl rustls::client::ResolvesClientCert for Nothing {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            None
        }
        fn has_certs(&self) -> bool {
            false
        }
    }
    let naked = changed(|_, client| client.client_auth_cert_resolver = Arc::new(Nothing));
    let (_, listened) = shake_hands!(naked, Tls::new(&key()).expect("an upgrade"));
    assert!(matches!(listened, Err(TlsError::Handshake(_))));
}

#[tokio::test]
async fn a_certificate_that_proves_no_key_and_more_than_one_are_refused() {
    let real = |key: &Keypair| certificate::generate(key).expect("a certificate");
    let with = |certificates: Vec<CertificateDer<'static>>, secret| {
        let secret = provider().key_provider.load_private_key(secret).expect("a key");
        Arc::new(SingleCertAndKey::from(CertifiedKey::new(certificates, secret)))
    };
    let (certificate, secret) = real(&key());
    let two = with(vec![certificate.clone(), certificate.clone()], secret);
    // A certificate of one key with the secret of another: a copied certificate proves nothing.
    let (_, stolen) = real(&key());
    let copied = with(vec![certificate.clone()], stolen);
    let garbled = {
        let (certificate, secret) = real(&key());
        let mut bytes = certificate.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        with(vec![bytes.into()], secret)
    };
    for identity in [two, copied, garbled] {
        let (as_client, as_server) = (Arc::clone(&identity), identity);
        let peer = changed(|server, client| {
            client.client_auth_cert_resolver = as_client;
            server.cert_resolver = as_server;
        });
        let (_, listened) = shake_hands!(peer.clone(), Tls::new(&key()).expect("an upgrade"));
        assert!(listened.is_err(), "refused as a dialer");
        let (dialed, _) = shake_hands!(Tls::new(&key()).expect("an upgrade"), peer);
        assert!(dialed.is_err(), "refused as a listener");
    }
}

#[test]
fn nothing_is_resumed_logged_or_older_than_it_should_be() {
    let tls = Tls::new(&key()).expect("an upgrade");
    assert_eq!(tls.server.send_tls13_tickets, 0);
    assert!(!tls.server.session_storage.can_cache());
    assert_eq!(tls.server.max_early_data_size, 0);
    assert!(!tls.client.enable_early_data && !tls.client.enable_sni);
    for log in [&tls.server.key_log, &tls.client.key_log] {
        assert!(!log.will_log("CLIENT_TRAFFIC_SECRET_0"), "keys are never logged");
    }
}
