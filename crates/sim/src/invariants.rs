//! What must hold at every step, and what at the end.
//!
//! | Always | At the end |
//! | --- | --- |
//! | what was acknowledged is in the log, once | every delivery has ended |
//! | one delivery for each event and endpoint | nothing is under way |
//! | attempts never exceed the profile, nor come sooner | every event that is wanted was told or given up with a reason |
//! | history and state agree | order was kept where it was asked for |
//! | chains hold | |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::chain::Entry;
use domain::delivery::{Attempt, Cause, Delivery, State};
use domain::endpoint::{Endpoint, Ordering, Status};
use domain::event::Event;
use domain::id::{AccountId, EndpointId, EventId, RequestId, SignerId};
use domain::signer::Signer;
use domain::time::SECOND_MS;
use engine::Engine;
use store::{DeliveryFilter, EventFilter, Page};

use crate::crew::{Crew, Trouble};

/// Something that must hold does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    what: String,
}

impl Broken {
    pub(crate) fn new(trouble: &Trouble) -> Self {
        Self { what: format!("unexpected trouble: {trouble} ({trouble:?})") }
    }

    pub(crate) fn said(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What the run remembers beside the store.
#[derive(Debug)]
pub(crate) struct Watch {
    account: AccountId,
    endpoints: Vec<Endpoint>,
    acknowledged: BTreeMap<EventId, Option<String>>,
    requests: BTreeSet<RequestId>,
    signed: BTreeSet<(RequestId, SignerId)>,
    /// Attempts that a crash may have made invisible.
    forgotten: usize,
    steps: u32,
}

/// The whole store is looked at once in so many steps.
const LOOK_EVERY: u32 = 120;
/// Rows read at once.
const ROWS: u32 = 1_000;
/// It is looked so often whether all events are shown in the log: for a second at least.
const LOOKS_MAX: u32 = 100_000;

impl Watch {
    pub(crate) const fn new(account: AccountId) -> Self {
        Self {
            account,
            endpoints: Vec::new(),
            acknowledged: BTreeMap::new(),
            requests: BTreeSet::new(),
            signed: BTreeSet::new(),
            forgotten: 0,
            steps: 0,
        }
    }

    pub(crate) fn knows(&mut self, endpoint: Endpoint) {
        self.endpoints.push(endpoint);
    }

    pub(crate) fn acknowledged(&mut self, id: EventId, key: Option<String>) {
        self.acknowledged.insert(id, key);
    }

    pub(crate) fn acknowledged_count(&self) -> usize {
        self.acknowledged.len()
    }

    pub(crate) fn requested(&mut self, id: RequestId) {
        self.requests.insert(id);
    }

    pub(crate) fn signed(&mut self, id: RequestId, signer: SignerId) {
        self.signed.insert((id, signer));
    }

    pub(crate) fn crashed(&mut self, under_way: usize) {
        self.forgotten += under_way;
    }

    /// Looks at everything, now and then.
    pub(crate) async fn always(&mut self, crew: &Crew) -> Result<(), Broken> {
        self.steps += 1;
        if !self.steps.is_multiple_of(LOOK_EVERY) {
            return Ok(());
        }
        self.look(crew).await
    }

    /// All nodes together have no more under way than an endpoint allows.
    pub(crate) fn keeps_to_its_bounds(&self, crew: &Crew) -> Result<(), Broken> {
        for endpoint in &self.endpoints {
            let begun = crew.begun(endpoint);
            if begun > endpoint.max_in_flight as usize {
                return Err(Broken::said(format!(
                    "{begun} attempts are under way to {}, which allows {}",
                    endpoint.url, endpoint.max_in_flight
                )));
            }
        }
        Ok(())
    }

    async fn look(&self, crew: &Crew) -> Result<(), Broken> {
        let engine = crew.engine().map_err(|trouble| Broken::new(&trouble))?;
        let events = all_events(&engine, self.account).await?;
        for (id, key) in &self.acknowledged {
            let Some(event) = events.get(id) else {
                return Err(Broken::said(format!("{id} was acknowledged and is not in the log")));
            };
            if event.key != *key {
                return Err(Broken::said(format!("{id} is in the log under another key")));
            }
        }
        self.signatures_stand(&engine).await?;
        for request in &self.requests {
            chain_holds(&engine, self.account, *request).await?;
        }
        let deliveries = all_deliveries(&engine, self.account).await?;
        let mut fresh = BTreeSet::new();
        for (delivery, attempts) in &deliveries {
            if delivery.cause == Cause::Event && !fresh.insert((delivery.event, delivery.endpoint))
            {
                return Err(Broken::said(format!("{} is a second delivery", delivery.id)));
            }
            numbers_are_a_row(delivery, attempts)?;
            // Of what a node was about when it was taken for dead, two may have made the same attempt.
            if !crew.disturbed.contains(&delivery.id) {
                self.history_agrees(delivery, attempts)?;
            }
        }
        let expected: usize = events.values().map(|event| self.wanting(event)).sum();
        if fresh.len() > expected {
            return Err(Broken::said(format!("{} deliveries for {expected} wishes", fresh.len())));
        }
        Ok(())
    }

    async fn signatures_stand(&self, engine: &Engine) -> Result<(), Broken> {
        for (id, signer) in &self.signed {
            let found = engine.views().request(self.account, *id).await.map_err(store_broke)?;
            let signed = found.and_then(|(r, _)| r.signer(*signer).map(Signer::has_signed));
            if signed != Some(true) {
                return Err(Broken::said(format!(
                    "a signature of {id} was acknowledged and is lost"
                )));
            }
        }
        Ok(())
    }

    /// Counts the endpoints that want an event, as they are registered.
    fn wanting(&self, event: &Event) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.wants.matches(event)).count()
    }

    /// Attempts never exceed the profile, nor come sooner; the last one is what the state says.
    fn history_agrees(&self, delivery: &Delivery, attempts: &[Attempt]) -> Result<(), Broken> {
        let broken = |what: &str| Broken::said(format!("{}: {what}: {attempts:?}", delivery.id));
        let Some(endpoint) = self.endpoints.iter().find(|e| e.id == delivery.endpoint) else {
            return Err(broken("an unknown endpoint"));
        };
        if attempts.len() != delivery.attempts as usize {
            return Err(broken("history and state count differently"));
        }
        if attempts.len() > endpoint.profile.waits_s.len() + 1 {
            return Err(broken("more attempts than the profile has"));
        }
        for (pair, wait_s) in attempts.windows(2).zip(endpoint.profile.waits_s.iter()) {
            let [before, after] = pair else { continue };
            let wait_ms =
                i64::from(*wait_s) * SECOND_MS * i64::from(100 - endpoint.profile.jitter_percent)
                    / 100;
            if after.at.millis_since(before.at) < wait_ms {
                return Err(broken("an attempt came too soon"));
            }
        }
        let accepted = attempts
            .iter()
            .position(|a| a.outcome.status().is_some_and(|s| endpoint.profile.is_success(s)));
        match (delivery.state, accepted) {
            (State::Delivered { .. }, Some(at)) if at + 1 == attempts.len() => Ok(()),
            (State::Delivered { .. }, _) => {
                Err(broken("delivered without an accepted last attempt"))
            }
            (State::Pending { .. } | State::Exhausted { .. }, None)
            | (State::Cancelled { .. }, _) => Ok(()),
            (State::Pending { .. } | State::Exhausted { .. }, Some(_)) => {
                Err(broken("accepted, and yet not delivered"))
            }
        }
    }

    /// Trouble has stopped and everything has come to rest.
    pub(crate) async fn at_the_end(&self, crew: &Crew) -> Result<(), Broken> {
        self.look(crew).await?;
        if crew.under_way() > 0 {
            return Err(Broken::said("something is still under way at the end"));
        }
        let engine = crew.engine().map_err(|trouble| Broken::new(&trouble))?;
        let events = all_events(&engine, self.account).await?;
        let deliveries = all_deliveries(&engine, self.account).await?;
        if let Some((delivery, _)) =
            deliveries.iter().find(|(delivery, _)| delivery.state.is_pending())
        {
            return Err(Broken::said(format!("{delivery:?} never ended")));
        }
        let told: BTreeSet<(EventId, EndpointId)> = deliveries
            .iter()
            .filter(|(delivery, _)| delivery.cause == Cause::Event)
            .map(|(delivery, _)| (delivery.event, delivery.endpoint))
            .collect();
        let always_on = always_enabled(&engine, self.account, &self.endpoints).await?;
        for event in events.values().filter(|event| !event.kind.is_operational()) {
            for endpoint in always_on.iter().filter(|endpoint| endpoint.wants.matches(event)) {
                if !told.contains(&(event.id, endpoint.id)) {
                    return Err(Broken::said(format!(
                        "{} never went to {}",
                        event.id, endpoint.url
                    )));
                }
            }
        }
        let disturbed = deliveries.iter().filter(|(d, _)| crew.disturbed.contains(&d.id));
        let disturbed =
            disturbed.map(|(delivery, _)| (delivery.event, delivery.endpoint)).collect();
        self.order_was_kept(
            crew,
            &events,
            &log(&engine, self.account, events.len()).await?,
            &disturbed,
        )?;
        self.doubles_are_bounded(crew, &deliveries)
    }

    /// Events of one key were first taken in their order.
    fn order_was_kept(
        &self,
        crew: &Crew,
        events: &BTreeMap<EventId, Event>,
        log: &BTreeMap<EventId, usize>,
        disturbed: &BTreeSet<(EventId, EndpointId)>,
    ) -> Result<(), Broken> {
        for endpoint in self.endpoints.iter().filter(|e| e.ordering == Ordering::Request) {
            let mut last: BTreeMap<&str, usize> = BTreeMap::new();
            let mut seen = BTreeSet::new();
            for heard in crew.world.heard(host(endpoint)) {
                let Ok(id) = heard.event.parse::<EventId>() else { continue };
                let Some(event) = events.get(&id) else { continue };
                let Some(key) = event.order_key.as_deref() else { continue };
                if !heard.taken || !seen.insert(id) || disturbed.contains(&(id, endpoint.id)) {
                    continue;
                }
                let place = log.get(&id).copied().unwrap_or_default();
                if last.insert(key, place).is_some_and(|before| before > place) {
                    return Err(Broken::said(format!(
                        "{id} was told out of order to {}",
                        endpoint.url
                    )));
                }
            }
        }
        Ok(())
    }

    /// A receiver took an event again only where an attempt is in the history, or a crash forgot one.
    fn doubles_are_bounded(
        &self,
        crew: &Crew,
        deliveries: &[(Delivery, Vec<Attempt>)],
    ) -> Result<(), Broken> {
        let heard: usize = crew.world.everything().values().map(Vec::len).sum();
        let reached = deliveries
            .iter()
            .flat_map(|(_, attempts)| attempts)
            .filter(|attempt| attempt.remote.is_some())
            .count();
        if heard > reached + self.forgotten {
            let forgotten = self.forgotten;
            return Err(Broken::said(format!(
                "{heard} calls were heard, {reached} are in the history, {forgotten} may be forgotten"
            )));
        }
        Ok(())
    }
}

/// Attempts of a delivery are numbered from 1, each number once.
fn numbers_are_a_row(delivery: &Delivery, attempts: &[Attempt]) -> Result<(), Broken> {
    if attempts.len() == delivery.attempts as usize
        && attempts.iter().zip(1..).all(|(attempt, number)| attempt.number == number)
    {
        return Ok(());
    }
    Err(Broken::said(format!("{delivery:?} has a history of {attempts:?}")))
}

fn host(endpoint: &Endpoint) -> &str {
    let rest = endpoint.url.strip_prefix("https://").unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

fn store_broke(error: store::Error) -> Broken {
    Broken::new(&Trouble::Store(error))
}

async fn all_events(
    engine: &Engine,
    account: AccountId,
) -> Result<BTreeMap<EventId, Event>, Broken> {
    let mut events = BTreeMap::new();
    let mut after = None;
    loop {
        let filter = EventFilter::default();
        let page = engine.views().events(account, filter, Page { limit: ROWS, after }).await;
        let page = page.map_err(store_broke)?;
        let Some(last) = page.last() else { return Ok(events) };
        after = Some(last.id.bits());
        events.extend(page.into_iter().map(|event| (event.id, event)));
    }
}

/// Gives the place of each event in the log, once all of so many are shown there: PostgreSQL shows an event once all
/// transactions that began before are over, and those of other databases of the same server count too.
async fn log(
    engine: &Engine,
    account: AccountId,
    count: usize,
) -> Result<BTreeMap<EventId, usize>, Broken> {
    let (mut places, mut after) = (BTreeMap::new(), None);
    for _ in 0..LOOKS_MAX {
        let filter = EventFilter { ascending: true, ..EventFilter::default() };
        let page = engine.views().events(account, filter, Page { limit: ROWS, after }).await;
        for event in page.map_err(store_broke)? {
            after = Some(event.id.bits());
            places.insert(event.id, places.len());
        }
        if places.len() >= count {
            return Ok(places);
        }
    }
    Err(Broken::said(format!("{} of {count} events are shown in the log", places.len())))
}

async fn all_deliveries(
    engine: &Engine,
    account: AccountId,
) -> Result<Vec<(Delivery, Vec<Attempt>)>, Broken> {
    let mut deliveries = Vec::new();
    let mut after = None;
    loop {
        let page = Page { limit: ROWS, after };
        let rows = engine.views().deliveries(account, DeliveryFilter::default(), page).await;
        let rows = rows.map_err(store_broke)?;
        let Some(last) = rows.last() else { return Ok(deliveries) };
        after = Some(last.delivery.id.bits());
        for row in &rows {
            let found =
                engine.views().delivery(account, row.delivery.id).await.map_err(store_broke)?;
            deliveries.extend(found.map(|(row, attempts)| (row.delivery, attempts)));
        }
    }
}

/// Finds the endpoints that were never turned off: those are owed every event.
async fn always_enabled(
    engine: &Engine,
    account: AccountId,
    endpoints: &[Endpoint],
) -> Result<Vec<Endpoint>, Broken> {
    let mut on = Vec::new();
    for endpoint in endpoints {
        let row = engine.views().endpoint(account, endpoint.id).await.map_err(store_broke)?;
        let untouched =
            row.is_some_and(|row| row.version == 1 && row.endpoint.status == Status::Enabled);
        on.extend(untouched.then(|| endpoint.clone()));
    }
    Ok(on)
}

/// Every link of a request's chain follows from the entry and the link before it.
async fn chain_holds(
    engine: &Engine,
    account: AccountId,
    request: RequestId,
) -> Result<(), Broken> {
    let page = Page { limit: ROWS, after: None };
    let entries = engine.views().timeline(account, request, page).await.map_err(store_broke)?;
    let mut before = None;
    for entry in entries {
        let fresh = match (&entry.event, &entry.attempt) {
            (Some(event), _) => Entry::of_event(event),
            (None, Some((_, attempt))) => Entry::of_attempt(attempt),
            (None, None) => {
                return Err(Broken::said(format!("{request}: an entry points nowhere")));
            }
        };
        if fresh.link(request, before) != entry.link {
            return Err(Broken::said(format!("{request}: the chain breaks at {}", entry.link.seq)));
        }
        before = Some(entry.link);
    }
    Ok(())
}
