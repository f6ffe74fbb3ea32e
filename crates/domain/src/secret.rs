//! Things that must not be seen.
//!
//! Invariant: a secret has no `Debug` text, no `Serialize`, and compares in constant time.
//! Left to others: sealing at rest (`store`).

use std::fmt;

use subtle::ConstantTimeEq;

/// A text that is shown nowhere unless somebody says [`Secret::expose`].
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text. The name is meant to be seen in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Shows the last four characters of a long secret, and nothing of a short one.
    pub fn masked(&self) -> String {
        let count = self.0.chars().count();
        let tail: String =
            if count >= 12 { self.0.chars().skip(count - 4).collect() } else { String::new() };
        format!("…{tail}")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret::new("whsec_0123456789abcdef");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.masked(), "…cdef");
        assert_eq!(Secret::new("short").masked(), "…");
    }
}
