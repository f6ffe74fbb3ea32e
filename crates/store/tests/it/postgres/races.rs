//! What happens at the same instant, and what is lost on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::pending;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering as Atomic};
use std::time::Duration;

use domain::delivery::State;
use domain::endpoint::{Endpoint, Ordering};
use domain::event::Event;
use domain::id::{EventId, RequestId};
use domain::secret::Secret;
use store::conformance::{Recorder, World, chains};
use store::postgres::{Options, Postgres};
use store::{EventFilter, Guarded, Page, Settlement, Store, Write};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

use super::database::Database;

/// What a way to the server does with the next commit.
const PASS: u8 = 0;
const CUT_BEFORE: u8 = 1;
const CUT_AFTER: u8 = 2;
const SILENT_AFTER: u8 = 3;

/// A way to the server on which commits and their answers get lost.
async fn way(server: String, mode: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(Handle::current().spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            drop(Handle::current().spawn(carry(client, server, Arc::clone(&mode))));
        }
    }));
    port
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mode: Arc<AtomicU8>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut unit = None;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                let asked = &asked[..count];
                let holds = |text: &[u8]| asked.windows(text.len()).any(|window| window == text);
                unit = unit.or_else(|| prepared(asked, b"-- All that a unit writes"));
                let commits = holds(b"COMMIT") || unit.as_deref().is_some_and(holds);
                let now = mode.load(Atomic::Relaxed);
                if commits && now != PASS {
                    mode.store(PASS, Atomic::Relaxed);
                    if now != CUT_BEFORE {
                        server.write_all(asked).await.unwrap();
                        // It is done once the server says so; nobody hears it.
                        drop(server.read(&mut answered).await);
                    }
                    if now == SILENT_AFTER {
                        pending::<()>().await;
                    }
                    return;
                }
                server.write_all(asked).await.unwrap();
            }
            read = server.read(&mut answered) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Finds that a statement is prepared which begins so; gives what is sent whenever it is run, the name that it was given.
fn prepared(asked: &[u8], begins: &[u8]) -> Option<Vec<u8>> {
    let at = asked.windows(begins.len()).position(|window| window == begins)?;
    let named = asked[..at - 1].iter().rposition(|byte| *byte == b's')?;
    Some([b"\0", &asked[named..at]].concat())
}

/// A world whose way to the database loses what it is told to.
async fn lossy() -> (World, Arc<AtomicU8>) {
    let database = Arc::new(Database::new().await);
    let mode = Arc::new(AtomicU8::new(PASS));
    let url = database.url();
    let host = url.expose().split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let port = way(host.clone(), Arc::clone(&mode)).await;
    let lanes = Recorder::new();
    let url = Secret::new(url.expose().replace(&host, &format!("127.0.0.1:{port}")));
    let options = Options { url, ..database.options(Arc::<Recorder>::clone(&lanes), 1) };
    let postgres = Postgres::open(options).await.unwrap();
    let views = postgres.views();
    (World::new(lanes, Arc::new(postgres), views, Box::new(database)), mode)
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_no_conflict() {
    let (world, mode) = lossy().await;
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let request = world.request(account);
    let write = |version| {
        vec![Write::Request(Box::new(Guarded { version, value: request.clone() }), Vec::new())]
    };
    for (version, cut) in [(0, CUT_AFTER), (1, CUT_BEFORE), (2, CUT_AFTER), (3, PASS)] {
        mode.store(cut, Atomic::Relaxed);
        world.write(account, write(version)).await.unwrap();
        assert_eq!(mode.load(Atomic::Relaxed), PASS, "it was lost");
    }
    let (_, version) = world.views.request(account, request.id).await.unwrap().unwrap();
    assert_eq!(version, 4);
}

#[tokio::test]
async fn work_leased_in_a_commit_whose_answer_was_lost_is_handed_on_once() {
    let (world, mode) = lossy().await;
    let account = world.account();
    world.register(world.endpoint(account)).await;
    for cut in [CUT_AFTER, CUT_BEFORE] {
        mode.store(cut, Atomic::Relaxed);
        let event = world.event(account, "custom.a");
        assert!(!world.say(slice::from_ref(&event)).await.events[0].known);
        assert_eq!(mode.load(Atomic::Relaxed), PASS, "it was lost");
        let taken = world.lanes.taken();
        assert_eq!(taken.iter().map(|taken| taken.event.id).collect::<Vec<_>>(), [event.id]);
        mode.store(cut, Atomic::Relaxed);
        world.deliver(&taken[0].delivery).await;
        assert_eq!(mode.load(Atomic::Relaxed), PASS, "it was lost");
        let (row, attempts) = world.delivery(&taken[0].delivery).await;
        assert_eq!((row.delivery.attempts, attempts.len()), (1, 1));
    }
    world.lanes.balance();
}

#[tokio::test]
async fn a_connection_that_fell_silent_does_not_keep_a_node_from_leaving() {
    let (world, mode) = lossy().await;
    let account = world.account();
    mode.store(SILENT_AFTER, Atomic::Relaxed);
    let request = world.request(account);
    let write = Write::Request(Box::new(Guarded { version: 0, value: request }), Vec::new());
    let written = world.write(account, vec![write]);
    let left = async {
        while mode.load(Atomic::Relaxed) != PASS {
            yield_now().await;
        }
        timeout(Duration::from_secs(20), world.store.close()).await.expect("it leaves").unwrap();
    };
    let (written, ()) = tokio::join!(written, left);
    written.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chains_stay_whole_when_many_write_them_at_once() {
    let database = Arc::new(Database::new().await);
    let one = Arc::new(database.world(1, Arc::clone(&database)).await);
    let two = Arc::new(database.world(2, Arc::clone(&database)).await);
    let account = one.account();
    one.register(one.endpoint(account)).await;
    let requests: Vec<RequestId> = (0..4).map(|_| one.request(account).id).collect();
    let mut all = JoinSet::new();
    for task in 0..24_usize {
        let world = Arc::clone(if task % 2 == 0 { &one } else { &two });
        let mut order = requests.clone();
        order.rotate_left(task % 4);
        if task % 3 == 0 {
            order.reverse();
        }
        all.spawn(async move {
            for round in 0..10_i64 {
                // Each names the requests in an order of its own.
                let seconds = i64::try_from(task).unwrap() * 1_000 + round + 10;
                let events: Vec<Event> = order
                    .iter()
                    .map(|request| Event {
                        id: EventId::new(
                            world.id_at(seconds + i64::try_from(task % 2).unwrap() * 900_000),
                        ),
                        ..world.event_of(account, *request, "signer.viewed")
                    })
                    .collect();
                world.say(&events).await;
                let settled: Vec<Settlement> = world
                    .lanes
                    .taken()
                    .iter()
                    .map(|taken| Settlement {
                        request: taken.event.request,
                        health: Some(round % 2 == 0),
                        ..world.settlement(
                            &taken.delivery,
                            State::Delivered { at: account.minted_at() },
                        )
                    })
                    .collect();
                world.settle(settled).await;
            }
        });
    }
    all.join_all().await;
    let mut entries = 0;
    for request in requests {
        let page = Page { limit: 1_000, after: None };
        let timeline = one.views.timeline(account, request, page).await.unwrap();
        entries += chains::verify(request, &timeline);
    }
    assert_eq!(entries, 24 * 10 * 4 * 2);
    one.lanes.balance();
    two.lanes.balance();
}

#[tokio::test]
async fn who_follows_the_log_misses_nothing_that_appears_later() {
    let database = Arc::new(Database::new().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    let follow = async |after: Option<EventId>| {
        let filter = EventFilter { ascending: true, ..EventFilter::default() };
        let page = Page { limit: 9, after: after.map(EventId::bits) };
        let found = world.views.events(account, filter, page).await.unwrap();
        found.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let early = world.event(account, "custom.a");
    let [first, second] = [1, 2].map(|seconds| world.event_at(account, "custom.a", seconds));
    world.say(slice::from_ref(&first)).await;
    world.shown(&first).await;
    assert_eq!(follow(None).await, [first.id]);

    // Another node is in the middle of writing an event with a lower id than those that are there already.
    let mut client = database.client().await;
    let slow = client.transaction().await.unwrap();
    let insert = "INSERT INTO events (account_id, id, seq, at, test, name, data)
        SELECT account_id, ($1::text)::uuid, pg_current_xact_id()::text::bigint << 20, 0, false, name, data
        FROM events LIMIT 1";
    let id = format!("{:032x}", early.id.bits());
    slow.execute(insert, &[&id]).await.unwrap();
    world.say(slice::from_ref(&second)).await;
    assert_eq!(
        follow(Some(first.id)).await,
        [],
        "the second is not shown before what it might hide"
    );
    slow.commit().await.unwrap();
    world.shown(&second).await;
    assert_eq!(follow(Some(first.id)).await, [early.id, second.id]);
    assert_eq!(follow(Some(early.id)).await, [second.id]);
    assert_eq!(follow(None).await, [first.id, early.id, second.id]);
}

/// Whatever else is under way on the server may be longer than that, so it is tried more than once.
#[tokio::test]
async fn who_follows_the_log_waits_a_moment_for_transactions_under_way() {
    let database = Arc::new(Database::new().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    let mut client = database.client().await;
    for _ in 0..20 {
        let event = world.event(account, "custom.a");
        let slow = client.transaction().await.unwrap();
        slow.batch_execute("SELECT pg_current_xact_id()").await.unwrap();
        world.say(slice::from_ref(&event)).await;
        let filter = EventFilter { ascending: true, ..EventFilter::default() };
        let follow = world.views.events(account, filter, Page { limit: 99, after: None });
        let end = async {
            for _ in 0..50 {
                slow.batch_execute("SELECT 1").await.unwrap();
            }
            slow.commit().await.unwrap();
        };
        let (found, ()) = tokio::join!(biased; follow, end);
        if found.unwrap().iter().any(|found| found.id == event.id) {
            return;
        }
    }
    panic!("what was acknowledged is not found by who asks just then");
}

#[tokio::test]
async fn a_poisonous_job_fails_alone() {
    let database = Arc::new(Database::new().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    let (good, bad) = (world.event(account, "custom.a"), world.event(account, "custom.b"));
    // No text of the database may hold a zero.
    let bad = Event { data: "a\0b".to_owned(), ..bad };
    let commit = |event: &Event| {
        let events =
            vec![store::Said { event: event.clone(), audience: store::Audience::Subscribers }];
        store::Commit { events, ..store::Commit::new(account, account.minted_at()) }
    };
    let (first, poisoned, last) = tokio::join!(
        world.store.commit(commit(&good)),
        world.store.commit(commit(&bad)),
        world.store.commit(commit(&world.event(account, "custom.c"))),
    );
    first.unwrap();
    last.unwrap();
    assert!(poisoned.is_err());
    assert_eq!(world.views.stats().await.unwrap().events, 2);
    let _: &dyn Store = world.store.as_ref();
}

#[tokio::test]
async fn a_key_goes_on_though_the_next_one_is_cancelled_while_the_one_before_it_ends() {
    let database = Arc::new(Database::new().await);
    let (other, watcher) = (database.client().await, database.client().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    let ordered = Endpoint { ordering: Ordering::Request, ..world.endpoint(account) };
    world.register(ordered).await;
    let events = [(); 3].map(|()| world.keyed(account, "k"));
    world.say(&events).await;
    let first = world.lanes.taken().remove(0);
    let next = "BEGIN; DELETE FROM queue
                WHERE delivery_id = (SELECT delivery_id FROM queue WHERE held ORDER BY turn LIMIT 1)";
    other.batch_execute(next).await.unwrap();
    let cancelled = async {
        let waits = "SELECT FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while watcher.query(waits, &[]).await.unwrap().is_empty() {}
        other.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(world.deliver(&first.delivery), cancelled);
    assert_eq!(world.lanes.told(), [events[2].id], "it is stuck");
}

#[tokio::test]
async fn what_was_refused_is_told_of_when_a_lease_can_see_it() {
    let database = Arc::new(Database::new().await);
    let (other, watcher) = (database.client().await, database.client().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.lanes.set_room(0);
    // Who writes the same waits until it is known whether this stays.
    let same = "INSERT INTO events (account_id, id, seq, at, test, name, data)
                VALUES ($1::text::uuid, $2::text::uuid, 0, 0, false, '', '')";
    let [whose, which] = [account.bits(), event.id.bits()].map(|bits| format!("{bits:032x}"));
    other.batch_execute("BEGIN").await.unwrap();
    other.execute(same, &[&whose, &which]).await.unwrap();
    let meanwhile = async {
        let waits = "SELECT FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while watcher.query(waits, &[]).await.unwrap().is_empty() {}
        // There was no room for it, and now there is.
        world.lanes.set_room(9);
        let leased = world.lease_all(0).await;
        assert_eq!((leased.taken, leased.next_due), (0, vec![]), "nothing is durable yet");
        assert_eq!(world.lanes.left(), BTreeSet::new());
        other.batch_execute("ROLLBACK").await.unwrap();
    };
    tokio::join!(world.say(slice::from_ref(&event)), meanwhile);
    assert_eq!(world.lanes.left(), BTreeSet::from([endpoint.id]), "nobody asks for it");
    assert_eq!(world.lease_all(0).await.taken, 1);
    assert_eq!(world.lanes.told(), [event.id]);
}

#[tokio::test]
async fn a_look_for_a_batch_tells_the_same_again_and_the_batch_comes_too_late_after_it() {
    let database = Database::new().await;
    let client = database.client().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/postgres");
    let ask = async |name: &str, of: [usize; 3], batch: i64| {
        let mut text = fs::read_to_string(folder.join(name)).unwrap();
        let values = ["md5('n')::uuid".to_owned(), "1".to_owned(), batch.to_string()];
        let given: BTreeMap<_, _> = of.into_iter().zip(values).collect();
        // The longest first: what is said of the tenth is not to be taken for the first. Without a value, none or no rows.
        for at in (1..=60).rev() {
            let nothing = if matches!(at, 21..=24 | 36 | 53) { "0" } else { "'{}'" };
            let value = given.get(&at).map_or(nothing, String::as_str);
            text = text.replace(&format!("${at}"), value);
        }
        let said = client.simple_query(&text).await?;
        let rows = said.iter().filter_map(|said| {
            let SimpleQueryMessage::Row(row) = said else { return None };
            row.get(0)?.parse::<i64>().ok()
        });
        Ok::<_, tokio_postgres::Error>(rows.collect::<Vec<_>>())
    };
    let raise = async |batch| ask("writer_raise.sql", [1, 2, 3], batch).await;
    let turn = async |batch| ask("unit.sql", [50, 51, 52], batch).await;
    for (batch, was_committed) in [(7, true), (8, false)] {
        let begun = "DELETE FROM writers; INSERT INTO writers VALUES (md5('n')::uuid, 1, 7, 0)";
        client.batch_execute(begun).await.unwrap();
        for time in ["once", "twice", "three times"] {
            let stood = raise(batch).await.unwrap();
            assert_eq!(stood == [batch] || stood == [batch + 1], was_committed, "{batch} {time}");
        }
        assert!(turn(batch).await.is_err(), "{batch} comes too late");
        turn(batch + 3).await.unwrap();
        raise(batch).await.unwrap();
        assert!(turn(batch + 4).await.is_ok(), "a late look lowers nothing");
    }
}
