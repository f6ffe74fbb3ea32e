//! Where leasing of each endpoint goes on.
//!
//! Invariants: whatever is due is looked at from the front, or from the beginning: when nothing more is found behind the
//! front, and once every two seconds. A front is used once, and noted anew after the commit.

use std::collections::BTreeMap;

use domain::id::{AccountId, DeliveryId, EndpointId};
use domain::time::Timestamp;

/// What has become due before the front is found after so long, at the latest, while there is more behind it.
const SWEEP_EVERY_MS: i64 = 2000;

/// The place in an endpoint's due deliveries before which all were leased.
///
/// What was there is still in the index until that is vacuumed, and whoever begins at the beginning goes through it: when a
/// million were leased for ten endpoints, through thirteen hundred pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Front {
    /// Whose endpoint it is.
    pub(super) account: AccountId,
    /// The last one that was leased.
    pub(super) due_at: Timestamp,
    pub(super) delivery: DeliveryId,
    /// When it was begun at the beginning.
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
