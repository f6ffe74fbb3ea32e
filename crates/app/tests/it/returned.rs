//! A mail goes out through a mail server, and its report comes back by SMTP from another one's library.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use serde_json::{Value, json};

use crate::disk::{FOLDER, fill_up, on_a_small_disk};
use crate::process::{TIME_MAX, text, until};
use crate::service::{LOCAL, Service};

const FAILED: &str = include_str!("../../../channels/fixtures/providers/smtp/dsn.failed.eml");
const ABUSE: &str = include_str!("../../../channels/fixtures/providers/smtp/arf.abuse.eml");

/// Stands in for the mail server of the operator: takes every mail, and tells from whom each is by its envelope.
fn mail_server() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, senders) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let told = told.clone();
            thread::spawn(move || take_mails(stream.unwrap(), &told));
        }
    });
    (port, senders)
}

fn take_mails(mut stream: TcpStream, told: &Sender<String>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut say = |reply: &str| stream.write_all(format!("{reply}\r\n").as_bytes());
    drop(say("220 mx.test"));
    while let Some(Ok(line)) = lines.next() {
        if let Some(rest) = line.strip_prefix("MAIL FROM:<") {
            drop(told.send(rest.split('>').next().unwrap().to_owned()));
        }
        if line == "DATA" {
            drop(say("354 go on"));
            while lines.next().is_some_and(|line| line.is_ok_and(|line| line != ".")) {}
        }
        drop(say("250 OK"));
    }
}

/// Hands a mail over with Python's library; gives the code of the reply that decided.
fn hand_over(port: u16, to: &str, mail: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/return_mail.py");
    let mut python = Command::new("python3");
    let mut child =
        python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let given = json!({"port": port, "to": [to], "mail": mail}).to_string();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    text(&child.wait_with_output().unwrap().stdout).trim().to_owned()
}

/// Lists the addresses that nothing is sent to, and why.
fn suppressed(service: &Service) -> Vec<String> {
    let listed = service.api("GET", "/suppressions", None).expect(200).json();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let say = |one: &Value| format!("{}: {}", text(one, "address"), text(one, "reason"));
    let mut listed: Vec<String> = listed["data"].as_array().unwrap().iter().map(say).collect();
    listed.sort();
    listed
}

/// Lists what the timeline of a request tells about its mails.
fn told(service: &Service, request: &str) -> Vec<String> {
    let timeline = service.api("GET", &format!("/requests/{request}/timeline"), None);
    let timeline = timeline.expect(200).json();
    let entries = timeline["data"].as_array().unwrap().iter();
    let types = entries.filter_map(|entry| entry["event"]["type"].as_str().map(str::to_owned));
    types.filter(|name| name.starts_with("email.")).collect()
}

/// Sends a request to one person, and gives it with the return path of its mail.
fn mailed(service: &Service, senders: &Receiver<String>, to: &str) -> (String, String) {
    let body = json!({"title": "NDA", "send": true, "signers": [{"name": "Ana", "email": to}]});
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    let return_path = senders.recv_timeout(TIME_MAX).unwrap();
    (made["id"].as_str().unwrap().to_owned(), return_path)
}

/// Starts a service with that mail server, and gives it with the port at which it takes mails.
fn start(mail_server: u16) -> (Service, u16) {
    let service =
        Service::start(&[&LOCAL[..], &["--feedback-mail-listen", "127.0.0.1:0"]].concat());
    let port = service.says("taking mails that come back address=127.0.0.1:").parse().unwrap();
    let settings = json!({
        "host": "127.0.0.1", "port": mail_server, "tls": "none_insecure", "from": "sign@example.com",
        "return_path": "bounces.example.com",
    });
    let provider = json!({"name": "main", "kind": "smtp", "settings": settings});
    assert_eq!(service.api("POST", "/providers", Some(&provider)).status(), 201);
    (service, port)
}

#[test]
fn a_report_that_was_taken_outlives_a_crash_and_a_forged_one_changes_nothing() {
    let (server, senders) = mail_server();
    let (service, port) = start(server);
    let (first, bounced) = mailed(&service, &senders, "ana@example.net");
    let (second, complained) = mailed(&service, &senders, "bernd@example.net");
    assert!(bounced.starts_with("b+ntc_") && bounced.ends_with("@bounces.example.com"));

    let of = |path: &str, at: usize| path.split(['+', '@']).nth(at).unwrap().to_owned();
    let (key, proof) = (of(&bounced, 1), of(&bounced, 2));
    for forged in [
        "ana@example.net".to_owned(),
        format!("b+{key}@bounces.example.com"),
        format!("b+{key}+0123456789abcdef@bounces.example.com"),
        format!("b+{}+{proof}@bounces.example.com", of(&complained, 1)),
    ] {
        assert_eq!(hand_over(port, &forged, FAILED), "550", "{forged}");
    }
    let thanks = "From: ana@example.net\r\nSubject: Re: NDA\r\n\r\nI am away.\r\n";
    assert_eq!(hand_over(port, &bounced, thanks), "250");
    assert!(suppressed(&service).is_empty() && told(&service, &first).is_empty());

    // The fixtures name other mails in their text: only the address counts.
    assert_eq!(hand_over(port, &bounced, FAILED), "250");
    assert_eq!(hand_over(port, &complained, ABUSE), "250");
    let service = Service::start_in(service.kill(), &LOCAL);
    assert_eq!(told(&service, &first), ["email.bounced"]);
    assert_eq!(told(&service, &second), ["email.complained"]);
    assert_eq!(suppressed(&service), ["ana@example.net: bounce", "bernd@example.net: complaint"]);
    service.stop();
}

#[test]
fn a_report_that_finds_the_disk_full_is_to_come_again() {
    on_a_small_disk("returned::a_child_whose_disk_is_full");
}

#[test]
#[ignore = "a part of the test above"]
fn a_child_whose_disk_is_full() {
    if env::var_os(FOLDER).is_none() {
        return;
    }
    let (server, senders) = mail_server();
    let (service, port) = start(server);
    let (request, bounced) = mailed(&service, &senders, "ana@example.net");
    let filler = service.scratch.path().join("filler");
    fill_up(&service, &filler);
    assert_eq!(hand_over(port, &bounced, FAILED), "451");
    fs::remove_file(&filler).unwrap();
    until("a report that is taken", || (hand_over(port, &bounced, FAILED) == "250").then_some(()));
    let service = Service::start_in(service.kill(), &LOCAL);
    assert_eq!(told(&service, &request), ["email.bounced"]);
    assert_eq!(suppressed(&service), ["ana@example.net: bounce"]);
    service.stop();
}
