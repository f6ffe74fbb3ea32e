//! What was asked over a connection and not answered yet.
//!
//! The server bounds how long it works on a statement; it cannot say so over a connection that lost what was said. Then
//! nobody would hear of the end, and whoever asked would wait for ever.
//!
//! Invariant: while nothing is asked, nothing looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time;

/// How often a connection is looked at while something is asked.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(4);
/// After so many looks without an answer the connection is given up: later than the server gives up a statement.
const LOOKS_MAX: u32 = 9;

/// Counts questions and answers of one connection, which come in the same order.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: AtomicU64,
    /// Up to which question all are answered.
    answered: AtomicU64,
    begun: Notify,
}

impl Questions {
    /// Counts a question; gives its number.
    pub(super) fn ask(&self) -> u64 {
        let before = self.asked.fetch_add(1, Ordering::AcqRel);
        if before == self.answered.load(Ordering::Acquire) {
            self.begun.notify_one();
        }
        before + 1
    }

    /// Notes that a question was answered, and so were those before it. Who goes away before the answer does not say
    /// so: only a later answer tells that the connection still carries any.
    pub(super) fn answered(&self, number: u64) {
        self.answered.fetch_max(number, Ordering::AcqRel);
    }

    /// Returns when nothing was answered for too long, although something was asked.
    pub(super) async fn overdue(&self, look_every: Duration) {
        loop {
            self.begun.notified().await;
            let mut looks = time::interval(look_every);
            looks.tick().await;
            let (mut answered, mut unanswered) = (self.answered.load(Ordering::Acquire), 0);
            while self.asked.load(Ordering::Acquire) > self.answered.load(Ordering::Acquire) {
                looks.tick().await;
                let now = self.answered.load(Ordering::Acquire);
                unanswered = if now == answered { unanswered + 1 } else { 0 };
                answered = now;
                if unanswered >= LOOKS_MAX {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LOOK: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_question_that_nobody_answers_is_overdue() {
        let questions = Questions::default();
        let first = questions.ask();
        questions.answered(first);
        questions.ask();
        assert!(timeout(LONG * 50, questions.overdue(LOOK)).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_tells_of_all_questions_before_it() {
        let questions = Questions::default();
        questions.ask();
        let second = questions.ask();
        questions.answered(second);
        assert!(timeout(LONG, questions.overdue(LOOK)).await.is_err());
    }
}
