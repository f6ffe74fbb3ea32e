//! What proves an Ironclad webhook: an RSA signature over its id, its body and a nonce, one after the other.
//!
//! Invariant: a key, a header or a signature that makes no sense proves nothing, and panics nothing.
//! Source: <https://developer.ironcladapp.com/reference/webhook-verification>: the header is a JSON text with `nonce`,
//! `signAlgorithm`, `signature` and `encoding`; the last two in the words of the vendor's runtime.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, UnparsedPublicKey,
};

use crate::vendor::{Untrusted, json};

/// The signature in a header.
pub(crate) struct Signature {
    algorithm: &'static RsaParameters,
    nonce: String,
    bytes: Vec<u8>,
}

impl Signature {
    /// Reads the header.
    pub(crate) fn read(header: &str) -> Result<Self, Untrusted> {
        let forged = Untrusted::Forged;
        let header = json::object(header.as_bytes()).ok();
        let header = header.ok_or(forged("the verification is no JSON object"))?;
        let part = |name| json::text(&header, name);
        let algorithm = part("signAlgorithm").and_then(algorithm);
        let bytes = part("signature")
            .zip(part("encoding"))
            .and_then(|(text, encoding)| decode(text.trim(), &encoding.to_ascii_lowercase()));
        let nonce = header.get("nonce").and_then(serde_json::Value::as_str);
        Ok(Self {
            algorithm: algorithm.ok_or(forged("the algorithm is not known; sha256 is"))?,
            bytes: bytes.ok_or(forged("the signature cannot be decoded"))?,
            nonce: nonce.ok_or(forged("the verification has no nonce"))?.to_owned(),
        })
    }

    /// Tells whether the key signed this id with this body.
    pub(crate) fn covers(&self, key: &PublicKey, id: &str, body: &[u8]) -> bool {
        let signed = [id.as_bytes(), body, self.nonce.as_bytes()].concat();
        UnparsedPublicKey::new(self.algorithm, &key.0).verify(&signed, &self.bytes).is_ok()
    }
}

fn algorithm(name: &str) -> Option<&'static RsaParameters> {
    let name = name.trim().to_ascii_lowercase();
    match name.strip_prefix("rsa-").unwrap_or(&name) {
        "sha256" => Some(&RSA_PKCS1_2048_8192_SHA256),
        "sha384" => Some(&RSA_PKCS1_2048_8192_SHA384),
        "sha512" => Some(&RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

fn decode(text: &str, encoding: &str) -> Option<Vec<u8>> {
    match encoding {
        "base64" | "base64url" => {
            let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
            STANDARD_NO_PAD.decode(text).ok()
        }
        "hex" => {
            let digits: Option<Vec<u8>> = text
                .chars()
                .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
                .collect();
            let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
            Some(
                digits
                    .chunks(2)
                    .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// An RSA key: modulus and exponent, as PKCS#1 writes them.
pub(crate) struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads a key in PEM: `PUBLIC KEY`, or the bare form `RSA PUBLIC KEY`.
    pub(crate) fn read(pem: &str) -> Option<Self> {
        let (_, rest) = pem.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (text, _) = rest.split_once("-----END ")?;
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(text).ok()?;
        match label {
            "RSA PUBLIC KEY" => Some(Self(der)),
            "PUBLIC KEY" => {
                let (info, _) = element(&der, SEQUENCE)?;
                let bits = info.strip_prefix(RSA_ENCRYPTION)?;
                let (bits, _) = element(bits, BIT_STRING)?;
                // How many bits of the last byte are not used: none.
                Some(Self(bits.strip_prefix(&[0])?.to_vec()))
            }
            _ => None,
        }
    }
}

/// Takes the first element, which must be of a kind, off some DER; gives what is in it and what comes after it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[kind])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        let digits = (digits.len() <= 4).then_some(digits)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    rest.split_at_checked(length)
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// The algorithm that a key is for, as an element: RFC 8017, appendix C.
const RSA_ENCRYPTION: &[u8] =
    &[0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_cut_or_of_another_kind_is_none() {
        let pem = |label: &str, der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
        };
        let key = [&[0x30, 21][..], RSA_ENCRYPTION, &[0x03, 4, 0, 1, 2, 3]].concat();
        assert_eq!(PublicKey::read(&pem("PUBLIC KEY", &key)).unwrap().0, [1, 2, 3]);
        assert_eq!(PublicKey::read(&pem("RSA PUBLIC KEY", &[1, 2])).unwrap().0, [1, 2]);
        for cut in 0..key.len() {
            assert!(PublicKey::read(&pem("PUBLIC KEY", &key[..cut])).is_none(), "{cut}");
        }
        assert!(PublicKey::read(&pem("PRIVATE KEY", &key)).is_none());
        assert!(PublicKey::read("nonsense").is_none());
        assert!(element(&[0x30, 0xff, 1], SEQUENCE).is_none());
        assert!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 1], SEQUENCE).is_none());
    }

    #[test]
    fn signatures_are_decoded_as_their_encoding_says() {
        for (text, encoding) in [("-_8=", "base64"), ("+/8", "base64url"), ("FBff", "hex")] {
            assert_eq!(decode(text, encoding), Some(vec![0xfb, 0xff]), "{text}");
        }
        for (text, encoding) in [("F", "hex"), ("zz", "hex"), ("a", "base64"), ("", "utf8")] {
            assert_eq!(decode(text, encoding), None, "{text}");
        }
    }
}
