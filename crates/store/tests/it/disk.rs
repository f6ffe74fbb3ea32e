//! A disk that is full: refused with a hint, read on, and well again once there is room.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::delivery::State;
use domain::event::Event;
use domain::id::{AccountId, EventId};
use store::conformance::{Recorder, Taken, World};
use store::{Audience, Commit, Error, Fault, Guarded, Said, Setting, SettingKind, Write};
use tokio::task::JoinSet;

use crate::folder::{Folder, open_in};

const FOLDER: &str = "STORE_TEST_DISK";
const BALLAST: &str = "ballast";
const FILLER: &str = "filler";
/// Mounts a small disk that only this process and its children see, and goes on as the program that is named.
const SCRIPT: &str = r#"mount -t tmpfs -o size=$SIZE none "$0" && exec "$@""#;

#[test]
fn a_full_disk_is_survived() {
    on_a_disk_of("6m", "disk::a_child_on_a_small_disk");
}

#[test]
fn a_disk_that_fills_up_beside_the_journal_is_survived() {
    on_a_disk_of("40m", "disk::a_child_on_a_disk_that_fills_up");
}

#[test]
fn a_disk_that_a_flood_fills_up_is_survived() {
    on_a_disk_of("80m", "disk::a_child_in_a_flood_on_a_small_disk");
}

#[tokio::test]
async fn long_texts_do_not_fill_the_disk_with_the_databases_log() {
    let folder = Folder::new();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    for number in 0..400 {
        let (kind, name) = (SettingKind::DocumentPiece, format!("{number:04}"));
        let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(400_000));
        let value = Setting { kind, name, body, secrets: None };
        let writes = vec![Write::Setting(Guarded { version: 0, value })];
        let commit = Commit { writes, ..Commit::new(account, account.minted_at()) };
        world.store.commit(commit).await.unwrap();
    }
    let log = fs::metadata(folder.path().join("countersign.db-wal")).unwrap().len();
    assert!(log < 100_000_000, "{log} bytes of log for 160 MB of texts");
}

#[expect(clippy::print_stderr, reason = "a test that could not be made says so")]
fn on_a_disk_of(size: &str, child: &str) {
    let folder = Folder::new();
    let program = env::current_exe().unwrap();
    for how in ["-m", "-rm"] {
        let may = Command::new("unshare")
            .args([how, "sh", "-c", SCRIPT])
            .arg(folder.path())
            .arg("true")
            .env("SIZE", size)
            .output();
        if !may.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let output = Command::new("unshare")
            .args([how, "sh", "-c", SCRIPT])
            .arg(folder.path())
            .arg(&program)
            .args([child, "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .env("SIZE", size)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
        return;
    }
    eprintln!("skipped: this user may not mount a small disk");
}

fn large(world: &World, account: AccountId) -> Event {
    let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(60_000));
    Event { data, ..world.event(account, "custom.a") }
}

async fn try_to_say(world: &World, event: &Event) -> Result<(), Fault> {
    let events = vec![Said { event: event.clone(), audience: Audience::Subscribers }];
    let commit = Commit { events, ..Commit::new(event.account, event.at) };
    world.store.commit(commit).await.map(drop)
}

#[tokio::test]
#[ignore = "a part of the test above"]
async fn a_child_on_a_small_disk() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    fs::write(folder.join(BALLAST), vec![1; 2_000_000]).unwrap();
    let data = folder.join("data");
    let world = open_in(&data, Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;

    let mut acknowledged: Vec<EventId> = Vec::new();
    let refused = loop {
        let event = large(&world, account);
        match try_to_say(&world, &event).await {
            Ok(()) => acknowledged.push(event.id),
            Err(fault) => break (event, fault),
        }
        assert!(acknowledged.len() < 1_000, "the disk is never full");
    };
    let (lost, fault) = refused;
    let Fault::Store(Error::Unavailable { hint, .. }) = &fault else { panic!("{fault:?}") };
    assert_eq!(*hint, "the disk is full; free some space in the data folder");
    world.lanes.balance();
    let taken = world.lanes.taken();
    assert!(taken.iter().map(|taken| taken.event.id).eq(acknowledged.iter().copied()));
    for _ in 0..3 {
        assert!(try_to_say(&world, &large(&world, account)).await.is_err());
        world.lanes.balance();
    }
    read_on(&world, &acknowledged, &lost).await;
    let settled = settle_in_vain(&world, &folder.join(FILLER), &taken).await;

    fs::remove_file(folder.join(FILLER)).unwrap();
    fs::remove_file(folder.join(BALLAST)).unwrap();
    world.deliver(&taken[settled].delivery).await;
    try_to_say(&world, &lost).await.unwrap();
    acknowledged.push(lost.id);
    world.store.probe(lost.at).await.unwrap();
    assert_eq!(world.lanes.told(), slice::from_ref(&lost.id));
    drop(world);

    let world = open_in(&data, Recorder::new(), 2, ()).unwrap();
    for id in &acknowledged {
        assert!(world.views.event(account, *id).await.unwrap().is_some(), "{id} is lost");
    }
    assert_eq!(world.lease_all(0).await.taken, acknowledged.len() - settled - 1);
}

#[tokio::test]
#[ignore = "a part of the test above"]
async fn a_child_on_a_disk_that_fills_up() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let data = folder.join("data");
    let world = open_in(&data, Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let first = large(&world, account);
    try_to_say(&world, &first).await.unwrap();
    let mut acknowledged = vec![first.id];
    let mut file = File::create(folder.join(FILLER)).unwrap();
    while file.write(&[1; 4_096]).is_ok_and(|written| written > 0) {}
    // The journal has its room already, so some are taken still; but not for long.
    let fault = loop {
        let event = large(&world, account);
        match try_to_say(&world, &event).await {
            Ok(()) => acknowledged.push(event.id),
            Err(fault) => break fault,
        }
        assert!(acknowledged.len() < 1_000, "the disk is never full");
    };
    let Fault::Store(Error::Unavailable { hint, .. }) = &fault else { panic!("{fault:?}") };
    assert_eq!(*hint, "the disk is full; free some space in the data folder");
    assert!(world.store.probe(account.minted_at()).await.is_err(), "whoever asks is told");
    assert!(world.views.event(account, first.id).await.is_ok(), "reading goes on");

    drop(file);
    fs::remove_file(folder.join(FILLER)).unwrap();
    world.store.probe(account.minted_at()).await.unwrap();
    let last = large(&world, account);
    try_to_say(&world, &last).await.unwrap();
    acknowledged.push(last.id);
    for id in &acknowledged {
        assert!(world.views.event(account, *id).await.unwrap().is_some(), "{id} is lost");
    }
    drop(world);
    let world = open_in(&data, Recorder::new(), 2, ()).unwrap();
    for id in &acknowledged {
        assert!(world.views.event(account, *id).await.unwrap().is_some(), "{id} is lost");
    }
}

/// Says large events with keys until the disk is full, for this caller or another one; tells which were acknowledged.
async fn say_until_full(
    world: Arc<World>,
    account: AccountId,
    (caller, is_full): (usize, Arc<AtomicBool>),
) -> Vec<EventId> {
    let mut acknowledged = Vec::new();
    while !is_full.load(Ordering::Acquire) {
        let key = Some(format!("{caller}:{}", acknowledged.len()));
        let event = Event { key, ..large(&world, account) };
        match try_to_say(&world, &event).await {
            Ok(()) => acknowledged.push(event.id),
            Err(fault) => {
                assert!(matches!(fault, Fault::Store(Error::Unavailable { .. })), "{fault:?}");
                is_full.store(true, Ordering::Release);
            }
        }
        assert!(acknowledged.len() < 1_000, "the disk is never full");
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of the test above"]
async fn a_child_in_a_flood_on_a_small_disk() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    fs::write(folder.join(BALLAST), vec![1; 40_000_000]).unwrap();
    let data = folder.join("data");
    let world = Arc::new(open_in(&data, Recorder::new(), 1, ()).unwrap());
    let account = world.account();
    let is_full = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..24 {
        let of = (caller, Arc::clone(&is_full));
        callers.spawn(say_until_full(Arc::clone(&world), account, of));
    }
    let mut acknowledged = callers.join_next().await.unwrap().unwrap();
    // What waits for room in the journal waits for this.
    fs::remove_file(folder.join(BALLAST)).unwrap();
    while let Some(ids) = callers.join_next().await {
        acknowledged.extend(ids.unwrap());
    }
    // The process dies here, as far as the copy can tell.
    let copy = Folder::new();
    for name in STORE_FILES {
        fs::copy(data.join(name), copy.path().join(name)).unwrap();
    }
    world.store.probe(account.minted_at()).await.unwrap();
    let last = large(&world, account);
    try_to_say(&world, &last).await.unwrap();
    let restored = open_in(copy.path(), Recorder::new(), 2, ()).unwrap();
    for id in &acknowledged {
        assert!(world.views.event(account, *id).await.unwrap().is_some(), "{id} is lost");
        assert!(restored.views.event(account, *id).await.unwrap().is_some(), "{id} is lost");
    }
}

/// What a folder's store consists of.
const STORE_FILES: [&str; 4] =
    ["countersign.db", "countersign.db-wal", "countersign.journal-a", "countersign.journal-b"];

/// Fills the last corners of the disk, and shows that a lease stands until its settlement is written. Gives the deliveries
/// that were settled before.
async fn settle_in_vain(world: &World, filler: &Path, taken: &[Taken]) -> usize {
    let mut file = File::create(filler).unwrap();
    while file.write(&[1; 4_096]).is_ok_and(|written| written > 0) {}
    for (settled, Taken { delivery, .. }) in taken.iter().enumerate() {
        let settlement = world.settlement(delivery, State::Delivered { at: delivery.created_at });
        match world.store.settle(delivery.created_at, vec![settlement]).await {
            // What refused commits had reached of the journal is room still.
            Ok(_) => world.lanes.over(delivery.id),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                // The lanes fail when a delivery comes a second time.
                assert_eq!(world.lease_all(0).await.taken, 0);
                return settled;
            }
        }
    }
    panic!("the disk is never full");
}

async fn read_on(world: &World, acknowledged: &[EventId], lost: &Event) {
    for id in acknowledged {
        assert!(world.views.event(lost.account, *id).await.unwrap().is_some());
    }
    assert_eq!(world.views.event(lost.account, lost.id).await.unwrap(), None);
    world.lease_all(0).await;
}
