//! How many events a second the store of several nodes takes, and what each costs the server.
//!
//! Committers say events of 1 KB to one endpoint, one event a commit; what is leased is settled as delivered, in batches.
//! Everything is as durable as in service. Run it with `cargo xtask with-postgres -- cargo run --release -p store
//! --example postgres_rate`, if need be with the seconds to run and the number of committers as arguments.

#[path = "parts/parts.rs"]
mod parts;

use std::borrow::Cow;
use std::env;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::event::{Event, Kind};
use domain::id::{AccountId, EventId, Mint};
use domain::secret::Secret;
use domain::time::Timestamp;
use store::conformance::{Recorder, World};
use store::postgres::{Options, Postgres};
use store::{Audience, Commit, Guarded, Lanes, MasterKey, Said, Store, Write};
use tokio::task::JoinSet;
use tokio::{runtime::Handle, time};
use tokio_postgres::{Client, NoTls};

use parts::{Heap, Xorshift, delivered};

const ACCOUNT: AccountId = AccountId::new(1);

/// Gives out ids that rise with the clock.
struct Ids {
    begun: Instant,
    mint: Mutex<(Mint, Xorshift)>,
}

impl Ids {
    fn next(&self) -> (u128, Timestamp) {
        let passed = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(0);
        let now = Timestamp::from_millis(1_767_268_800_000 + passed);
        let mut mint = self.mint.lock().unwrap_or_else(PoisonError::into_inner);
        let (mint, chance) = &mut *mint;
        (mint.next(now, chance), now)
    }
}

async fn commit(store: Arc<Postgres>, ids: Arc<Ids>, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000));
    while !stop.load(Ordering::Relaxed) {
        let (id, at) = ids.next();
        let event = Event {
            id: EventId::new(id),
            account: ACCOUNT,
            kind: Kind::Custom,
            name: Cow::Borrowed("custom.order.paid"),
            at,
            request: None,
            order_key: None,
            key: None,
            data: data.clone(),
            test: false,
            callbacks: Vec::new(),
            link: None,
        };
        let events = vec![Said { event, audience: Audience::Subscribers }];
        if store.commit(Commit { events, ..Commit::new(ACCOUNT, at) }).await.is_err() {
            return;
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn settle(store: Arc<Postgres>, lanes: Arc<Heap>, ids: Arc<Ids>, count: Arc<AtomicU64>) {
    loop {
        let leases = lanes.empty();
        if leases.is_empty() {
            lanes.filled.notified().await;
            continue;
        }
        let settled = leases.len() as u64;
        let settlements = leases.iter().map(|lease| delivered(lease, ids.next())).collect();
        if store.settle(ids.next().1, settlements).await.is_err() {
            return;
        }
        count.fetch_add(settled, Ordering::Relaxed);
    }
}

/// The database that is measured.
const DATABASE: &str = "countersign_rate";

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    drop(Handle::current().spawn(connection));
    Ok(client)
}

async fn open(url: &str, lanes: &Arc<Heap>) -> Result<Arc<Postgres>, Box<dyn Error>> {
    let lanes: Arc<dyn Lanes> = Arc::<Heap>::clone(lanes);
    let options = Options {
        url: Secret::new(url),
        master: MasterKey::new(&[7; 32])?,
        chance: Box::new(Xorshift(9)),
        lanes,
        node_name: "rate".to_owned(),
    };
    Ok(Arc::new(Postgres::open(options).await?))
}

/// What the server has done: records and bytes of its log, how often it was forced to the disk, transactions.
async fn figures(client: &Client) -> Result<[i64; 4], Box<dyn Error>> {
    client.batch_execute("SELECT pg_stat_clear_snapshot()").await?;
    let text = "SELECT wal_records, wal_bytes::bigint, wal_sync,
        (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) FROM pg_stat_wal";
    let row = client.query_one(text, &[]).await?;
    Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?])
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let committers: u64 = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let server =
        env::var_os("COUNTERSIGN_TEST_DATABASE_URL").and_then(|url| url.into_string().ok());
    let server = server.ok_or("run it through cargo xtask with-postgres")?;
    let outside = connect(&server).await?;
    outside.batch_execute(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).await?;
    outside.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
    let (host, options) = server.split_once('?').unwrap_or((&server, ""));
    let host = host.rsplit_once('/').map_or(host, |(host, _)| host);
    let url = format!("{host}/{DATABASE}?{options}");
    let lanes = Arc::new(Heap::default());
    let store = open(&url, &lanes).await?;
    let world =
        World::new(Recorder::new(), Arc::<Postgres>::clone(&store), store.views(), Box::new(()));
    let endpoint = world.endpoint(ACCOUNT);
    let write = Write::Endpoint(Guarded { version: 0, value: endpoint.clone() });
    world.write(ACCOUNT, vec![write]).await?;
    let inside = connect(&url).await?;
    let before = figures(&inside).await?;

    #[expect(clippy::disallowed_methods, reason = "this measures real time")]
    let begun = Instant::now();
    let ids = Arc::new(Ids { begun, mint: Mutex::new((Mint::default(), Xorshift(5))) });
    let (stop, said, settled) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
    let mut tasks = JoinSet::new();
    for _ in 0..committers {
        tasks.spawn(commit(
            Arc::clone(&store),
            Arc::clone(&ids),
            Arc::clone(&stop),
            Arc::clone(&said),
        ));
    }
    let mut settler = JoinSet::new();
    for _ in 0..2 {
        let (store, ids, settled) = (Arc::clone(&store), Arc::clone(&ids), Arc::clone(&settled));
        settler.spawn(settle(store, Arc::clone(&lanes), ids, settled));
    }
    let window = Duration::from_secs(seconds);
    drop(time::timeout(window, async { while tasks.join_next().await.is_some() {} }).await);
    stop.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    let passed = begun.elapsed().as_millis().max(1);
    let (said, settled) = (said.load(Ordering::Relaxed), settled.load(Ordering::Relaxed));
    settler.shutdown().await;
    let rate = u128::from(said) * 1_000 / passed;
    println!("{said} events in {passed} ms: {rate}/s; {settled} settled");
    // The server's own figures are late by half a second.
    time::interval_at(time::Instant::now() + Duration::from_secs(2), Duration::from_secs(1))
        .tick()
        .await;
    let after = figures(&inside).await?;
    let spent: Vec<i64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let [records, bytes, syncs, transactions] = spent.as_slice() else { return Ok(()) };
    let events = i64::try_from(said.max(1))?;
    println!(
        "{} records and {} bytes of log per event, {} events per flush, {} events per transaction",
        records / events,
        bytes / events,
        events / syncs.max(&1),
        events / transactions.max(&1),
    );
    println!("disk: {} bytes per event", store.views().stats().await?.bytes / said.max(1));
    Ok(())
}
