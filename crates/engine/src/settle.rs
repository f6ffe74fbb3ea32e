//! Ended attempts into the store, in batches, and what follows for their endpoints.
//!
//! Invariants: a batch that could not be written is kept and written again, so that nothing that ended is forgotten
//! while we live; what follows for an endpoint is committed with a guard, so that it happens once, and what the store
//! was away for is kept and done again.

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

/// Ended attempts that wait to be written, and what those that are written still ask for.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    waiting: Mutex<Vec<Ended>>,
    owed: Mutex<Owed>,
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

    fn take_owed(&self) -> Owed {
        mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what could not be done; what was asked for since is newer.
    fn put_owed_back(&self, left: Owed) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let Owed { mut stops, mut revived } = left;
        stops.append(&mut owed.stops);
        revived.append(&mut owed.revived);
        *owed = Owed { stops, revived };
    }
}

/// What answers ask for their endpoints, which nobody says again soon. One of each for an endpoint, the last one.
#[derive(Debug, Default)]
struct Owed {
    /// Those that shall stop being told, with the URL that answered so.
    stops: BTreeMap<EndpointId, (AccountId, Stop, String)>,
    /// Those that answered a probe.
    revived: BTreeMap<EndpointId, AccountId>,
}

/// How an endpoint's health has changed so much that something follows.
type Changed = (AccountId, EndpointId, Health, Change);

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

    /// Writes the attempts that have ended, and does what follows; tells how much that was. An error leaves waiting what
    /// could not be done.
    pub async fn settle(&self) -> Result<usize, store::Error> {
        let ended = self.inner.ends.take();
        let count = ended.len();
        let changes = if ended.is_empty() { Vec::new() } else { self.write_ended(ended).await? };
        // What fails does not keep the others from being done.
        let changed = self.follow_changes(changes).await;
        let answered = self.follow_answers().await?;
        changed.map(|()| count + answered)
    }

    /// Writes a batch, notes what its answers ask for, and gives what changed for endpoints. An error leaves it waiting.
    async fn write_ended(&self, ended: Vec<Ended>) -> Result<Vec<Changed>, store::Error> {
        let settlements: Vec<Settlement> = ended.iter().map(|e| e.settlement.clone()).collect();
        let settled = match self.store().settle(self.now(), settlements).await {
            Ok(settled) => settled,
            Err(error) => {
                self.inner.ends.put_back(ended);
                return Err(error);
            }
        };
        let mut owed = self.inner.ends.take_owed();
        for Ended { settlement, stop, revived, bytes } in ended {
            self.lanes().settled(settlement.endpoint, settlement.state, bytes);
            if let Some((stop, url)) = stop {
                owed.stops.insert(settlement.endpoint, (settlement.account, stop, url));
            }
            if revived {
                owed.revived.insert(settlement.endpoint, settlement.account);
            }
        }
        self.inner.ends.put_owed_back(owed);
        Ok(settled.changes)
    }

    /// Does what many failures ask for; what cannot be done is asked for again by the next failure.
    async fn follow_changes(&self, changes: Vec<Changed>) -> Result<(), store::Error> {
        // Several failures in one batch say the same of their endpoint; the last one knows the most.
        let changes: BTreeMap<EndpointId, (AccountId, Health, Change)> =
            changes.into_iter().map(|(account, id, h, c)| (id, (account, h, c))).collect();
        let mut followed = Ok(());
        for (id, (account, health, change)) in changes {
            let done = match change {
                Change::Failing { .. } => self.warn(account, id, health).await,
                Change::Disable => self.end(account, id, End::Failing(health)).await,
            };
            if done.is_err() {
                followed = done;
            }
        }
        followed
    }

    /// Does what answers ask for, those of earlier batches too; tells how much. What the store is away for is kept.
    async fn follow_answers(&self) -> Result<usize, store::Error> {
        let Owed { stops, revived } = self.inner.ends.take_owed();
        let count = stops.len() + revived.len();
        let (mut left, mut followed) = (Owed::default(), Ok(count));
        for (id, (account, stop, url)) in stops {
            if let Err(error) = self.end(account, id, End::Gone(stop, url.clone())).await {
                if error.is_transient() {
                    left.stops.insert(id, (account, stop, url));
                }
                followed = Err(error);
            }
        }
        for (id, account) in revived {
            if let Err(error) = self.revive(account, id, "answered_probe").await {
                if error.is_transient() {
                    left.revived.insert(id, account);
                }
                followed = Err(error);
            }
        }
        self.inner.ends.put_owed_back(left);
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
