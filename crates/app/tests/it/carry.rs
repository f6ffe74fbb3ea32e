//! A store that a service has filled goes into the other kind of store and back, and the service goes on there.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde_json::{Value, json};
use store::conformance::Database;
use tokio::runtime::{Builder, Runtime};

use crate::documents::{pdf, upload};
use crate::http::{Message, Receiver};
use crate::process::{Scratch, text, until};
use crate::service::{LOCAL, Service, draft, id};

const PENDING: &str = "/deliveries?state=pending&limit=100";

/// A database, gone with the test.
struct Postgres {
    database: Option<Database>,
    runtime: Runtime,
}

impl Postgres {
    fn empty() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let database = Some(runtime.block_on(Database::empty()));
        Self { database, runtime }
    }

    fn url(&self) -> String {
        self.database.as_ref().unwrap().url().expose().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        drop(self.database.take());
    }
}

/// What a service was made to remember.
struct Filled {
    /// A document that no request has.
    document: String,
    /// Events of one order key that nobody took yet, in their order.
    waiting: Vec<String>,
    /// A request that was signed by all.
    completed: String,
}

fn post(service: &Service, path: &str, body: &Value) -> String {
    let answer = service.api("POST", path, Some(body));
    assert!((200..300).contains(&answer.status()), "{path}: {}", answer.text());
    answer.json()["id"].as_str().unwrap_or_default().to_owned()
}

fn count(service: &Service, path: &str) -> usize {
    service.api("GET", path, None).expect(200).json()["data"].as_array().unwrap().len()
}

/// Requests in every state, endpoints that hear and endpoints that do not, a replay, a contact, an answer that is kept.
fn fill(service: &Service, heard: &Receiver, dead: SocketAddr) -> Filled {
    let hears = post(service, "/endpoints", &json!({"url": heard.url("/all")}));
    let waits = vec![1; 60];
    let url = format!("http://{dead}/ordered");
    let ordered = json!({"url": url, "ordering": "request", "profile": {"waits_s": waits}});
    post(service, "/endpoints", &ordered);
    let once = json!({"url": format!("http://{dead}/once"), "profile": "insertsign"});
    let once = post(service, "/endpoints", &once);
    post(service, "/contacts", &json!({"name": "Ada", "email": "ada@example.com"}));
    let document = upload(service, &pdf(600_000, 9));
    let drafted = post(service, "/requests", &draft("parallel"));
    let drafted = service.api("GET", &format!("/requests/{drafted}"), None).expect(200).json();
    let year: u32 =
        drafted["created_at"].as_str().unwrap().split('-').next().unwrap().parse().unwrap();
    let mut timed = draft("parallel");
    timed["expires_at"] = json!(format!("{}-01-01T00:00:00Z", year + 5));
    let timed = post(service, "/requests", &timed);
    post(service, &format!("/requests/{timed}/send"), &json!({}));
    let [completed, declined, cancelled] = [(); 3].map(|()| service.sent("parallel"));
    let of = |request: &Value, index: usize| {
        let id = request["id"].as_str().unwrap();
        format!("/requests/{id}/signers/{}", request["signers"][index]["id"].as_str().unwrap())
    };
    for index in 0..2 {
        let name = &completed["signers"][index]["name"];
        let body = json!({"name": name, "consent": "I agree"});
        post(service, &format!("{}/sign", of(&completed, index)), &body);
    }
    post(service, &format!("{}/decline", of(&declined, 0)), &json!({"reason": "no"}));
    let cancelled = cancelled["id"].as_str().unwrap();
    service.api("POST", &format!("/requests/{cancelled}/cancel"), None).expect(200);
    let event = |number: usize| json!({"type": "custom.a", "id": format!("n{number}"), "order_key": "k", "data": {"n": number}});
    let waiting = (0..6).map(|number| post(service, "/events", &event(number))).collect();
    let replay = json!({"since": "2000-01-01T00:00:00Z", "rate": 1});
    post(service, &format!("/endpoints/{hears}/replay"), &replay);
    let failed = format!("/deliveries?state=exhausted&endpoint_id={once}");
    until("an attempt that fails for good", || (count(service, &failed) > 0).then_some(()));
    Filled { document, waiting, completed: completed["id"].as_str().unwrap().to_owned() }
}

/// The rows of an export: all but what says when it was made.
fn rows(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

fn run(scratch: &Scratch, args: &[&str]) -> String {
    let output = scratch.run(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Checks the timeline of a request as a stranger would.
fn verify(service: &Service, request: &str) {
    let timeline = service.api("GET", &format!("/requests/{request}/timeline"), None);
    let file = service.scratch.path().join("timeline.json");
    fs::write(file, timeline.expect(200).body).unwrap();
    run(&service.scratch, &["verify", "timeline.json"]);
}

#[test]
fn a_service_goes_on_in_the_other_store_where_it_was() {
    let heard = Receiver::start();
    // Nobody listens there for now.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = Service::start(&LOCAL);
    let filled = fill(&service, &heard, dead);
    let pending = count(&service, PENDING);
    assert!(pending > 6, "{pending}");
    let scratch = service.end();
    let path = |name: &str| scratch.path().join(name);
    let key = fs::read_to_string(path("data/master.key")).unwrap();

    let postgres = Postgres::empty();
    let to = ["--database-url", &postgres.url(), "--master-key", key.trim()].map(str::to_owned);
    let there: Vec<&str> = to.iter().map(String::as_str).collect();
    run(&scratch, &["export", "first", "--data", "data"]);
    let other = [
        "--database-url",
        there[1],
        "--master-key",
        "Y291bnRlcnNpZ24tYmVuY2gtbWFzdGVyLWtleS0zMiE=",
    ];
    let refused = scratch.run(&[&["import", "first"], &other[..]].concat());
    assert!(text(&refused.stderr).contains("the master key is not the one"), "{refused:?}");
    let said = run(&scratch, &[&["import", "first"], &there[..]].concat());
    assert!(said.contains("the chains of 5 requests hold"), "{said}");
    run(&scratch, &[&["export", "second"], &there[..]].concat());
    assert_eq!(rows(&path("second")), rows(&path("first")));
    fs::create_dir(path("back")).unwrap();
    fs::copy(path("data/master.key"), path("back/master.key")).unwrap();
    run(&scratch, &["import", "second", "--data", "back"]);
    run(&scratch, &["export", "third", "--data", "back"]);
    assert_eq!(rows(&path("third")), rows(&path("first")));

    // Somebody listens now.
    let receiver = Receiver::at(dead);
    let service = Service::start_in(scratch, &[&LOCAL[..], &there].concat());
    let told = |heard: &[Message]| -> Vec<String> {
        let told = heard.iter().filter(|call| call.word(1) == "/ordered");
        let told = told.filter(|call| call.json()["type"] == "custom.a");
        told.map(|call| call.header("webhook-id").unwrap().to_owned()).collect()
    };
    let told = told(&receiver.until(|heard| told(heard).len() >= filled.waiting.len()));
    assert_eq!(told, filled.waiting, "in the order in which they happened");
    until("the end of what was pending", || (count(&service, PENDING) == 0).then_some(()));
    verify(&service, &filled.completed);
    let document = format!("/documents/{}/content", filled.document);
    assert!(service.api("GET", &document, None).expect(200).body == pdf(600_000, 9));
    let uploaded = upload(&service, &pdf(600_001, 10));
    let again =
        post(&service, "/events", &json!({"type": "custom.a", "id": "n0", "data": {"n": 0}}));
    assert_eq!(again, filled.waiting[0], "what was known is known");

    let scratch = service.end();
    run(&scratch, &[&["export", "fourth"], &there[..]].concat());
    fs::create_dir(scratch.path().join("last")).unwrap();
    fs::copy(scratch.path().join("data/master.key"), scratch.path().join("last/master.key"))
        .unwrap();
    run(&scratch, &["import", "fourth", "--data", "last"]);
    fs::rename(scratch.path().join("data"), scratch.path().join("old")).unwrap();
    fs::rename(scratch.path().join("last"), scratch.path().join("data")).unwrap();
    let service = Service::start_in(scratch, &LOCAL);
    verify(&service, &filled.completed);
    assert_eq!(count(&service, "/requests"), 5);
    assert!(service.api("GET", &document, None).expect(200).body == pdf(600_000, 9));
    let document = format!("/documents/{uploaded}/content");
    assert!(service.api("GET", &document, None).expect(200).body == pdf(600_001, 10));
    let next = id(&service
        .api("POST", "/events", Some(&json!({"type": "custom.b", "data": {}})))
        .expect(202));
    assert!(filled.waiting.iter().all(|event| *event < next), "ids go on rising");
    service.stop();
}
