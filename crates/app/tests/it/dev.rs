//! `countersign dev` and what works with it, from outside.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::process::{Running, Scratch, text};

fn dev(scratch: &Scratch) -> (Running, Vec<String>) {
    let running = Running::start(scratch.command(&["dev", "--listen", "127.0.0.1:0"]));
    let lines = running.until("Ctrl-C stops.");
    (running, lines)
}

/// Finds what stands behind a word in a line that begins with it.
fn behind(lines: &[String], word: &str) -> String {
    let line = lines.iter().find_map(|line| line.trim_start().strip_prefix(word)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// Gives the lines that call with curl.
fn calls(lines: &[String]) -> Vec<String> {
    let calls = lines.iter().map(|line| line.trim());
    calls.filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

/// Runs a line as somebody would who pasted it.
fn shell(line: &str) -> Value {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}\n{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn curl_is_here() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        eprintln!("left out: curl is not installed");
    }
    found
}

#[test]
fn a_first_request_is_told_to_five_systems_and_the_next_start_tells_it_no_more() {
    let scratch = Scratch::new();
    let (running, first) = dev(&scratch);
    assert!(
        first.iter().any(|line| line.contains("9 events, 31 webhooks delivered")),
        "{first:#?}"
    );
    for dialect in ["standard", "clickwrap", "insertsign", "fintechos", "esaw"] {
        assert!(first.iter().any(|line| line.contains(&format!("told {dialect}"))), "{dialect}");
    }
    assert_eq!(running.stop(), Some(0));

    let (running, second) = dev(&scratch);
    assert!(!second.iter().any(|line| line.contains("told standard")), "{second:#?}");
    assert_eq!(behind(&first, "key "), behind(&second, "key "));
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn the_printed_calls_take_a_request_to_its_end_and_its_timeline_holds() {
    if !curl_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let (running, lines) = dev(&scratch);
    let answers: Vec<Value> = calls(&lines).iter().map(|line| shell(line)).collect();
    let statuses: Vec<&str> = answers.iter().map(|said| said["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["sent", "sent", "completed"]);

    let (api, key) = (behind(&lines, "API "), behind(&lines, "key "));
    let id = answers[0]["id"].as_str().unwrap();
    let file = scratch.path().join("timeline.json");
    let export =
        shell(&format!("curl -sS -H 'authorization: Bearer {key}' {api}/requests/{id}/timeline"));
    fs::write(&file, export.to_string()).unwrap();
    let verified = scratch.run(&["verify", "timeline.json"]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));

    let page = behind(&lines, "to sign ");
    let shown = Command::new("curl").args(["-sS", "-f", &page]).output().unwrap();
    assert!(text(&shown.stdout).contains("To be signed on its page"));
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn what_is_listened_to_is_forwarded_once_and_taken_up_where_it_was_left() {
    let scratch = Scratch::new();
    let (running, lines) = dev(&scratch);
    let server = behind(&lines, "API ").replace("/api/v1", "");
    let local = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/hooks", local.local_addr().unwrap());
    let listen = |more: &[&str]| {
        let args = ["listen", "--forward-to", &target, "--public-url", &server];
        Running::start(scratch.command(&[args.as_slice(), more].concat()))
    };

    let listening = listen(&["--since", "start"]);
    let (mut stream, first) = take(&local);
    assert!(first.contains("webhook-signature: v1,"), "{first}");
    assert!(first.contains(r#"{"type":"request.created""#), "{first}");
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
    let second = take(&local).1;
    // Nobody answered the second one, so that it comes again.
    drop(listening);

    let listening = listen(&[]);
    let again = take(&local).1;
    assert_eq!(id_of(&second), id_of(&again));
    assert_ne!(id_of(&first), id_of(&again));
    drop(listening);
    assert_eq!(running.stop(), Some(0));
}

/// Takes a call, whole.
fn take(local: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = local.accept().unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let count = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..count]);
        let said = text(&bytes);
        let whole = said.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.unwrap().parse().unwrap()
        });
        if whole {
            return (stream, said);
        }
        assert!(count > 0, "the call broke off: {said}");
    }
}

fn id_of(call: &str) -> &str {
    call.lines().find(|line| line.starts_with("webhook-id: ")).unwrap()
}

#[test]
fn a_replay_of_nobody_is_refused_in_the_words_of_the_server() {
    let scratch = Scratch::new();
    let (running, lines) = dev(&scratch);
    let server = behind(&lines, "API ").replace("/api/v1", "");
    let missing =
        ["replay", "ep_00000000000000000000000000", "--since", "start", "--public-url", &server];
    let output = scratch.run(&missing);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no such endpoint (404)"), "{output:?}");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_key_made_while_the_server_runs_works_at_once() {
    if !curl_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let (running, lines) = dev(&scratch);
    let api = behind(&lines, "API ");
    let server = api.replace("/api/v1", "");
    let args = ["keys", "create", "--dev", "--scopes", "events", "--public-url", &server];
    let made = scratch.run(&args);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let key = text(&made.stdout).trim().to_owned();
    let events = shell(&format!("curl -sS -f -H 'authorization: Bearer {key}' {api}/events"));
    assert_eq!(events["data"][0]["type"], "signer.notified");
    assert_eq!(running.stop(), Some(0));
}
