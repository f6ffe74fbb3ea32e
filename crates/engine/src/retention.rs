//! Step: forget what may be forgotten.
//!
//! A pass goes through what has come of age since the last one, an account after the other: deliveries first, then the
//! events that no delivery needs any more. Once a day it goes through everything old, for what had to stay before.
//!
//! Invariants: one step is one bounded batch; while there is traffic, forgetting has the smaller part of the time;
//! between passes nothing is asked.
//! Left to others: what has outlived its time (`domain::retention`), taking it away (`store`), when to step (`run`).

use std::collections::BTreeMap;

use domain::id::{AccountId, DeliveryId, EventId, lowest};
use domain::retention::Retention;
use domain::time::{DAY_MS, HOUR_MS, Timestamp};
use store::{Forgotten, Outlived};
use tracing::info;

use crate::Engine;

/// Rows looked at in one batch at most.
const BATCH: u32 = 500;
/// A batch that took longer is too large: its rows may have long texts, and writers wait for it. What a slow disk or a
/// busy store takes for any batch stays below, so that forgetting keeps up with what comes in.
const BATCH_MS_MAX: u64 = 500;
/// How often a batch is halved at most.
const HALVINGS_MAX: u32 = 3;
/// How often what has come of age is looked for.
const PASS_EVERY_MS: i64 = HOUR_MS;
/// How often everything old is looked at again.
const WHOLE_EVERY_MS: i64 = DAY_MS;
/// While there is traffic, a pause is so many times as long as the batch before it.
const PAUSE_TIMES: u64 = 4;
/// While there is traffic, the shortest and the longest pause between two batches.
const PAUSE_MS: (u64, u64) = (5, 10_000);

/// Where a pass through the store stands.
#[derive(Debug, Default)]
pub struct Pass {
    /// What is still to be looked at, the last first.
    left: Vec<Outlived>,
    /// Up to where earlier passes have looked, in deliveries and in events.
    floors: BTreeMap<AccountId, (u128, u128)>,
    /// When the next pass begins.
    next_at: Timestamp,
    /// When a pass begins at the beginning again.
    whole_at: Timestamp,
    /// Events that had been accepted at the last batch.
    accepted: u64,
    /// What the pass has forgotten so far.
    gone: u64,
    /// How often the batch is halved.
    halvings: u32,
}

impl Engine {
    /// Forgets one batch of what may be forgotten; gives the moment of the next step.
    ///
    /// After an error the same step may be tried again.
    pub async fn step_retention(&self, pass: &mut Pass) -> Result<Timestamp, store::Error> {
        let now = self.now();
        if pass.left.is_empty() {
            if now < pass.next_at {
                return Ok(pass.next_at);
            }
            self.begin_pass(pass, now).await?;
        }
        let Some(outlived) = pass.left.last().copied() else { return Ok(pass.next_at) };
        let began = self.inner.clock.uptime();
        let forgotten = self.store().forget(outlived, BATCH >> pass.halvings).await?;
        let took = self.inner.clock.uptime().saturating_sub(began);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.metrics().forgotten(&forgotten);
        pass.went(outlived, &forgotten);
        pass.fit(took_ms);
        if pass.left.is_empty() {
            if pass.gone > 0 {
                info!(rows = pass.gone, "what had outlived its time is forgotten");
            }
            return Ok(pass.next_at);
        }
        let accepted = self.metrics().accepted_so_far();
        let (in_flight, unsettled) = self.lanes().under_way();
        let is_busy = accepted != pass.accepted || in_flight + unsettled > 0;
        pass.accepted = accepted;
        let pause_ms = took_ms.saturating_mul(PAUSE_TIMES).clamp(PAUSE_MS.0, PAUSE_MS.1);
        let pause_ms = if is_busy { i64::try_from(pause_ms).unwrap_or(i64::MAX) } else { 0 };
        Ok(self.now().plus_millis(pause_ms))
    }

    /// Lines up what a pass looks at.
    async fn begin_pass(&self, pass: &mut Pass, now: Timestamp) -> Result<(), store::Error> {
        let mut accounts: Vec<AccountId> =
            self.views().accounts().await?.into_iter().map(|account| account.id).collect();
        accounts.reverse();
        if pass.whole_at <= now {
            pass.floors.clear();
            pass.whole_at = now.plus_millis(WHOLE_EVERY_MS);
        }
        for account in accounts {
            let floors = pass.floors.get(&account).copied().unwrap_or_default();
            pass.left.extend(old_events(self.inner.retention, account, floors.1, now));
            pass.left.extend(old_deliveries(self.inner.retention, account, floors.0, now));
        }
        pass.left.push(Outlived::Replies { by: now });
        pass.next_at = now.plus_millis(PASS_EVERY_MS);
        pass.gone = 0;
        Ok(())
    }
}

impl Pass {
    /// Makes the next batch smaller after one that took long, and larger again after a quick one.
    fn fit(&mut self, took_ms: u64) {
        if took_ms > BATCH_MS_MAX {
            self.halvings = HALVINGS_MAX.min(self.halvings + 1);
        } else if took_ms < BATCH_MS_MAX / 4 {
            self.halvings = self.halvings.saturating_sub(1);
        }
    }

    /// Notes what a batch came to.
    fn went(&mut self, outlived: Outlived, forgotten: &Forgotten) {
        let Forgotten { replies, deliveries, attempts, texts, events, rest } = *forgotten;
        self.gone +=
            [replies, deliveries, attempts, texts, events].map(u64::from).iter().sum::<u64>();
        self.left.pop();
        if rest.is_some() {
            self.left.extend(rest);
            return;
        }
        match outlived {
            Outlived::Replies { .. } => {}
            Outlived::Deliveries { account, before, .. } => {
                self.floors.entry(account).or_default().0 = lowest(before).saturating_sub(1);
            }
            Outlived::Events { account, texts_before, .. } => {
                self.floors.entry(account).or_default().1 = lowest(texts_before).saturating_sub(1);
            }
        }
    }
}

/// Tells which deliveries are old.
fn old_deliveries(
    retention: Retention,
    account: AccountId,
    floor: u128,
    now: Timestamp,
) -> Option<Outlived> {
    let before = retention.deliveries.before(now)?;
    Some(Outlived::Deliveries { account, after: DeliveryId::new(floor), before })
}

/// Tells which events are old.
fn old_events(
    retention: Retention,
    account: AccountId,
    floor: u128,
    now: Timestamp,
) -> Option<Outlived> {
    let texts_before = retention.payloads.before(now)?;
    let rows_before = retention.events_before(now).unwrap_or_default();
    Some(Outlived::Events { account, after: EventId::new(floor), texts_before, rows_before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_takes_long_is_followed_by_smaller_ones_and_quick_ones_by_larger() {
        let mut pass = Pass::default();
        let mut sizes = |times: &[u64]| -> Vec<u32> {
            let size = |took_ms: &u64| {
                pass.fit(*took_ms);
                BATCH >> pass.halvings
            };
            times.iter().map(size).collect()
        };
        assert_eq!(sizes(&[500, 501, 4_000, 200, 100]), [500, 250, 125, 125, 250]);
        assert_eq!(sizes(&[4_000; 9]).last(), Some(&62));
        assert_eq!(sizes(&[0; 9]).last(), Some(&500));
    }
}
