//! Tokens that stand for a key for an hour, as OAuth hands them out.
//!
//! A token says which key it stands for and until when, and proves that we said so; no row is kept of it. It works while its
//! key does.
//!
//! Invariants: a token may do at most what its key may, and never make keys; whoever reads the store cannot make one, since
//! the proof is by the master key.
//! Left to others: who asks for one, and how (`web`).

use domain::id::{AccountId, KeyId};
use domain::key::{self, Key, Scope};
use domain::secret::Secret;
use domain::time::{HOUR_MS, SECOND_MS, Timestamp};

use crate::Engine;
use crate::command::Refusal;

/// What every token starts with; keys start otherwise.
const PREFIX: &str = "cst_";
/// How long a token works.
const LIFETIME_MS: i64 = HOUR_MS;
/// What a token may do, if its key may.
const SCOPES: [Scope; 3] = [Scope::Requests, Scope::Signing, Scope::Endpoints];

/// A token, and for how long it works.
#[derive(Debug)]
pub struct Token {
    /// Its text.
    pub text: Secret,
    /// For how many seconds it works, from now: at most 3,600.
    pub expires_in_s: i64,
}

/// Tells whether a text says that it is a token.
pub fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Engine {
    /// Makes a token for who has a key and says which; `None` where that is not the key's id, or the key does not work.
    pub async fn issue_token(&self, id: &str, secret: &str) -> Result<Option<Token>, Refusal> {
        let now = self.now();
        let Some(key) = self.key_of(secret).await? else { return Ok(None) };
        if key.id.to_string() != id || !key.is_valid(now) {
            return Ok(None);
        }
        let end = now.plus_millis(LIFETIME_MS);
        let end = key.expires_at.map_or(end, |of_key| of_key.min(end));
        let proof = self.door_token(&purpose(end), key.account, key.id.bits());
        let text = Secret::new(format!("{PREFIX}{}_{proof}", end.as_millis()));
        Ok(Some(Token { text, expires_in_s: end.millis_since(now) / SECOND_MS }))
    }

    /// Finds the key that a token stands for, as far as the token goes; revoked and expired ones too, as [`Engine::key_of`].
    pub async fn key_of_token(&self, text: &str) -> Result<Option<Key>, Refusal> {
        let Some((account, id, end)) = self.proven(text) else { return Ok(None) };
        let Some(key) = self.views().key(account, id).await? else { return Ok(None) };
        let scopes = key.scopes.iter().copied().filter(|scope| SCOPES.contains(scope)).collect();
        let end = key.expires_at.map_or(end, |of_key| of_key.min(end));
        Ok(Some(Key { scopes, expires_at: Some(end), hash: key::hash(text), ..key }))
    }

    /// Reads what a token says, if we said so.
    fn proven(&self, text: &str) -> Option<(AccountId, KeyId, Timestamp)> {
        let (end, proof) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let end = Timestamp::from_millis(end.parse().ok()?);
        let (account, id) = self.read_door_token(&purpose(end), proof)?;
        Some((account, KeyId::new(id), end))
    }
}

/// Says what is proven: that it is a token, and until when.
fn purpose(end: Timestamp) -> String {
    format!("token until {}", end.as_millis())
}
