//! What proves where a message comes from: HMAC-SHA256 with an endpoint's secrets, Ed25519 with the account's key, RSA with
//! that of the service, a secret that came along.
//!
//! Invariants: a key has no `Debug` text; the same message and key give the same signature; secrets are compared in constant
//! time.
//! Left to others: drawing keys (`engine`), sealing them (`store`), how each vendor proves what it says
//! ([`crate::vendor`](mod@crate::vendor)).

mod rsa;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::chain::sha256;
use domain::secret::Secret;
use ring::error::KeyRejected;
use ring::hmac::{self, HMAC_SHA256};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::error::BadSecret;

pub use crate::proof::rsa::{BadRsaKey, RsaKey};

/// What the text form of a signing secret starts with.
///
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
pub const SECRET_PREFIX: &str = "whsec_";

/// The fewest bytes of a signing secret. Source: the same page ("between 24 bytes and 64 bytes").
pub const SECRET_BYTES_MIN: usize = 24;
/// The most bytes of a signing secret.
pub const SECRET_BYTES_MAX: usize = 64;

/// Reads the key out of the text form of a signing secret.
pub fn decode_secret(secret: &Secret) -> Result<Vec<u8>, BadSecret> {
    let text = secret.expose().strip_prefix(SECRET_PREFIX).ok_or(BadSecret::Prefix)?;
    let key = STANDARD.decode(text).ok().ok_or(BadSecret::Base64)?;
    if (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&key.len()) {
        Ok(key)
    } else {
        Err(BadSecret::Length { bytes: key.len() })
    }
}

/// Writes drawn bytes as a signing secret.
pub fn encode_secret(key: &[u8]) -> Secret {
    Secret::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(key)))
}

/// Adds the base64 of the HMAC-SHA256 over the parts, one after the other, to a text.
pub(crate) fn push_hmac(out: &mut String, key: &[u8], parts: &[&[u8]]) {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    STANDARD.encode_string(context.sign(), out);
}

/// Tells whether a text is the secret.
pub(crate) fn is_secret(secret: &Secret, text: &str) -> bool {
    *secret == Secret::new(text)
}

/// An account's Ed25519 key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

/// A key that is none, or does not fit its public half.
#[derive(Debug, thiserror::Error)]
#[error("the ed25519 key cannot be used")]
pub struct BadKey {
    /// What the library says.
    source: KeyRejected,
}

impl SigningKey {
    /// Reads a key in PKCS#8, with or without its public half.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        pair.map(|pair| Self { pair }).map_err(|source| BadKey { source })
    }

    /// Makes a key of 32 bytes that nobody can foretell.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        pair.map(|pair| Self { pair }).map_err(|source| BadKey { source })
    }

    /// Signs a message: 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// Gives the public half: 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Gives the public half as a JSON Web Key, its thumbprint as the key id.
    ///
    /// Source: RFC 8037, section 2, and appendix A.3 for the thumbprint (RFC 7638).
    pub fn public_jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.public_key());
        // The thumbprint is over these members alone, in the order of their names.
        let thumbprint = sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes());
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": x,
            "kid": URL_SAFE_NO_PAD.encode(thumbprint),
            "use": "sig",
            "alg": "EdDSA",
        })
    }

    /// Adds the base64 of the signature over a message to a text.
    pub(crate) fn push_signature(&self, out: &mut String, message: &[u8]) {
        STANDARD.encode_string(self.pair.sign(message), out);
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A.
    fn key_of_the_rfc() -> SigningKey {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        SigningKey::from_seed(&seed.try_into().unwrap()).unwrap()
    }

    #[test]
    fn the_jwk_of_the_rfc_is_given() {
        let jwk = key_of_the_rfc().public_jwk();
        assert_eq!(jwk.get("x"), Some(&json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")));
        assert_eq!(jwk.get("kid"), Some(&json!("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")));
    }

    #[test]
    fn a_key_never_shows_itself() {
        assert_eq!(format!("{:?}", key_of_the_rfc()), "SigningKey(…)");
    }

    #[test]
    fn a_key_without_its_public_half_is_read() {
        // PKCS#8 version 1, as OpenSSL writes it: a fixed head and the seed.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend_from_slice(&[7; 32]);
        let read = SigningKey::from_pkcs8(&der).unwrap();
        assert_eq!(read.public_key(), SigningKey::from_seed(&[7; 32]).unwrap().public_key());
        assert!(SigningKey::from_pkcs8(b"nonsense").is_err());
    }

    #[test]
    fn a_secret_is_base64_of_enough_bytes() {
        let check = |text: &str| decode_secret(&Secret::new(text));
        assert_eq!(decode_secret(&encode_secret(&[7; 32])), Ok(vec![7; 32]));
        assert_eq!(check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Err(BadSecret::Prefix));
        assert_eq!(check("whsec_not base64"), Err(BadSecret::Base64));
        assert_eq!(check("whsec_AAAA"), Err(BadSecret::Length { bytes: 3 }));
    }
}
