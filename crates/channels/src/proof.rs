//! What proofs of providers are made of: authentication codes, digests, texts of bytes, windows of time.
//!
//! Invariants: whatever is compared with a secret is compared in constant time; bytes that make no sense are `None` or
//! `false`, never a panic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use domain::time::Timestamp;
use ring::{digest, hmac};

/// Tells whether a code is the HMAC-SHA256 of these parts, one after the other.
pub(crate) fn is_hmac_sha256(key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat(), code).is_ok()
}

/// Tells whether a text is the secret.
pub(crate) fn is_secret(secret: &str, text: &str) -> bool {
    Secret::new(secret) == Secret::new(text)
}

/// Gives the SHA-256 of some bytes in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Gives one id for a list of texts, so that no two lists share one.
pub(crate) fn id_of(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| format!("{}:{part},", part.len())).collect();
    sha256_hex(parts.concat().as_bytes()).chars().take(ID_CHARS).collect()
}

/// 128 bits.
const ID_CHARS: usize = 32;

/// Writes bytes in hexadecimal, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads bytes from hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok()))
        .collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len().is_multiple_of(2))?;
    Some(
        nibbles
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |all, one| all << 4 | one))
            .collect(),
    )
}

/// Writes bytes in Base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads bytes from Base64.
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// Tells whether a moment lies in the window of time around now: at most `past_s` ago, and at most five minutes ahead.
pub(crate) fn is_timely(now: Timestamp, at: Timestamp, past_s: i64) -> bool {
    now <= at.plus_seconds(past_s) && at <= now.plus_seconds(WINDOW_S)
}

/// How far clocks may differ, and how old a proof may be that its maker renews with each try. Where a proof is as old
/// as the first try, the window is as long as the provider goes on trying: nothing that was said again is lost, and what
/// somebody else repeats has the same event id and changes nothing.
pub(crate) const WINDOW_S: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_hexadecimal_and_nonsense_does_not() {
        assert_eq!(
            unhex(&hex(&[0, 9, 0xa0, 0xff])).as_deref(),
            Some([0, 9, 0xa0, 0xff].as_slice())
        );
        for text in ["0", "0g", "é1", "+1"] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn a_window_is_closed_on_both_sides() {
        let at = Timestamp::from_millis(1_000_000_000_000);
        for (later_s, timely) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)]
        {
            assert_eq!(is_timely(at.plus_seconds(later_s), at, WINDOW_S), timely, "{later_s}");
        }
    }

    #[test]
    fn lists_of_texts_do_not_share_an_id() {
        assert_ne!(id_of(&["ab", "c"]), id_of(&["a", "bc"]));
        assert_eq!(id_of(&["a"]).len(), ID_CHARS);
    }
}
