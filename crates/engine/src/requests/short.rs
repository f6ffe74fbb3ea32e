//! Short links: what people are sent, since it fits into a short message and says nothing about anybody.
//!
//! Invariants: a code has 100 bits that nobody guesses without the master key, and only its hash is kept; following a
//! link changes nothing, so that scanners of links leave no trace.
//! Left to others: the page behind it (`web`), what is possible there (`domain::request`).

use domain::chain::sha256;
use domain::id::{self, RequestId, SignerId};
use domain::request::{Request, State};

use super::steps::is_overdue;
use crate::Engine;
use crate::command::Refusal;

/// The characters of a code.
const CODE_CHARS: usize = 20;

/// Where a short link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// To the page of this token.
    Opened(String),
    /// To where a vendor has the person sign.
    Elsewhere(String),
    /// To a request that expired or was withdrawn.
    Over(Box<Request>),
    /// To a request that was deleted.
    Deleted,
    /// Nowhere: the code was never given out.
    Unknown,
}

impl Engine {
    /// Gives the code of a signer's short link: 20 characters of base32, the same each time, and known to nobody without
    /// the master key.
    pub fn short_code(&self, request: RequestId, signer: SignerId) -> String {
        let subject = [signer.bits().to_be_bytes(), request.bits().to_be_bytes()].concat();
        code(self.master().derive("short link", &subject))
    }

    /// Gives a signer's short link, whole.
    pub fn short_link(&self, request: RequestId, signer: SignerId) -> String {
        format!("{}/l/{}", self.public_url(), self.short_code(request, signer))
    }

    /// Finds where a short link leads, and counts it.
    pub async fn follow(&self, code: &str) -> Result<Followed, Refusal> {
        let followed = self.look_up(code).await?;
        let outcome = match &followed {
            Followed::Opened(_) | Followed::Elsewhere(_) => "opened",
            Followed::Over(_) | Followed::Deleted => "over",
            Followed::Unknown => "unknown",
        };
        self.metrics().short_link(outcome);
        tracing::debug!(outcome, "a short link was followed");
        Ok(followed)
    }

    async fn look_up(&self, code: &str) -> Result<Followed, Refusal> {
        if code.len() != CODE_CHARS {
            return Ok(Followed::Unknown);
        }
        let Some((account, link)) = self.views().link(sha256(code.as_bytes())).await? else {
            return Ok(Followed::Unknown);
        };
        let Some((request, _)) = self.views().request(account, link.request).await? else {
            return Ok(Followed::Deleted);
        };
        let is_over = matches!(request.state, State::Expired { .. } | State::Cancelled { .. });
        if is_over || is_overdue(&request, self.now()) {
            return Ok(Followed::Over(Box::new(request)));
        }
        if request.foreign.is_some() {
            let url = request.signer(link.signer).and_then(|signer| signer.foreign_url.clone());
            return Ok(url.map_or(Followed::Unknown, Followed::Elsewhere));
        }
        Ok(Followed::Opened(self.signing_token(link.request, link.signer)))
    }
}

/// Writes the first 100 bits.
fn code(bytes: [u8; 32]) -> String {
    let first = bytes.iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    // Of the 26 characters of 128 bits, those of the highest 28 bits are zeros now.
    id::encode(first >> 28).split_off(26 - CODE_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_depends_on_its_first_100_bits() {
        let zeros = code([0; 32]);
        assert_eq!(zeros, "0".repeat(CODE_CHARS));
        for bit in 0..100 {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 0x80 >> (bit % 8);
            assert_ne!(code(bytes), zeros, "bit {bit}");
        }
        assert_eq!(code([255; 32]), "z".repeat(CODE_CHARS));
    }
}
