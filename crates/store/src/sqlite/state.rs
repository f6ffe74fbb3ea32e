//! What the writer keeps in memory: endpoints, leases, and what the transaction under way will do once it is durable.
//!
//! Invariants: the kept endpoints are those of the database, since only this thread writes them (another program's
//! write is noticed and everything forgotten); effects happen after the commit or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use domain::endpoint::{Endpoint, Status};
use domain::health::Health;
use domain::id::{AccountId, Chance, DeliveryId, EndpointId, Mint};
use domain::time::Timestamp;
use rusqlite::Connection;

use super::rows::{self, trouble};
use super::sql;
use crate::error::Error;
use crate::lanes::{Lanes, Lease};
use crate::seal::MasterKey;

/// What the writer keeps in memory.
pub(super) struct State {
    pub(super) master: MasterKey,
    pub(super) chance: Box<dyn Chance>,
    pub(super) lanes: Arc<dyn Lanes>,
    mint: Mint,
    accounts: BTreeMap<AccountId, Living>,
    leased: BTreeMap<EndpointId, BTreeSet<DeliveryId>>,
    pub(super) effects: Effects,
}

/// The endpoints of one account that are not deleted.
pub(super) type Living = Arc<BTreeMap<EndpointId, Kept>>;

/// An endpoint and how it fares.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) health: Health,
}

/// What happens once the transaction is durable.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) leases: Vec<Lease>,
    pub(super) freed: Vec<(EndpointId, DeliveryId)>,
    pub(super) changed: Vec<Arc<Endpoint>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(master: MasterKey, chance: Box<dyn Chance>, lanes: Arc<dyn Lanes>) -> Self {
        Self {
            master,
            chance,
            lanes,
            mint: Mint::default(),
            accounts: BTreeMap::new(),
            leased: BTreeMap::new(),
            effects: Effects::default(),
        }
    }

    /// Mints a delivery's id.
    pub(super) fn mint(&mut self, now: Timestamp) -> DeliveryId {
        DeliveryId::new(self.mint.next(now, self.chance.as_mut()))
    }

    /// Gives the endpoints of an account, read at the first use.
    pub(super) fn living(&mut self, db: &Connection, account: AccountId) -> Result<Living, Error> {
        if let Some(living) = self.accounts.get(&account) {
            return Ok(Arc::clone(living));
        }
        let mut statement = db.prepare_cached(sql::endpoint_living).map_err(trouble)?;
        let mut found = statement.query([rows::blob(account.bits())]).map_err(trouble)?;
        let mut living = BTreeMap::new();
        while let Some(row) = found.next().map_err(trouble)? {
            let row = rows::endpoint(row, &self.master)?;
            if row.endpoint.status != Status::Deleted {
                let kept = Kept { endpoint: Arc::new(row.endpoint), health: row.health };
                living.insert(kept.endpoint.id, kept);
            }
        }
        let living = Arc::new(living);
        self.accounts.insert(account, Arc::clone(&living));
        Ok(living)
    }

    /// Finds an endpoint that is not deleted.
    pub(super) fn endpoint(
        &mut self,
        db: &Connection,
        account: AccountId,
        id: EndpointId,
    ) -> Result<Option<Kept>, Error> {
        Ok(self.living(db, account)?.get(&id).cloned())
    }

    /// Forgets the endpoints of an account, since one of them was written.
    pub(super) fn forget_account(&mut self, account: AccountId) {
        self.accounts.remove(&account);
    }

    /// Notes how an endpoint fares now.
    pub(super) fn note_health(&mut self, account: AccountId, id: EndpointId, health: Health) {
        if let Some(living) = self.accounts.get_mut(&account)
            && let Some(kept) = Arc::make_mut(living).get_mut(&id)
        {
            kept.health = health;
        }
    }

    /// Forgets everything that was read; leases stand.
    pub(super) fn forget_all(&mut self) {
        self.accounts.clear();
    }

    /// Tells whether a delivery is leased, or about to be.
    pub(super) fn is_leased(&self, endpoint: EndpointId, delivery: DeliveryId) -> bool {
        self.leased.get(&endpoint).is_some_and(|leased| leased.contains(&delivery))
    }

    /// Counts the leases of an endpoint.
    pub(super) fn leased_count(&self, endpoint: EndpointId) -> usize {
        self.leased.get(&endpoint).map_or(0, BTreeSet::len)
    }

    /// Plans a lease; it stands at once, and is undone with the transaction.
    pub(super) fn plan(&mut self, lease: Lease) {
        self.leased.entry(lease.delivery.endpoint).or_default().insert(lease.delivery.id);
        self.effects.leases.push(lease);
    }

    /// Ends a lease.
    pub(super) fn free(&mut self, endpoint: EndpointId, delivery: DeliveryId) {
        if let Some(leased) = self.leased.get_mut(&endpoint) {
            leased.remove(&delivery);
            if leased.is_empty() {
                self.leased.remove(&endpoint);
            }
        }
    }

    /// Marks where the effects stand, to undo a part of them.
    pub(super) const fn mark(&self) -> (usize, usize, usize) {
        (self.effects.leases.len(), self.effects.freed.len(), self.effects.changed.len())
    }

    /// Undoes the effects planned since a mark, and forgets what was read meanwhile.
    pub(super) fn undo_to(&mut self, mark: (usize, usize, usize)) {
        let undone = self.effects.leases.split_off(mark.0.min(self.effects.leases.len()));
        for lease in undone {
            self.free(lease.delivery.endpoint, lease.delivery.id);
            self.lanes.withdraw(lease.delivery.endpoint, Lease::bytes(&lease.event));
        }
        self.effects.freed.truncate(mark.1);
        self.effects.changed.truncate(mark.2);
        self.forget_all();
    }

    /// Lets the effects happen: the transaction is durable.
    pub(super) fn happen(&mut self) {
        let Effects { leases, freed, changed } = std::mem::take(&mut self.effects);
        for (endpoint, delivery) in freed {
            self.free(endpoint, delivery);
        }
        for endpoint in &changed {
            self.lanes.changed(endpoint);
        }
        if !leases.is_empty() {
            self.lanes.take(leases);
        }
    }
}
