//! What falls due by itself: expiries, probes, sweeps, replays, documents that nobody has.
//!
//! Invariants: a timer stands in the store until the commit that acts on it clears or moves it, so a crash between
//! the two only repeats it; acting on a timer twice does nothing more.
//! Left to others: when to step (`run`).

use std::sync::{Mutex, PoisonError};

use domain::delivery::{Cause, Why};
use domain::endpoint::{Endpoint, Scope, Status};
use domain::event::Event;
use domain::health::PROBE_EVERY_MS;
use domain::id::EndpointId;
use domain::time::{HOUR_MS, SECOND_MS, Timestamp};
use store::{Commit, EventFilter, Fault, NewDelivery, Page, Timer, TimerKind, Write};
use tokio::sync::Notify;
use tracing::error;

use crate::Engine;
use crate::command::Refusal;

/// Timers acted on in one step at most.
const STEP_MAX: u32 = 100;
/// Deliveries swept in one commit at most.
const SWEEP_MAX: u32 = 1_000;
/// A sweep that has to wait for attempts under way looks again after so long.
const SWEEP_AGAIN_MS: i64 = SECOND_MS;
/// A timer that cannot be acted on stands back for so long.
const STAND_BACK_MS: i64 = HOUR_MS;
/// Events looked at to find one for a probe.
const PROBE_EVENTS_MAX: u32 = 100;

/// When the earliest timer in the store falls due, as far as this node knows.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    at: Mutex<Option<Timestamp>>,
    pub(crate) moved: Notify,
}

impl Alarm {
    pub(crate) fn no_later_than(&self, moment: Timestamp) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.is_none_or(|at| moment < at) {
            *at = Some(moment);
            drop(at);
            self.moved.notify_one();
        }
    }

    pub(crate) fn at(&self) -> Option<Timestamp> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Engine {
    /// Gives the moment of the earliest timer, as far as this node knows.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.inner.timers.at()
    }

    /// Acts on the timers that are due; tells how many there were.
    pub async fn step_timers(&self) -> Result<usize, store::Error> {
        let now = self.now();
        self.inner.timers.clear();
        let due = self.store().due_timers(now, STEP_MAX).await?;
        for timer in &due {
            match self.act(*timer, now).await {
                Err(error) if !error.is_transient() => self.stand_back(*timer, &error).await?,
                acted => acted?,
            }
        }
        if let Some(next) = self.store().next_timer().await? {
            self.inner.timers.no_later_than(next);
        }
        Ok(due.len())
    }

    /// Puts a timer off that cannot be acted on, a row that makes no sense say: others shall not wait behind it.
    async fn stand_back(&self, timer: Timer, error: &store::Error) -> Result<(), store::Error> {
        let kind = timer.kind.as_str();
        error!(error = %error, account = %timer.account, kind, "what is due cannot be done; tried again in an hour");
        self.set_timer(timer, Some(self.now().plus_millis(STAND_BACK_MS))).await
    }

    async fn act(&self, timer: Timer, now: Timestamp) -> Result<(), store::Error> {
        match timer.kind {
            TimerKind::Expiry => {
                match self.expire_request(timer).await {
                    // Where somebody else keeps changing it, the timer stands, and the next step looks again.
                    Ok(()) | Err(Refusal::Contended { .. }) => Ok(()),
                    Err(Refusal::Store(error)) => Err(error),
                    // It ended in another way, or is gone: there is nothing left to wait for.
                    Err(
                        Refusal::NotFound { .. }
                        | Refusal::Invalid(_)
                        | Refusal::Impossible { .. }
                        | Refusal::LimitReached { .. }
                        | Refusal::TooLarge { .. }
                        | Refusal::NotADocument
                        | Refusal::TooSoon { .. }
                        | Refusal::UrlTaken { .. }
                        | Refusal::Forgotten
                        | Refusal::Repeated(_)
                        | Refusal::KeyReused,
                    ) => self.set_timer(timer, None).await,
                }
            }
            TimerKind::Reminder => {
                match self.remind_due(timer).await {
                    Ok(()) | Err(Refusal::Contended { .. }) => Ok(()),
                    Err(Refusal::Store(error)) => Err(error),
                    // It has ended, or is gone: nobody is reminded any more.
                    Err(_) => self.set_timer(timer, None).await,
                }
            }
            TimerKind::Probe => self.probe_endpoint(timer, now).await,
            TimerKind::Sweep => self.sweep(timer, now).await,
            TimerKind::Replay => self.step_replay(timer).await,
            TimerKind::Silence => self.ask_again(timer).await,
            TimerKind::Packet => self.send_scheduled(timer, now).await,
            TimerKind::Document => self.step_document(timer).await,
        }
    }

    /// Sets a timer that was acted on again, or clears it.
    pub(crate) async fn set_timer(
        &self,
        timer: Timer,
        due: Option<Timestamp>,
    ) -> Result<(), store::Error> {
        let mut commit = Commit::new(timer.account, self.now());
        commit.writes.push(Write::TimerDone(timer, due));
        written(self.commit(commit).await.map(|_committed| ()))
    }

    /// Tells a disabled endpoint one event it would have wanted, to see whether it is back.
    ///
    /// Where nothing can be said to a request's own URLs, they are taken for back, and the next call shows.
    async fn probe_endpoint(&self, timer: Timer, now: Timestamp) -> Result<(), store::Error> {
        let (account, id) = (timer.account, EndpointId::new(timer.subject));
        let endpoint = match self.views().endpoint(account, id).await? {
            Some(row) if row.endpoint.status == Status::DisabledBySystem => row.endpoint,
            Some(_) | None => return self.set_timer(timer, None).await,
        };
        let wanted = self.event_to_probe_with(&endpoint, now).await?;
        if wanted.is_none() && endpoint.scope == Scope::Callback {
            return self.revive(account, id, "nothing_to_say").await;
        }
        let mut commit = Commit::new(account, now);
        let next = now.plus_millis(PROBE_EVERY_MS);
        commit.writes.push(Write::TimerDone(timer, Some(next)));
        commit.deliveries.extend(wanted.map(|event| NewDelivery {
            event: event.id,
            endpoint: id,
            cause: Cause::Probe,
            due_at: now,
        }));
        written(self.commit(commit).await.map(|_committed| ()))
    }

    /// Finds one of the account's last events that the endpoint wants and that can be said to it; where none is among
    /// them, and the log can be asked for names, one of the last that are called so.
    async fn event_to_probe_with(
        &self,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<Option<Event>, store::Error> {
        let names = endpoint.wants.plain_names();
        // By name takes longer the rarer they are, so that comes last.
        for names in [Some(Vec::new()), names].into_iter().flatten() {
            let page = Page { limit: PROBE_EVENTS_MAX, after: None };
            let filter = EventFilter { names, ..EventFilter::default() };
            let events = self.views().events(endpoint.account, filter, page).await?;
            let wanted = events.iter().filter(|event| {
                !event.test && !event.is_forgotten() && endpoint.wants.matches(event)
            });
            if let Some(event) = self.first_sayable(endpoint, wanted, now).await {
                return Ok(Some(event.clone()));
            }
        }
        Ok(None)
    }

    /// Cancels what is still pending for an endpoint that is off, a bounded number at a time.
    async fn sweep(&self, timer: Timer, now: Timestamp) -> Result<(), store::Error> {
        let (account, endpoint) = (timer.account, EndpointId::new(timer.subject));
        let why = match self.views().endpoint(account, endpoint).await? {
            Some(row) if row.endpoint.status == Status::Enabled => {
                return self.set_timer(timer, None).await;
            }
            Some(row) if row.endpoint.status == Status::Deleted => Why::EndpointDeleted,
            Some(_) | None => Why::EndpointDisabled,
        };
        // Asked first: what is under way while we cancel is left out, and may have ended when we are done.
        let (in_flight, unsettled) = self.lanes().under_way_of(endpoint);
        let mut commit = Commit::new(account, now);
        commit.writes.push(Write::CancelPending { endpoint, why, limit: SWEEP_MAX });
        match self.commit(commit).await {
            Ok(committed) if committed.changed == u64::from(SWEEP_MAX) => {
                self.set_timer(timer, Some(now)).await
            }
            Ok(_) => {
                let again = (in_flight + unsettled > 0).then(|| now.plus_millis(SWEEP_AGAIN_MS));
                self.set_timer(timer, again).await
            }
            Err(fault) => written(Err(fault)),
        }
    }
}

/// A fault that is not the store's means that somebody else has acted; there is nothing left to do.
pub(crate) fn written(result: Result<(), Fault>) -> Result<(), store::Error> {
    match result {
        Err(Fault::Store(error)) => Err(error),
        Ok(())
        | Err(
            Fault::Conflict { .. }
            | Fault::UrlTaken { .. }
            | Fault::Repeated(_)
            | Fault::Missing { .. }
            | Fault::Forgotten,
        ) => Ok(()),
    }
}
