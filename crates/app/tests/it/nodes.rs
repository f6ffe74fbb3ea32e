//! Several nodes on one database: nothing acknowledged is lost, whatever becomes of one of them or of the database.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use store::conformance::Database;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::http::{Message, Receiver};
use crate::process::{Scratch, text, until};
use crate::service::{KEY, LOCAL, Service};

/// The same on every node.
const MASTER: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// What an endpoint may have under way, unless it says otherwise.
const IN_FLIGHT: usize = 10;

/// A database, and the way to it, which can be cut.
pub(crate) struct Shared {
    database: Option<Database>,
    runtime: Runtime,
    way: Way,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(Database::migrated());
        let url = Url::parse(database.url().expose()).unwrap();
        let way = Way::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()));
        Self { database: Some(database), runtime, way }
    }

    /// Gives the URL by which nodes go over the way that can be cut.
    fn url(&self) -> String {
        let url = self.database.as_ref().unwrap().url();
        let mut url = Url::parse(url.expose()).unwrap();
        url.set_port(Some(self.way.port)).unwrap();
        url.to_string()
    }

    pub(crate) fn node(&self, name: &str) -> Service {
        let url = self.url();
        let more = ["--database-url", &url, "--master-key", MASTER, "--node-name", name];
        let service = Service::start(&[&more, &LOCAL[..]].concat());
        // Whoever has just come in has no share before the others know of it.
        until("the crew to agree", || agrees(&service).then_some(()));
        service
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        drop(self.database.take());
    }
}

/// A way over this machine to a server, which can be cut and mended.
struct Way {
    port: u16,
    open: Arc<AtomicBool>,
    /// While somebody holds it, nothing arrives.
    gate: Arc<Mutex<()>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, streams) = (Arc::new(AtomicBool::new(true)), Arc::default());
        let gate = Arc::default();
        let (gated, opened, kept) = (Arc::clone(&gate), Arc::clone(&open), Arc::clone(&streams));
        let way = Self { port, open: opened, gate: gated, streams: kept };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Some(server) = TcpStream::connect(&server).ok() else { continue };
                let mut streams = streams.lock().unwrap();
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    streams.push(from.try_clone().unwrap());
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || drop(carry(from, to, &gate)));
                }
            }
        });
        way
    }

    fn cut(&self) {
        let mut streams = self.streams.lock().unwrap();
        self.open.store(false, Ordering::SeqCst);
        for stream in streams.drain(..) {
            // It may be closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn mend(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, gate: &Mutex<()>) -> io::Result<()> {
    to.set_nodelay(true)?;
    let mut bytes = [0; 16_384];
    loop {
        let read = from.read(&mut bytes);
        drop(gate.lock());
        match read {
            Ok(count @ 1..) => to.write_all(&bytes[..count])?,
            Ok(0) | Err(_) => return to.shutdown(Shutdown::Both),
        }
    }
}

/// Gives a figure of a node.
fn figure(node: &Service, name: &str) -> Option<String> {
    let answer = node.send("GET", "/metrics", &[], b"");
    let line = answer.text().lines().find(|line| line.starts_with(name)).map(str::to_owned);
    line?.split_once(' ').map(|(_, value)| value.to_owned())
}

fn agrees(node: &Service) -> bool {
    figure(node, "countersign_nodes_agreed ").as_deref() == Some("1")
}

fn register(node: &Service, receiver: &Receiver) {
    let endpoint = json!({"url": receiver.url("/hooks"), "events": ["*"]});
    node.api("POST", "/endpoints", Some(&endpoint)).expect(201);
}

fn event(number: usize) -> Value {
    json!({"type": "custom.a", "data": {"n": number}, "id": format!("n{number}")})
}

/// Posts an event; tells whether it was acknowledged.
fn post(node: &Service, number: usize) -> bool {
    let answer = node.api("POST", "/events", Some(&event(number)));
    (200..300).contains(&answer.status())
}

/// Counts how often each event was heard, by its number.
fn counts(heard: &[Message]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for call in heard {
        if let Some(number) = call.json()["data"]["n"].as_u64() {
            *counts.entry(number).or_default() += 1;
        }
    }
    counts
}

fn ready(node: &Service) -> Option<()> {
    (node.send("GET", "/readyz", &[], b"").status() == 200).then_some(())
}

#[test]
fn a_database_that_cannot_show_who_it_is_is_refused() {
    let shared = Shared::new();
    let stranger = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/fixtures/stranger.pem");
    let (url, _) =
        shared.url().split_once('?').map(|(url, rest)| (url.to_owned(), rest.to_owned())).unwrap();
    let url = format!("{url}?sslmode=verify-ca&sslrootcert={stranger}");
    let scratch = Scratch::new();
    let with = ["--database-url", &url, "--master-key", MASTER, "--log", "off"];
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["doctor"]] {
        let output = scratch.run(&[command, &with].concat());
        let said = text(&[output.stdout, output.stderr].concat());
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("not signed by an authority that is trusted"), "{said}");
    }
}

#[test]
fn what_is_posted_to_any_node_is_told_once() {
    let shared = Shared::new();
    let (one, two) = (shared.node("one"), shared.node("two"));
    let receiver = Receiver::start();
    register(&one, &receiver);
    for number in 0..200 {
        assert!(post(if number % 2 == 0 { &one } else { &two }, number));
    }
    receiver.until(|heard| counts(heard).len() == 200);
    assert_eq!(figure(&one, "countersign_nodes ").as_deref(), Some("2"));
    for node in [&one, &two] {
        until("both to have delivered", || {
            figure(node, "countersign_attempts_total{outcome=\"2xx\"}").map(|_| ())
        });
    }
    one.stop();
    two.stop();
    assert!(counts(&receiver.heard()).values().all(|count| *count == 1));
}

#[test]
fn a_node_that_is_killed_loses_nothing_that_was_acknowledged() {
    let shared = Shared::new();
    let (one, two) = (shared.node("one"), shared.node("two"));
    let receiver = Receiver::start();
    register(&one, &receiver);
    let mut acknowledged = 0;
    for number in 0..100 {
        acknowledged += usize::from(post(if number % 2 == 0 { &one } else { &two }, number));
    }
    two.kill();
    for number in 100..200 {
        acknowledged += usize::from(post(&one, number));
    }
    assert_eq!(acknowledged, 200);
    let heard = receiver.until(|heard| counts(heard).len() == 200);
    until("the other to be missed", || {
        (figure(&one, "countersign_nodes ").as_deref() == Some("1")).then_some(())
    });
    until("everything to have ended", || {
        (figure(&one, "countersign_deliveries_pending ").as_deref() == Some("0")).then_some(())
    });
    one.stop();
    let doubles: usize = counts(&receiver.heard()).values().map(|count| count - 1).sum();
    assert!(doubles <= IN_FLIGHT, "{doubles} of {} were doubled", heard.len());
}

#[test]
fn a_rolling_restart_loses_nothing_and_doubles_nothing() {
    let shared = Shared::new();
    let mut nodes = [shared.node("one"), shared.node("two")];
    let receiver = Receiver::start();
    register(&nodes[0], &receiver);
    let mut number = 0;
    for round in 0..4 {
        for _ in 0..50 {
            assert!(post(&nodes[number % 2], number));
            number += 1;
        }
        let [one, two] = nodes;
        // The other goes on meanwhile.
        one.stop();
        for _ in 0..20 {
            assert!(post(&two, number));
            number += 1;
        }
        nodes = [two, shared.node(["one", "two"][round % 2])];
    }
    receiver.until(|heard| counts(heard).len() == number);
    nodes.into_iter().for_each(Service::stop);
    assert!(counts(&receiver.heard()).values().all(|count| *count == 1));
}

#[test]
fn while_the_database_is_away_writes_are_refused_and_it_is_said() {
    let shared = Shared::new();
    let (one, two) = (shared.node("one"), shared.node("two"));
    let receiver = Receiver::start();
    register(&one, &receiver);
    let mut acknowledged: Vec<usize> = (0..50).filter(|number| post(&one, *number)).collect();
    assert_eq!(acknowledged.len(), 50);
    shared.way.cut();
    for node in [&one, &two] {
        let refused = node.api("POST", "/events", Some(&event(1_000)));
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        refused.expect_problem(503, "unavailable");
        let unready = node.send("GET", "/readyz", &[], b"").expect(503);
        assert!(unready.text().contains("PostgreSQL"), "{}", unready.text());
    }
    shared.way.mend();
    for node in [&one, &two] {
        until("the node to be ready again", || ready(node));
    }
    acknowledged.extend((50..100).filter(|number| post(&two, *number)));
    assert_eq!(acknowledged.len(), 100);
    receiver.until(|heard| counts(heard).len() >= 100);
    until("everything to have ended", || {
        (figure(&one, "countersign_deliveries_pending ").as_deref() == Some("0")).then_some(())
    });
    one.stop();
    two.stop();
    let counts = counts(&receiver.heard());
    assert!(acknowledged.iter().all(|number| counts.contains_key(&(*number as u64))));
}

#[test]
fn a_master_key_of_another_node_is_refused_with_what_to_do() {
    let shared = Shared::new();
    let one = shared.node("one");
    let scratch = Scratch::new();
    let url = shared.url();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data", "--database-url", &url];
    let refused = scratch.run(&args);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("the master key is not the one"), "{said}");
    assert!(said.contains("to do: ") && said.contains("COUNTERSIGN_MASTER_KEY"), "{said}");
    assert!(!scratch.path().join("data/master.key").exists(), "a key that opens nothing");
    one.stop();
}

#[test]
fn a_master_key_that_the_database_takes_is_kept() {
    let shared = Shared::new();
    let (scratch, url) = (Scratch::new(), shared.url());
    let file = scratch.path().join("data/master.key");
    let keys: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            let made = scratch.run(&["keys", "create", "--data", "data", "--database-url", &url]);
            assert!(made.status.success(), "{}", text(&made.stderr));
            fs::read(&file).unwrap()
        })
        .collect();
    assert_eq!(keys[0], keys[1]);
}

/// Gives what a start on a database says that will not do; it has as many tables afterwards as before.
fn refused(url: impl FnOnce(&str) -> String, database: impl Future<Output = Database>) -> String {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(database);
    let tables = runtime.block_on(database.tables());
    let (scratch, url) = (Scratch::new(), url(database.url().expose()));
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data", "--database-url", &url];
    let refused = scratch.run(&args);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(runtime.block_on(database.tables()), tables, "a schema was begun");
    assert!(!scratch.path().join("data/master.key").exists(), "a key that opens nothing");
    let said = text(&refused.stderr);
    assert!(said.contains("to do: "), "{said}");
    said
}

#[test]
fn a_wrong_password_is_refused_with_what_to_do() {
    let guarded = |url: &str| url.replace("postgres@", "guarded:hunter2@");
    let said = refused(guarded, Database::empty());
    assert!(said.contains("user or password"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_server_that_is_too_old_is_refused() {
    let said = refused(str::to_owned, Database::of_an_old_server());
    assert!(said.contains("PostgreSQL 13 is too old; 14 or newer is needed"), "{said}");
}

#[test]
fn a_schema_from_the_future_is_refused() {
    let said = refused(str::to_owned, Database::from_the_future());
    assert!(said.contains("schema 99") && said.contains("use a newer countersign"), "{said}");
}

#[test]
fn a_database_that_is_not_there_is_named_with_what_to_do() {
    let shared = Shared::new();
    let scratch = Scratch::new();
    let url = shared.url();
    let said = |url: &str| {
        let refused = scratch.run(&["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
        assert_eq!(refused.status.code(), Some(1));
        text(&refused.stderr)
    };
    let name = &shared.database.as_ref().unwrap().name;
    let unknown = said(&url.replace(name, "no_such"));
    assert!(unknown.contains("make it with createdb"), "{unknown}");
    shared.way.cut();
    let away = said(&url);
    assert!(away.contains("PostgreSQL") && away.contains("to do: "), "{away}");
}

#[test]
fn the_doctor_and_keys_work_on_a_database() {
    let shared = Shared::new();
    let one = shared.node("one");
    let url = shared.url();
    let with = ["--database-url", &url, "--master-key", MASTER];
    let made = one.scratch.run(&[&["keys", "create", "--name", "ci"], &with[..]].concat());
    assert!(made.status.success(), "{}", text(&made.stderr));
    let key = text(&made.stdout);
    one.api_as(key.trim(), "GET", "/events", None).expect(200);
    let public = format!("http://{}", one.address);
    let looking = [&["doctor", "--data", "data", "--public-url", &public], &with[..]].concat();
    let looked = one.scratch.run(&looking);
    let said = text(&looked.stdout);
    assert!(looked.status.success(), "{said}");
    assert!(said.contains("PostgreSQL ") && said.contains("node one: since "), "{said}");
    assert!(!text(&looked.stdout).contains(KEY));
    one.stop();
}

#[test]
fn a_node_that_hears_nothing_of_its_database_says_so_meanwhile() {
    let shared = Shared::new();
    let node = shared.node("one");
    let ready = || node.send("GET", "/readyz", &[], b"");
    let held = shared.way.gate.lock().unwrap();
    let answer = ready();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().contains("did not answer for 2 s"), "{}", answer.text());
    drop(held);
    until("the node to be ready again", || (ready().status() == 200).then_some(()));
    node.stop();
}

#[test]
fn a_stopped_node_is_missed_by_nobody() {
    let shared = Shared::new();
    let (one, two) = (shared.node("one"), shared.node("two"));
    let pause = |signal: &str| {
        let id = two.pid().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    };
    let receiver = Receiver::start();
    register(&one, &receiver);
    assert!((0..40).all(|number| post(&two, number)));
    pause("-STOP");
    assert!((40..80).all(|number| post(&one, number)));
    until("the paused one to be declared dead", || {
        (figure(&one, "countersign_nodes ").as_deref() == Some("1")).then_some(())
    });
    receiver.until(|heard| counts(heard).len() == 80);
    pause("-CONT");
    until("it to be back", || {
        (figure(&one, "countersign_nodes ").as_deref() == Some("2")).then_some(())
    });
    until("the crew to agree", || (agrees(&one) && agrees(&two)).then_some(()));
    assert!((80..120).all(|number| post(&two, number)));
    receiver.until(|heard| counts(heard).len() == 120);
    one.stop();
    two.stop();
    // What it had in hand when it was stopped: under way, or ended and not yet written.
    let doubles: usize = counts(&receiver.heard()).values().map(|count| count - 1).sum();
    assert!(doubles <= 40, "{doubles} were doubled");
}
