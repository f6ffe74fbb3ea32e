//! Where leasing of each endpoint goes on.
//!
//! Invariants: whatever is due is looked at from the front, or from the beginning: when less than was asked for is found
//! behind the front, and with the first call after two seconds. A front is used once, and noted anew after the commit.

use std::collections::BTreeMap;

use domain::id::{AccountId, DeliveryId, EndpointId};
use domain::time::Timestamp;

/// The first call after so long begins at the beginning, though there is more behind the front.
const SWEEP_EVERY_MS: i64 = 2000;

/// The place in an endpoint's due deliveries behind which leasing goes on. Before it is what has become due there since, or
/// was handed back.
///
/// What was there is still in the index until that is vacuumed, and whoever begins at the beginning goes through it: when a
/// million were leased for ten endpoints, through thirteen hundred pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Front {
    /// Whose endpoint it is.
    pub(super) account: AccountId,
    /// The last delivery that was leased, and when it was due.
    pub(super) delivery: DeliveryId,
    pub(super) due_at: Timestamp,
    /// When leasing last began at the beginning.
    pub(super) swept_at: Timestamp,
}

impl Front {
    /// Gives the beginning.
    pub(super) const fn beginning(account: AccountId, now: Timestamp) -> Self {
        let due_at = Timestamp::from_millis(i64::MIN);
        Self { account, due_at, delivery: DeliveryId::new(0), swept_at: now }
    }

    /// Tells whether nothing was leased before it.
    pub(super) fn is_beginning(&self) -> bool {
        *self == Self::beginning(self.account, self.swept_at)
    }
}

/// The front of each endpoint of which more is due than was leased.
#[derive(Debug, Default)]
pub(super) struct Fronts(BTreeMap<EndpointId, Front>);

impl Fronts {
    /// Takes the front of an endpoint, unless it is time to begin at the beginning.
    pub(super) fn take(&mut self, endpoint: EndpointId, now: Timestamp) -> Option<Front> {
        let front = self.0.remove(&endpoint)?;
        (0..SWEEP_EVERY_MS).contains(&now.millis_since(front.swept_at)).then_some(front)
    }

    /// Notes where to go on.
    pub(super) fn note(&mut self, fronts: BTreeMap<EndpointId, Front>) {
        self.0.extend(fronts);
    }
}
