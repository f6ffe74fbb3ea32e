//! What an account has set around notices, kept in memory for a moment.
//!
//! Invariant: what this node writes is seen at once, what another one writes within [`KEPT_MS`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::chain::sha256;
use domain::id::{AccountId, EndpointId};
use domain::message::Channel;
use domain::notice::{Occasion, Rule, Rules};
use domain::provider::Provider;
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use store::{SettingKind, SettingRow};
use templates::{Branding, Template};

use crate::Engine;
use crate::doorway::half;
use crate::providers;
use crate::shortener::{self, Shortener};

/// How long a desk is used before it is read anew.
const KEPT_MS: i64 = 2_000;
/// Settings of one kind that are looked at, at most.
const SETTINGS_MAX: u32 = 1_000;

/// What an account has set around notices.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Enabled ones, in the order in which they are asked.
    pub(super) providers: Vec<Provider>,
    pub(super) rules: Rules,
    pub(super) branding: Branding,
    pub(super) templates: BTreeMap<String, Template>,
    pub(super) shortener: Shortener,
}

impl Desk {
    /// Tells whether anybody carries messages.
    pub(super) const fn has_providers(&self) -> bool {
        !self.providers.is_empty()
    }

    /// Tells whether somebody carries messages over a channel.
    pub(super) fn carries(&self, channel: Channel) -> bool {
        self.of(channel).next().is_some()
    }

    /// Lists the providers of a channel in their order.
    pub(super) fn of(&self, channel: Channel) -> impl Iterator<Item = &Provider> {
        self.providers.iter().filter(move |provider| provider.kind.channel() == channel)
    }
}

/// The desks that were read lately, and the lanes that are known to be there.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    desks: Mutex<Kept>,
    lanes: Mutex<BTreeSet<EndpointId>>,
}

#[derive(Debug, Default)]
struct Kept {
    by_account: BTreeMap<AccountId, (Timestamp, Arc<Desk>)>,
    /// Counts what this node wrote: what was read before the last of it is not kept.
    changes: u64,
}

impl Desks {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn knows_lane(&self, id: EndpointId) -> bool {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    pub(super) fn note_lane(&self, id: EndpointId) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }
}

impl Engine {
    /// Gives the id of the lane that an account's notices over a channel go through, the same on each node.
    pub fn notice_lane(account: AccountId, channel: Channel) -> EndpointId {
        let subject = format!("notices {} {account}", channel.as_str());
        EndpointId::new(half(sha256(subject.as_bytes())))
    }

    /// Hears that something an account has set is different now.
    pub(crate) fn settings_changed(&self, account: AccountId) {
        let mut kept = self.inner.desks.kept();
        kept.changes += 1;
        kept.by_account.remove(&account);
    }

    /// Gives what an account has set around notices.
    pub(crate) async fn desk(&self, account: AccountId) -> Result<Arc<Desk>, store::Error> {
        let now = self.now();
        let known = {
            let kept = self.inner.desks.kept();
            kept.by_account.get(&account).map(|(at, desk)| (*at, Arc::clone(desk)))
        };
        if let Some((at, desk)) = known
            && (0..KEPT_MS).contains(&now.millis_since(at))
        {
            return Ok(desk);
        }
        self.desk_anew(account).await
    }

    /// Gives what an account has set around notices, as it is in the store.
    pub(super) async fn desk_anew(&self, account: AccountId) -> Result<Arc<Desk>, store::Error> {
        let (now, changes) = (self.now(), self.inner.desks.kept().changes);
        let desk = Arc::new(self.read_desk(account).await?);
        let mut kept = self.inner.desks.kept();
        if kept.changes == changes {
            kept.by_account.insert(account, (now, Arc::clone(&desk)));
        }
        Ok(desk)
    }

    async fn read_desk(&self, account: AccountId) -> Result<Desk, store::Error> {
        let list =
            async |kind| self.views().settings(account, kind, String::new(), SETTINGS_MAX).await;
        let mut desk = Desk::default();
        for row in list(SettingKind::Provider).await? {
            desk.providers.push(providers::read(&row)?);
        }
        desk.providers.retain(|provider| provider.enabled);
        desk.providers.sort_by_key(|provider| (provider.priority, provider.id));
        if desk.providers.is_empty() {
            // Nobody is told anything, so nothing else is looked at.
            return Ok(desk);
        }
        for row in list(SettingKind::NoticeRule).await? {
            if let Some(occasion) = Occasion::named(&row.setting.name) {
                desk.rules.insert(occasion, parsed::<Rule>(&row)?);
            }
        }
        for row in list(SettingKind::Template).await? {
            desk.templates.insert(row.setting.name.clone(), parsed(&row)?);
        }
        if let Some(row) = list(SettingKind::Branding).await?.first() {
            desk.branding = parsed(row)?;
        }
        if let Some(row) = list(SettingKind::Shortener).await?.first() {
            desk.shortener = shortener::read(row)?;
        }
        Ok(desk)
    }
}

fn parsed<T: DeserializeOwned>(row: &SettingRow) -> Result<T, store::Error> {
    serde_json::from_str(&row.setting.body).map_err(|error| store::Error::Corrupt {
        table: "settings",
        detail: format!("{} {}: {error}", row.setting.kind.as_str(), row.setting.name),
    })
}
