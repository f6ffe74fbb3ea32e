//! URLs that are their own proof: an account, what of it, and that both belong together.
//!
//! Invariants: the same each time, and known to nobody without the master key; compared in constant time.
//! Left to others: what lies behind one (`feedback`, `intake`).

use domain::id::{self, AccountId};
use domain::secret::Secret;

use crate::Engine;

/// The characters of each of the three parts of a token.
const PART_CHARS: usize = 26;

impl Engine {
    /// Writes the token for a purpose: both ids, and a proof that they belong together and are ours.
    pub(crate) fn door_token(&self, purpose: &str, account: AccountId, what: u128) -> String {
        let subject = [account.bits().to_be_bytes(), what.to_be_bytes()].concat();
        let proof = half(self.master().derive(purpose, &subject));
        [account.bits(), what, proof].map(id::encode).concat()
    }

    /// Reads a token for a purpose; `None` if it is not ours.
    pub(crate) fn read_door_token(&self, purpose: &str, token: &str) -> Option<(AccountId, u128)> {
        let (account, what) = (AccountId::new(part(token, 0)?), door_subject(token)?);
        let is_ours = Secret::new(token) == Secret::new(self.door_token(purpose, account, what));
        is_ours.then_some((account, what))
    }
}

/// Reads what a token says that it is for, whoever wrote it.
pub(crate) fn door_subject(token: &str) -> Option<u128> {
    part(token, 1)
}

fn part(token: &str, at: usize) -> Option<u128> {
    id::decode(token.get(at * PART_CHARS..(at + 1) * PART_CHARS)?)
}

/// Gives the first half of a hash as a number.
pub(crate) fn half(hash: [u8; 32]) -> u128 {
    hash.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}
