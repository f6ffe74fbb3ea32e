//! Ended attempts into the store, in batches, and what follows for their endpoints.
//!
//! Invariants: a batch that could not be written is kept and written again, so that nothing that ended is forgotten
//! while we live; what follows for an endpoint is committed with a guard, so that it happens once.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use domain::endpoint::{Endpoint, Status};
use domain::event::Kind;
use domain::facts::AboutEndpoint;
use domain::health::{Change, Health, PROBE_EVERY_MS};
use domain::id::{AccountId, EndpointId};
use domain::retry::Stop;
use domain::time::Timestamp;
use store::{Audience, Commit, Guarded, Said, Settlement, TimerKind, Write};
use tokio::sync::Notify;

use crate::Engine;
use crate::deliver::Ended;
use crate::timers::written;

/// Settlements in one batch at most.
const BATCH_MAX: usize = 1_024;

/// Ended attempts that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    waiting: Mutex<Vec<Ended>>,
    pub(crate) some: Notify,
}

impl Ends {
    pub(crate) fn push(&self, ended: Ended) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        self.some.notify_one();
    }

    fn take(&self) -> Vec<Ended> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(BATCH_MAX);
        waiting.drain(..count).collect()
    }

    fn put_back(&self, ended: Vec<Ended>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let later = mem::replace(&mut *waiting, ended);
        waiting.extend(later);
    }
}

/// Why an endpoint stops being told.
#[derive(Debug)]
enum End {
    /// With how it fared.
    Failing(Health),
    /// With the URL that answered so.
    Gone(Stop, String),
}

impl Engine {
    /// Notes that an attempt ended; the next settlement writes it.
    pub fn note_ended(&self, ended: Ended) {
        self.inner.ends.push(ended);
    }

    /// Writes the attempts that have ended; tells how many. An error leaves them waiting.
    pub async fn settle(&self) -> Result<usize, store::Error> {
        let ended = self.inner.ends.take();
        if ended.is_empty() {
            return Ok(0);
        }
        let now = self.now();
        let settlements: Vec<Settlement> = ended.iter().map(|e| e.settlement.clone()).collect();
        let settled = match self.store().settle(now, settlements).await {
            Ok(settled) => settled,
            Err(error) => {
                self.inner.ends.put_back(ended);
                return Err(error);
            }
        };
        let count = ended.len();
        let mut stops: BTreeMap<EndpointId, (AccountId, Stop, String)> = BTreeMap::new();
        let mut revived = BTreeMap::new();
        for Ended { settlement, stop, revived: is_back, bytes } in ended {
            self.lanes().settled(settlement.endpoint, settlement.state, bytes);
            if let Some((stop, url)) = stop {
                stops.insert(settlement.endpoint, (settlement.account, stop, url));
            }
            if is_back {
                revived.insert(settlement.endpoint, settlement.account);
            }
        }
        // What fails does not keep the others from being done: nobody comes back to them.
        let mut followed = Ok(count);
        let mut note = |done: Result<(), store::Error>| {
            if let Err(error) = done {
                followed = Err(error);
            }
        };
        // Several failures in one batch say the same of their endpoint; the last one knows the most.
        let changes: BTreeMap<EndpointId, (AccountId, Health, Change)> =
            settled.changes.into_iter().map(|(account, id, h, c)| (id, (account, h, c))).collect();
        for (id, (account, health, change)) in changes {
            note(match change {
                Change::Failing { .. } => self.warn(account, id, health).await,
                Change::Disable => self.end(account, id, End::Failing(health)).await,
            });
        }
        for (id, (account, stop, url)) in stops {
            note(self.end(account, id, End::Gone(stop, url)).await);
        }
        for (id, account) in revived {
            note(self.revive(account, id, "answered_probe").await);
        }
        followed
    }

    /// Says that an endpoint has been failing for long; the warning counts as given with the same commit, which is
    /// refused when it was given before, or the endpoint has been well since.
    async fn warn(
        &self,
        account: AccountId,
        id: EndpointId,
        health: Health,
    ) -> Result<(), store::Error> {
        let Some(row) = self.views().endpoint(account, id).await? else { return Ok(()) };
        let now = self.now();
        let mut commit = Commit::new(account, now);
        commit.writes.push(Write::Warned(id, health));
        commit.events.push(self.about(
            Kind::EndpointFailing,
            &row.endpoint,
            ("failing", health),
            now,
        ));
        written(self.commit(commit).await.map(|_committed| ()))
    }

    /// Stops telling an endpoint: its pending deliveries are swept, and a probe looks after it unless it is deleted.
    async fn end(&self, account: AccountId, id: EndpointId, why: End) -> Result<(), store::Error> {
        let Some(row) = self.views().endpoint(account, id).await? else { return Ok(()) };
        if row.endpoint.status != Status::Enabled {
            return Ok(());
        }
        let is_past = match &why {
            // It was well since, or was turned on anew.
            End::Failing(health) => row.health.failing_since != health.failing_since,
            // What a former URL says is nothing about the one it has now, which the next attempt asks.
            End::Gone(_, called) => *called != row.endpoint.url,
        };
        if is_past {
            return Ok(());
        }
        let now = self.now();
        let (status, reason, probe_at) = match why {
            End::Gone(Stop::DeleteEndpoint, _) => (Status::Deleted, "gone", None),
            End::Gone(Stop::DisableEndpoint, _) => {
                (Status::DisabledBySystem, "gone", Some(now.plus_millis(PROBE_EVERY_MS)))
            }
            End::Failing(_) => {
                (Status::DisabledBySystem, "failing", Some(now.plus_millis(PROBE_EVERY_MS)))
            }
        };
        let endpoint = Endpoint { status, updated_at: now, ..row.endpoint };
        let mut commit = Commit::new(account, now);
        commit.writes.push(Write::Timer(TimerKind::Sweep, id.bits(), Some(now)));
        commit.writes.push(Write::Timer(TimerKind::Probe, id.bits(), probe_at));
        commit.events.push(self.about(
            Kind::EndpointDisabled,
            &endpoint,
            (reason, row.health),
            now,
        ));
        commit.writes.push(Write::Endpoint(Guarded { version: row.version, value: endpoint }));
        written(self.commit(commit).await.map(|_committed| ()))
    }

    /// Enables an endpoint that the system disabled, for a reason that is told: it answered a probe, say.
    pub(crate) async fn revive(
        &self,
        account: AccountId,
        id: EndpointId,
        reason: &str,
    ) -> Result<(), store::Error> {
        let Some(row) = self.views().endpoint(account, id).await? else { return Ok(()) };
        if row.endpoint.status != Status::DisabledBySystem {
            return Ok(());
        }
        let now = self.now();
        let endpoint = Endpoint { status: Status::Enabled, updated_at: now, ..row.endpoint };
        let mut commit = Commit::new(account, now);
        commit.writes.push(Write::Timer(TimerKind::Probe, id.bits(), None));
        let health = Health::default();
        commit.events.push(self.about(Kind::EndpointEnabled, &endpoint, (reason, health), now));
        commit.writes.push(Write::Endpoint(Guarded { version: row.version, value: endpoint }));
        written(self.commit(commit).await.map(|_committed| ()))
    }

    fn about(&self, kind: Kind, endpoint: &Endpoint, why: (&str, Health), now: Timestamp) -> Said {
        let (reason, health) = why;
        let about = AboutEndpoint {
            endpoint_id: endpoint.id,
            url: endpoint.url.clone(),
            status: endpoint.status.as_str().to_owned(),
            reason: reason.to_owned(),
            failing_since: health.failing_since,
            failures: health.failures,
        };
        Said {
            event: self.event(kind, endpoint.account, &about, now),
            audience: Audience::Subscribers,
        }
    }
}
