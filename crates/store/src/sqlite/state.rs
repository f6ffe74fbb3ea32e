//! What the writer keeps in memory: endpoints, leases, and what the transaction under way will do once it is durable.
//!
//! Invariants: the kept endpoints are those of the database, since only this thread writes them (another program's
//! write is noticed and everything forgotten); effects happen after the commit or not at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::{fmt, mem};

use domain::endpoint::{Endpoint, Status};
use domain::event::Event;
use domain::health::Health;
use domain::id::{AccountId, Chance, DeliveryId, EndpointId, EventId, Mint};
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
    recent: Recent,
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

/// Events that were read lately: an event that went to many endpoints is leased for one after the other.
#[derive(Debug, Default)]
struct Recent {
    events: BTreeMap<EventId, Arc<Event>>,
    order: VecDeque<EventId>,
    bytes: usize,
}

/// The most bytes of events that were read lately.
const RECENT_BYTES_MAX: usize = 2 * 1024 * 1024;

impl Recent {
    fn keep(&mut self, event: &Arc<Event>) {
        let bytes = Lease::bytes(event);
        if bytes > RECENT_BYTES_MAX || self.events.insert(event.id, Arc::clone(event)).is_some() {
            return;
        }
        self.order.push_back(event.id);
        self.bytes += bytes;
        while self.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            let gone = self.events.remove(&oldest);
            self.bytes -= gone.map_or(0, |event| Lease::bytes(&event));
        }
    }
}

/// What happens once the transaction is durable.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) leases: Vec<Lease>,
    pub(super) freed: Vec<(EndpointId, DeliveryId)>,
    pub(super) changed: Vec<Arc<Endpoint>>,
    /// Whose endpoints were written.
    pub(super) touched: Vec<AccountId>,
}

/// How many effects of each kind there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    leases: usize,
    freed: usize,
    changed: usize,
    touched: usize,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(
        master: MasterKey,
        chance: Box<dyn Chance>,
        lanes: Arc<dyn Lanes>,
        highest_id: u128,
    ) -> Self {
        Self {
            master,
            chance,
            lanes,
            mint: Mint::after(highest_id),
            accounts: BTreeMap::new(),
            leased: BTreeMap::new(),
            recent: Recent::default(),
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

    /// Gives an event, which never changes.
    pub(super) fn event(
        &mut self,
        db: &Connection,
        account: AccountId,
        id: EventId,
    ) -> Result<Option<Arc<Event>>, Error> {
        let known = self.recent.events.get(&id).filter(|event| event.account == account);
        if let Some(event) = known {
            return Ok(Some(Arc::clone(event)));
        }
        let mut statement = db.prepare_cached(sql::event_read).map_err(trouble)?;
        let arguments = [rows::blob(account.bits()), rows::blob(id.bits())];
        let mut found = statement.query(arguments).map_err(trouble)?;
        let Some(row) = found.next().map_err(trouble)? else { return Ok(None) };
        let event = Arc::new(rows::event(row, 0, account)?);
        self.recent.keep(&event);
        Ok(Some(event))
    }

    /// Reads an endpoint anew, since it was written.
    pub(super) fn reread(
        &mut self,
        db: &Connection,
        account: AccountId,
        id: EndpointId,
    ) -> Result<(), Error> {
        self.effects.touched.push(account);
        let Some(living) = self.accounts.get_mut(&account) else { return Ok(()) };
        let mut statement = db.prepare_cached(sql::endpoint_read).map_err(trouble)?;
        let arguments = [rows::blob(account.bits()), rows::blob(id.bits())];
        let mut found = statement.query(arguments).map_err(trouble)?;
        let row = found.next().map_err(trouble)?;
        let row = row.map(|row| rows::endpoint(row, &self.master)).transpose()?;
        let living = Arc::make_mut(living);
        match row.filter(|row| row.endpoint.status != Status::Deleted) {
            Some(row) => {
                let kept = Kept { endpoint: Arc::new(row.endpoint), health: row.health };
                living.insert(id, kept);
            }
            None => drop(living.remove(&id)),
        }
        Ok(())
    }

    /// Notes how an endpoint fares now.
    pub(super) fn note_health(&mut self, account: AccountId, id: EndpointId, health: Health) {
        self.effects.touched.push(account);
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

    /// Ends a lease. It is over at once, and stands again if the transaction is undone.
    pub(super) fn free(&mut self, endpoint: EndpointId, delivery: DeliveryId) {
        if self.release(endpoint, delivery) {
            self.effects.freed.push((endpoint, delivery));
        }
    }

    /// Ends a lease for good, whatever becomes of the transaction; tells whether it stood.
    pub(super) fn release(&mut self, endpoint: EndpointId, delivery: DeliveryId) -> bool {
        let Some(leased) = self.leased.get_mut(&endpoint) else { return false };
        let stood = leased.remove(&delivery);
        if leased.is_empty() {
            self.leased.remove(&endpoint);
        }
        stood
    }

    /// Marks where the effects stand, to undo those after it.
    pub(super) const fn mark(&self) -> Mark {
        let Effects { leases, freed, changed, touched } = &self.effects;
        Mark {
            leases: leases.len(),
            freed: freed.len(),
            changed: changed.len(),
            touched: touched.len(),
        }
    }

    /// Undoes the effects since a mark, and forgets the endpoints that were written meanwhile.
    pub(super) fn undo_to(&mut self, mark: Mark) {
        let at = mark.leases.min(self.effects.leases.len());
        for lease in self.effects.leases.split_off(at) {
            self.release(lease.delivery.endpoint, lease.delivery.id);
            self.lanes.withdraw(lease.delivery.endpoint, Lease::bytes(&lease.event));
        }
        let at = mark.freed.min(self.effects.freed.len());
        for (endpoint, delivery) in self.effects.freed.split_off(at) {
            self.leased.entry(endpoint).or_default().insert(delivery);
        }
        self.effects.changed.truncate(mark.changed);
        let at = mark.touched.min(self.effects.touched.len());
        for account in self.effects.touched.split_off(at) {
            self.accounts.remove(&account);
        }
    }

    /// Gives the effects, which happen once the transaction is on the disk. What was freed is free, and may be leased again
    /// by the same transaction.
    pub(super) fn happen(&mut self) -> Effects {
        let mut effects = mem::take(&mut self.effects);
        effects.freed.clear();
        effects
    }
}
