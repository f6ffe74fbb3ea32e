//! A job that tells an endpoint events again.
//!
//! Invariants: matched = sent + skipped, at every moment; the job goes through the log once, by event id, and survives a restart.
//! Left to others: stepping it (`engine::replay`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, EndpointId, EventId, ReplayId};
use crate::time::Timestamp;

/// A job that tells an endpoint events again. Its serialised form is what the API shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Who is told.
    #[serde(rename = "endpoint_id")]
    pub endpoint: EndpointId,
    /// From that moment on.
    pub since: Timestamp,
    /// Up to that moment, itself excluded.
    pub until: Timestamp,
    /// Only these event types (`custom.x.*` as in subscriptions); empty means every type the endpoint can be told.
    #[serde(default)]
    pub types: Vec<String>,
    /// Only events whose last delivery to this endpoint stands there; empty means any.
    #[serde(default)]
    pub states: BTreeSet<Wanted>,
    /// Deliveries made per second at most.
    pub rate: u32,
    /// Whether it only counts.
    pub dry_run: bool,
    /// Where it stands.
    pub status: Status,
    /// Events that fit.
    pub matched: u64,
    /// Deliveries made (or, in a dry run, that would be).
    pub sent: u64,
    /// Events passed over, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// The last event looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<EventId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// Deliveries a replay makes per second, unless it says otherwise.
pub const RATE_DEFAULT: u32 = 1_000;

/// Where the last delivery of an event to the endpoint must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Still under way.
    Pending,
    /// Arrived.
    Delivered,
    /// Given up.
    Exhausted,
    /// Not wanted any more.
    Cancelled,
    /// Never tried: the endpoint was disabled, or did not exist.
    Missed,
}

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Under way.
    Running,
    /// Through.
    Done,
    /// Ended early, since the endpoint is gone.
    Stopped,
}

/// Why an event that fits is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// A delivery of it is still pending, so it comes anyway.
    StillPending,
    /// The endpoint does not want the type, and the replay did not ask for it by name.
    NotWanted,
    /// The dialect has no word for it.
    NoWord,
    /// Its text has outlived its time, and was forgotten.
    Forgotten,
}

impl Replay {
    /// Counts the events passed over.
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }
}
