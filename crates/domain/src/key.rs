//! API keys: what they may do.
//!
//! Invariant: only the hash of a key is kept; the key itself is shown once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::chain::{Hash, sha256};
use crate::id::{self, AccountId, Chance, KeyId};
use crate::secret::Secret;
use crate::time::Timestamp;

/// A key to the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// The owner's name for it.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Its last four characters, to tell it from others.
    pub hint: String,
    /// The SHA-256 of the key.
    pub hash: Hash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read and write requests.
    Requests,
    /// Act on behalf of signers.
    Signing,
    /// Read and write contacts.
    Contacts,
    /// Read and write endpoints and replays.
    Endpoints,
    /// Post events of the account's own, and read the log.
    Events,
    /// Read, retry and cancel deliveries.
    Deliveries,
    /// Make and revoke keys.
    Keys,
    /// See figures, and move the test clock.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::Requests,
        Self::Signing,
        Self::Contacts,
        Self::Endpoints,
        Self::Events,
        Self::Deliveries,
        Self::Keys,
        Self::Admin,
    ];

    /// Names the scope as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Signing => "signing",
            Self::Contacts => "contacts",
            Self::Endpoints => "endpoints",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Keys => "keys",
            Self::Admin => "admin",
        }
    }
}

/// What every key starts with.
pub const PREFIX: &str = "cs_";
/// The fewest characters of a key that an operator chooses.
pub const CHARS_MIN: usize = 32;

impl Key {
    /// Tells whether the key works.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Tells whether the key may do that.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Draws a new key of 160 bits.
pub fn draw(chance: &mut dyn Chance) -> Secret {
    let mut bytes = [0_u8; 32];
    chance.fill(&mut bytes);
    let (high, low) = (u128::from_be_bytes(half(&bytes, 0)), u128::from_be_bytes(half(&bytes, 16)));
    Secret::new(format!("{PREFIX}{}{}", id::encode(high), id::encode(low)))
}

fn half(bytes: &[u8; 32], from: usize) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(bytes.iter().skip(from)).for_each(|(to, byte)| *to = *byte);
    out
}

/// Gives the hash a key is known by.
pub fn hash(key: &str) -> Hash {
    Hash(sha256(key.as_bytes()))
}
