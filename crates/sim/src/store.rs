//! Any store, sometimes away before its commit or after it, or slow to answer.
//!
//! Invariant: a fault after the commit loses the answer and nothing else; what the inner store did stands.

use std::panic::resume_unwind;
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

/// A verb that can be told to fail a known number of times, or to answer late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// [`Store::commit`].
    Commit,
    /// [`Store::settle`].
    Settle,
    /// [`Store::due_timers`].
    Timers,
}

/// A verb that fails soon, for a while.
#[derive(Debug)]
struct Outage {
    verb: Verb,
    /// So many of it are carried out before.
    passes: u32,
    /// So many of it fail.
    fails: u32,
}

/// Any store, with faults.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    dice: Mutex<Dice>,
    /// Faults in a hundred verbs.
    percent: Mutex<u64>,
    outage: Mutex<Option<Outage>>,
    /// The answer to the next one of these is held.
    holds: Mutex<Option<Verb>>,
    held: Notify,
    let_go: Notify,
    beaten: Notify,
    /// The next look for timers panics.
    breaks: AtomicBool,
}

impl Faulty {
    /// Wraps a store; it behaves until told otherwise.
    pub fn new(inner: Arc<dyn Store>, dice: Dice) -> Self {
        Self {
            inner,
            dice: Mutex::new(dice),
            percent: Mutex::new(0),
            outage: Mutex::new(None),
            holds: Mutex::new(None),
            held: Notify::new(),
            let_go: Notify::new(),
            beaten: Notify::new(),
            breaks: AtomicBool::new(false),
        }
    }

    /// Says how many verbs in a hundred fail.
    pub fn fails(&self, percent: u64) {
        *self.percent.lock().unwrap_or_else(PoisonError::into_inner) = percent;
    }

    /// Says that so many of a verb are carried out, and that so many fail after those.
    pub fn fails_after(&self, verb: Verb, passes: u32, fails: u32) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Outage { verb, passes, fails });
    }

    /// Holds the answer to the next one of a verb, which is done all the same, until it is let go.
    pub fn hold_next_answer(&self, verb: Verb) {
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner) = Some(verb);
    }

    /// Has the next look for timers break down, as a fault of the program would.
    pub fn break_down(&self) {
        self.breaks.store(true, Ordering::Relaxed);
    }

    /// Waits until what is held the answer to is done.
    pub async fn answer_held(&self) {
        self.held.notified().await;
    }

    /// Lets the answer go that is held.
    pub fn let_answer_go(&self) {
        self.let_go.notify_one();
    }

    /// Waits for a beat that has begun since the last one that was waited for.
    pub async fn beaten(&self) {
        self.beaten.notified().await;
    }

    async fn hold(&self, verb: Verb) {
        let holds = {
            let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
            holds.take_if(|held| *held == verb).is_some()
        };
        if holds {
            self.held.notify_one();
            self.let_go.notified().await;
        }
    }

    fn strikes(&self) -> Result<(), Error> {
        let percent = *self.percent.lock().unwrap_or_else(PoisonError::into_inner);
        let struck = self.dice.lock().unwrap_or_else(PoisonError::into_inner).percent(percent);
        if struck { Err(away()) } else { Ok(()) }
    }

    /// Strikes a verb before it is carried out, if it is its turn to fail.
    fn strikes_at(&self, verb: Verb) -> Result<(), Error> {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outage) = outage.as_mut().filter(|outage| outage.verb == verb) else {
            return Ok(());
        };
        if outage.passes > 0 {
            outage.passes -= 1;
            return Ok(());
        }
        if outage.fails > 0 {
            outage.fails -= 1;
            return Err(away());
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Faulty {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        self.strikes_at(Verb::Commit)?;
        self.strikes()?;
        let committed = self.inner.commit(commit).await?;
        self.hold(Verb::Commit).await;
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
        self.strikes_at(Verb::Settle)?;
        self.strikes()?;
        let settled = self.inner.settle(now, settlements).await?;
        self.hold(Verb::Settle).await;
        self.strikes()?;
        Ok(settled)
    }

    fn release(&self, leases: Vec<(EndpointId, DeliveryId)>) {
        self.inner.release(leases);
    }

    async fn beat(&self, now: Timestamp) -> Result<Crew, Error> {
        self.beaten.notify_one();
        self.strikes()?;
        self.inner.beat(now).await
    }

    async fn agree(&self, now: Timestamp) -> Result<Crew, Error> {
        self.strikes()?;
        self.inner.agree(now).await
    }

    async fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Error> {
        if self.breaks.swap(false, Ordering::Relaxed) {
            resume_unwind(Box::new("it broke down"));
        }
        self.strikes_at(Verb::Timers)?;
        self.strikes()?;
        let due = self.inner.due_timers(now, limit).await?;
        self.hold(Verb::Timers).await;
        Ok(due)
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

fn away() -> Error {
    Error::Unavailable { hint: "the simulated store is away", source: "a fault".into() }
}
