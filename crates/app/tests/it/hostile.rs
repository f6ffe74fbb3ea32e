//! Ten endpoints, one of them hostile: it costs itself its own attempts, the others nothing, and us a little memory.
//!
//! Left to others: a name server that hangs, which takes a resolver of the test's own (`channels`).

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Message, Receiver};
use crate::process::{Scratch, until};
use crate::service::{LOCAL, Service, id};

const EVENTS: usize = 200;
const HEALTHY: usize = 9;
/// What the hostile one may take for an attempt.
const TIMEOUT_S: u64 = 2;
/// What a hostile endpoint may cost the process as a whole, beyond one that fails, or talks, as usual (failures of any kind
/// fill the database's cache, of some 8 MiB). `channels` holds each of ten attempts to less than 0.2 MiB; the rest is how
/// much two rounds of the same traffic differ in a debug build: from -17 to 8 MiB were seen.
const GROWTH_KIB_MAX: u64 = 12 * 1_024;
/// Rounds as usual. In a debug build they differ by several MiB, and the largest counts.
const ROUNDS: usize = 4;

/// Gives every connection to one function until it is turned, and to another then.
struct Tenth {
    address: SocketAddr,
    turned: Arc<AtomicBool>,
}

impl Tenth {
    fn start(usual: fn(TcpStream), hostile: fn(TcpStream)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let turned = Arc::new(AtomicBool::new(false));
        let turns = Arc::clone(&turned);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let serve = if turns.load(Ordering::Relaxed) { hostile } else { usual };
                thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Self { address, turned }
    }

    fn turn(&self) {
        self.turned.store(true, Ordering::Relaxed);
    }
}

/// Reads a call, or what there is of it, without caring.
fn take(stream: &mut TcpStream) {
    let mut bytes = [0; 16 * 1_024];
    let _count: usize = stream.read(&mut bytes).unwrap_or(0);
}

/// Writes the same again and again, until nobody listens.
fn flood(stream: &mut TcpStream, bytes: &[u8], pause: Duration) {
    while stream.write_all(bytes).is_ok() {
        thread::park_timeout(pause);
    }
}

fn register(service: &Service, url: &str, timeout_s: u64) -> String {
    let endpoint = json!({
        "url": url,
        "events": ["custom.*"],
        "timeout_s": timeout_s,
        "profile": {"waits_s": []},
    });
    id(&service.api("POST", "/endpoints", Some(&endpoint)).expect(201))
}

/// A service with ten endpoints.
struct Ten {
    service: Service,
    receivers: Vec<Receiver>,
    tenth: String,
    told: usize,
}

impl Ten {
    fn start(tenth: &str) -> Self {
        // What is free is given back at once, so that the process holds what it uses.
        let lean = [("MIMALLOC_PURGE_DELAY", "0")];
        let service = Service::start_with(Scratch::new(), &LOCAL, &lean);
        let tenth = register(&service, tenth, TIMEOUT_S);
        let receivers: Vec<Receiver> = (0..HEALTHY).map(|_| Receiver::start()).collect();
        for receiver in &receivers {
            register(&service, &receiver.url("/hook"), 15);
        }
        Self { service, receivers, tenth, told: 0 }
    }

    /// Tells events until the nine have heard them; gives the deliveries of the first and the last one to the tenth.
    fn tell(&mut self) -> [String; 2] {
        let mut told = Vec::new();
        for _ in 0..4 {
            let event = |number| json!({"type": "custom.a", "data": {"number": number}});
            let events: Vec<Value> = (0..EVENTS / 4).map(event).collect();
            let batch = json!({"events": events});
            let noted = self.service.api("POST", "/events/batch", Some(&batch)).expect(202).json();
            let ids = noted["data"].as_array().unwrap().iter();
            told.extend(ids.map(|noted| noted["id"].as_str().unwrap().to_owned()));
        }
        self.told += EVENTS;
        for receiver in &self.receivers {
            receiver.until(|heard| heard.len() >= self.told);
        }
        [&told[0], &told[EVENTS - 1]].map(|event| {
            let list = format!("/deliveries?endpoint_id={}&event_id={event}", self.tenth);
            let rows = self.service.api("GET", &list, None).expect(200).json();
            rows["data"][0]["id"].as_str().unwrap().to_owned()
        })
    }

    /// Waits for the end of a delivery.
    fn ended(&self, delivery: &str) -> Value {
        until("a delivery that ended", || {
            let path = format!("/deliveries/{delivery}");
            let delivery = self.service.api("GET", &path, None).expect(200).json();
            (delivery["state"] != "pending").then_some(delivery)
        })
    }

    /// Tells events while all is as usual, and gives the most that the process held after a round.
    fn usual_kib(&mut self) -> u64 {
        let rounds = (0..ROUNDS).map(|_| {
            let [_, last] = self.tell();
            self.ended(&last);
            self.held_kib()
        });
        rounds.max().unwrap()
    }

    /// Gives the memory that the process holds, its program's file apart.
    fn held_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sees that the nine heard each event once, and nothing else.
    fn the_others_heard_all_once(&self) {
        for receiver in &self.receivers {
            let heard = receiver.heard();
            let of = |message: &Message| message.header("webhook-id").unwrap().to_owned();
            let ids: BTreeSet<String> = heard.iter().map(of).collect();
            assert_eq!((ids.len(), heard.len()), (self.told, self.told));
            assert!(heard.iter().all(|message| message.word(1) == "/hook"));
        }
    }
}

/// Answers one call.
fn answer_one(mut stream: TcpStream, answer: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if Message::read(&mut reader).is_some() {
        drop(stream.write_all(answer.as_bytes()));
    }
}

/// Fails as usual.
fn refusing(stream: TcpStream) {
    answer_one(stream, "HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}

/// Says as much as is kept of an answer.
fn talkative(stream: TcpStream) {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 16384\r\n\r\n";
    answer_one(stream, &format!("{head}{}", "x".repeat(16_384)));
}

/// Tells ten endpoints of which one is hostile, sees that nobody else is harmed and that it costs no more than one that
/// is as usual, and gives what came of an attempt.
fn outcome_of(usual: fn(TcpStream), serve: fn(TcpStream)) -> (String, Value) {
    let tenth = Tenth::start(usual, serve);
    let mut ten = Ten::start(&format!("http://{}/hook", tenth.address));
    let usual_kib = ten.usual_kib();
    tenth.turn();
    let [first, _] = ten.tell();
    let delivery = ten.ended(&first);
    let hostile_kib = ten.held_kib();
    ten.the_others_heard_all_once();
    let attempt = &delivery["attempts"][0];
    let took_ms = attempt["took_ms"].as_u64().unwrap();
    assert!(took_ms < (TIMEOUT_S + 3) * 1_000, "{attempt:#}");
    assert!(hostile_kib < usual_kib + GROWTH_KIB_MAX, "{hostile_kib} KiB, not {usual_kib} KiB");
    (delivery["state"].as_str().unwrap().to_owned(), attempt["outcome"].clone())
}

fn fails_with(reason: &str, serve: fn(TcpStream)) {
    let (state, outcome) = outcome_of(refusing, serve);
    assert_eq!((state.as_str(), &outcome["kind"]), ("exhausted", &json!("failed")), "{outcome:#}");
    assert_eq!(outcome["reason"], reason, "{outcome:#}");
    assert!(outcome["detail"].as_str().unwrap().len() > 10, "{outcome:#}");
}

fn is_cut_short(serve: fn(TcpStream)) {
    let (state, outcome) = outcome_of(talkative, serve);
    assert_eq!((state.as_str(), &outcome["status"]), ("delivered", &json!(200)), "{outcome:#}");
    assert_eq!(outcome["body_cut"], true);
    assert!(outcome["body"].as_str().unwrap().chars().count() <= 16 * 1_024);
}

#[test]
fn an_endpoint_that_drips_its_head_harms_itself_alone() {
    fails_with("headers_timeout", |mut stream| {
        take(&mut stream);
        flood(&mut stream, b"H", Duration::from_secs(1));
    });
}

#[test]
fn an_endpoint_that_drips_its_body_harms_itself_alone() {
    fails_with("body_timeout", |mut stream| {
        take(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
        flood(&mut stream, b"x", Duration::from_secs(1));
    });
}

#[test]
fn an_endpoint_that_answers_two_gigabytes_harms_itself_alone() {
    is_cut_short(|mut stream| {
        take(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2000000000\r\n\r\n"));
        flood(&mut stream, &[b'x'; 16_384], Duration::ZERO);
    });
}

/// Makes a megabyte of gzip that stands for 160 of zeros: a literal, and then the longest repetition for ever.
fn bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    // The last block, with the codes that everybody knows.
    bits.extend("11000110000".bytes().map(|bit| bit == b'1'));
    while bits.len() < 8 << 20 {
        bits.extend("1100010100000".bytes().map(|bit| bit == b'1'));
    }
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let octet = |bits: &[bool]| {
        bits.iter().enumerate().fold(0, |octet, (place, bit)| octet | u8::from(*bit) << place)
    };
    bytes.extend(bits.chunks(8).map(octet));
    bytes
}

#[test]
fn an_endpoint_that_answers_a_bomb_of_gzip_harms_itself_alone() {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(bomb);
    // Made beforehand: it takes longer than an attempt may.
    LazyLock::force(&BOMB);
    is_cut_short(|mut stream| {
        take(&mut stream);
        let length = BOMB.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
        );
        drop(stream.write_all(&[head.as_bytes(), &BOMB].concat()));
    });
}

#[test]
fn an_endpoint_with_an_endless_head_harms_itself_alone() {
    fails_with("answer_malformed", |mut stream| {
        take(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nx: "));
        flood(&mut stream, &[b'y'; 16_384], Duration::ZERO);
    });
}

#[test]
fn an_endpoint_whose_head_is_no_text_harms_itself_alone() {
    fails_with("answer_malformed", |mut stream| {
        take(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\x00\xff\xfe: \x01\r\n\r\n"));
    });
}

#[test]
fn an_endpoint_that_breaks_off_within_its_body_harms_itself_alone() {
    fails_with("connection_lost", |stream| {
        // What was called and never read makes the system reset the connection.
        drop(stream.peek(&mut [0]));
        let mut stream = stream;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"));
    });
}

#[test]
fn an_endpoint_that_takes_calls_and_never_answers_harms_itself_alone() {
    fails_with("headers_timeout", |mut stream| {
        while stream.read(&mut [0; 1_024]).is_ok_and(|count| count > 0) {}
    });
}

#[test]
fn a_redirect_is_not_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let elsewhere = Receiver::start();
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url("/followed")
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                take(&mut stream);
                drop(stream.write_all(answer.as_bytes()));
            });
        }
    });
    let mut ten = Ten::start(&format!("http://{address}/hook"));
    let [first, _] = ten.tell();
    let delivery = ten.ended(&first);
    ten.the_others_heard_all_once();
    assert_eq!(delivery["state"], "exhausted");
    assert_eq!(delivery["attempts"][0]["outcome"]["status"], 302);
    assert_eq!(elsewhere.heard().len(), 0);
}
