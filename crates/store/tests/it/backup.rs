//! A copy that is made while the store is in use holds all that was acknowledged before, and all of it holds together.

use std::fs;
use std::io::{BufReader, ErrorKind};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::Connection;
use store::carry::Progress;
use store::conformance::Recorder;
use store::sqlite;

use crate::carry::fill;
use crate::folder::{Folder, open_in};
use crate::kill::{Acknowledged, child, listen};

/// Copies that are made of one store under load.
const ROUNDS: u64 = 12;

/// Reads what a child acknowledges, up to a number of lines.
fn until(lines: &mut BufReader<ChildStdout>, acknowledged: &mut Acknowledged, count: u64) {
    for _ in 0..count {
        assert!(listen(lines, acknowledged), "the child ended by itself");
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_backup_began_is_in_it() {
    let folder = Folder::new();
    let mut acknowledged = Acknowledged::default();
    for round in 1..=ROUNDS {
        let mut child: Child = child(folder.path(), round).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        until(&mut lines, &mut acknowledged, 20 + round * 137 % 400);
        // What is said from now on may be in the copy or not; somebody must listen, or the child would wait.
        let later = Arc::new(Mutex::new((Acknowledged::default(), child)));
        let heard = Arc::clone(&later);
        let listening = thread::spawn(move || {
            let mut acknowledged = Acknowledged::default();
            while listen(&mut lines, &mut acknowledged) {}
            heard.lock().unwrap().0 = acknowledged;
        });
        let copy = Folder::new();
        let kill_at = round * 7 % 10;
        let mut steps = 0;
        let findings = sqlite::backup(folder.path(), copy.path(), &mut |progress| {
            // In some rounds, the store is killed in the middle of it.
            if matches!(progress, Progress::Copied { .. }) {
                steps += 1;
                if round % 3 == 0 && steps == 1 + kill_at {
                    later.lock().unwrap().1.kill().unwrap();
                }
            }
        });
        let findings = findings.unwrap();
        assert_eq!(findings.chains, round, "one request of each round");
        later.lock().unwrap().1.kill().unwrap();
        later.lock().unwrap().1.wait().unwrap();
        listening.join().unwrap();
        assert_eq!(sqlite::check(copy.path(), &mut |_| ()).unwrap(), findings);
        let world = open_in(copy.path(), Recorder::new(), 1_000 + round, ()).unwrap();
        acknowledged.check(&world).await;
        acknowledged.join(&mut later.lock().unwrap().0);
    }
    assert!(acknowledged.count() > 500, "{acknowledged:?}");
}

#[tokio::test]
async fn a_backup_laid_over_an_old_folder_takes_its_place() {
    let (folder, old, copy) = (Folder::new(), Folder::new(), Folder::new());
    let account = {
        let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
        let account = world.account();
        world.register(world.endpoint(account)).await;
        world.say(&[world.event(account, "custom.a")]).await;
        account
    };
    sqlite::backup(folder.path(), copy.path(), &mut |_| ()).unwrap();
    let other = open_in(old.path(), Recorder::new(), 2, ()).unwrap();
    for _ in 0..50 {
        other.say(&[other.event_at(account, "custom.b", 90)]).await;
    }
    // As after a kill: the journal and the log of the old store are full.
    let left = Folder::new();
    for entry in fs::read_dir(old.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
    }
    drop(other);
    for entry in fs::read_dir(copy.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
    }
    let world = open_in(left.path(), Recorder::new(), 3, ()).unwrap();
    let page = store::Page { limit: 99, after: None };
    let events = world.views.events(account, store::EventFilter::default(), page).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(world.lease_all(0).await.taken, 1);
}

#[tokio::test]
async fn a_damaged_copy_is_noticed() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    fill(&world).await;
    drop(world);
    sqlite::backup(folder.path(), copy.path(), &mut |_| ()).unwrap();
    let file = copy.path().join("countersign.db");
    let db = Connection::open(&file).unwrap();
    db.execute("DELETE FROM timeline WHERE seq = 4", []).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    let said = sqlite::check(copy.path(), &mut |_| ()).unwrap_err().to_string();
    assert!(said.contains("an entry before it is missing"), "{said}");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(sqlite::check(copy.path(), &mut |_| ()).is_err());
}

#[test]
fn a_folder_without_a_store_has_no_backup() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let said = sqlite::backup(folder.path(), copy.path(), &mut |_| ()).unwrap_err().to_string();
    assert!(said.starts_with("there is no store in"), "{said}");
    let left = fs::read_dir(folder.path()).unwrap().next();
    assert!(left.is_none_or(|entry| entry.is_err_and(|error| error.kind() == ErrorKind::NotFound)));
}
