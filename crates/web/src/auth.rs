//! Who calls: keys, tokens that stand for one, and what they may do.
//!
//! Invariants: a key counts for at most [`KEPT_MS`] after it was read, and is read anew after every change made here;
//! the text of a key is never kept, only its hash.
//! Left to others: making and revoking keys (`engine::keys`), tokens (`engine::tokens`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::rejection::PathRejection;
use axum::extract::{self, FromRequestParts};
use domain::id::AccountId;
use domain::key::{self, Key, Scope};
use domain::time::{SECOND_MS, Timestamp};
use engine::problem::Problem as Page;
use engine::tokens::is_token;
use engine::{Engine, Flaw};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use crate::problem::{Halt, Problem};
use crate::state::State;

/// Who calls the API, and what is asked for beside the body.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) state: State,
    pub(crate) key: Arc<Key>,
    pub(crate) parts: Parts,
}

impl Caller {
    /// Finds out who calls.
    pub(crate) async fn of(parts: Parts, state: &State) -> Result<Self, Halt> {
        let text = bearer(&parts.headers)?;
        let key = state.keys().find(state.engine(), text).await?;
        Self::known(key, parts, state)
    }

    /// Takes whose key it is for the caller; where a vendor has it elsewhere than we do.
    pub(crate) async fn by(key: &str, parts: Parts, state: &State) -> Result<Self, Halt> {
        let key = state.keys().find(state.engine(), key).await?;
        Self::known(key, parts, state)
    }

    fn known(key: Arc<Key>, parts: Parts, state: &State) -> Result<Self, Halt> {
        no_nul(&parts.uri)?;
        Ok(Self { state: state.clone(), key, parts })
    }

    /// Gives the account that everything asked for belongs to.
    pub(crate) fn account(&self) -> AccountId {
        self.key.account
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.state.engine()
    }

    /// Refuses callers whose key lacks a scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Halt> {
        self.may_any(&[scope])
    }

    /// Refuses callers whose key has none of some scopes.
    pub(crate) fn may_any(&self, scopes: &[Scope]) -> Result<(), Halt> {
        if scopes.iter().any(|scope| self.key.allows(*scope)) {
            return Ok(());
        }
        let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        let detail = format!("the key lacks the scope `{}`", names.join("` or `"));
        Err(Problem::new(Page::ScopeMissing, detail).with("scope", names.first().copied()).into())
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Halt;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Halt> {
        Self::of(parts.clone(), state).await
    }
}

/// Refuses a NUL in an address before anybody looks for what is called so: nothing is, and PostgreSQL keeps no text with one.
fn no_nul(uri: &Uri) -> Result<(), Halt> {
    const NUL: &str = "%00";
    if uri.path().contains(NUL) {
        let detail = "nothing is called so: the path has a NUL (%00) in it";
        return Err(Problem::new(Page::NotFound, detail).into());
    }
    if uri.query().is_some_and(|query| query.contains(NUL)) {
        return Err(
            Problem::invalid(vec![Flaw::new("query", "no parameter takes a NUL (%00)")]).into()
        );
    }
    Ok(())
}

/// Ids in the path of the API. One that is no id of its kind names nothing; that is told to callers with a key alone.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<State> for Path<T> {
    type Rejection = Halt;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Halt> {
        match named(parts, state).await {
            Ok(named) => Ok(Self(named)),
            Err(nothing) => {
                Caller::of(parts.clone(), state).await?;
                Err(nothing)
            }
        }
    }
}

/// What the path of a page names.
#[derive(Debug)]
pub(crate) struct Name<T = String>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Name<T> {
    type Rejection = Halt;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Halt> {
        named(parts, state).await.map(Self)
    }
}

async fn named<T, S>(parts: &mut Parts, state: &S) -> Result<T, Halt>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    let path = extract::Path::<T>::from_request_parts(parts, state).await;
    path.map(|path| path.0).map_err(|rejection: PathRejection| {
        tracing::debug!(error = %rejection, "a path names nothing");
        Problem::new(Page::NotFound, "what the path names is no id of its kind").into()
    })
}

/// Reads `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Halt> {
    let missing = "send the header `authorization: Bearer <key>`";
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
    match text.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim()),
        Some(_) | None => Err(Problem::new(Page::KeyMissing, missing).into()),
    }
}

/// Keys that were seen lately.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: BTreeMap<[u8; 32], Seen>,
    /// Counts what was changed here: what was read before the last of it is not kept.
    changes: u64,
}

#[derive(Debug)]
struct Seen {
    key: Arc<Key>,
    read_at: Timestamp,
}

/// How long a key counts after it was read.
const KEPT_MS: i64 = 5 * SECOND_MS;
/// The most keys that are kept; when there are more, all are read anew.
const KEPT_MAX: usize = 10_000;

impl Keys {
    /// Finds the key of a text, if it works.
    pub(crate) async fn find(&self, engine: &Engine, text: &str) -> Result<Arc<Key>, Halt> {
        let hash = key::hash(text);
        let now = engine.now();
        let key = match self.seen(hash.0, now) {
            Ok(key) => key,
            Err(changes) => {
                let found = if is_token(text) {
                    engine.key_of_token(text).await?
                } else {
                    engine.views().key_by_hash(hash).await?
                };
                let key = Arc::new(found.ok_or_else(unknown)?);
                self.keep(hash.0, Arc::clone(&key), (now, changes));
                key
            }
        };
        if key.revoked_at.is_some() {
            return Err(unknown().with(REVOKED, true).into());
        }
        if !key.is_valid(now) {
            return Err(Problem::new(Page::KeyExpired, "the key has expired").into());
        }
        Ok(key)
    }

    /// Forgets every key, so that a change counts at once, for calls that read one in this moment as well.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.keys.clear();
    }

    /// Finds a key that was read a moment ago, or tells how many changes there were.
    fn seen(&self, hash: [u8; 32], now: Timestamp) -> Result<Arc<Key>, u64> {
        let kept = self.kept();
        let fresh = |seen: &&Seen| (0..KEPT_MS).contains(&now.millis_since(seen.read_at));
        let seen = kept.keys.get(&hash).filter(fresh);
        seen.map(|seen| Arc::clone(&seen.key)).ok_or(kept.changes)
    }

    /// Keeps a key as it was read at a moment, after so many changes.
    fn keep(&self, hash: [u8; 32], key: Arc<Key>, read: (Timestamp, u64)) {
        let mut kept = self.kept();
        let (read_at, changes) = read;
        if kept.changes != changes {
            return;
        }
        if kept.keys.len() >= KEPT_MAX {
            kept.keys.clear();
        }
        kept.keys.insert(hash, Seen { key, read_at });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The member that says of a key that does not work that it did before.
pub(crate) const REVOKED: &str = "revoked";

fn unknown() -> Problem {
    Problem::new(Page::KeyInvalid, "the key is not known, or was revoked")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::id::KeyId;
    use http::HeaderValue;

    use super::*;

    fn check(value: Option<&'static str>, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert_eq!(bearer(&headers).ok(), expected, "{value:?}");
    }

    #[test]
    fn a_key_that_was_read_before_a_change_is_not_kept_after_it() {
        let (keys, now) = (Keys::default(), Timestamp::from_millis(1_000));
        let key = Arc::new(Key {
            id: KeyId::new(1),
            account: AccountId::new(1),
            name: "read".to_owned(),
            hash: key::hash("cs_1"),
            hint: String::new(),
            scopes: BTreeSet::new(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        });
        let before = keys.seen([0; 32], now).unwrap_err();
        keys.forget();
        keys.keep([0; 32], Arc::clone(&key), (now, before));
        let after = keys.seen([0; 32], now).unwrap_err();
        keys.keep([0; 32], Arc::clone(&key), (now, after));
        assert_eq!(keys.seen([0; 32], now), Ok(key));
    }

    #[test]
    fn only_a_bearer_is_a_key() {
        check(Some("Bearer cs_1"), Some("cs_1"));
        check(Some("bearer  cs_1 "), Some("cs_1"));
        check(Some("Basic Zm9v"), None);
        check(Some("cs_1"), None);
        check(None, None);
    }
}
