//! The line of jobs for the writer.
//!
//! Invariants: verbs that wait are bounded in number, whoever sends them; whoever is refused is told why. What the store says
//! to itself is never refused.
//! Left to others: carrying jobs out (`writer`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use super::job::{Job, refuse};
use crate::error::Error;

/// Jobs that wait for the writer at most; more verbs are refused as unavailable.
const WAITING_MAX: usize = 16_384;

/// The way to the writer.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    jobs: Sender<Job>,
    /// Jobs that the writer has not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    /// Makes it, and gives the writer's end.
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (jobs, received) = mpsc::channel();
        (Self { jobs, waiting: Arc::default() }, received)
    }

    /// Lines a job up; refuses a verb when too many wait, since the disk does not keep up. Nobody answers once the writer
    /// is gone; its caller sees that.
    pub(super) fn line_up(&self, job: Job) {
        let is_verb = match job {
            Job::Commit(..)
            | Job::Settle(..)
            | Job::Lease(..)
            | Job::Forget(..)
            | Job::Probe(..) => true,
            Job::Release(_)
            | Job::CatchUp(_)
            | Job::LogEnd(_)
            | Job::Behind
            | Job::FarBehind
            | Job::Full
            | Job::Free { .. }
            | Job::Close => false,
        };
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX && is_verb {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            let hint =
                "the disk does not keep up with what is to be written; try again in a moment";
            return refuse(job, &Error::Unavailable { hint, source: "too many jobs wait".into() });
        }
        // A closed store is caught up, and has nobody left to answer.
        drop(self.jobs.send(job));
    }

    /// Notes that the writer has taken so many.
    pub(super) fn taken(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_verb_beyond_the_bound_is_refused_and_what_the_store_says_to_itself_is_not() {
        let (queue, received) = Queue::new();
        let probe = || {
            let (answer, answered) = oneshot::channel();
            queue.line_up(Job::Probe(Timestamp::from_millis(0), answer));
            answered
        };
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| probe()).collect();
        assert!(matches!(probe().blocking_recv(), Ok(Err(Error::Unavailable { .. }))));
        queue.line_up(Job::Behind);
        assert_eq!(received.try_iter().count(), WAITING_MAX + 1);
        queue.taken(2);
        waiting.push(probe());
        assert_eq!(received.try_iter().count(), 1, "there is room again");
    }
}
