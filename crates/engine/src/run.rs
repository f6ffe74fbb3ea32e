//! The only loops: when to step what; wakes, pauses, shutdown.
//!
//! Five of them run side by side: one starts attempts, one asks the store for more, one writes what ended, one acts on
//! timers, one forgets. A sixth says that this node lives, where others may share the store. Each waits for a wake or for the moment that it knows to be next; while nothing is due, nothing moves.
//!
//! Invariants: a wake is only a hint; a store that is away is asked again, more and more slowly, and nothing is given
//! up meanwhile; shutdown starts nothing, waits for what is under way, and hands the rest back; a node of which a loop
//! broke down stops.
//! Left to others: the steps themselves.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::time::{SECOND_MS, Timestamp};
use store::{Commit, LeaseScope, Leased, TimerKind, Write};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, error, info, warn};

use crate::Engine;
use crate::lanes::Work;
use crate::retention::Pass;

/// What is under way gets so long to end at shutdown, and then what ended as long to be written.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);
/// With so many attempts under way, what ended waits a moment for company before it is written.
const CROWD: usize = 8;
/// So many are company enough.
const COMPANY: usize = 256;
/// How long it waits.
const COMPANY_WAIT: Duration = Duration::from_millis(2);
/// The longest pause between two tries to reach a store that is away.
const PAUSE_MS_MAX: i64 = 5 * SECOND_MS;
/// The same for what ended: until that is written, whoever dies leaves it to be attempted again.
pub(crate) const SETTLE_PAUSE_MS_MAX: i64 = SECOND_MS / 2;
/// The longest sleep: the real clock may step while we sleep.
const SLEEP_MAX: Duration = Duration::from_hours(1);

/// How often a node says that it lives, as `store` asks for.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// Saying so may take so long.
const BEAT_PATIENCE: Duration = Duration::from_secs(4);
/// How often a crew that does not agree is asked whether it does.
const AGREE_EVERY: Duration = Duration::from_millis(200);
/// How often work is looked for that no hint told of, where several nodes may share the store.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(15);

/// Says that it is time to stop, to whoever listens. Clones are one.
#[derive(Debug, Clone)]
pub struct Shutdown {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Shutdown {
    /// Says that it is time.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }

    /// Waits until somebody has said so.
    pub async fn begun(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as this value does.
        drop(receiver.wait_for(|begun| *begun).await);
    }
}

/// What the loops share.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    shut: AtomicBool,
    clock_moved: Notify,
}

impl Engine {
    /// Carries everything forward until shutdown begins, or a loop breaks down: others would wait for what a node leaves
    /// undone that goes on without it. Returns when what was under way has ended or was handed back.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut chores = JoinSet::new();
        chores.spawn({
            let (engine, stop) = (self.clone(), shutdown.clone());
            async move { engine.lease_loop(&stop).await }
        });
        chores.spawn({
            let (engine, stop) = (self.clone(), shutdown.clone());
            async move { engine.timer_loop(&stop).await }
        });
        chores.spawn({
            let (engine, stop) = (self.clone(), shutdown.clone());
            async move { engine.retention_loop(&stop).await }
        });
        let (mut settling, all_ended) = (JoinSet::new(), Shutdown::default());
        settling.spawn({
            let (engine, stop) = (self.clone(), all_ended.clone());
            async move { engine.settle_loop(&stop).await }
        });
        let mut beats = JoinSet::new();
        if self.lanes().is_shared() {
            let engine = self.clone();
            beats.spawn(async move { engine.beat_loop().await });
        }
        let mut attempts = JoinSet::new();
        let broken = tokio::select! {
            () = self.start_loop(&mut attempts, &shutdown) => None,
            ended = chores.join_next() => ended,
            ended = settling.join_next() => ended,
            Some(ended) = beats.join_next() => Some(ended),
        };
        if let Some(Err(broken)) = broken {
            error!(error = %broken, "a loop broke down; this node stops, so that what it leaves undone is done again");
            chores.abort_all();
        }

        self.inner.loops.shut.store(true, Ordering::Release);
        let mut handed_back = 0;
        let end = async {
            let mut ended = pin!(async {
                while attempts.join_next().await.is_some() {}
                while chores.join_next().await.is_some() {}
            });
            loop {
                handed_back += self.hand_back();
                tokio::select! {
                    () = &mut ended => return,
                    // What was being leased arrives.
                    () = self.lanes().start.notified() => {}
                }
            }
        };
        if timeout(SHUTDOWN_PATIENCE, end).await.is_err() {
            let (attempts, chores) = (attempts.len(), chores.len());
            warn!(attempts, chores, "what is still under way is dropped; it is done again");
        }
        attempts.shutdown().await;
        chores.shutdown().await;
        handed_back += self.hand_back();
        all_ended.begin();
        let written = timeout(SHUTDOWN_PATIENCE, settling.join_next()).await;
        if !matches!(written, Ok(Some(Ok(())))) {
            warn!("what ended last could not be written at shutdown; it is attempted again");
            settling.shutdown().await;
        }
        // Until now others should not take over what was still to be written.
        beats.shutdown().await;
        info!(handed_back, "the engine has stopped");
    }

    /// Takes no more work, and hands back what waits; tells how much that was.
    fn hand_back(&self) -> usize {
        let waiting = self.lanes().close();
        let count = waiting.len();
        if count > 0 {
            self.store().release(waiting);
        }
        count
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.inner.loops.shut.load(Ordering::Acquire)
    }

    /// Wakes every loop, since the clock was moved.
    pub(crate) fn wake_all(&self) {
        self.inner.loops.clock_moved.notify_waiters();
        self.lanes().start.notify_one();
        self.lanes().hungry.notify_one();
        self.inner.timers.moved.notify_one();
    }

    /// Starts attempts as long as there is work.
    async fn start_loop(&self, attempts: &mut JoinSet<()>, shutdown: &Shutdown) {
        let mut begun = pin!(shutdown.begun());
        loop {
            let wake_at = loop {
                match self.lanes().next(self.now()) {
                    Ok(work) => {
                        let engine = self.clone();
                        attempts.spawn(async move { engine.work_through(work).await });
                    }
                    Err(wake_at) => break wake_at,
                }
            };
            tokio::select! {
                () = &mut begun => return,
                () = self.lanes().start.notified() => {}
                () = self.wait_until(wake_at) => {}
                Some(ended) = attempts.join_next() => report(ended),
            }
            while let Some(ended) = attempts.try_join_next() {
                report(ended);
            }
        }
    }

    /// Attempts a piece of work and then whatever has its turn next, until there is nothing.
    async fn work_through(self, first: Work) {
        let mut next = Some(first);
        while let Some(work) = next.take() {
            if let Some(ended) = self.attempt(work).await {
                self.note_ended(ended);
            }
            next = self.lanes().next(self.now()).ok();
        }
        self.lanes().start.notify_one();
    }

    /// Asks the store for work that is due.
    async fn lease_loop(&self, stop: &Shutdown) {
        let mut begun = pin!(stop.begun());
        let mut pause = Pause::up_to(PAUSE_MS_MAX);
        // A node of several takes nothing before it knows its share.
        let mut scope = (!self.lanes().is_shared()).then_some(LeaseScope::All);
        loop {
            let now = self.now();
            if self.lanes().wants_everything() {
                scope = Some(LeaseScope::All);
            }
            let asked = match scope.take() {
                Some(scope) => Ok(scope),
                None => self.lanes().asks(now).map(LeaseScope::Endpoints),
            };
            let wake_at = match asked {
                Err(wake_at) => wake_at,
                Ok(asked) => match self.store().lease(now, asked.clone()).await {
                    Ok(leased) => {
                        pause.reset();
                        self.note_leased(leased, now).await;
                        // A store that has just answered may have more: look again at once.
                        Some(now)
                    }
                    Err(error) => {
                        let at = pause.next(now, &error, "leasing");
                        match asked {
                            LeaseScope::All => scope = Some(LeaseScope::All),
                            LeaseScope::Endpoints(ids) => self.lanes().ask_again(ids, at),
                        }
                        tokio::select! {
                            () = &mut begun => return,
                            () = self.sleep_until(at) => {}
                        }
                        Some(at)
                    }
                },
            };
            if scope.is_some() {
                continue;
            }
            tokio::select! {
                () = &mut begun => return,
                () = self.lanes().hungry.notified() => {}
                () = self.wait_until(wake_at) => {}
            }
        }
    }

    /// Notes what the store has left for later, and has what is left for endpoints that are off swept away.
    pub async fn note_leased(&self, leased: Leased, now: Timestamp) {
        for (endpoint, due_at) in leased.next_due {
            self.lanes().note_next_due(endpoint, due_at, now);
        }
        self.lanes().ask_again(leased.unfinished, now);
        for (account, endpoint) in leased.off {
            let mut commit = Commit::new(account, now);
            commit.writes.push(Write::Timer(TimerKind::Sweep, endpoint.bits(), Some(now)));
            if let Err(fault) = self.commit(commit).await {
                warn!(error = %fault, "what is left for an endpoint that is off could not be swept; it is found again");
            }
        }
    }

    /// Says that this node lives, again and again, and what its share is once all agree; never ends.
    async fn beat_loop(&self) {
        let mut beats = interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = interval(LOOK_AROUND_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        let mut asks = interval(AGREE_EVERY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut agreed, mut heard) = (false, true);
        loop {
            let said = tokio::select! {
                biased;
                _ = beats.tick() => timeout(BEAT_PATIENCE, self.beat()).await,
                _ = asks.tick(), if !agreed && heard => timeout(BEAT_PATIENCE, self.agree()).await,
                _ = looks.tick() => {
                    self.look_around();
                    continue;
                }
            };
            let trouble = match said {
                Ok(Ok(all)) => {
                    if !heard {
                        info!("this node is heard again");
                    }
                    (agreed, heard) = (all, true);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(late) => late.to_string(),
            };
            if heard {
                warn!(error = trouble, "this node could not say that it lives; trying again");
            }
            heard = false;
        }
    }

    /// Writes what ended, again and again until it is written; ends when told that nothing more will end, and all is.
    async fn settle_loop(&self, stop: &Shutdown) {
        let mut begun = pin!(stop.begun());
        let mut pause = Pause::up_to(SETTLE_PAUSE_MS_MAX);
        loop {
            match self.settle().await {
                Ok(0) => {
                    tokio::select! {
                        // What ended before the stop comes before it.
                        biased;
                        () = self.inner.ends.some.notified() => {}
                        () = &mut begun => return,
                    }
                    self.wait_for_company().await;
                }
                Ok(count) => {
                    pause.reset();
                    if count < COMPANY {
                        self.wait_for_company().await;
                    }
                    let surplus = self.lanes().surplus();
                    if !surplus.is_empty() {
                        self.store().release(surplus);
                    }
                }
                Err(error) => {
                    let at = pause.next(self.now(), &error, "settling");
                    self.sleep_until(at).await;
                }
            }
        }
    }

    /// Waits for others to end, where there are many under way.
    async fn wait_for_company(&self) {
        let (in_flight, unsettled) = self.lanes().under_way();
        if in_flight + unsettled >= CROWD {
            // Running into the time is what this is for.
            drop(timeout(COMPANY_WAIT, pending::<()>()).await);
        }
    }

    /// Acts on what falls due by itself.
    async fn timer_loop(&self, stop: &Shutdown) {
        let mut begun = pin!(stop.begun());
        let mut pause = Pause::up_to(PAUSE_MS_MAX);
        let mut look = true;
        loop {
            let now = self.now();
            if look || self.inner.timers.at().is_some_and(|at| at <= now) {
                look = false;
                match self.step_timers().await {
                    Ok(count) => {
                        pause.reset();
                        debug!(count, "timers were acted on");
                        // More may always be due, as where much is swept.
                        if self.is_shut() {
                            return;
                        }
                    }
                    Err(error) => {
                        let at = pause.next(now, &error, "acting on timers");
                        tokio::select! {
                            () = &mut begun => return,
                            () = self.sleep_until(at) => {}
                        }
                        look = true;
                    }
                }
                continue;
            }
            tokio::select! {
                () = &mut begun => return,
                () = self.inner.timers.moved.notified() => {}
                () = self.wait_until(self.inner.timers.at()) => {}
            }
        }
    }

    /// Forgets what may be forgotten, a batch at a time.
    async fn retention_loop(&self, stop: &Shutdown) {
        let mut begun = pin!(stop.begun());
        let (mut pass, mut pause) = (Pass::default(), Pause::up_to(PAUSE_MS_MAX));
        loop {
            let at = match self.step_retention(&mut pass).await {
                Ok(at) => {
                    pause.reset();
                    at
                }
                Err(error) => pause.next(self.now(), &error, "forgetting"),
            };
            tokio::select! {
                () = &mut begun => return,
                () = self.sleep_until(at) => {}
            }
        }
    }

    /// Waits until a moment of the engine's clock; for ever when there is none.
    async fn wait_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.sleep_until(at).await,
            None => pending().await,
        }
    }

    /// Sleeps until a moment of the engine's clock, or until the clock is moved.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        let length = self.now().until(at).min(SLEEP_MAX);
        let moved = self.inner.loops.clock_moved.notified();
        // Running into the time is what this is for.
        drop(timeout(length, moved).await);
    }
}

/// Says that a worker panicked; its lease was given back when it was dropped.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(error = %error, "an attempt panicked; its delivery is made again");
    }
}

/// Pauses between tries to reach a store that is away.
#[derive(Debug)]
pub(crate) struct Pause {
    tries: u32,
    ms_max: i64,
}

impl Pause {
    pub(crate) const fn up_to(ms_max: i64) -> Self {
        Self { tries: 0, ms_max }
    }

    pub(crate) fn next(&mut self, now: Timestamp, error: &store::Error, doing: &str) -> Timestamp {
        if self.tries == 0 {
            warn!(error = %error, doing, "the store is away; trying again");
        }
        let pause_ms = 50_i64.saturating_mul(1 << self.tries.min(10)).min(self.ms_max);
        self.tries += 1;
        now.plus_millis(pause_ms)
    }

    pub(crate) fn reset(&mut self) {
        if self.tries > 0 {
            info!("the store is back");
        }
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_tried_again_soon_however_long_the_store_was_away() {
        let error = store::Error::Closed;
        let mut pause = Pause::up_to(SETTLE_PAUSE_MS_MAX);
        let now = Timestamp::default();
        let waits: Vec<_> =
            (0..6).map(|_| pause.next(now, &error, "settling").as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 500, 500]);
    }
}
