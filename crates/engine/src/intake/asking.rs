//! Asking a vendor what it knows of a request: calls in turn, with the source's credentials.
//!
//! Invariants: a vendor is asked at most [`CALLS_MAX`] times for one answer, and no more often than its source allows; what is busy, away or talks nonsense is a
//! reason to ask again later, never an answer.
//! Left to others: which calls, and what answers mean (`dialects::vendor`).

use std::time::Duration;

use channels::Lane;
use dialects::vendor::{Ask, vendor};
use domain::call::Outcome;
use domain::source::Source;
use domain::told::Picture;

use crate::Engine;

/// Calls for one answer at most.
const CALLS_MAX: usize = 5;
/// How long each may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call waits for its turn.
const TURN_MS_MAX: i64 = 10_000;
/// Connections to a vendor that are kept.
const CONNECTIONS_MAX: usize = 4;
/// An answer may be so large: a request with its two hundred signers.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What asking came to.
pub(super) enum Asked {
    /// The vendor says this.
    Known(Box<Picture>),
    /// The vendor does not know the request.
    Gone,
    /// It cannot be asked, or does not let us: going on without is all that is left.
    Never(String),
    /// It can be asked again, after so many seconds at the earliest if it said so.
    Later(String, Option<u32>),
}

impl Engine {
    /// Asks a source's vendor what it knows of a request.
    pub(super) async fn ask_vendor(&self, source: &Source, foreign_id: &str) -> Asked {
        let catch = vendor(source.vendor);
        let mut answers = Vec::new();
        for _ in 0..CALLS_MAX {
            let call = match catch.ask(source, foreign_id, &answers) {
                Ok(Ask::Call(call)) => call,
                Ok(Ask::Known(picture)) => return Asked::Known(picture),
                Ok(Ask::Gone) => return Asked::Gone,
                Ok(Ask::Later(why, after)) => return Asked::Later(why.to_owned(), after),
                Ok(Ask::Refused(why) | Ask::Nonsense(why)) => return Asked::Later(why, None),
                Err(unaskable) => return Asked::Never(unaskable.to_string()),
            };
            if let Some(after_s) = self.wait_for_turn(source).await {
                let why = "the source allows no more lookups now";
                return Asked::Later(why.to_owned(), Some(after_s));
            }
            let lane = Lane {
                key: source.id.bits(),
                connections_max: CONNECTIONS_MAX,
                timeout: TIMEOUT,
                answer_bytes_max: ANSWER_BYTES_MAX,
            };
            match self.channel().attempt(call, lane).await.outcome {
                Outcome::Answered(answer) => answers.push(answer),
                Outcome::Failed(failure) => {
                    let why = format!("{}: {}", failure.reason.as_str(), failure.detail);
                    return Asked::Later(format!("the vendor cannot be asked: {why}"), None);
                }
                Outcome::Handed(_) | Outcome::Read(_) => break,
            }
        }
        Asked::Later("the vendor sends from one answer to the next".to_owned(), None)
    }

    /// Waits until the source's rate allows a call; where that is too long, gives the seconds until it may.
    async fn wait_for_turn(&self, source: &Source) -> Option<u32> {
        let latest = self.now().plus_millis(TURN_MS_MAX);
        loop {
            let now = self.now();
            let nodes = self.lanes().nodes();
            let Err(at) = self.inner.sources.take_lookup(source, nodes, now) else { return None };
            if now >= latest {
                return Some(1);
            }
            self.sleep_until(at).await;
        }
    }
}
