//! Certificates for one run: an authority, a server and a client, ECDSA on P-256.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let mut authority = named("gearmesh bench", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    fs::write(folder.join("ca.pem"), authority.pem())?;

    let leaves = [
        ("server", ExtendedKeyUsagePurpose::ServerAuth, &["localhost", "127.0.0.1"][..]),
        ("client", ExtendedKeyUsagePurpose::ClientAuth, &[]),
    ];
    for (name, purpose, hosts) in leaves {
        let mut leaf = named(name, hosts)?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        fs::write(folder.join(format!("{name}.pem")), leaf.signed_by(&key, &authority)?.pem())?;
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
    }
    Ok(())
}

fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn everything_a_run_needs_is_written() {
        let folder = tempfile::TempDir::new().unwrap();
        write(folder.path()).unwrap();
        for name in ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"] {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.starts_with("-----BEGIN"), "{name}");
        }
    }
}
