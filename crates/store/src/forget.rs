//! Argument and answer of the verb that forgets.

use domain::id::{AccountId, DeliveryId, EventId};
use domain::time::Timestamp;

/// What may be forgotten, and where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlived {
    /// Answers kept for idempotency keys that have run out by then.
    Replies {
        /// When.
        by: Timestamp,
    },
    /// Deliveries that ended before a moment, with their attempts. The timeline keeps its entries.
    Deliveries {
        /// Whose.
        account: AccountId,
        /// Only those behind this one.
        after: DeliveryId,
        /// When they had ended.
        before: Timestamp,
    },
    /// Texts of events that no delivery needs any more and whose request is not open, and events of no request of which
    /// no delivery is left. The digest of an event of a request stands in its timeline.
    Events {
        /// Whose.
        account: AccountId,
        /// Only those behind this one.
        after: EventId,
        /// Texts of events from before that moment.
        texts_before: Timestamp,
        /// Events from before that moment go altogether; not later than `texts_before`.
        rows_before: Timestamp,
    },
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Answers kept for idempotency keys.
    pub replies: u32,
    /// Deliveries.
    pub deliveries: u32,
    /// Their attempts.
    pub attempts: u32,
    /// Texts of events that stay.
    pub texts: u32,
    /// Events that went altogether.
    pub events: u32,
    /// Where to go on; `None` when nothing of what was asked for is left to look at.
    pub rest: Option<Outlived>,
}

impl Outlived {
    /// Goes on at the first one that was not looked at, if there is one.
    pub(crate) fn rest(self, first: Option<u128>) -> Option<Self> {
        let bits = first?.saturating_sub(1);
        Some(match self {
            Self::Replies { by } => Self::Replies { by },
            Self::Deliveries { account, before, .. } => {
                Self::Deliveries { account, after: DeliveryId::new(bits), before }
            }
            Self::Events { account, texts_before, rows_before, .. } => {
                Self::Events { account, after: EventId::new(bits), texts_before, rows_before }
            }
        })
    }
}
