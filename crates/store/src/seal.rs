//! Sealing of secrets at rest: AES-256-GCM under a master key.
//!
//! Invariants: every sealing has a nonce of its own; what was sealed for one purpose does not open for another.
//! Left to others: where the master key comes from (`app::config`).

use std::fmt;

use domain::id::Chance;
use domain::secret::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hmac;

use crate::error::Error;

/// What the seeds of accounts are sealed for.
pub(crate) const SEAL_ACCOUNT: &str = "account";

/// What secrets of settings are sealed for.
pub(crate) const SEAL_SETTING: &str = "setting";

/// The key that seals secrets, and from which links are derived.
#[derive(Clone)]
pub struct MasterKey {
    seal: LessSafeKey,
    derive: hmac::Key,
}

impl MasterKey {
    /// Takes 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, Error> {
        let unusable = |Unspecified| Error::Unusable {
            detail: "the master key is unusable".to_owned(),
            source: None,
        };
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let seal =
            UnboundKey::new(&AES_256_GCM, hmac::sign(&root, b"seal").as_ref()).map_err(unusable)?;
        let derive = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"derive").as_ref());
        Ok(Self { seal: LessSafeKey::new(seal), derive })
    }

    /// Derives 32 bytes for a purpose, the same each time.
    pub fn derive(&self, purpose: &str, subject: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.derive);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(subject);
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// Seals a text for a purpose.
    pub fn seal(
        &self,
        purpose: &str,
        text: &str,
        chance: &mut dyn Chance,
    ) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_LEN];
        chance.fill(&mut nonce);
        let mut sealed = text.as_bytes().to_vec();
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut sealed,
            )
            .map_err(|Unspecified| Error::Unusable {
                detail: "a secret could not be sealed".to_owned(),
                source: None,
            })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`MasterKey::seal`] made for the same purpose; `None` when key, purpose or bytes differ.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = rest.to_vec();
        let text = self.seal.open_in_place(nonce, Aad::from(purpose), &mut bytes).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

impl MasterKey {
    /// Opens the secrets of a setting.
    pub(crate) fn open_setting(&self, name: &str, sealed: &[u8]) -> Result<Secret, Error> {
        self.open(SEAL_SETTING, sealed).map(Secret::new).ok_or_else(|| Error::Unusable {
            detail: format!(
                "the secrets of setting {name} do not open: the master key is not the one they were sealed with"
            ),
            source: None,
        })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Counter(u8);

    impl Chance for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_secret_opens_only_with_its_key_and_purpose() {
        let key = MasterKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("endpoint", "whsec_x", &mut Counter(0)).unwrap();
        assert_eq!(key.open("endpoint", &sealed).as_deref(), Some("whsec_x"));
        assert_eq!(key.open("account", &sealed), None);
        assert_eq!(MasterKey::new(&[8; 32]).unwrap().open("endpoint", &sealed), None);
        assert_eq!(key.open("endpoint", b"short"), None);
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let key = MasterKey::new(&[7; 32]).unwrap();
        let mut chance = Counter(0);
        assert_ne!(
            key.seal("a", "x", &mut chance).unwrap(),
            key.seal("a", "x", &mut chance).unwrap()
        );
    }
}
