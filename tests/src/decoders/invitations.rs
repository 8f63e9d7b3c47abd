//! Invitation codes, as people type them.

use std::net::{IpAddr, SocketAddr};

use gearmesh_protocol::invite::{CODE_ADDRESSES_MAX, Code, FINGERPRINT_BYTES, PREFIX, SEED_BYTES};

/// The digits of docs/wire.md.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A code has one spelling apart from what people may write in two ways; and whatever stands behind
/// a right checksum is read exactly if it is a code.
pub fn code(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(code) = text.parse::<Code>()
    {
        assert_eq!(code.to_text(), plainly(text));
        check_code(&code);
    }
    let text = with_checksum(bytes);
    let addresses = bytes.get(FINGERPRINT_BYTES + SEED_BYTES..).and_then(addresses);
    match text.parse::<Code>() {
        Ok(code) => {
            assert_eq!(Some(code.addresses()), addresses.as_deref());
            assert!(code.to_text() == text, "a second form was read");
            check_code(&code);
        }
        Err(error) => assert!(addresses.is_none(), "{error}: {text}"),
    }
}

fn check_code(code: &Code) {
    assert!(code.addresses().len() <= CODE_ADDRESSES_MAX, "{:?}", code.addresses());
    assert!(code.to_text().parse::<Code>().is_ok_and(|read| read == *code));
}

/// The text without what makes no difference.
fn plainly(text: &str) -> String {
    let digits = text.trim()[PREFIX.len()..].to_ascii_lowercase();
    let digits = digits.replace('-', "").replace('o', "0").replace(['i', 'l'], "1");
    format!("{PREFIX}{digits}")
}

/// A code of these bytes behind their checksum, in base 32.
fn with_checksum(body: &[u8]) -> String {
    let sum = blake3::derive_key("gearmesh 2026 code checksum v1", body);
    let bytes = [&sum[..4], body].concat();
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digits = bits.chunks(5).map(|group| {
        let number = (0..5).fold(0, |number, at| number << 1 | group.get(at).unwrap_or(&0));
        char::from(DIGITS[usize::from(number)])
    });
    PREFIX.chars().chain(digits).collect()
}

/// What stands behind the secret, if it is addresses and nothing else.
fn addresses(mut rest: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut found = Vec::new();
    while let Some((family, tail)) = rest.split_first() {
        let length = match family {
            4 => 4,
            6 => 16,
            _ => return None,
        };
        let (ip, tail) = tail.split_at_checked(length)?;
        let (port, tail) = tail.split_first_chunk()?;
        let ip = match <[u8; 4]>::try_from(ip) {
            Ok(octets) => IpAddr::from(octets),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        };
        found.push(SocketAddr::new(ip, u16::from_be_bytes(*port)));
        rest = tail;
    }
    (found.len() <= CODE_ADDRESSES_MAX).then_some(found)
}
