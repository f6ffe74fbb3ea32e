//! How many events a second the embedded store takes, and what each costs its writer.
//!
//! 64 committers say events of 1 KB to one endpoint, one event a commit; what is leased is settled as delivered, in
//! batches. Everything is as durable as in service. Run it with `cargo run --release -p store --example commit_rate`,
//! if need be with the data folder and the seconds to run as arguments.

#[path = "parts/parts.rs"]
mod parts;

use std::borrow::Cow;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs};

use domain::event::{Event, Kind};
use domain::id::{AccountId, EventId, Mint};
use domain::time::Timestamp;
use store::conformance::{Recorder, World};
use store::sqlite::{Options, Sqlite};
use store::{Audience, Commit, Guarded, Lanes, MasterKey, Said, Store, Write};
use tokio::task::JoinSet;
use tokio::time;

use parts::{Heap, Xorshift, delivered};

const COMMITTERS: u64 = 64;
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

async fn commit(store: Arc<Sqlite>, ids: Arc<Ids>, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) {
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

async fn settle(store: Arc<Sqlite>, lanes: Arc<Heap>, ids: Arc<Ids>, count: Arc<AtomicU64>) {
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

/// Reads the processor time of the writer's thread, where the system tells.
fn writer_time() -> Option<Duration> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let writer = tasks.filter_map(Result::ok).map(|task| task.path()).find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "store-writer")
    })?;
    let text = fs::read_to_string(writer.join("schedstat")).ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

fn open(folder: &Path, lanes: &Arc<Heap>) -> Result<Arc<Sqlite>, store::Error> {
    let lanes: Arc<dyn Lanes> = Arc::<Heap>::clone(lanes);
    let options = Options {
        folder: folder.to_owned(),
        master: MasterKey::new(&[7; 32])?,
        chance: Box::new(Xorshift(9)),
        lanes,
    };
    Ok(Arc::new(Sqlite::open(options)?))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let folder =
        arguments.next().map_or_else(|| PathBuf::from("target/commit_rate"), PathBuf::from);
    let seconds = arguments.next().map_or(Ok(10), |text| text.parse())?;
    drop(fs::remove_dir_all(&folder));
    let lanes = Arc::new(Heap::default());
    let store = open(&folder, &lanes)?;
    let world =
        World::new(Recorder::new(), Arc::<Sqlite>::clone(&store), store.views(), Box::new(()));
    let endpoint = world.endpoint(ACCOUNT);
    let write = Write::Endpoint(Guarded { version: 0, value: endpoint.clone() });
    world.write(ACCOUNT, vec![write]).await?;

    #[expect(clippy::disallowed_methods, reason = "this measures real time")]
    let begun = Instant::now();
    let ids = Arc::new(Ids { begun, mint: Mutex::new((Mint::default(), Xorshift(5))) });
    let (stop, said, settled) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
    let before = writer_time();
    let mut tasks = JoinSet::new();
    for _ in 0..COMMITTERS {
        tasks.spawn(commit(
            Arc::clone(&store),
            Arc::clone(&ids),
            Arc::clone(&stop),
            Arc::clone(&said),
        ));
    }
    let mut settler = JoinSet::new();
    settler.spawn(settle(Arc::clone(&store), lanes, Arc::clone(&ids), Arc::clone(&settled)));
    let window = Duration::from_secs(seconds);
    drop(time::timeout(window, async { while tasks.join_next().await.is_some() {} }).await);
    stop.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    settler.shutdown().await;

    let passed = begun.elapsed().as_millis().max(1);
    let (said, settled) = (said.load(Ordering::Relaxed), settled.load(Ordering::Relaxed));
    let rate = u128::from(said) * 1_000 / passed;
    println!("{said} events in {passed} ms: {rate}/s; {settled} settled");
    let spent = writer_time().zip(before).map(|(after, before)| after.saturating_sub(before));
    if let Some(spent) = spent {
        let each = spent.as_nanos() / u128::from(said.max(1));
        let busy = spent.as_millis() * 100 / passed;
        println!(
            "writer: {each} ns of processor time per event accepted and settled, busy {busy} %"
        );
    }
    let bytes = store.views().stats().await?.bytes;
    println!("disk: {} bytes per event", bytes / said.max(1));
    Ok(())
}
