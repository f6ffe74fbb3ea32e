//! Backups of a service that runs: whole or not there, checked, and enough to go on from.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::disk::{FOLDER, fill, on_a_small_disk};
use crate::http::{Receiver, call};
use crate::process::{Running, Scratch, text, until};
use crate::service::{KEY, LOCAL, Service, api_bytes, id};

fn say(address: &str, bytes: usize) -> String {
    let event = json!({"type": "custom.a", "data": {"text": "x".repeat(bytes)}});
    id(&call(address, &api_bytes(KEY, "POST", "/events", Some(&event))).expect(202))
}

fn refused(scratch: &Scratch, args: &[&str]) -> String {
    let output = scratch.run(args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_backup_of_a_busy_service_is_enough_to_go_on_from() {
    let receiver = Receiver::start();
    let service = Service::start(&LOCAL);
    let endpoint = json!({"url": receiver.url("/hook")});
    id(&service.api("POST", "/endpoints", Some(&endpoint)).expect(201));
    let request = service.sent("parallel");
    let address = &service.address;
    let (before, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let backup = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    let event = say(address, 700);
                    before.lock().unwrap().push(event);
                }
            });
        }
        until("some load", || (before.lock().unwrap().len() > 300).then_some(()));
        let known = before.lock().unwrap().clone();
        let made = service.scratch.run(&["backup", "copy", "--data", "data"]);
        stop.store(true, Ordering::Release);
        (known, made)
    });
    let (known, made) = backup;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let said = text(&made.stdout);
    assert!(said.contains("a backup of data is in copy"), "{said}");
    assert!(said.contains("the chains of 1 requests hold"), "{said}");
    assert!(
        said.contains("The master key is not part of it, and no secret in it opens without"),
        "{said}"
    );
    let scratch = service.end();
    let copy = scratch.path().join("copy");
    let files = [
        "backup.json",
        "countersign.db",
        "countersign.db-wal",
        "countersign.journal-a",
        "countersign.journal-b",
    ];
    assert_eq!(names(&copy), files.map(str::to_owned).into());
    let whole = scratch.run(&["backup", "--verify", "copy"]);
    assert!(text(&whole.stdout).contains("is whole"), "{whole:?}");

    // The folder is lost, but for the master key, which lay elsewhere.
    fs::copy(scratch.path().join("data/master.key"), copy.join("master.key")).unwrap();
    fs::remove_dir_all(scratch.path().join("data")).unwrap();
    fs::rename(&copy, scratch.path().join("data")).unwrap();
    let service = Service::start_in(scratch, &LOCAL);
    for event in &known {
        service.api("GET", &format!("/events/{event}"), None).expect(200);
    }
    let pending = || service.api("GET", "/deliveries?state=pending", None).expect(200).json();
    until("the end of every delivery", || {
        pending()["data"].as_array().unwrap().is_empty().then_some(())
    });
    let heard: BTreeSet<_> =
        receiver.heard().iter().map(|call| call.header("webhook-id").unwrap().to_owned()).collect();
    assert!(known.iter().all(|event| heard.contains(event)));
    let next = say(&service.address, 1);
    assert!(known.iter().all(|event| *event < next), "ids go on rising");
    let request = format!("/requests/{}/timeline", request["id"].as_str().unwrap());
    service.api("GET", &request, None).expect(200);
    service.stop();
}

#[test]
fn a_backup_that_is_killed_leaves_none_and_is_begun_anew() {
    let service = Service::start(&[]);
    for _ in 0..40 {
        say(&service.address, 200_000);
    }
    let partial = service.scratch.path().join("copy.partial");
    for _ in 0..3 {
        let command = service.scratch.command(&["backup", "copy", "--data", "data", "--rate", "1"]);
        let changed = || fs::metadata(partial.join("countersign.db")).ok()?.modified().ok();
        let left = changed();
        let running = Running::start(command);
        // Not what the one before has left.
        until("the copying", || (changed() > left).then_some(()));
        let second = refused(&service.scratch, &["backup", "copy", "--data", "data"]);
        assert!(second.contains("another command makes the same backup"), "{second}");
        drop(running);
        assert!(!service.scratch.path().join("copy").exists());
    }
    let made = service.scratch.run(&["backup", "copy", "--data", "data"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(!partial.exists());
    let taken = refused(&service.scratch, &["backup", "copy", "--data", "data"]);
    assert!(taken.contains("copy is not empty"), "{taken}");
    service.stop();
}

#[test]
fn the_master_key_goes_along_when_somebody_asks_for_it() {
    let scratch = Scratch::new();
    assert!(scratch.run(&["keys", "create", "--data", "data", "--log", "off"]).status.success());
    let made = scratch.run(&["backup", "copy", "--data", "data", "--with-master-key"]);
    let said = text(&made.stdout);
    assert!(
        said.contains(
            "The master key is part of it: whoever has this folder can read every secret"
        ),
        "{said}"
    );
    let path = |folder: &str| scratch.path().join(folder).join("master.key");
    assert_eq!(fs::read(path("copy")).unwrap(), fs::read(path("data")).unwrap());
    assert_eq!(fs::metadata(path("copy")).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(scratch.path().join("copy")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let other = "Y291bnRlcnNpZ24tYmVuY2gtbWFzdGVyLWtleS0zMiE=";
    let args = ["backup", "other", "--data", "data", "--with-master-key", "--master-key", other];
    assert!(refused(&scratch, &args).contains("the master key is not the one"));
    assert!(
        !scratch.path().join("other").exists() && !scratch.path().join("other.partial").exists()
    );
}

#[test]
fn a_backup_that_was_changed_is_no_backup() {
    let scratch = Scratch::new();
    assert!(scratch.run(&["keys", "create", "--data", "data", "--log", "off"]).status.success());
    assert!(scratch.run(&["backup", "copy", "--data", "data"]).status.success());
    let file = scratch.path().join("copy/countersign.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = refused(&scratch, &["backup", "--verify", "copy"]);
    assert!(said.contains("countersign.db was changed or damaged"), "{said}");
    fs::remove_file(scratch.path().join("copy/backup.json")).unwrap();
    let said = refused(&scratch, &["backup", "--verify", "copy"]);
    assert!(said.contains("to do: name a folder that `countersign backup` has made"), "{said}");
}

#[test]
fn a_postgresql_is_left_to_its_own_tools() {
    let args = ["backup", "copy", "--database-url", "postgres://a:hidden@localhost/a"];
    let said = refused(&Scratch::new(), &args);
    assert!(
        said.contains("pg_dump") && said.contains("master key") && !said.contains("hidden"),
        "{said}"
    );
}

#[test]
fn a_disk_that_fills_up_leaves_no_half_backup() {
    on_a_small_disk("backup::a_child_whose_backup_fills_the_disk");
}

/// A folder on a disk that is not small, gone with the test.
struct Elsewhere(PathBuf);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
#[ignore = "a part of a test above"]
fn a_child_whose_backup_fills_the_disk() {
    let Some(disk) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let elsewhere =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("backup-{}", process::id()));
    let elsewhere = Elsewhere(elsewhere);
    let data = elsewhere.0.to_str().unwrap();
    let scratch = Scratch::new();
    assert!(scratch.run(&["keys", "create", "--data", data, "--log", "off"]).status.success());
    let before = names(&disk);
    let target = disk.join("copy");
    let said = refused(&scratch, &["backup", target.to_str().unwrap(), "--data", data]);
    assert!(said.contains("the disk of the copy is full; free some space there"), "{said}");
    assert_eq!(names(&disk), before);
    let export = disk.join("export");
    fill(&disk.join("filler"));
    let said = refused(&scratch, &["export", export.to_str().unwrap(), "--data", data]);
    assert!(said.contains("full") || said.contains("space"), "{said}");
    assert!(!export.exists() && !disk.join("export.partial").exists());
}
