//! Any store, sometimes away before its commit or after it, or slow to answer.
//!
//! Invariant: a fault after the commit loses the answer and nothing else; what the inner store did stands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::id::{DeliveryId, EndpointId};
use domain::time::Timestamp;
use store::{
    Commit, Committed, Crew, Error, Fault, Forgotten, LeaseScope, Leased, Outlived, Settled,
    Settlement, Store, Timer,
};
use tokio::sync::Notify;

use crate::dice::Dice;

/// Any store, with faults.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    dice: Mutex<Dice>,
    /// Faults in a hundred verbs.
    percent: Mutex<u64>,
    /// Whether the answer to the next commit is held.
    holds: AtomicBool,
    held: Notify,
    let_go: Notify,
}

impl Faulty {
    /// Wraps a store; it behaves until told otherwise.
    pub fn new(inner: Arc<dyn Store>, dice: Dice) -> Self {
        Self {
            inner,
            dice: Mutex::new(dice),
            percent: Mutex::new(0),
            holds: AtomicBool::new(false),
            held: Notify::new(),
            let_go: Notify::new(),
        }
    }

    /// Says how many verbs in a hundred fail.
    pub fn fails(&self, percent: u64) {
        *self.percent.lock().unwrap_or_else(PoisonError::into_inner) = percent;
    }

    /// Holds the answer to the next commit, which is done all the same, until it is let go.
    pub fn hold_next_answer(&self) {
        self.holds.store(true, Ordering::Relaxed);
    }

    /// Waits until the commit whose answer is held is done.
    pub async fn answer_held(&self) {
        self.held.notified().await;
    }

    /// Lets the answer go that is held.
    pub fn let_answer_go(&self) {
        self.let_go.notify_one();
    }

    fn strikes(&self) -> Result<(), Error> {
        let percent = *self.percent.lock().unwrap_or_else(PoisonError::into_inner);
        let struck = self.dice.lock().unwrap_or_else(PoisonError::into_inner).percent(percent);
        if struck {
            return Err(Error::Unavailable {
                hint: "the simulated store is away",
                source: "a fault".into(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Faulty {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        self.strikes()?;
        let holds = self.holds.swap(false, Ordering::Relaxed);
        let committed = self.inner.commit(commit).await?;
        if holds {
            self.held.notify_one();
            self.let_go.notified().await;
        }
        self.strikes()?;
        Ok(committed)
    }

    async fn lease(&self, now: Timestamp, scope: LeaseScope) -> Result<Leased, Error> {
        self.strikes()?;
        let leased = self.inner.lease(now, scope).await?;
        self.strikes()?;
        Ok(leased)
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Settled, Error> {
        self.strikes()?;
        let settled = self.inner.settle(now, settlements).await?;
        self.strikes()?;
        Ok(settled)
    }

    fn release(&self, leases: Vec<(EndpointId, DeliveryId)>) {
        self.inner.release(leases);
    }

    async fn beat(&self, now: Timestamp) -> Result<Crew, Error> {
        self.strikes()?;
        self.inner.beat(now).await
    }

    async fn agree(&self, now: Timestamp) -> Result<Crew, Error> {
        self.strikes()?;
        self.inner.agree(now).await
    }

    async fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Error> {
        self.strikes()?;
        self.inner.due_timers(now, limit).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>, Error> {
        self.strikes()?;
        self.inner.next_timer().await
    }

    async fn forget(&self, outlived: Outlived, limit: u32) -> Result<Forgotten, Error> {
        self.strikes()?;
        let forgotten = self.inner.forget(outlived, limit).await?;
        self.strikes()?;
        Ok(forgotten)
    }

    fn highest_id(&self) -> u128 {
        self.inner.highest_id()
    }

    async fn probe(&self, now: Timestamp) -> Result<(), Error> {
        self.strikes()?;
        self.inner.probe(now).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
