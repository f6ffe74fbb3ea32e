//! Ids of the forms that vendors use, derived from ours.
//!
//! Invariants: the same input gives the same id for ever; ids of different purposes do not collide but by chance.

use domain::chain::sha256;
use domain::id::AccountId;

/// Derives bytes for a purpose from an account, and a text within it.
pub(crate) fn bytes(purpose: &str, account: AccountId, text: &str) -> [u8; 32] {
    let mut input = Vec::with_capacity(purpose.len() + text.len() + 17);
    input.extend_from_slice(purpose.as_bytes());
    input.push(0);
    input.extend_from_slice(&account.bits().to_be_bytes());
    input.extend_from_slice(text.to_lowercase().as_bytes());
    sha256(&input)
}

/// Derives 128 bits.
pub(crate) fn bits(purpose: &str, account: AccountId, text: &str) -> u128 {
    let bytes = bytes(purpose, account, text);
    bytes.iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// Derives an integer from 1 to 2,147,483,647.
pub(crate) fn integer(purpose: &str, account: AccountId, text: &str) -> u32 {
    let bits = bits(purpose, account, text) & 0x7fff_ffff;
    u32::try_from(bits).unwrap_or(1).max(1)
}

/// Derives a GUID, marked as one of the version for private derivations (8).
pub(crate) fn guid(purpose: &str, account: AccountId) -> String {
    let marks = (0xf << 76) | (0b11 << 62);
    guid_of((bits(purpose, account, "") & !marks) | (8 << 76) | (0b10 << 62))
}

/// Writes 128 bits as a GUID: lower case, with hyphens.
pub(crate) fn guid_of(bits: u128) -> String {
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xffff,
        (bits >> 48) & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_written_as_a_guid() {
        assert_eq!(
            guid_of(0x7bfa_100a_f52c_4915_b25d_210e_6bb8_2f48),
            "7bfa100a-f52c-4915-b25d-210e6bb82f48"
        );
        assert_eq!(guid_of(0), "00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn a_derived_guid_says_that_it_is_derived() {
        let guid = guid("user", AccountId::new(7));
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.get(14..15), Some("8"));
        assert!(matches!(guid.get(19..20), Some("8" | "9" | "a" | "b")));
    }

    #[test]
    fn a_mail_address_is_the_same_in_either_case() {
        let account = AccountId::new(7);
        assert_eq!(
            integer("user", account, "A@example.com"),
            integer("user", account, "a@example.com")
        );
        assert_ne!(integer("user", account, "a"), integer("site", account, "a"));
    }
}
