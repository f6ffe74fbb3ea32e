//! What is kept in memory of sources: those that were called lately, vendors' keys, how many knocked in vain, and how many
//! are at the doors now.
//!
//! Invariants: what this node writes is seen at once, what another one writes within [`KEPT_MS`]; all of it is bounded; a
//! reading gives way to a crowd at the doors, but not for ever.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::{AccountId, EndpointId, SourceId};
use domain::secret::Secret;
use domain::source::Source;
use domain::time::Timestamp;
use serde_json::Value;
use store::SettingKind;
use tokio::time::timeout;

use crate::Engine;
use crate::command::Refusal;
use crate::doorway::door_subject;
use crate::lanes::Rate;
use crate::sources;

use super::DOOR;

/// The setting that says how often a source's vendor may be asked.
pub(crate) const LOOKUPS_PER_S: &str = "lookups_per_s";
/// How long a source is used before it is read anew.
const KEPT_MS: i64 = 2_000;
/// How long a vendor's key is taken for its only one.
pub(super) const KEY_KEPT_MS: i64 = 5 * 60 * 1_000;
/// Sources, keys and counts that are kept at most; beyond them all are forgotten.
const KEPT_MAX: usize = 10_000;

/// So many at the doors are a crowd.
const CROWD: usize = 24;
/// Readings go on when no crowd was seen for so long.
const CALM_MS: i64 = 20;
/// How often a reading that gives way looks whether the crowd is gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often it looks before it goes on, though the crowd be there, once that has been there for [`LONG_MS`].
const LOOKS: u32 = 50;
/// How long a crowd is there before any reading goes on: so long it takes the database to keep up with a flood (`store`).
const LONG_MS: i64 = 5_000;
/// How often a reading looks at most, whatever the clock says.
const LOOKS_MAX: u32 = 500;

/// What is kept in memory of sources.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    kept: Mutex<Kept>,
    /// Counts those who came in and were not answered yet.
    waiting: AtomicUsize,
    /// When there was a crowd of them the last time, in milliseconds since 1970.
    crowded_at: AtomicI64,
    /// When that crowd began to gather.
    crowded_since: AtomicI64,
}

/// Somebody who came in and was not answered yet.
#[derive(Debug)]
pub(super) struct Guest<'a>(&'a Doors);

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A source that somebody knocks at.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) source: Source,
    /// Where what comes in is read.
    pub(super) lane: EndpointId,
    /// What its URL ends in.
    token: Secret,
}

#[derive(Debug, Default)]
struct Kept {
    doors: BTreeMap<SourceId, (Timestamp, Arc<Door>)>,
    keys: BTreeMap<String, (Arc<str>, Timestamp)>,
    refused: BTreeMap<SourceId, u64>,
    /// How far the rates of lookups are used.
    lookups: BTreeMap<SourceId, Rate>,
    /// Counts what this node wrote: what was read before the last of it is not kept.
    changes: u64,
}

impl Doors {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody in.
    pub(super) fn let_in(&self, now: Timestamp) -> Guest<'_> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= CROWD {
            let before = self.crowded_at.swap(now.as_millis(), Ordering::AcqRel);
            if is_long_ago(before, now) {
                self.crowded_since.store(now.as_millis(), Ordering::Release);
            }
        }
        Guest(self)
    }

    fn is_calm(&self, now: Timestamp) -> bool {
        is_long_ago(self.crowded_at.load(Ordering::Acquire), now)
    }

    /// Tells whether the crowd has been there for so long that readings go on beside it.
    fn is_lasting(&self, now: Timestamp) -> bool {
        let since = Timestamp::from_millis(self.crowded_since.load(Ordering::Acquire));
        now.millis_since(since) >= LONG_MS
    }

    /// Finds a source that was read a moment ago.
    fn known(&self, id: SourceId, now: Timestamp) -> Option<Arc<Door>> {
        let kept = self.kept();
        let (at, door) = kept.doors.get(&id)?;
        (0..KEPT_MS).contains(&now.millis_since(*at)).then(|| Arc::clone(door))
    }

    /// Hears that a source is different now.
    pub(crate) fn changed(&self, id: SourceId) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.doors.remove(&id);
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

    /// Takes a lookup of a source's rate, or says when there is one.
    pub(super) fn take_lookup(
        &self,
        source: &Source,
        nodes: u32,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let Some(per_second) = source.settings.get(LOOKUPS_PER_S).and_then(Value::as_u64) else {
            return Ok(());
        };
        let mut kept = self.kept();
        if kept.lookups.len() >= KEPT_MAX {
            kept.lookups.clear();
        }
        let rate = kept.lookups.entry(source.id).or_default();
        rate.take(u32::try_from(per_second).unwrap_or(u32::MAX), nodes.max(1), now)
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

/// Tells whether a crowd that was seen then is gone by now.
fn is_long_ago(crowded_at: i64, now: Timestamp) -> bool {
    !(0..CALM_MS).contains(&now.millis_since(Timestamp::from_millis(crowded_at)))
}

impl Engine {
    /// Waits while there is a crowd at the doors, for a moment at most: they want to know that they were heard, and nobody
    /// waits for what is read of it.
    pub(super) async fn give_way(&self) {
        for looks in 0..LOOKS_MAX {
            let (doors, now) = (&self.inner.sources, self.now());
            if doors.is_calm(now) || looks >= LOOKS && doors.is_lasting(now) {
                return;
            }
            // Running into the time is what this is for.
            drop(timeout(LOOK_EVERY, pending::<()>()).await);
        }
    }

    /// Finds the source whose URL ends in a token, as it was a moment ago at worst; `None` if there is none.
    pub(super) async fn door_of_token(&self, token: &str) -> Result<Option<Arc<Door>>, Refusal> {
        // Proving a token costs more than looking whether it is one that was proven a moment ago.
        let said = Secret::new(token);
        let known = door_subject(token)
            .and_then(|id| self.inner.sources.known(SourceId::new(id), self.now()));
        if let Some(door) = known.filter(|door| door.token == said) {
            return Ok(Some(door));
        }
        match self.read_door_token(DOOR, token) {
            Some((account, id)) => self.door(account, SourceId::new(id)).await,
            None => Ok(None),
        }
    }

    /// Finds a source, as it was a moment ago at worst.
    pub(super) async fn door(
        &self,
        account: AccountId,
        id: SourceId,
    ) -> Result<Option<Arc<Door>>, Refusal> {
        let now = self.now();
        if let Some(door) = self.inner.sources.known(id, now) {
            return Ok(Some(door).filter(|door| door.source.account == account));
        }
        let changes = self.inner.sources.kept().changes;
        let row = self.views().setting(account, SettingKind::Source, id.to_string()).await?;
        let Some(row) = row else { return Ok(None) };
        let lane = Self::intake_lane(account, id);
        let token = Secret::new(self.intake_token(account, id));
        let door = Arc::new(Door { source: sources::read(&row)?, lane, token });
        let mut kept = self.inner.sources.kept();
        if kept.changes == changes {
            if kept.doors.len() >= KEPT_MAX {
                kept.doors.clear();
            }
            kept.doors.insert(id, (now, Arc::clone(&door)));
        }
        Ok(Some(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_go_on_when_the_crowd_is_gone_or_has_been_there_for_long() {
        let doors = Doors::default();
        let at = |ms| Timestamp::from_millis(1_700_000_000_000 + ms);
        let few: Vec<_> = (0..CROWD).map(|_| doors.let_in(at(0))).collect();
        assert!(doors.is_calm(at(0)), "so many are no crowd yet");
        for ms in (0..=LONG_MS).step_by(10) {
            assert!(ms < LONG_MS || doors.is_lasting(at(ms)));
            drop(doors.let_in(at(ms)));
            assert!(!doors.is_calm(at(ms + CALM_MS - 1)));
            assert!(ms >= LONG_MS || !doors.is_lasting(at(ms)));
        }
        assert!(doors.is_calm(at(LONG_MS + CALM_MS)), "nobody came since");
        drop(doors.let_in(at(2 * LONG_MS)));
        assert!(!doors.is_lasting(at(2 * LONG_MS)), "the next crowd begins anew");
        drop(few);
    }
}
