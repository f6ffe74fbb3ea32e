//! Accounts and their API keys.
//!
//! Invariant: the text of a key is never kept, only its hash.
//! Left to others: what a key may do (`domain::key`), asking for one (`web::auth`), where the bootstrap key comes from (`app`).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::{AccountId, KeyId};
use domain::key::{self, Key, Scope};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde::Deserialize;
use store::{Account, Commit, Write};

use crate::Engine;
use crate::check::{self, Flaws};
use crate::command::{Flaw, Once, Refusal};

/// A key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NewKey {
    /// The owner's name for it, 1 to 200 characters.
    pub name: String,
    /// What it may do; at least one.
    pub scopes: BTreeSet<Scope>,
    /// When it stops working: in the future, at most 10 years away.
    pub expires_at: Option<Timestamp>,
}

impl Engine {
    /// Makes a key. Its text is given here and never again.
    pub async fn create_key(
        &self,
        account: AccountId,
        input: NewKey,
    ) -> Result<(Key, Secret), Refusal> {
        let now = self.now();
        let NewKey { name, scopes, expires_at } = input;
        let mut flaws = Flaws::default();
        let name = flaws.take("name", check::line(&name, check::LINE_CHARS_MAX));
        let expires_at = flaws.take("expires_at", check::future(expires_at, now));
        if scopes.is_empty() {
            flaws.note("scopes", format!("expected at least one of {}", scope_names()));
        }
        flaws.none()?;
        let text = self.with_chance(key::draw);
        let id = KeyId::new(self.mint(now));
        let key = fresh((account, id), NewKey { name, scopes, expires_at }, &text, now);
        self.commit_key(account, Write::Key(key.clone())).await?;
        Ok((key, text))
    }

    /// Takes a key back. One that was taken back before stays as it is.
    pub async fn revoke_key(&self, account: AccountId, id: KeyId) -> Result<Key, Refusal> {
        let found = self.views().key(account, id).await?;
        let key = found.ok_or(Refusal::NotFound { what: "key" })?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let key = Key { revoked_at: Some(self.now()), ..key };
        self.commit_key(account, Write::Key(key.clone())).await?;
        Ok(key)
    }

    /// Finds the account of a name, or makes it.
    pub async fn ensure_account(&self, name: &str) -> Result<AccountId, Refusal> {
        let name = check::sole("name", check::line(name, check::LINE_CHARS_MAX))?;
        if let Some(id) = self.account_named(&name).await? {
            return Ok(id);
        }
        let now = self.now();
        let mut seed = [0; 32];
        self.with_chance(|chance| chance.fill(&mut seed));
        let id = AccountId::new(self.mint(now));
        let signing_seed = Secret::new(STANDARD.encode(seed));
        let account = Account { id, name: name.clone(), signing_seed, created_at: now };
        self.commit_key(id, Write::Account(account)).await?;
        // Somebody else may have made it in between, under another id.
        self.account_named(&name).await?.ok_or(Refusal::NotFound { what: "account" })
    }

    /// Lets a key of the operator's own choosing in, with all scopes; doing it again changes nothing.
    pub async fn install_key(
        &self,
        account: AccountId,
        text: &Secret,
        name: &str,
    ) -> Result<Key, Refusal> {
        let chars = text.expose().chars().count();
        if !(key::CHARS_MIN..=KEY_CHARS_MAX).contains(&chars) {
            let message = format!("expected {} to {KEY_CHARS_MAX} characters", key::CHARS_MIN);
            return Err(Refusal::Invalid(vec![Flaw::new("key", message)]));
        }
        let now = self.now();
        if let Some(known) = self.key_of(text.expose()).await? {
            if known.account == account && known.is_valid(now) {
                return Ok(known);
            }
            let message =
                "the key was revoked, has expired, or belongs to another account".to_owned();
            return Err(Refusal::Impossible { message, possible: Vec::new() });
        }
        let name = check::sole("name", check::line(name, check::LINE_CHARS_MAX))?;
        let input = NewKey { name, scopes: Scope::ALL.into(), expires_at: None };
        let key = fresh((account, KeyId::new(self.mint(now))), input, text, now);
        self.commit_key(account, Write::Key(key)).await?;
        // Somebody else may have let it in at the same moment, under another id.
        self.key_of(text.expose()).await?.ok_or(Refusal::Contended { what: "key" })
    }

    /// Finds the key of a text, revoked and expired ones too: the caller asks [`Key::is_valid`].
    pub async fn key_of(&self, text: &str) -> Result<Option<Key>, Refusal> {
        if text.len() > KEY_CHARS_MAX {
            return Ok(None);
        }
        Ok(self.views().key_by_hash(key::hash(text)).await?)
    }

    async fn account_named(&self, name: &str) -> Result<Option<AccountId>, Refusal> {
        let accounts = self.views().accounts().await?;
        Ok(accounts.into_iter().find(|account| account.name == name).map(|account| account.id))
    }

    async fn commit_key(&self, account: AccountId, write: Write) -> Result<(), Refusal> {
        let commit = Commit { writes: vec![write], ..Commit::new(account, self.now()) };
        let unkept = Once::<Key>::unkept();
        self.commit(commit).await.map(drop).map_err(|fault| unkept.refusal(fault))
    }
}

fn fresh(ids: (AccountId, KeyId), input: NewKey, text: &Secret, now: Timestamp) -> Key {
    let (account, id) = ids;
    let NewKey { name, scopes, expires_at } = input;
    let tail = text.expose().char_indices().rev().nth(HINT_CHARS - 1);
    let hint = tail.and_then(|(from, _)| text.expose().get(from..)).unwrap_or_default();
    Key {
        id,
        account,
        name,
        scopes,
        hint: hint.to_owned(),
        hash: key::hash(text.expose()),
        created_at: now,
        expires_at,
        revoked_at: None,
    }
}

fn scope_names() -> String {
    Scope::ALL.map(Scope::as_str).join(", ")
}

/// The most characters of a key that an operator chooses.
const KEY_CHARS_MAX: usize = 256;
const HINT_CHARS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_hash_and_its_last_characters_alone() {
        let text = Secret::new("cs_0123456789012345678901234567wxyz");
        let input = NewKey {
            name: "ci".to_owned(),
            scopes: Scope::ALL.into(),
            expires_at: Some(Timestamp::from_millis(9)),
        };
        let key =
            fresh((AccountId::new(1), KeyId::new(2)), input, &text, Timestamp::from_millis(1));
        assert_eq!((key.hint.as_str(), key.hash), ("wxyz", key::hash(text.expose())));
        assert_eq!(key.expires_at, Some(Timestamp::from_millis(9)));
    }
}
