//! While nothing is due, nothing moves: no thread of the store wakes, nothing is read.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::http::Receiver;
use crate::process::until;
use crate::service::{LOCAL, Service};

/// How long nothing happens. That nothing does can only be waited for.
const IDLE: Duration = Duration::from_secs(10);
/// The store's threads, as the system cuts their names.
const THREADS: [&str; 3] = ["store-writer", "store-flusher", "store-checkpoin"];

/// What the store has done so far.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    /// How often each of its threads has gone to sleep.
    sleeps: BTreeMap<String, u64>,
    /// Calls of the whole process that read.
    reads: u64,
}

/// Finds the number behind a name.
fn number(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
}

fn done(service: &Service) -> Done {
    let process = format!("/proc/{}", service.pid());
    let mut sleeps = BTreeMap::new();
    for task in fs::read_dir(format!("{process}/task")).unwrap() {
        let task = task.unwrap().path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(status)) =
            (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("status")))
        else {
            continue;
        };
        if THREADS.contains(&name.trim()) {
            sleeps.insert(name.trim().to_owned(), number(&status, "voluntary_ctxt_switches:"));
        }
    }
    let io = fs::read_to_string(format!("{process}/io")).unwrap();
    Done { sleeps, reads: number(&io, "syscr:") }
}

#[test]
fn a_service_with_nothing_to_do_leaves_its_store_alone() {
    let receiver = Receiver::start();
    let service = Service::start(&LOCAL);
    let endpoint = json!({"url": receiver.url("/hook")});
    service.api("POST", "/endpoints", Some(&endpoint)).expect(201);
    let event = json!({"type": "custom.a", "data": {}});
    service.api("POST", "/events", Some(&event)).expect(202);
    receiver.until(|heard| heard.len() == 1);
    until("the delivery's end", || {
        let rows = service.api("GET", "/deliveries?state=delivered", None).expect(200).json();
        (rows["data"].as_array().unwrap().len() == 1).then_some(())
    });
    let before = until("the last of the work", || {
        let before = done(&service);
        thread::park_timeout(Duration::from_millis(500));
        (done(&service) == before).then_some(before)
    });
    assert_eq!(before.sleeps.len(), THREADS.len(), "{before:?}");
    thread::park_timeout(IDLE);
    assert_eq!(done(&service), before);
    service.stop();
}
