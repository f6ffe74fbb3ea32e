//! JSON Web Tokens, as far as services use them: proven with a shared secret, made with an RSA key.
//!
//! Invariants: the algorithm is one that the caller allows, never what the token asks for; signatures are compared in
//! constant time; the same claims and key give the same token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// Algorithms with a shared secret, by their names in tokens.
pub(crate) const HS: &[(&str, hmac::Algorithm)] =
    &[("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];

/// Proves a token, and gives its claims. The times in it are the caller's to look at.
pub(crate) fn claims(
    token: &str,
    secret: &str,
    allowed: &[(&str, hmac::Algorithm)],
) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = decoded(header)?;
    let name = header.get("alg")?.as_str()?;
    let (_, algorithm) = allowed.iter().find(|(known, _)| *known == name)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = hmac::Key::new(*algorithm, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &signature).ok()?;
    decoded(claims)
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Reads an RSA key in PEM, PKCS#8 or PKCS#1, of 2,048 to 4,096 bits.
pub(crate) fn rsa_key(pem: &str) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        PrivateKeyDer::Sec1(_) | _ => None,
    }
}

/// Makes a token by RS256.
pub(crate) fn signed(key: &RsaKeyPair, claims: &Value) -> Option<String> {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "typ": "JWT", "alg": "RS256" });
    let text = format!("{}.{}", encoded(&header), encoded(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    // The chance only hides the time that signing takes; it does not come into the signature.
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
