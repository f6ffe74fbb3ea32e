//! Return paths: the addresses that servers report to, each of one mail, with a proof that we wrote it.
//!
//! Invariants: the same key and mail give the same address; nobody without the key writes one, so a mail that came to
//! such an address comes from somebody who had that mail in their hands; proofs are compared in constant time.
//! Left to others: where the key comes from (`engine`), taking mails in (`web`), reading them (`report`).

use std::fmt::{self, Debug, Formatter};

use domain::id;
use domain::secret::Secret;
use ring::hmac;

use crate::address;

/// Writes return paths and knows its own again: `b+KEY+PROOF@DOMAIN`.
pub struct ReturnPaths {
    key: hmac::Key,
}

impl Debug for ReturnPaths {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ReturnPaths(…)")
    }
}

impl ReturnPaths {
    /// Takes 32 bytes that nobody else has.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Writes the return path of the mail with that key: of a notice's id, 49 characters before the `@`.
    pub fn write(&self, key: &str, domain: &str) -> String {
        format!("b+{key}+{}@{domain}", self.proof(key))
    }

    /// Gives the key of the mail whose return path this is, at whatever domain; `None` where we did not write it.
    pub fn key_of<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (local, _) = address.rsplit_once('@')?;
        let (key, proof) = local.strip_prefix("b+")?.split_once('+')?;
        let is_ours = address::is_key(key) && Secret::new(proof) == Secret::new(self.proof(key));
        is_ours.then_some(key)
    }

    /// Writes 80 bits as 16 characters, in lower case: some servers fold what stands before the `@`.
    fn proof(&self, key: &str) -> String {
        let tag = hmac::sign(&self.key, key.as_bytes());
        let first = tag.as_ref().iter().take(16);
        let first = first.fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        id::encode(first >> 48).split_off(10)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ntc_01h455vb4pex5vsknk084sn02q";

    #[test]
    fn what_we_wrote_is_known_again_at_any_domain() {
        let paths = ReturnPaths::new(&[1; 32]);
        let path = paths.write(KEY, "bounces.example.com");
        assert_eq!(path.split_once('@').unwrap().0.len(), 49);
        assert_eq!(paths.key_of(&path), Some(KEY));
        let elsewhere = path.replace("@bounces.example.com", "@[192.0.2.1]");
        assert_eq!(paths.key_of(&elsewhere), Some(KEY));
        assert_eq!(ReturnPaths::new(&[2; 32]).key_of(&path), None, "another key");
    }

    #[test]
    fn each_character_of_an_address_counts() {
        let paths = ReturnPaths::new(&[1; 32]);
        let path = paths.write(KEY, "");
        for at in 0..path.len() {
            let mut forged = path.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(paths.key_of(&forged), None, "{forged}");
        }
        for forged in ["", "@", "b+@", "b++@", "b+ntc_1@example.com", &path.replace('+', "")] {
            assert_eq!(paths.key_of(forged), None, "{forged}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_address_none_is_ours(address in "(b\\+)?\\PC{0,60}(@\\PC{0,9})?") {
            prop_assert_eq!(ReturnPaths::new(&[1; 32]).key_of(&address), None);
        }
    }
}
