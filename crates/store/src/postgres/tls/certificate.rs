//! A certificate's digest, to which a proof of the password is bound (RFC 5929, `tls-server-end-point`).
//!
//! Invariant: whatever the bytes, there is a digest or there is none.

use ring::digest::{self, Algorithm, SHA256, SHA384, SHA512};

/// Signature algorithms by their object identifiers (DER), and what they digest with. MD5 and SHA-1 count as SHA-256.
const ALGORITHMS: [(&[u8], &Algorithm); 9] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], &SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], &SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], &SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], &SHA384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], &SHA512),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], &SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], &SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], &SHA384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], &SHA512),
];
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// Digests a certificate (DER) with the digest of its own signature. `None` when that has no digest of its own, or is not
/// known.
pub(super) fn digest(certificate: &[u8]) -> Option<Vec<u8>> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (_signed, rest) = element(whole, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (name, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    let (_, with) = ALGORITHMS.iter().find(|(known, _)| *known == name)?;
    Some(digest::digest(with, certificate).as_ref().to_vec())
}

/// Reads an element of a kind: what it holds, and what follows it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk()?;
    if found != kind {
        return None;
    }
    if length < 0x80 {
        return rest.split_at_checked(usize::from(length));
    }
    let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    let length = length
        .iter()
        .try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn certificate() -> Vec<u8> {
        let pem = include_bytes!("../../../fixtures/localhost.pem");
        CertificateDer::from_pem_slice(pem).unwrap().to_vec()
    }

    #[test]
    fn a_certificate_is_digested_as_its_signature_is() {
        let certificate = certificate();
        let expected = digest::digest(&SHA256, &certificate).as_ref().to_vec();
        assert_eq!(digest(&certificate), Some(expected));
    }

    #[test]
    fn what_is_no_certificate_has_no_digest() {
        let mut bytes = certificate();
        for end in 0..bytes.len() {
            assert_eq!(digest(&bytes[..end]), None, "{end}");
        }
        for at in 0..64 {
            bytes[at] ^= 0xff;
            drop(digest(&bytes));
        }
        assert_eq!(digest(&[SEQUENCE, 0xff, 0xff]), None);
    }
}
