//! One key, two libraries: the node's Ed25519 key as libp2p sees it.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::PublicKey;
use libp2p::PeerId;
use libp2p::identity::{Keypair, ed25519};
use zeroize::Zeroizing;

/// The node's key pair for the transport.
///
/// # Errors
/// libp2p does not take the bytes; it takes any 32.
pub(in crate::shell) fn keypair(
    key: &SigningKey,
) -> Result<Keypair, libp2p::identity::DecodingError> {
    let mut seed = Zeroizing::new(key.to_bytes());
    let secret = ed25519::SecretKey::try_from_bytes(&mut *seed)?;
    Ok(ed25519::Keypair::from(secret).into())
}

/// The key behind a peer id. None if it is of another kind, or a weak one.
pub(in crate::shell) fn public_key(peer: &PeerId) -> Option<PublicKey> {
    // An Ed25519 peer id holds the key itself: an identity multihash over its protobuf form.
    let digest = peer.as_ref().digest();
    let key = libp2p::identity::PublicKey::try_decode_protobuf(digest).ok()?;
    PublicKey::from_bytes(key.try_into_ed25519().ok()?.to_bytes()).ok()
}

/// The peer id of a key. None only if libp2p does not take a key that we hold for valid.
pub(in crate::shell) fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_peer_ids_name_each_other() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = PublicKey::of(&key);
        let peer = keypair(&key).expect("a key pair").public().to_peer_id();
        assert_eq!(peer_id(&public), Some(peer));
        assert_eq!(public_key(&peer), Some(public));
    }
}
