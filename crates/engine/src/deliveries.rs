//! Single deliveries: tried now, or not any more.
//!
//! Invariant: a delivery that has ended stays as it is; to tell an endpoint again is a new delivery.
//! Left to others: the attempts, and whether one is under way at this moment (`lanes`, `store`).

use domain::delivery::{Cause, Delivery, State, Why};
use domain::endpoint::Status;
use domain::id::{AccountId, DeliveryId, ReplayId};
use domain::time::Timestamp;
use store::{Commit, Committed, NewDelivery, Write};

use crate::Engine;
use crate::command::{Once, Refusal};

impl Engine {
    /// Tries a delivery now. One that is pending becomes due and keeps its id; of one that has ended, a new one is made.
    pub async fn retry_delivery(
        &self,
        account: AccountId,
        id: DeliveryId,
    ) -> Result<DeliveryId, Refusal> {
        let now = self.now();
        if self.load_delivery(account, id).await?.state.is_pending() {
            let due_now = State::Pending { due_at: now };
            if self.move_delivery(account, id, due_now, now).await? > 0 {
                return Ok(id);
            }
        }
        let delivery = self.load_delivery(account, id).await?;
        if delivery.state.is_pending() {
            // An attempt is under way, which is what was asked for.
            return Ok(id);
        }
        self.tell_again(delivery, now).await
    }

    /// Cancels a pending delivery. One that is under way at this moment, or has ended, cannot be cancelled.
    pub async fn cancel_delivery(&self, account: AccountId, id: DeliveryId) -> Result<(), Refusal> {
        let delivery = self.load_delivery(account, id).await?;
        let now = self.now();
        let cancelled = State::Cancelled { at: now, why: Why::Asked };
        if delivery.state.is_pending() && self.move_delivery(account, id, cancelled, now).await? > 0
        {
            return Ok(());
        }
        let delivery = self.load_delivery(account, id).await?;
        let message = if delivery.state.is_pending() {
            "a delivery that is under way cannot cancel; try again in a moment".to_owned()
        } else {
            format!("a delivery that is {} cannot cancel", delivery.state.as_str())
        };
        Err(Refusal::Impossible { message, possible: vec!["retry"] })
    }

    async fn load_delivery(&self, account: AccountId, id: DeliveryId) -> Result<Delivery, Refusal> {
        let found = self.views().delivery(account, id).await?;
        found.map(|(row, _)| row.delivery).ok_or(Refusal::NotFound { what: "delivery" })
    }

    /// Moves a pending delivery; tells how many were moved, which is none while an attempt is under way.
    async fn move_delivery(
        &self,
        account: AccountId,
        id: DeliveryId,
        state: State,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        let writes = vec![Write::Delivery(id, state)];
        let commit = Commit { writes, ..Commit::new(account, now) };
        Ok(self.commit_delivery(commit).await?.changed)
    }

    /// Makes a new delivery of what an old one told.
    async fn tell_again(&self, old: Delivery, now: Timestamp) -> Result<DeliveryId, Refusal> {
        let endpoint = self.views().endpoint(old.account, old.endpoint).await?;
        let status = endpoint.map_or(Status::Deleted, |row| row.endpoint.status);
        if status != Status::Enabled {
            let message =
                format!("a delivery to an endpoint that is {} cannot retry", status.as_str());
            return Err(Refusal::Impossible { message, possible: Vec::new() });
        }
        let delivery = NewDelivery {
            event: old.event,
            endpoint: old.endpoint,
            cause: Cause::Replay { id: ReplayId::new(self.mint(now)) },
            due_at: now,
        };
        let commit = Commit { deliveries: vec![delivery], ..Commit::new(old.account, now) };
        let made = self.commit_delivery(commit).await?.deliveries;
        made.first().copied().ok_or(Refusal::NotFound { what: "endpoint" })
    }

    async fn commit_delivery(&self, commit: Commit) -> Result<Committed, Refusal> {
        let unkept = Once::<Delivery>::unkept();
        self.commit(commit).await.map_err(|fault| unkept.refusal(fault))
    }
}
