//! A disk that is full, and one that cannot be written, under the whole service.
//!
//! Left to others: what the store makes of it by itself (`store`).

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::http::{Message, Receiver};
use crate::process::{Scratch, text, until};
use crate::service::{LOCAL, Service, id};

pub(crate) const FOLDER: &str = "COUNTERSIGN_TEST_DISK";
/// Mounts a small disk that only this process and its children see, and goes on as the program that is named.
const SCRIPT: &str = r#"mount -t tmpfs -o size=8m none "$0" && exec "$@""#;

/// Runs a test on a small disk, where this user may mount one.
#[expect(clippy::print_stderr, reason = "a test that could not be made says so")]
pub(crate) fn on_a_small_disk(test: &str) {
    let folder = Scratch::new();
    for how in ["-m", "-rm"] {
        let command = |program: &Path| {
            let mut command = Command::new("unshare");
            command.args([how, "sh", "-c", SCRIPT]).arg(folder.path()).arg(program);
            command
        };
        if !command(Path::new("true")).output().is_ok_and(|output| output.status.success()) {
            continue;
        }
        let output = command(&env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env("TMPDIR", folder.path())
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
        return;
    }
    eprintln!("skipped: this user may not mount a small disk");
}

#[test]
fn a_full_disk_is_told_of_and_left_behind_without_a_loss() {
    on_a_small_disk("disk::a_child_whose_disk_fills_up");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_at_the_start() {
    on_a_small_disk("disk::a_child_whose_disk_is_read_only");
}

/// Takes all the room that is left.
pub(crate) fn fill(path: &Path) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    while file.write(&[1; 4_096]).is_ok_and(|written| written > 0) {}
}

/// Takes all the room, until the service says that it cannot write.
pub(crate) fn fill_up(service: &Service, filler: &Path) {
    until("a full disk", || {
        fill(filler);
        (post(service, 0).status() == 503 && ready(service).status() == 503).then_some(())
    });
}

fn post(service: &Service, number: usize) -> Message {
    let data = json!({"number": number, "text": "x".repeat(2_000)});
    let event = json!({"type": "custom.a", "data": data});
    service.api("POST", "/events", Some(&event))
}

fn count(service: &Service, path: &str) -> usize {
    let rows = service.api("GET", path, None).expect(200).json();
    rows["data"].as_array().unwrap().len()
}

fn ready(service: &Service) -> Message {
    service.send("GET", "/readyz", &[], b"")
}

#[test]
#[ignore = "a part of a test above"]
fn a_child_whose_disk_fills_up() {
    if env::var_os(FOLDER).is_none() {
        return;
    }
    let receiver = Receiver::start();
    let service = Service::start(&LOCAL);
    let endpoint = json!({"url": receiver.url("/hook")});
    id(&service.api("POST", "/endpoints", Some(&endpoint)).expect(201));
    let mut acknowledged: BTreeSet<String> =
        (0..20).map(|number| id(&post(&service, number).expect(202))).collect();

    let filler = service.scratch.path().join("filler");
    let refused = (20..2_000).find_map(|number| {
        fill(&filler);
        let answer = post(&service, number);
        if answer.status() == 202 {
            acknowledged.insert(id(&answer));
            return None;
        }
        // A little of the log may be left, for as little as a look at the store writes.
        (ready(&service).status() == 503).then_some(answer)
    });
    let refused = refused.expect("the disk is never full");
    assert!(refused.header("retry-after").is_some());
    let problem = refused.expect_problem(503, "unavailable");
    let hint = "the disk is full; free some space in the data folder";
    assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem:#}");
    while_it_is_full(&service, hint);

    fs::remove_file(&filler).unwrap();
    let answer = until("a write that works", || {
        Some(post(&service, 3_000)).filter(|answer| answer.status() != 503)
    });
    acknowledged.insert(id(&answer.expect(202)));
    until("readiness", || (ready(&service).status() == 200).then_some(()));
    receiver.until(|heard| heard.len() >= acknowledged.len());
    until("the end of every delivery", || {
        (count(&service, "/deliveries?state=pending") == 0).then_some(())
    });
    let of = |message: &Message| message.header("webhook-id").unwrap().to_owned();
    let heard: Vec<String> = receiver.heard().iter().map(of).collect();
    assert_eq!(heard.len(), acknowledged.len(), "what ended is remembered until it is written");
    assert_eq!(heard.into_iter().collect::<BTreeSet<_>>(), acknowledged);
    for event in &acknowledged {
        service.api("GET", &format!("/events/{event}"), None).expect(200);
        let list = format!("/deliveries?event_id={event}&state=delivered");
        assert_eq!(count(&service, &list), 1);
    }
    service.stop();
}

/// Reading goes on, and everybody who asks is told what is wrong.
fn while_it_is_full(service: &Service, hint: &str) {
    for _ in 0..3 {
        service.api("GET", "/requests", None).expect(200);
        assert!(count(service, "/events?limit=10") == 10);
        assert_eq!(service.send("GET", "/healthz", &[], b"").status(), 200);
        let unready = ready(service).expect(503).json();
        let says = |reason: &Value| reason.as_str().is_some_and(|reason| reason.contains(hint));
        assert!(unready["reasons"].as_array().unwrap().iter().any(says), "{unready:#}");
        post(service, 1).expect_problem(503, "unavailable");
    }
}

#[test]
#[ignore = "a part of a test above"]
fn a_child_whose_disk_is_read_only() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let made = scratch.run(&["keys", "create", "--data", "data", "--log", "off"]);
    assert!(made.status.success() && data.is_dir(), "{}", text(&made.stderr));
    let sealed = Command::new("mount").args(["-o", "remount,ro"]).arg(folder).output().unwrap();
    assert!(sealed.status.success(), "{}", text(&sealed.stderr));
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data", "--log", "off"];
    let refused = scratch.run(&args);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.to_lowercase().contains("read-only"), "{said}");
}
