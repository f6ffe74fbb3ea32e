//! Every way out of the service: a call goes in, how it ended comes out.
//!
//! Invariants: an attempt cannot fail, every ending is an outcome; no address is dialled that the [`Guard`] did not
//! vet; one deadline spans an attempt, from the name to the last byte; an attempt costs less than 1 MiB, whatever the
//! receiver does.
//! Left to others: what a call says (`dialects`), how many are under way at once and what follows from an ending
//! (`engine`, `domain::retry`).

#![warn(missing_docs)]

mod address;
mod aws;
mod calls;
mod classify;
pub mod conversation;
mod email;
mod guard;
mod http;
pub mod mailbox;
mod mime;
mod proof;
pub mod provider;
mod reception;
pub mod report;
mod resolve;
mod return_path;
pub mod shorten;
mod sms;
pub mod smtp;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use domain::call::{Call, Ending, Outcome};

use crate::conversation::Notes;
pub use crate::guard::{Guard, Refused, Schemes};
pub use crate::http::{BuildError, Http, Options};
pub use crate::resolve::{Resolve, SystemResolver};
pub use crate::return_path::ReturnPaths;

/// One way out. Cannot fail: every ending is an outcome.
#[async_trait]
pub trait Channel: Send + Sync + Debug {
    /// Carries a call out, once, within the lane's timeout.
    ///
    /// Dropping the future closes the connection it used; nothing goes on behind it.
    async fn attempt(&self, call: Call, lane: Lane) -> Ending;

    /// Does the same, and notes what is said on both sides.
    async fn attempt_noted(&self, call: Call, lane: Lane, notes: &Notes) -> Ending {
        notes.call(&call);
        let ending = self.attempt(call, lane).await;
        if let Outcome::Answered(answer) = &ending.outcome {
            notes.answer(answer);
        }
        ending
    }
}

/// What an attempt may use, by the endpoint it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Which kept-alive connections it may use: an endpoint's id.
    pub key: u128,
    /// The most idle connections kept for the lane; zero keeps none.
    pub connections_max: usize,
    /// The one deadline over name resolution, connect, TLS, head and body.
    pub timeout: Duration,
    /// The most bytes of an answer's body that are kept: [`domain::call::ANSWER_BYTES_MAX`], but where an answer is what
    /// the call is for.
    pub answer_bytes_max: usize,
}
