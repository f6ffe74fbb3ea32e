//! A store to try out, with lanes that note what they are handed.

use std::any::Any;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use domain::call::{Answer, Method, Outcome};
use domain::contact::Contact;
use domain::delivery::{Attempt, Delivery, State};
use domain::endpoint::{
    Dialect, Endpoint, MAX_IN_FLIGHT_DEFAULT, Ordering, Scope, Secrets, Signing, Status,
    TIMEOUT_S_DEFAULT,
};
use domain::event::{Event, Kind};
use domain::id::{
    AccountId, AttemptId, Chance, ContactId, DeliveryId, EndpointId, EventId, Mint, NoticeId,
    ProviderId, RequestId,
};
use domain::message::{Channel, Progress, Receipt, Reception};
use domain::notice::{Begun, Notice, Occasion, Party};
use domain::request::{Callbacks, Reminders, Request, Sender, SigningOrder, State as RequestState};
use domain::retry::Profile;
use domain::signer::Person;
use domain::subscription::Subscription;
use domain::time::Timestamp;

use crate::{
    Audience, Commit, Committed, DeliveryFilter, DeliveryRow, EventFilter, Fault, Guarded, Lanes,
    Lease, LeaseScope, Leased, Page, Said, Settled, Settlement, Store, Views, Write,
};

/// The beginning of time in every claim.
const NOON_MS: i64 = 1_767_268_800_000;
/// It is looked so often whether an event is shown: for a second at least.
const LOOKS_MAX: u32 = 100_000;

/// A fresh store, with what it hands its work to.
pub struct World {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What may be read of it.
    pub views: Arc<dyn Views>,
    /// What notes the work.
    pub lanes: Arc<Recorder>,
    /// Whatever must live as long as the store.
    pub keep: Box<dyn Any + Send + Sync>,
    /// Makes ids.
    pub ids: Mutex<(Mint, Counting)>,
}

/// Chance that only counts, so that every run is the same.
#[derive(Debug, Default)]
pub struct Counting(u64);

impl Chance for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 += 1;
            let drawn = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            chunk.iter_mut().zip(drawn).for_each(|(to, byte)| *to = byte);
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Lanes with a set amount of room, that note what they are handed.
pub struct Recorder {
    noted: Mutex<Noted>,
    /// Called with what is taken, at the very moment.
    witness: Witness,
    /// Passed through inside the transaction.
    gate: Gate,
}

type Gate = Box<dyn Fn() + Send + Sync>;
type Witness = Box<dyn Fn(&[Lease]) + Send + Sync>;

#[derive(Debug, Default)]
struct Noted {
    room: usize,
    reserved: BTreeMap<EndpointId, usize>,
    taken: Vec<Taken>,
    left: BTreeSet<EndpointId>,
    changed: Vec<EndpointId>,
    hinted: BTreeSet<EndpointId>,
    held: BTreeSet<DeliveryId>,
}

/// A lease that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The delivery.
    pub delivery: Delivery,
    /// What is told.
    pub event: Arc<Event>,
    /// To whom.
    pub endpoint: Arc<Endpoint>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("noted", &self.noted).finish_non_exhaustive()
    }
}

impl Lanes for Recorder {
    fn admit(&self, endpoint: &Arc<Endpoint>, _: usize) -> bool {
        (self.gate)();
        let mut noted = self.noted();
        let room = noted.room > 0;
        if room {
            noted.room -= 1;
            *noted.reserved.entry(endpoint.id).or_default() += 1;
        }
        room
    }

    fn take(&self, leases: Vec<Lease>) {
        (self.witness)(&leases);
        let mut noted = self.noted();
        for Lease { delivery, event, endpoint } in leases {
            let reserved = noted.reserved.get_mut(&endpoint.id).expect("taken without asking");
            *reserved = reserved.checked_sub(1).expect("taken more than was admitted");
            assert!(noted.held.insert(delivery.id), "{} was leased twice", delivery.id);
            noted.taken.push(Taken { delivery, event, endpoint });
        }
    }

    fn withdraw(&self, endpoint: EndpointId, _: usize) {
        let mut noted = self.noted();
        let reserved = noted.reserved.get_mut(&endpoint).expect("withdrawn without asking");
        *reserved = reserved.checked_sub(1).expect("withdrawn more than was admitted");
        noted.room += 1;
    }

    fn left_due(&self, endpoints: BTreeSet<EndpointId>) {
        self.noted().left.extend(endpoints);
    }

    fn changed(&self, endpoint: &Arc<Endpoint>) {
        self.noted().changed.push(endpoint.id);
    }

    fn hint(&self, endpoints: Vec<EndpointId>) {
        self.noted().hinted.extend(endpoints);
    }
}

impl Recorder {
    /// Makes lanes without bounds.
    pub fn new() -> Arc<Self> {
        Self::with_witness(|_| {})
    }

    /// Makes lanes without bounds; `gate` is passed through, inside the transaction, whenever the store asks for room.
    pub fn with_gate(gate: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let noted = Mutex::new(Noted { room: usize::MAX, ..Noted::default() });
        Arc::new(Self { noted, witness: Box::new(|_| {}), gate: Box::new(gate) })
    }

    /// Makes lanes without bounds; `witness` looks at what is taken, at the very moment.
    pub fn with_witness(witness: impl Fn(&[Lease]) + Send + Sync + 'static) -> Arc<Self> {
        let noted = Noted { room: usize::MAX, ..Noted::default() };
        Arc::new(Self {
            noted: Mutex::new(noted),
            witness: Box::new(witness),
            gate: Box::new(|| {}),
        })
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how many more are admitted.
    pub fn set_room(&self, room: usize) {
        self.noted().room = room;
    }

    /// Gives what was taken since the last time, in order.
    pub fn taken(&self) -> Vec<Taken> {
        mem::take(&mut self.noted().taken)
    }

    /// Gives the events that were leased since the last time, in order.
    pub fn told(&self) -> Vec<EventId> {
        self.taken().iter().map(|taken| taken.event.id).collect()
    }

    /// Gives the endpoints that changed since the last time, in order.
    pub fn changes(&self) -> Vec<EndpointId> {
        mem::take(&mut self.noted().changed)
    }

    /// Gives the endpoints of which work became durable for which there was no room, since the last time.
    pub fn left(&self) -> BTreeSet<EndpointId> {
        mem::take(&mut self.noted().left)
    }

    /// Gives the endpoints that other nodes left work of, since the last time.
    pub fn hints(&self) -> BTreeSet<EndpointId> {
        mem::take(&mut self.noted().hinted)
    }

    /// Tells that a lease is over, so that the delivery may be leased again.
    pub fn over(&self, delivery: DeliveryId) {
        self.noted().held.remove(&delivery);
    }

    /// Fails when something was admitted that was neither taken nor withdrawn.
    pub fn balance(&self) {
        let reserved = &self.noted().reserved;
        assert!(reserved.values().all(|count| *count == 0), "left: {reserved:?}");
    }
}

/// Gives the moment so many seconds after the beginning.
pub const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON_MS).plus_seconds(seconds)
}

/// A page of that many rows, from the start.
pub(super) const fn page(limit: u32) -> Page {
    Page { limit, after: None }
}

impl World {
    /// Joins the parts.
    pub fn new(
        lanes: Arc<Recorder>,
        store: Arc<dyn Store>,
        views: Arc<dyn Views>,
        keep: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Self { store, views, lanes, keep, ids: Mutex::default() }
    }

    /// Mints the 128 bits of an id at that second.
    pub fn id_at(&self, seconds: i64) -> u128 {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let (mint, chance) = &mut *ids;
        mint.next(at(seconds), chance)
    }

    /// Mints the 128 bits of an id.
    pub fn id(&self) -> u128 {
        self.id_at(0)
    }

    /// Mints an account's id.
    pub fn account(&self) -> AccountId {
        AccountId::new(self.id())
    }

    /// Makes an event of the account's own.
    pub fn event(&self, account: AccountId, name: &'static str) -> Event {
        self.event_at(account, name, 0)
    }

    /// Makes an event of the account's own at that second.
    pub fn event_at(&self, account: AccountId, name: &'static str, seconds: i64) -> Event {
        Event {
            id: EventId::new(self.id_at(seconds)),
            account,
            kind: Kind::of(name).expect("a name of the catalogue"),
            name: Cow::Borrowed(name),
            at: at(seconds),
            request: None,
            order_key: None,
            key: None,
            data: r#"{"amount":12,"note":"ünïcödé \u0000"}"#.to_owned(),
            test: false,
            callbacks: Vec::new(),
            link: None,
        }
    }

    /// Makes an event of a request.
    pub fn event_of(&self, account: AccountId, request: RequestId, name: &'static str) -> Event {
        let order_key = Some(request.to_string());
        Event { request: Some(request), order_key, ..self.event(account, name) }
    }

    /// Makes an event with an order key.
    pub fn keyed(&self, account: AccountId, order_key: &str) -> Event {
        Event { order_key: Some(order_key.to_owned()), ..self.event(account, "custom.a") }
    }

    /// Makes an endpoint that wants every event.
    pub fn endpoint(&self, account: AccountId) -> Endpoint {
        let id = EndpointId::new(self.id());
        Endpoint {
            id,
            account,
            url: format!("https://example.com/{id}"),
            description: None,
            dialect: Dialect::Standard,
            profile: Profile::named("standard").expect("a built-in profile"),
            wants: Subscription {
                names: vec!["*".to_owned()],
                kinds: Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Custom).collect(),
                custom: vec!["custom.*".to_owned()],
            },
            method: Method::Post,
            signing: Signing::Hmac,
            ordering: Ordering::None,
            rate_limit: None,
            max_in_flight: MAX_IN_FLIGHT_DEFAULT,
            timeout_s: TIMEOUT_S_DEFAULT,
            status: Status::Enabled,
            scope: Scope::Registered,
            created_at: at(0),
            updated_at: at(0),
            secrets: Secrets::default(),
        }
    }

    /// Makes a notice that its provider has taken.
    pub fn notice(&self, account: AccountId, request: RequestId) -> Notice {
        let receipt = Receipt {
            reception: Reception::Accepted,
            message_id: Some("m-1".to_owned()),
            detail: String::new(),
        };
        let provider = ProviderId::new(self.id());
        Notice {
            id: NoticeId::new(self.id()),
            account,
            request,
            event: EventId::new(self.id()),
            occasion: Occasion::Turn,
            channel: Channel::Email,
            party: Party::Sender,
            to: "ana@example.net".to_owned(),
            template: None,
            begun: Some(Begun { number: 1, provider, at: at(1), receipt: Some(receipt) }),
            progress: Progress::default(),
            created_at: at(0),
        }
    }

    /// Makes a draft.
    pub fn request(&self, account: AccountId) -> Request {
        Request {
            id: RequestId::new(self.id()),
            account,
            title: "Lease".to_owned(),
            message: None,
            documents: Vec::new(),
            sender: Sender::default(),
            signing_order: SigningOrder::Parallel,
            signers: Vec::new(),
            progress: 0,
            expires_at: None,
            reminders: Reminders::default(),
            notices: BTreeMap::new(),
            callbacks: Callbacks::default(),
            redirect_url: None,
            metadata: BTreeMap::new(),
            origin: "native".to_owned(),
            workflow: None,
            foreign: None,
            created_at: at(0),
            state: RequestState::Draft,
            archived_at: None,
        }
    }

    /// Makes a contact.
    pub fn contact(&self, account: AccountId) -> Contact {
        Contact {
            id: ContactId::new(self.id()),
            account,
            person: Person { name: "Ada".to_owned(), ..Person::default() },
            metadata: BTreeMap::new(),
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// Commits writes alone.
    pub async fn write(&self, account: AccountId, writes: Vec<Write>) -> Result<Committed, Fault> {
        let commit = Commit { writes, ..Commit::new(account, at(0)) };
        self.store.commit(commit).await
    }

    /// Registers an endpoint.
    pub async fn register(&self, endpoint: Endpoint) -> Endpoint {
        let write = Write::Endpoint(Guarded { version: 0, value: endpoint.clone() });
        self.write(endpoint.account, vec![write]).await.expect("the endpoint is new");
        endpoint
    }

    /// Turns off an endpoint that was only registered.
    pub async fn turn_off(&self, endpoint: &Endpoint) {
        let value = Endpoint { status: Status::Disabled, ..endpoint.clone() };
        let write = Write::Endpoint(Guarded { version: 1, value });
        self.write(endpoint.account, vec![write]).await.expect("nobody has changed it");
    }

    /// Commits events to whom they concern.
    pub async fn say(&self, events: &[Event]) -> Committed {
        self.say_at(events, 0).await
    }

    /// Commits events to whom they concern, at that second.
    pub async fn say_at(&self, events: &[Event], seconds: i64) -> Committed {
        let account = events[0].account;
        let said = |event: &Event| Said { event: event.clone(), audience: Audience::Subscribers };
        let events = events.iter().map(said).collect();
        let commit = Commit { events, ..Commit::new(account, at(seconds)) };
        self.store.commit(commit).await.expect("events are not refused")
    }

    /// Looks until an event is there for who follows the log.
    ///
    /// PostgreSQL shows an event once all transactions that began before are over, and those of other databases of the
    /// same server count too.
    pub async fn shown(&self, event: &Event) {
        let filter = EventFilter { ascending: true, ..EventFilter::default() };
        for _ in 0..LOOKS_MAX {
            let log = self.views.events(event.account, filter.clone(), page(1_000)).await;
            if log.expect("the store reads").iter().any(|shown| shown.id == event.id) {
                return;
            }
        }
        panic!("{} is not shown to who follows the log", event.id);
    }

    /// Leases whatever is due at that second.
    pub async fn lease_all(&self, seconds: i64) -> Leased {
        self.store.lease(at(seconds), LeaseScope::All).await.expect("the store leases")
    }

    /// Makes a settlement of a delivery's next attempt.
    pub fn settlement(&self, delivery: &Delivery, state: State) -> Settlement {
        let number = delivery.attempts + 1;
        Settlement {
            account: delivery.account,
            endpoint: delivery.endpoint,
            request: None,
            attempt: Arc::new(Attempt {
                id: AttemptId::new(self.id()),
                delivery: delivery.id,
                number,
                at: at(0),
                took_ms: 12,
                url: "https://example.com/hook?a=b".to_owned(),
                body_digest: [7; 32],
                remote: Some("192.0.2.7:443".to_owned()),
                outcome: Outcome::Answered(Answer { status: 200, ..Answer::default() }),
            }),
            state,
            health: None,
            events: Vec::new(),
        }
    }

    /// Settles at the beginning of time.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Settled {
        for settlement in &settlements {
            self.lanes.over(settlement.attempt.delivery);
        }
        self.store.settle(at(0), settlements).await.expect("the store settles")
    }

    /// Settles a delivery as arrived.
    pub async fn deliver(&self, delivery: &Delivery) {
        let settlement = self.settlement(delivery, State::Delivered { at: at(1) });
        self.settle(vec![settlement]).await;
    }

    /// Hands a lease back.
    pub fn release(&self, delivery: &Delivery) {
        self.lanes.over(delivery.id);
        self.store.release(vec![(delivery.endpoint, delivery.id)]);
    }

    /// Reads a delivery.
    pub async fn delivery(&self, delivery: &Delivery) -> (DeliveryRow, Vec<Attempt>) {
        let found = self.views.delivery(delivery.account, delivery.id).await;
        found.expect("the store reads").expect("the delivery is there")
    }

    /// Reads where a delivery stands.
    pub async fn state(&self, delivery: &Delivery) -> State {
        self.delivery(delivery).await.0.delivery.state
    }

    /// Lists the newest deliveries of an account.
    pub async fn deliveries(&self, account: AccountId, filter: DeliveryFilter) -> Vec<Delivery> {
        let found = self.views.deliveries(account, filter, page(1_000)).await;
        found.expect("the store reads").into_iter().map(|row| row.delivery).collect()
    }
}
