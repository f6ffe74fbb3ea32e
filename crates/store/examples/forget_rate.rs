//! How fast what has outlived its time is forgotten, and what callers notice of it.
//!
//! Fills a store with a million events of the past, each delivered once. Then callers say events at a steady rate, first
//! alone, then while the past is forgotten with the engine's pauses; what is left of it goes with nobody beside. Run it
//! with `cargo run --release -p store --features conformance --example forget_rate`, if need be with the data folder (or
//! the URL of an empty database), the number of old events, and the events said in a second as arguments.

#[path = "parts/parts.rs"]
mod parts;

use std::borrow::Cow;
use std::env;
use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::event::{Event, Kind};
use domain::id::{AccountId, DeliveryId, EventId, Mint};
use domain::secret::Secret;
use domain::time::{DAY_MS, Timestamp};
use store::conformance::{Recorder, World};
use store::postgres::{self, Postgres};
use store::sqlite::{self, Sqlite};
use store::{Audience, Commit, Guarded, Lanes, MasterKey, Outlived, Said, Store, Views, Write};
use tokio::task::JoinSet;
use tokio::time;

use parts::{Heap, Xorshift, delivered};

const ACCOUNT: AccountId = AccountId::new(1);
const NOON: Timestamp = Timestamp::from_millis(1_767_268_800_000);
const CALLERS: u64 = 32;
const PHASE: Duration = Duration::from_secs(20);
/// As `engine` has it.
const BATCH: u32 = 500;
const PAUSE_TIMES: u32 = 4;

type Ids = Arc<Mutex<(Mint, Xorshift)>>;
type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn next(ids: &Ids, now: Timestamp) -> u128 {
    let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
    let (mint, chance) = &mut *ids;
    mint.next(now, chance)
}

fn said(ids: &Ids, at: Timestamp) -> Said {
    let event = Event {
        id: EventId::new(next(ids, at)),
        account: ACCOUNT,
        kind: Kind::Custom,
        name: Cow::Borrowed("custom.order.paid"),
        at,
        request: None,
        order_key: None,
        key: None,
        data: format!(r#"{{"text":"{}"}}"#, "x".repeat(500)),
        test: false,
        callbacks: Vec::new(),
        link: None,
    };
    Said { event, audience: Audience::Subscribers }
}

async fn settle(store: &dyn Store, lanes: &Heap, ids: &Ids, at: Timestamp) -> Fallible<()> {
    let leases = lanes.empty();
    let settlements: Vec<_> =
        leases.iter().map(|lease| delivered(lease, (next(ids, at), at))).collect();
    for part in settlements.chunks(1_000) {
        store.settle(at, part.to_vec()).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this measures real time")]
async fn pause(length: Duration) {
    time::sleep(length).await;
}

/// Says events at a steady rate; gives the microseconds from when each was to be said until it was safe.
async fn say(store: Arc<dyn Store>, ids: Ids, stop: Arc<AtomicBool>, per_s: u64) -> Vec<u128> {
    let mut ticks = time::interval(Duration::from_micros(CALLERS * 1_000_000 / per_s));
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let meant = ticks.tick().await;
        let commit = Commit { events: vec![said(&ids, NOON)], ..Commit::new(ACCOUNT, NOON) };
        if store.commit(commit).await.is_err() {
            break;
        }
        took.push(meant.elapsed().as_micros());
    }
    took
}

/// Forgets what is old, until it is gone or the time is up; gives how many deliveries and events went.
async fn forget(
    store: &dyn Store,
    left: &mut Vec<Outlived>,
    pauses: bool,
    window: Duration,
) -> Fallible<u64> {
    let (begun, mut gone) = (now(), 0);
    while begun.elapsed() < window
        && let Some(outlived) = left.pop()
    {
        let batch = now();
        let forgotten = store.forget(outlived, BATCH).await?;
        gone += u64::from(forgotten.deliveries) + u64::from(forgotten.events);
        left.extend(forgotten.rest);
        if pauses {
            pause(batch.elapsed() * PAUSE_TIMES).await;
        }
    }
    Ok(gone)
}

/// A store, what may be read of it, and where it puts leased work.
type Opened = (Arc<dyn Store>, Arc<dyn Views>, Arc<Heap>);

async fn open(place: &str) -> Fallible<Opened> {
    let heap = Arc::new(Heap::default());
    let lanes: Arc<dyn Lanes> = Arc::<Heap>::clone(&heap);
    let (master, chance) = (MasterKey::new(&[7; 32])?, Box::new(Xorshift(9)));
    if place.starts_with("postgres://") {
        let (url, node_name) = (Secret::new(place), "measured".to_owned());
        let options = postgres::Options { url, master, chance, lanes, node_name };
        let store = Postgres::open(options).await?;
        let views = store.views();
        return Ok((Arc::new(store), views, heap));
    }
    drop(fs::remove_dir_all(place));
    let store = Sqlite::open(sqlite::Options { folder: place.into(), master, chance, lanes })?;
    let views = store.views();
    Ok((Arc::new(store), views, heap))
}

fn told(mut took: Vec<u128>, passed: Duration) -> String {
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    let rate = took.len() as u128 * 1_000 / passed.as_millis().max(1);
    let last = took.last().copied().unwrap_or_default();
    format!("{rate} events/s, p50 {} µs, p99 {} µs, slowest {last} µs", at(50), at(99))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Fallible<()> {
    let mut arguments = env::args().skip(1);
    let place = arguments.next().unwrap_or_else(|| "target/forget_rate".to_owned());
    let old: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let per_s: u64 = arguments.next().map_or(Ok(2_000), |text| text.parse())?;
    let (store, views, heap) = open(&place).await?;
    let world = World::new(Recorder::new(), Arc::clone(&store), Arc::clone(&views), Box::new(()));
    let write = Write::Endpoint(Guarded { version: 0, value: world.endpoint(ACCOUNT) });
    world.write(ACCOUNT, vec![write]).await?;
    let ids: Ids = Arc::new(Mutex::new((Mint::default(), Xorshift(5))));

    let past = NOON.plus_millis(-100 * DAY_MS);
    for number in 0..old / 1_000 {
        let at = past.plus_seconds(i64::try_from(number)?);
        let events = (0..1_000).map(|_| said(&ids, at)).collect();
        store.commit(Commit { events, ..Commit::new(ACCOUNT, at) }).await?;
        settle(store.as_ref(), &heap, &ids, at).await?;
    }
    println!("{} MiB with {old} old events", views.stats().await?.bytes >> 20);

    let before = NOON.plus_millis(-90 * DAY_MS);
    let (account, after) = (ACCOUNT, EventId::new(0));
    let mut left = vec![
        Outlived::Events { account, after, texts_before: before, rows_before: before },
        Outlived::Deliveries { account, after: DeliveryId::new(0), before },
    ];
    let mut settler = JoinSet::new();
    {
        let (store, heap, ids) = (Arc::clone(&store), Arc::clone(&heap), Arc::clone(&ids));
        settler.spawn(async move {
            while settle(store.as_ref(), &heap, &ids, NOON).await.is_ok() {
                heap.filled.notified().await;
            }
        });
    }
    for forgets in [false, true, false] {
        let (stop, begun) = (Arc::new(AtomicBool::new(false)), now());
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(say(Arc::clone(&store), Arc::clone(&ids), Arc::clone(&stop), per_s));
        }
        let mut gone = 0;
        if forgets {
            gone = forget(store.as_ref(), &mut left, true, PHASE).await?;
        } else {
            pause(PHASE).await;
        }
        stop.store(true, Ordering::Relaxed);
        let took = callers.join_all().await.concat();
        let passed = begun.elapsed();
        let rate = u128::from(gone) * 1_000 / passed.as_millis().max(1);
        println!("{}; {rate} old rows/s forgotten beside", told(took, passed));
    }
    let begun = now();
    let gone = forget(store.as_ref(), &mut left, false, Duration::MAX).await?;
    let passed = begun.elapsed().as_millis().max(1);
    println!(
        "with nobody beside: {} rows/s, {gone} in {passed} ms",
        u128::from(gone) * 1_000 / passed
    );
    println!("{} MiB in the end", views.stats().await?.bytes >> 20);
    settler.shutdown().await;
    store.close().await?;
    Ok(())
}
