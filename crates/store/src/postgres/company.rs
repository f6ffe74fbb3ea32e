//! Jobs that wait for a writer, and for how long its next transaction waits for more of them.
//!
//! Invariants: whoever comes alone waits for nobody; a transaction waits for company no longer than the one
//! before it took, and never longer than [`WAIT_MAX`].
//! Left to others: what the jobs mean, and how they are carried out together (`writer`).

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tokio::{select, task};

use super::writer::Job;

/// Jobs in one transaction at most.
const BATCH_MAX: usize = 512;
/// So many jobs at once mean that there is a crowd, and others are at work who may have more.
const CROWD: usize = 6;
/// Turns of the runtime that a crowd gives to them.
const TURNS_MAX: u32 = 16;
/// Among other nodes a transaction waits so long for company at most, however long the one before it took.
const WAIT_MAX: Duration = Duration::from_millis(5);

/// Jobs that wait, and what is known of those before them.
#[derive(Debug)]
pub(super) struct Jobs {
    waiting: UnboundedReceiver<Job>,
    /// How many were taken last, with those that came meanwhile: as many may come again.
    usual: usize,
    /// Until when the next transaction may wait for them.
    until: Option<Instant>,
}

impl Jobs {
    /// Takes the end at which they arrive.
    pub(super) const fn new(waiting: UnboundedReceiver<Job>) -> Self {
        Self { waiting, usual: 0, until: None }
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
        if count > 0 && self.usual >= CROWD {
            self.wait_turns(&mut batch).await;
        }
        if count > 0 {
            self.wait_for_company(&mut batch).await;
        }
        self.usual = batch.len();
        self.until = None;
        batch
    }

    /// Takes who arrives as soon as others have had a chance to run.
    async fn wait_turns(&mut self, batch: &mut Vec<Job>) {
        for _ in 0..TURNS_MAX {
            task::yield_now().await;
            while batch.len() < BATCH_MAX
                && let Ok(job) = self.waiting.try_recv()
            {
                batch.push(job);
            }
        }
    }

    /// Takes who arrives until nine of ten have that usually do, or it took too long.
    async fn wait_for_company(&mut self, batch: &mut Vec<Job>) {
        let Some(until) = self.until else { return };
        let enough = (self.usual * 9 / 10).min(BATCH_MAX);
        while batch.len() < enough {
            let room = BATCH_MAX - batch.len();
            match time::timeout_at(until, self.waiting.recv_many(batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Notes that the transaction of the jobs that were gathered last has ended, which began then: its callers may come
    /// again, and the next transaction waits for them.
    ///
    /// That is for a node among others. Each event of a small transaction costs the database more, and with one node
    /// alone what comes while a transaction is under way is company enough; among others it is only that node's part.
    pub(super) fn ended(&mut self, began: Instant) {
        let now = Instant::now();
        self.usual += self.waiting.len();
        self.until = Some(now + (now - began).min(WAIT_MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use tokio::sync::mpsc::{self, UnboundedSender};

    use super::*;

    /// Where jobs are sent, and where they arrive; `before` of them were in a transaction that took so long.
    async fn after(before: usize, took: Duration) -> (UnboundedSender<Job>, Jobs) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut jobs = Jobs::new(receiver);
        send(&sender, before);
        assert_eq!(gather(&mut jobs).await, before);
        let began = Instant::now();
        time::advance(took).await;
        jobs.ended(began);
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
        let began = Instant::now();
        send(&sender, 10);
        time::advance(Duration::from_millis(4)).await;
        jobs.ended(began);
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
    async fn beside_a_transaction_under_way_nobody_is_waited_for() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut jobs = Jobs::new(receiver);
        send(&sender, 20);
        assert_eq!(gather(&mut jobs).await, 20);
        assert_eq!(gather_while_they_come(&sender, &mut jobs, 4).await, (6, 0));
    }
}
