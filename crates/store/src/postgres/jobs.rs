//! Jobs that wait for a writer, and for how long its next transaction waits for more of them.
//!
//! Invariants: a transaction waits for company no longer than the one before it took, and never longer than
//! [`WAIT_MAX`], each to the timer's millisecond; who waited for nothing soon leaves it; no job is lost by waiting.
//! Left to others: how jobs are carried out together (`writer`), and what they mean (`unit`, `apply`, `lease`).

use std::time::Duration;

use domain::id::{DeliveryId, EndpointId};
use domain::time::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot::Sender;
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tokio::{select, task};

use crate::commit::{Commit, Committed, Fault, Settled, Settlement, Timer};
use crate::error::Error;
use crate::lanes::{LeaseScope, Leased};

/// Jobs in one transaction at most.
const BATCH_MAX: usize = 512;
/// So many jobs at once mean that there is a crowd, and others are at work who may have more.
const CROWD: usize = 6;
/// How often a crowd lets them run.
const YIELDS_MAX: u32 = 16;
/// Among other nodes a transaction waits so long for company at most, however long the one before it took.
const WAIT_MAX: Duration = Duration::from_millis(5);
/// After waits in vain, so many transactions at most do not wait.
const UNAWAITED_MAX: u32 = 15;

/// Work for a writer, with the way to answer.
#[derive(Debug)]
pub(super) enum Job {
    Commit(Box<Commit>, Sender<Result<Committed, Fault>>),
    Settle(Timestamp, Vec<Settlement>, Sender<Result<Settled, Error>>),
    Lease(Timestamp, LeaseScope, Sender<Result<Leased, Error>>),
    Release(Vec<(EndpointId, DeliveryId)>),
    Timers(Timestamp, u32, Sender<Result<Vec<Timer>, Error>>),
    Probe(Timestamp, Sender<Result<(), Error>>),
}

/// Jobs that wait, and what is known of those before them.
#[derive(Debug)]
pub(super) struct Jobs {
    waiting: UnboundedReceiver<Job>,
    /// How many were taken last.
    taken: usize,
    /// Whom the next transaction waits for.
    company: Option<Company>,
    patience: Patience,
}

/// Those who are expected to come, and until when.
#[derive(Debug)]
struct Company {
    expected: usize,
    until: Instant,
}

/// What waiting has been good for: who waits in vain waits less often.
#[derive(Debug, Default)]
struct Patience {
    /// How many transactions were not to wait after the last wait in vain.
    paused: u32,
    /// How many of them are still to come.
    left: u32,
}

impl Patience {
    /// Tells whether to wait.
    const fn allows(&mut self) -> bool {
        let allowed = self.left == 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    fn learn(&mut self, in_vain: bool) {
        self.paused = if in_vain { (self.paused * 2 + 1).min(UNAWAITED_MAX) } else { 0 };
        self.left = self.paused;
    }
}

impl Jobs {
    /// Takes the end at which they arrive.
    pub(super) const fn new(waiting: UnboundedReceiver<Job>) -> Self {
        Self { waiting, taken: 0, company: None, patience: Patience { paused: 0, left: 0 } }
    }

    /// Waits for jobs, and takes what has come together; nothing when no more will come.
    pub(super) async fn gather(&mut self, closes: &mut watch::Receiver<bool>) -> Vec<Job> {
        let mut batch = Vec::new();
        let count = select! {
            biased;
            count = self.waiting.recv_many(&mut batch, BATCH_MAX) => count,
            // A store that was dropped has no senders either.
            () = async { drop(closes.wait_for(|closed| *closed).await) } => {
                self.waiting.close();
                self.waiting.recv_many(&mut batch, BATCH_MAX).await
            }
        };
        if count > 0 && self.taken >= CROWD {
            self.let_others_run(&mut batch).await;
        }
        if count > 0
            && let Some(company) = self.company.take()
        {
            self.wait_for(company, &mut batch).await;
        }
        self.taken = batch.len();
        batch
    }

    /// Takes who arrives as soon as others have had a chance to run.
    async fn let_others_run(&mut self, batch: &mut Vec<Job>) {
        for _ in 0..YIELDS_MAX {
            task::yield_now().await;
            while batch.len() < BATCH_MAX
                && let Ok(job) = self.waiting.try_recv()
            {
                batch.push(job);
            }
        }
    }

    /// Takes who arrives until nine of ten are there who were expected, or it took too long.
    async fn wait_for(&mut self, company: Company, batch: &mut Vec<Job>) {
        let enough = (company.expected * 9 / 10).min(BATCH_MAX);
        while batch.len() < enough {
            let room = BATCH_MAX - batch.len();
            match time::timeout_at(company.until, self.waiting.recv_many(batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        self.patience.learn(batch.len() < enough);
    }

    /// Notes that the transaction of the jobs that were gathered last is over, which took so long: its callers may come
    /// again, and the next transaction waits for them and for who came meanwhile.
    ///
    /// That is for a node among others. Each event of a small transaction costs the database more, and with one node
    /// alone what comes while a transaction is under way is company enough; among others it is only that node's part.
    pub(super) fn ended(&mut self, now: Instant, took: Duration) {
        let expected = self.taken + self.waiting.len();
        let company = Company { expected, until: now + took.min(WAIT_MAX) };
        self.company = self.patience.allows().then_some(company);
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use tokio::join;
    use tokio::sync::mpsc::{self, UnboundedSender};

    use super::*;

    /// Where jobs are sent, and where they arrive; `before` of them were in a transaction that took so long.
    async fn after(before: usize, took: Duration) -> (UnboundedSender<Job>, Jobs) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut jobs = Jobs::new(receiver);
        send(&sender, before);
        assert_eq!(gather(&mut jobs).await, before);
        jobs.ended(Instant::now(), took);
        (sender, jobs)
    }

    fn send(sender: &UnboundedSender<Job>, count: usize) {
        for _ in 0..count {
            sender.send(Job::Release(Vec::new())).unwrap();
        }
    }

    async fn gather(jobs: &mut Jobs) -> usize {
        let (_open, mut closes) = watch::channel(false);
        jobs.gather(&mut closes).await.len()
    }

    /// Gathers while jobs arrive, six now and six with each millisecond, so often; tells how many came together, and after
    /// how many milliseconds.
    async fn gather_while_they_come(
        sender: &UnboundedSender<Job>,
        jobs: &mut Jobs,
        often: usize,
    ) -> (usize, u128) {
        let began = Instant::now();
        let come = async {
            let mut pace = time::interval(Duration::from_millis(1));
            for _ in 0..often {
                pace.tick().await;
                send(sender, 6);
            }
            future::pending::<()>().await;
        };
        let gathered = select! {
            gathered = gather(jobs) => gathered,
            () = come => 0,
        };
        (gathered, began.elapsed().as_millis())
    }

    #[tokio::test]
    async fn after_a_crowd_who_is_at_work_comes_along() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut jobs = Jobs::new(receiver);
        for (before, together) in [(CROWD - 1, 1), (CROWD, 2)] {
            send(&sender, before);
            assert_eq!(gather(&mut jobs).await, before);
            send(&sender, 1);
            let work = async {
                task::yield_now().await;
                send(&sender, 1);
            };
            assert_eq!(join!(gather(&mut jobs), work).0, together);
            while jobs.waiting.try_recv().is_ok() {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_waited_for_until_nine_of_ten_are_back() {
        let (sender, mut jobs) = after(20, Duration::from_millis(4)).await;
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 4).await, (18, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_meanwhile_belongs_to_the_company() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut jobs = Jobs::new(receiver);
        send(&sender, 10);
        assert_eq!(gather(&mut jobs).await, 10);
        send(&sender, 10);
        jobs.ended(Instant::now(), Duration::from_millis(4));
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 4).await, (22, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_the_last_transaction_took() {
        let (sender, mut jobs) = after(20, Duration::from_millis(3)).await;
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 1).await, (6, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_transaction_makes_nobody_wait_as_long() {
        let (sender, mut jobs) = after(20, Duration::from_secs(2)).await;
        let waited = WAIT_MAX.as_millis();
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 1).await, (6, waited));
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_does_not_wait_for_the_other() {
        let (sender, mut jobs) = after(2, Duration::from_millis(4)).await;
        send(&sender, 1);
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 0).await, (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_than_that_waits_for_nobody() {
        let (sender, mut jobs) = after(20, Duration::from_millis(4)).await;
        time::advance(Duration::from_millis(4)).await;
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 4).await, (6, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn beside_a_transaction_under_way_nobody_is_waited_for() {
        let (sender, mut jobs) = after(20, Duration::from_millis(4)).await;
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 3).await, (18, 2));
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 3).await, (6, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_back_is_waited_for_less_and_less() {
        let (sender, mut jobs) = after(20, Duration::from_millis(4)).await;
        let mut waits = Vec::new();
        for number in 0..60 {
            send(&sender, 6);
            let began = Instant::now();
            assert_eq!(gather(&mut jobs).await, 6);
            if began.elapsed() > Duration::ZERO {
                waits.push(number);
            }
            // Others come meanwhile and are not there any more.
            send(&sender, 14);
            jobs.ended(Instant::now(), Duration::from_millis(4));
            while jobs.waiting.try_recv().is_ok() {}
        }
        assert_eq!(waits, [0, 2, 6, 14, 30, 46]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_back_once_is_waited_for_again() {
        let (sender, mut jobs) = after(20, Duration::from_millis(4)).await;
        let mut patience = Patience::default();
        for _ in 0..9 {
            patience.learn(true);
        }
        jobs.patience = patience;
        while jobs.company.is_none() {
            jobs.ended(Instant::now(), Duration::from_millis(4));
        }
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 3).await, (18, 2));
        jobs.ended(Instant::now(), Duration::from_millis(4));
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 3).await, (18, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn when_nobody_can_come_any_more_nobody_is_waited_for() {
        let (sender, mut jobs) = after(20, Duration::from_millis(4)).await;
        send(&sender, 6);
        let began = Instant::now();
        drop(sender);
        assert_eq!((gather(&mut jobs).await, began.elapsed()), (6, Duration::ZERO));
        assert_eq!(gather(&mut jobs).await, 0);
    }
}
