//! What is kept in memory of sources: those that were called lately, vendors' keys, and how many knocked in vain.
//!
//! Invariant: what this node writes is seen at once, what another one writes within [`KEPT_MS`]; all of it is bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::{AccountId, SourceId};
use domain::source::Source;
use domain::time::Timestamp;
use store::SettingKind;

use crate::Engine;
use crate::command::Refusal;
use crate::sources;

/// How long a source is used before it is read anew.
const KEPT_MS: i64 = 2_000;
/// How long a vendor's key is taken for its only one.
pub(super) const KEY_KEPT_MS: i64 = 5 * 60 * 1_000;
/// Sources, keys and counts that are kept at most; beyond them all are forgotten.
const KEPT_MAX: usize = 10_000;

/// What is kept in memory of sources.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sources: BTreeMap<SourceId, (Timestamp, Arc<Source>)>,
    keys: BTreeMap<String, (Arc<str>, Timestamp)>,
    refused: BTreeMap<SourceId, u64>,
    /// Counts what this node wrote: what was read before the last of it is not kept.
    changes: u64,
}

impl Doors {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears that a source is different now.
    pub(crate) fn changed(&self, id: SourceId) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.sources.remove(&id);
    }

    /// Counts one that was not proven.
    pub(super) fn refused(&self, id: SourceId) {
        let mut kept = self.kept();
        if kept.refused.len() >= KEPT_MAX {
            kept.refused.clear();
        }
        *kept.refused.entry(id).or_default() += 1;
    }

    /// Tells how many were not proven since this node started.
    pub(crate) fn refusals(&self, id: SourceId) -> u64 {
        self.kept().refused.get(&id).copied().unwrap_or(0)
    }

    /// Gives the key that was fetched from a URL, and when.
    pub(super) fn vendor_key(&self, url: &str) -> Option<(Arc<str>, Timestamp)> {
        self.kept().keys.get(url).cloned()
    }

    pub(super) fn keep_vendor_key(&self, url: String, key: Arc<str>, now: Timestamp) {
        let mut kept = self.kept();
        if kept.keys.len() >= KEPT_MAX {
            kept.keys.clear();
        }
        kept.keys.insert(url, (key, now));
    }
}

impl Engine {
    /// Finds a source, as it was a moment ago at worst.
    pub(super) async fn door(
        &self,
        account: AccountId,
        id: SourceId,
    ) -> Result<Option<Arc<Source>>, Refusal> {
        let now = self.now();
        let (known, changes) = {
            let kept = self.inner.sources.kept();
            (kept.sources.get(&id).cloned(), kept.changes)
        };
        if let Some((at, source)) = known
            && (0..KEPT_MS).contains(&now.millis_since(at))
        {
            return Ok(Some(source).filter(|source| source.account == account));
        }
        let row = self.views().setting(account, SettingKind::Source, id.to_string()).await?;
        let Some(row) = row else { return Ok(None) };
        let source = Arc::new(sources::read(&row)?);
        let mut kept = self.inner.sources.kept();
        if kept.changes == changes {
            if kept.sources.len() >= KEPT_MAX {
                kept.sources.clear();
            }
            kept.sources.insert(id, (now, Arc::clone(&source)));
        }
        Ok(Some(source))
    }
}
