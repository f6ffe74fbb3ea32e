//! One event on its way to one endpoint.
//!
//! Invariants: a delivery leaves [`State::Pending`] once and for all; attempts only grow;
//! attempt and next state are made together by [`Delivery::after`], so that they never disagree.
//! Left to others: when and how attempts are made (`engine`, `channels`).

use serde::{Deserialize, Serialize};

use crate::call::Outcome;
use crate::id::{AccountId, AttemptId, DeliveryId, EndpointId, EventId, NoticeId, ReplayId};
use crate::retry::{Profile, Stop, Verdict};
use crate::time::Timestamp;

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Whose it is.
    pub account: AccountId,
    /// What is told.
    pub event: EventId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Why it is told.
    pub cause: Cause,
    /// Where it stands.
    pub state: State,
    /// Attempts that have ended.
    pub attempts: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why an event is told to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// It happened, and the endpoint wants it.
    Event,
    /// Somebody asked for it again.
    Replay {
        /// The job, or the id of the single delivery's retry.
        id: ReplayId,
    },
    /// A person is told of it.
    Notice {
        /// The notice.
        id: NoticeId,
    },
    /// The owner pressed test.
    Test,
    /// The system looks whether a disabled endpoint is back.
    Probe,
}

impl Cause {
    /// Names the cause as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Replay { .. } => "replay",
            Self::Notice { .. } => "notice",
            Self::Test => "test",
            Self::Probe => "probe",
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It is tried at that moment, or as soon as its lane has room.
    Pending {
        /// When.
        due_at: Timestamp,
    },
    /// It arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It was given up.
    Exhausted {
        /// When.
        at: Timestamp,
        /// Why.
        why: Why,
    },
    /// It is not wanted any more.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why.
        why: Why,
    },
}

/// Why a delivery ended without arriving. Each has a page in `docs/problems`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No wait of the profile was left.
    WaitsRanOut,
    /// The receiver answered 410.
    Gone,
    /// The endpoint was disabled.
    EndpointDisabled,
    /// The endpoint was deleted.
    EndpointDeleted,
    /// Somebody cancelled it.
    Asked,
    /// The dialect has no word for the event, or its message cannot be built.
    Unsayable,
    /// The provider refused the message for good.
    Refused,
    /// The address is on the list of those that nothing is sent to.
    Suppressed,
    /// It may have been taken or not, and is not tried again so that nobody is told twice.
    Unknown,
    /// What it would have told is past.
    Obsolete,
    /// A vendor's webhook cannot be read.
    Unreadable,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::WaitsRanOut,
        Self::Gone,
        Self::EndpointDisabled,
        Self::EndpointDeleted,
        Self::Asked,
        Self::Unsayable,
        Self::Refused,
        Self::Suppressed,
        Self::Unknown,
        Self::Obsolete,
        Self::Unreadable,
    ];

    /// Names the reason as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaitsRanOut => "waits_ran_out",
            Self::Gone => "gone",
            Self::EndpointDisabled => "endpoint_disabled",
            Self::EndpointDeleted => "endpoint_deleted",
            Self::Asked => "asked",
            Self::Unsayable => "unsayable",
            Self::Refused => "refused",
            Self::Suppressed => "suppressed",
            Self::Unknown => "unknown",
            Self::Obsolete => "obsolete",
            Self::Unreadable => "unreadable",
        }
    }

    /// Finds the reason of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }
}

impl State {
    /// Names the state as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Delivered { .. } => "delivered",
            Self::Exhausted { .. } => "exhausted",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Tells whether something may still come.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Pending { .. })
    }
}

/// One try of a delivery, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The delivery it tried.
    pub delivery: DeliveryId,
    /// From 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// The URL that was called, query and all.
    pub url: String,
    /// The SHA-256 of the body that was sent.
    pub body_digest: [u8; 32],
    /// The address that was dialled.
    pub remote: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What an attempt's ending makes of its delivery and of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// Where the delivery stands now.
    pub state: State,
    /// Whether the receiver took it.
    pub accepted: bool,
    /// What becomes of the endpoint, if anything.
    pub stop: Option<Stop>,
}

impl Delivery {
    /// Says what follows from an attempt's ending; `roll` is chance for the jitter.
    ///
    /// Tests and probes are tried once: there is somebody waiting for the answer, or another day.
    pub fn after(&self, outcome: &Outcome, profile: &Profile, now: Timestamp, roll: u32) -> After {
        let attempts = self.attempts.saturating_add(1);
        let verdict = profile.verdict(attempts, outcome, now, roll);
        let once = matches!(self.cause, Cause::Test | Cause::Probe);
        let (state, stop) = match verdict {
            Verdict::Delivered => (State::Delivered { at: now }, None),
            Verdict::Again { .. } if once => {
                (State::Exhausted { at: now, why: Why::WaitsRanOut }, None)
            }
            Verdict::Again { at } => (State::Pending { due_at: at }, None),
            Verdict::Exhausted => (State::Exhausted { at: now, why: Why::WaitsRanOut }, None),
            Verdict::Stop(stop) => {
                (State::Exhausted { at: now, why: Why::Gone }, (!once).then_some(stop))
            }
        };
        After { state, accepted: verdict == Verdict::Delivered, stop }
    }
}
