//! What the writers of one node share, and what the transaction under way will do once it is durable.
//!
//! Invariants: the kept endpoints of an account are those of its edition, which each transaction compares; effects
//! happen after the commit or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::endpoint::{Endpoint, Status};
use domain::id::{AccountId, Chance, DeliveryId, EndpointId, Mint};
use domain::time::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::front::{Front, Fronts};
use super::link::Link;
use super::rows::{self, Id, Trouble};
use super::servers::Servers;
use super::settle::Of;
use super::sql;
use crate::error::Error;
use crate::lanes::{Lanes, Lease};
use crate::seal::MasterKey;

/// The number of the writer to whom everything goes that must not overtake what is handed back.
pub(super) const STEWARD: i32 = 0;

/// What the writers of one node share.
pub(super) struct Shared {
    pub(super) servers: Servers,
    pub(super) master: MasterKey,
    pub(super) lanes: Arc<dyn Lanes>,
    /// What places in the log are counted from.
    pub(super) log_base: i64,
    mint: Mutex<(Mint, Box<dyn Chance>)>,
    accounts: Mutex<BTreeMap<AccountId, Kept>>,
    /// Whose each endpoint is that was ever kept.
    homes: Mutex<BTreeMap<EndpointId, AccountId>>,
    node: Mutex<Node>,
    news: Mutex<News>,
    /// There is news for other nodes.
    pub(super) told: Notify,
    /// Jobs that no writer has taken yet.
    pub(super) waiting: AtomicUsize,
    fronts: Mutex<Fronts>,
    /// What was handed back and could not be written.
    unreleased: Mutex<Vec<(EndpointId, DeliveryId)>>,
    /// How this node is called.
    pub(super) name: String,
    /// How many nodes live, this one included; 0 before it has looked.
    pub(super) living: AtomicUsize,
    /// Held by who takes another id for the node.
    pub(super) renewing: AsyncMutex<()>,
}

/// The endpoints of one account that are not deleted.
pub(super) type Living = Arc<BTreeMap<EndpointId, Arc<Endpoint>>>;

/// What is kept of an account's endpoints.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) edition: i64,
    pub(super) living: Living,
}

/// Who this node is. It takes another id when others have declared it dead.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) id: u128,
    /// Whom it was before.
    pub(super) before: Vec<u128>,
    /// Whether it has become another one, and nobody was told so.
    pub(super) renewed: bool,
    /// Whether leases may stand that the lanes know nothing of, since a commit's answer was lost for good.
    pub(super) doubtful: bool,
}

impl Node {
    /// Gives every id that leases of this process may stand under.
    pub(super) fn ids(&self) -> Vec<Id> {
        self.before.iter().copied().chain([self.id]).map(Id).collect()
    }
}

/// What other nodes are to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Endpoints with due work that this node has no room for.
    pub(super) due: BTreeSet<EndpointId>,
    /// Endpoints that were written.
    pub(super) changed: BTreeSet<(AccountId, EndpointId)>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Joins the parts.
    pub(super) fn new(
        servers: Servers,
        sealing: (MasterKey, Box<dyn Chance>),
        lanes: Arc<dyn Lanes>,
        node: (String, u128),
        log: (u128, i64),
    ) -> Self {
        let (name, node) = node;
        Self {
            servers,
            master: sealing.0,
            lanes,
            log_base: log.1,
            mint: Mutex::new((Mint::after(log.0), sealing.1)),
            accounts: Mutex::default(),
            homes: Mutex::default(),
            node: Mutex::new(Node { id: node, ..Node::default() }),
            news: Mutex::default(),
            told: Notify::new(),
            waiting: AtomicUsize::new(0),
            fronts: Mutex::default(),
            unreleased: Mutex::default(),
            name,
            living: AtomicUsize::new(0),
            renewing: AsyncMutex::new(()),
        }
    }

    /// Mints a delivery's id.
    pub(super) fn mint(&self, now: Timestamp) -> DeliveryId {
        let mut mint = lock(&self.mint);
        let (mint, chance) = &mut *mint;
        DeliveryId::new(mint.next(now, chance.as_mut()))
    }

    /// Draws the 128 bits of a node's id.
    pub(super) fn draw(&self) -> u128 {
        let mut mint = lock(&self.mint);
        u128::from(mint.1.draw()) << 64 | u128::from(mint.1.draw())
    }

    /// Seals a text for a purpose.
    pub(super) fn seal(&self, purpose: &str, text: &str) -> Result<Vec<u8>, Error> {
        self.master.seal(purpose, text, lock(&self.mint).1.as_mut())
    }

    /// Tells who this node is.
    pub(super) fn node(&self) -> Node {
        lock(&self.node).clone()
    }

    /// Changes who this node is.
    pub(super) fn with_node<T>(&self, change: impl FnOnce(&mut Node) -> T) -> T {
        change(&mut lock(&self.node))
    }

    /// Gives what is kept of an account's endpoints, if anything is.
    pub(super) fn kept(&self, account: AccountId) -> Option<Kept> {
        lock(&self.accounts).get(&account).cloned()
    }

    /// Keeps what was read or written of an account's endpoints; tells what is different in it from what was kept.
    pub(super) fn keep(&self, account: AccountId, kept: Kept) -> Vec<Arc<Endpoint>> {
        lock(&self.homes).extend(kept.living.keys().map(|id| (*id, account)));
        let mut accounts = lock(&self.accounts);
        let Some(old) = accounts.get(&account) else {
            accounts.insert(account, kept);
            return Vec::new();
        };
        if old.edition >= kept.edition {
            return Vec::new();
        }
        let written = kept
            .living
            .iter()
            .filter(|(id, endpoint)| old.living.get(id).is_some_and(|before| before != *endpoint));
        let mut changed: Vec<_> = written.map(|(_, endpoint)| Arc::clone(endpoint)).collect();
        let gone = old.living.iter().filter(|(id, _)| !kept.living.contains_key(id));
        changed.extend(gone.map(|(_, endpoint)| {
            Arc::new(Endpoint { status: Status::Deleted, ..endpoint.as_ref().clone() })
        }));
        accounts.insert(account, kept);
        changed
    }

    /// Tells whose an endpoint is that was ever kept.
    pub(super) fn home(&self, endpoint: EndpointId) -> Option<AccountId> {
        lock(&self.homes).get(&endpoint).copied()
    }

    /// Takes note of what other nodes are to be told.
    pub(super) fn tell(&self, tell: impl FnOnce(&mut News)) {
        tell(&mut lock(&self.news));
        self.told.notify_one();
    }

    /// Takes what other nodes are to be told, some of it at once.
    pub(super) fn news(&self, most: usize) -> (Vec<EndpointId>, Vec<(AccountId, EndpointId)>) {
        let mut news = lock(&self.news);
        let due: Vec<_> = news.due.iter().copied().take(most).collect();
        let changed: Vec<_> = news.changed.iter().copied().take(most / 2).collect();
        for id in &due {
            news.due.remove(id);
        }
        for id in &changed {
            news.changed.remove(id);
        }
        (due, changed)
    }

    /// Looks at where leasing goes on, or notes it.
    pub(super) fn with_fronts<T>(&self, change: impl FnOnce(&mut Fronts) -> T) -> T {
        change(&mut lock(&self.fronts))
    }

    /// Keeps what was handed back until the steward can write it.
    pub(super) fn release_later(&self, leases: Vec<(EndpointId, DeliveryId)>) {
        lock(&self.unreleased).extend(leases);
    }

    /// Takes what is still to be written of what was handed back, if the writer of that number is the steward.
    pub(super) fn unreleased(&self, writer: i32) -> Vec<(EndpointId, DeliveryId)> {
        if writer == STEWARD { mem::take(&mut *lock(&self.unreleased)) } else { Vec::new() }
    }

    /// Counts a job that a writer has taken.
    pub(super) fn taken(&self, jobs: usize) {
        self.waiting.fetch_sub(jobs, Ordering::AcqRel);
    }
}

/// What happens once the transaction is durable.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) leases: Vec<Lease>,
    pub(super) changed: Vec<Arc<Endpoint>>,
    /// Endpoints with due work that the lanes had no room for.
    pub(super) refused: Vec<EndpointId>,
    /// Where leasing goes on.
    pub(super) fronts: BTreeMap<EndpointId, Front>,
}

/// What a transaction looks at before it writes, beside what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Care {
    /// Nothing that is so most of the time.
    Least,
    /// Which endpoints there are.
    Endpoints,
    /// Everything.
    Full,
}

/// One transaction on its way.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) link: &'a Link,
    pub(super) shared: &'a Shared,
    /// As whom this transaction leases.
    pub(super) node: Node,
    pub(super) care: Care,
    accounts: BTreeMap<AccountId, Kept>,
    /// Accounts whose endpoints are taken to be those that are kept, with the edition that is to stand at the end: what was
    /// kept, and what this transaction has written since.
    trusted: BTreeMap<AccountId, i64>,
    /// Endpoints that took what they were told.
    pub(super) good: BTreeSet<Of>,
    pub(super) effects: Effects,
    /// Events written.
    pub(super) said: i64,
    /// The next place in the log.
    pub(super) place: i64,
    /// Whether the transaction is committed already; an error when the answer was lost.
    pub(super) ended: Option<Result<(), Error>>,
}

/// Where effects stand, to undo those after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    leases: usize,
    changed: usize,
    refused: usize,
    said: i64,
}

impl<'a> Turn<'a> {
    /// Starts with nothing done.
    pub(super) fn new(link: &'a Link, shared: &'a Shared, care: Care) -> Self {
        Self {
            link,
            shared,
            node: shared.node(),
            care,
            accounts: BTreeMap::new(),
            trusted: BTreeMap::new(),
            good: BTreeSet::new(),
            effects: Effects::default(),
            said: 0,
            place: 0,
            ended: None,
        }
    }

    /// Tells whether to look before each step.
    pub(super) fn is_careful(&self) -> bool {
        self.care == Care::Full
    }

    /// Takes what is kept of accounts' endpoints for what there is, where something is kept. The transaction fails at its
    /// end if it is not so.
    pub(super) fn trust(&mut self, accounts: &BTreeSet<AccountId>) {
        for account in accounts {
            if let Some(kept) = self.shared.kept(*account) {
                self.trusted.insert(*account, kept.edition);
                self.accounts.insert(*account, kept);
            }
        }
    }

    /// Gives the accounts whose endpoints are taken for granted, and the editions that are to stand then.
    pub(super) fn trusted(&self) -> (Vec<Id>, Vec<i64>) {
        self.trusted.iter().map(|(account, edition)| (Id(account.bits()), *edition)).unzip()
    }

    /// Brings what is kept of accounts' endpoints up to date.
    pub(super) async fn know(&mut self, accounts: &BTreeSet<AccountId>) -> Result<(), Trouble> {
        let new = accounts.iter().filter(|account| !self.accounts.contains_key(account));
        let new: Vec<AccountId> = new.copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let ids: Vec<Id> = new.iter().map(|account| Id(account.bits())).collect();
        let mut editions = BTreeMap::new();
        for row in self.link.rows(sql::edition_read, &[&ids]).await? {
            editions.insert(rows::bits(&row, 0)?, rows::column::<i64>(&row, 1)?);
        }
        for account in new {
            let edition = editions.get(&account.bits()).copied().unwrap_or(0);
            let kept = self.shared.kept(account).filter(|kept| kept.edition == edition);
            let kept = match kept {
                Some(kept) => kept,
                None => self.keep(account, edition).await?,
            };
            self.accounts.insert(account, kept);
        }
        Ok(())
    }

    /// Keeps an account's endpoints as they are read.
    async fn keep(&self, account: AccountId, edition: i64) -> Result<Kept, Trouble> {
        let kept = Kept { edition, living: self.read(account).await? };
        for endpoint in self.shared.keep(account, kept.clone()) {
            self.shared.lanes.changed(&endpoint);
        }
        Ok(kept)
    }

    async fn read(&self, account: AccountId) -> Result<Living, Trouble> {
        let mut living = BTreeMap::new();
        for row in self.link.rows(sql::endpoint_living, &[&Id(account.bits())]).await? {
            let row = rows::endpoint(&row, &self.shared.master)?;
            living.insert(row.endpoint.id, Arc::new(row.endpoint));
        }
        Ok(Arc::new(living))
    }

    /// Gives the endpoints of an account that is known.
    pub(super) fn living(&self, account: AccountId) -> Living {
        self.accounts.get(&account).map(|kept| Arc::clone(&kept.living)).unwrap_or_default()
    }

    /// Finds an endpoint that is not deleted, of an account that is known.
    pub(super) fn endpoint(&self, account: AccountId, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.accounts.get(&account)?.living.get(&id).map(Arc::clone)
    }

    /// Notes that an endpoint is written in this transaction, which makes that edition.
    pub(super) async fn wrote(&mut self, edition: i64, endpoint: &Endpoint) -> Result<(), Trouble> {
        let account = endpoint.account;
        if let Some(trusted) = self.trusted.get_mut(&account) {
            *trusted += 1;
            if *trusted != edition {
                return Err(Trouble::Stale);
            }
        }
        let before = self.accounts.get(&account).map_or(0, |kept| kept.edition);
        if before + 1 != edition {
            // Somebody else has written another one since this transaction looked.
            let living = self.read(account).await?;
            self.accounts.insert(account, Kept { edition, living });
        }
        let kept = self.accounts.entry(account).or_default();
        kept.edition = edition;
        let living = Arc::make_mut(&mut kept.living);
        let endpoint = Arc::new(endpoint.clone());
        if endpoint.status == Status::Deleted {
            living.remove(&endpoint.id);
        } else {
            living.insert(endpoint.id, Arc::clone(&endpoint));
        }
        self.effects.changed.push(endpoint);
        Ok(())
    }

    /// Asks the lanes for room.
    pub(super) fn admit(&mut self, endpoint: &Arc<Endpoint>, bytes: usize) -> bool {
        let room = self.shared.lanes.admit(endpoint, bytes);
        if !room {
            self.effects.refused.push(endpoint.id);
        }
        room
    }

    /// Marks where the effects stand.
    pub(super) const fn mark(&self) -> Mark {
        let Effects { leases, changed, refused, fronts: _ } = &self.effects;
        Mark {
            leases: leases.len(),
            changed: changed.len(),
            refused: refused.len(),
            said: self.said,
        }
    }

    /// Undoes the effects since a mark; what is known of endpoints that were written meanwhile is read anew.
    pub(super) fn undo_to(&mut self, mark: Mark) {
        let at = mark.leases.min(self.effects.leases.len());
        for lease in self.effects.leases.split_off(at) {
            self.shared.lanes.withdraw(lease.delivery.endpoint, Lease::bytes(&lease.event));
        }
        let at = mark.changed.min(self.effects.changed.len());
        for endpoint in self.effects.changed.split_off(at) {
            self.accounts.remove(&endpoint.account);
            if let Some(trusted) = self.trusted.get_mut(&endpoint.account) {
                *trusted -= 1;
            }
        }
        self.effects.refused.truncate(mark.refused);
        self.said = mark.said;
    }

    /// Undoes every effect.
    pub(super) fn undo(&mut self) {
        self.undo_to(Mark { leases: 0, changed: 0, refused: 0, said: 0 });
    }

    /// Gives the effects, which happen now that the transaction is durable.
    pub(super) fn happen(self) -> Effects {
        for endpoint in &self.effects.changed {
            if let Some(kept) = self.accounts.get(&endpoint.account) {
                // The lanes hear of these from the effects.
                drop(self.shared.keep(endpoint.account, kept.clone()));
            }
        }
        self.effects
    }
}
