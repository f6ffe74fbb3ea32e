//! What the journal promises: that what was answered is there, whatever the database had of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use domain::delivery::{Cause, State};
use domain::endpoint::{Endpoint, Ordering as Order, Scope};
use domain::event::Event;
use domain::id::{AccountId, EventId};
use rusqlite::Connection;
use store::conformance::{Recorder, World, at};
use store::{Audience, Commit, DeliveryFilter, Error, EventFilter, Fault, LeaseScope, Page, Said};
use tokio::task::JoinSet;

use crate::folder::{Folder, open_in};

/// What a process that is killed leaves to the next one.
const LEFT_BY_A_CRASH: [&str; 4] =
    ["countersign.db", "countersign.db-wal", "countersign.journal-a", "countersign.journal-b"];
const ALL: Page = Page { limit: 1_000_000, after: None };

/// Registers an endpoint in a folder, and closes it, so that all of it is in the database's own file.
async fn prepared(folder: &Path) -> AccountId {
    let world = open_in(folder, Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;
    account
}

async fn say(world: &World, account: AccountId, count: usize) -> Vec<EventId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let event = world.event(account, "custom.a");
        world.say(slice::from_ref(&event)).await;
        ids.push(event.id);
    }
    ids
}

#[tokio::test]
async fn what_the_databases_log_loses_with_the_power_is_in_the_journal() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let account = prepared(folder.path()).await;
    let world = open_in(folder.path(), Recorder::new(), 2, ()).unwrap();
    let told = say(&world, account, 20).await;
    let taken = world.lanes.taken();
    let state = State::Delivered { at: account.minted_at() };
    let settled = taken.iter().take(10).map(|taken| world.settlement(&taken.delivery, state));
    world.settle(settled.collect()).await;
    // The database catches up; its log has it then, and the disk may not.
    assert!(world.views.event(account, told[0]).await.unwrap().is_some());
    let later = say(&world, account, 5).await;
    for name in ["countersign.db", "countersign.journal-a", "countersign.journal-b"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(world);

    let world = open_in(copy.path(), Recorder::new(), 3, ()).unwrap();
    for id in told.iter().chain(&later) {
        assert!(world.views.event(account, *id).await.unwrap().is_some(), "{id} is lost");
    }
    let deliveries = world.deliveries(account, DeliveryFilter::default()).await;
    assert_eq!(deliveries.len(), 25);
    assert_eq!(deliveries.iter().filter(|delivery| delivery.state == state).count(), 10);
    for taken in taken.iter().take(10) {
        let (_, attempts) =
            world.views.delivery(account, taken.delivery.id).await.unwrap().unwrap();
        assert_eq!(attempts.len(), 1);
    }
    assert_eq!(world.lease_all(0).await.taken, 15);
}

#[tokio::test]
async fn what_is_told_to_one_endpoint_alone_stands_in_the_journal() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    let hidden = Endpoint { scope: Scope::Intake, ..world.endpoint(account) };
    let hidden = world.register(hidden).await;
    drop(world);
    let world = open_in(folder.path(), Recorder::new(), 2, ()).unwrap();
    let key = Some("said:1".to_owned());
    let event = Event { key, ..world.event(account, "source.received") };
    let audience = Audience::Only(hidden.id, Cause::Event);
    let events = vec![Said { event: event.clone(), audience }];
    let commit = Commit { events, ..Commit::new(account, event.at) };
    let committed = world.store.commit(commit.clone()).await.unwrap();
    // Without the database's log: what took the long way would stand in that alone.
    for name in ["countersign.db", "countersign.journal-a", "countersign.journal-b"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(world);

    let world = open_in(copy.path(), Recorder::new(), 3, ()).unwrap();
    assert!(world.store.commit(commit).await.unwrap().events[0].known);
    assert_eq!(world.lease_all(0).await.taken, 1);
    let taken = world.lanes.taken();
    assert_eq!(taken[0].delivery.id, committed.deliveries[0]);
    assert_eq!(taken[0].event.key, event.key);
}

#[tokio::test]
async fn who_follows_the_log_goes_on_after_a_crash() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let account = prepared(folder.path()).await;
    let follow = async |world: &World, after: Option<EventId>, limit| {
        let filter = EventFilter { ascending: true, ..EventFilter::default() };
        let page = Page { limit, after: after.map(EventId::bits) };
        let found = world.views.events(account, filter, page).await.unwrap();
        found.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let world = open_in(folder.path(), Recorder::new(), 2, ()).unwrap();
    let late = world.event(account, "custom.a");
    let mut told = say(&world, account, 5).await;
    let mut shown = follow(&world, None, 3).await;
    for name in ["countersign.db", "countersign.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    // These stand in the journal alone.
    world.say(slice::from_ref(&late)).await;
    told.push(late.id);
    told.extend(say(&world, account, 5).await);
    for name in ["countersign.journal-a", "countersign.journal-b"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(world);

    let world = open_in(copy.path(), Recorder::new(), 3, ()).unwrap();
    while let found = follow(&world, shown.last().copied(), 3).await
        && !found.is_empty()
    {
        shown.extend(found);
    }
    assert_eq!(shown, told);
}

#[tokio::test]
async fn a_journal_that_is_read_twice_says_everything_once() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let account = prepared(folder.path()).await;
    let world = open_in(folder.path(), Recorder::new(), 2, ()).unwrap();
    let told = say(&world, account, 8).await;
    let journal = "countersign.journal-a";
    fs::copy(folder.path().join(journal), copy.path().join(journal)).unwrap();
    drop(world);
    // An older journal beside a newer database: the mark says what is known already.
    fs::copy(copy.path().join(journal), folder.path().join(journal)).unwrap();
    let world = open_in(folder.path(), Recorder::new(), 3, ()).unwrap();
    let events = world.views.events(account, EventFilter::default(), ALL).await.unwrap();
    assert_eq!(events.len(), told.len());
    let deliveries = world.deliveries(account, DeliveryFilter::default()).await;
    assert_eq!(deliveries.len(), told.len());
}

#[tokio::test]
async fn a_journal_that_was_written_over_many_times_has_lost_nothing() {
    let folder = Folder::new();
    let account = prepared(folder.path()).await;
    let mut told = Vec::new();
    for seed in 2..4 {
        let world = open_in(folder.path(), Recorder::new(), seed, ()).unwrap();
        for _ in 0..150 {
            let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(200_000));
            let event = Event { data, ..world.event(account, "custom.a") };
            world.say(slice::from_ref(&event)).await;
            told.push(event.id);
        }
    }
    let world = open_in(folder.path(), Recorder::new(), 4, ()).unwrap();
    for id in told {
        assert!(world.views.event(account, id).await.unwrap().is_some(), "{id} is lost");
    }
}

/// Says keyed events of 30 KB one by one, each of them twice; tells their ids.
async fn say_twice(world: Arc<World>, account: AccountId, caller: usize) -> Vec<EventId> {
    let mut told = Vec::new();
    for number in 0..60 {
        let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(30_000));
        let key = Some(format!("{caller}:{number}"));
        let event = Event { data, key, ..world.event(account, "custom.a") };
        let id = event.id;
        let again = Event { id: world.event(account, "custom.a").id, ..event.clone() };
        for (event, known) in [(event, false), (again, true)] {
            let events = vec![Said { event, audience: Audience::Subscribers }];
            let commit = Commit { events, ..Commit::new(account, account.minted_at()) };
            let noted = world.store.commit(commit).await.unwrap().events[0];
            assert_eq!((noted.id, noted.known), (id, known));
        }
        told.push(id);
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_is_larger_than_the_journal_is_kept_once() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let account = prepared(folder.path()).await;
    let world = Arc::new(open_in(folder.path(), Recorder::new(), 2, ()).unwrap());
    let mut callers = JoinSet::new();
    for caller in 0..24 {
        callers.spawn(say_twice(Arc::clone(&world), account, caller));
    }
    let mut told = Vec::new();
    while let Some(ids) = callers.join_next().await {
        told.extend(ids.unwrap());
        // Who looks meanwhile sees all that was answered.
        let last = *told.last().unwrap();
        assert!(world.views.event(account, last).await.unwrap().is_some());
    }
    let files =
        ["countersign.db", "countersign.db-wal", "countersign.journal-a", "countersign.journal-b"];
    for name in files {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(world);

    let world = open_in(copy.path(), Recorder::new(), 3, ()).unwrap();
    let events = world.views.events(account, EventFilter::default(), ALL).await.unwrap();
    let kept: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
    assert_eq!((events.len(), kept), (told.len(), told.into_iter().collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_something_is_noted_leaves_nobody_waiting_and_loses_nothing_that_was_answered()
 {
    let folder = Folder::new();
    let account = prepared(folder.path()).await;
    let breaks = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&breaks);
    let lanes = Recorder::with_gate(move || assert!(!broken.load(Ordering::Acquire), "oh"));
    let world = open_in(folder.path(), lanes, 2, ()).unwrap();
    let told = say(&world, account, 3).await;
    breaks.store(true, Ordering::Release);
    let commit = |id| {
        let event = world.event(account, id);
        let events = vec![Said { event, audience: Audience::Subscribers }];
        world.store.commit(Commit { events, ..Commit::new(account, account.minted_at()) })
    };
    assert!(commit("custom.a").await.is_err());
    breaks.store(false, Ordering::Release);
    let refused = commit("custom.b").await;
    assert!(matches!(refused, Err(Fault::Store(Error::Unavailable { .. }))), "{refused:?}");
    drop(world);

    let world = open_in(folder.path(), Recorder::new(), 3, ()).unwrap();
    for id in told {
        assert!(world.views.event(account, id).await.unwrap().is_some(), "{id} is lost");
    }
    assert_eq!(say(&world, account, 1).await.len(), 1, "it goes on once it is opened anew");
}

#[tokio::test]
async fn a_panic_of_the_writer_leaves_nobody_waiting_and_nothing_more_is_promised() {
    let folder = Folder::new();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    world.register(Endpoint { ordering: Order::Request, ..world.endpoint(account) }).await;
    drop(world);
    let breaks = || assert_ne!(thread::current().name(), Some("store-writer"), "oh");
    let world = open_in(folder.path(), Recorder::with_gate(breaks), 2, ()).unwrap();
    let commit = |event| {
        let events = vec![Said { event, audience: Audience::Subscribers }];
        world.store.commit(Commit { events, ..Commit::new(account, account.minted_at()) })
    };
    // What goes in order is carried out by the writer, and what does not by the flusher.
    let refused = commit(world.keyed(account, "k")).await;
    assert!(matches!(refused, Err(Fault::Store(Error::Closed))), "{refused:?}");
    let refused = commit(world.event(account, "custom.a")).await;
    assert!(matches!(refused, Err(Fault::Store(_))), "{refused:?}");
    drop(world);
    let world = open_in(folder.path(), Recorder::new(), 3, ()).unwrap();
    assert_eq!(say(&world, account, 1).await.len(), 1, "it goes on once it is opened anew");
}

#[tokio::test]
async fn what_is_answered_after_a_run_that_ended_with_a_repetition_is_there_after_a_crash() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let account = prepared(folder.path()).await;
    let world = open_in(folder.path(), Recorder::new(), 2, ()).unwrap();
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    // The database catches up, and the last record says nothing then: the event is known.
    assert!(world.views.event(account, event.id).await.unwrap().is_some());
    assert!(world.say(slice::from_ref(&event)).await.events.iter().all(|noted| noted.known));
    drop(world);

    let world = open_in(folder.path(), Recorder::new(), 3, ()).unwrap();
    // Two in one record, which covers both that were there.
    let told = [(); 2].map(|()| world.event(account, "custom.a"));
    world.say(&told).await;
    for name in LEFT_BY_A_CRASH {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(world);
    let world = open_in(copy.path(), Recorder::new(), 4, ()).unwrap();
    for event in &told {
        assert!(world.views.event(account, event.id).await.unwrap().is_some(), "it is lost");
    }
}

#[tokio::test]
async fn what_is_freed_and_leased_again_by_one_transaction_is_leased_once() {
    let folder = Folder::new();
    let account = prepared(folder.path()).await;
    let world = open_in(folder.path(), Recorder::new(), 2, ()).unwrap();
    say(&world, account, 1).await;
    let delivery = world.lanes.taken()[0].delivery.clone();
    let again = world.settlement(&delivery, State::Pending { due_at: at(0) });
    world.lanes.over(delivery.id);
    // Held up by another program, the writer finds both waiting when it is done with the first one.
    let other = Connection::open(folder.path().join("countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let freed = async { other.execute_batch("COMMIT").unwrap() };
    let (looked, settled, leased, ()) = tokio::join!(
        biased;
        world.store.probe(at(1)),
        world.store.settle(at(1), vec![again]),
        world.store.lease(at(1), LeaseScope::All),
        freed,
    );
    looked.unwrap();
    settled.unwrap();
    assert_eq!(leased.unwrap().taken, 1);
    assert_eq!(world.lease_all(1).await.taken, 0, "somebody has it");
}
