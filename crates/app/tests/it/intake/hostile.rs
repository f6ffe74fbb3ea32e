//! Hostile bytes at a source: a clear refusal or quarantine, never an error of ours; and a flood of forgeries leaves nothing.

use std::fs;
use std::io::{BufReader, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::caught::{PROOF, TOKEN, clickwrap, inbox, mirror, names, post, rows, source};
use crate::http::{Message, bytes, connect};
use crate::service::{LOCAL, Service};

#[test]
fn hostile_bytes_are_refused_or_put_in_quarantine() {
    let service = Service::start(&LOCAL);
    let (source, path) = source(&service, "clickwrap", &json!({"token": TOKEN}));
    let sent = clickwrap("request_sent", "event-1", "r-1", None);

    let many: Vec<(String, String)> =
        (0..500).map(|at| (format!("x-bomb-{at}"), "x".to_owned())).collect();
    let many: Vec<(&str, &str)> =
        many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let long = "x".repeat(500_000);
    let mut no_text = bytes("GET", &format!("{path}?id=\u{1}"), &PROOF, b"");
    let place = no_text.iter().position(|byte| *byte == 1).unwrap();
    no_text[place] = 0xff;
    let bomb = |headers: &[(&str, &str)]| {
        bytes("POST", &path, &[&PROOF, headers].concat(), sent.as_bytes())
    };
    for call in
        [no_text, b"\0\x01\xff no head\r\n\r\n".to_vec(), bomb(&many), bomb(&[("x-bomb", &long)])]
    {
        let mut stream = connect(&service.address);
        drop(stream.write_all(&call));
        let answer = Message::read(&mut BufReader::new(stream)).expect("an answer");
        assert!((400..500).contains(&answer.status()), "{}", answer.status());
    }
    assert_eq!(rows(&service, &source), Vec::<Value>::new());

    let query = "event_type=request_sent&id=%ff%fe&request=%00%c3%28";
    service.send("GET", &format!("{path}?{query}"), &PROOF, b"").expect(200);
    let number = "9".repeat(400);
    let broken = [
        format!("{{\"event_type\":\"request_sent\",\"id\":{number},\"request\":{{}}}}"),
        "{\"event_type\":\"request_sent\",\"request\":1e999}".to_owned(),
        format!("{{\"a\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000)),
    ];
    for body in &broken {
        post(&service, &path, &PROOF, body).expect(200);
    }
    let kept = inbox(&service, &source);
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().take(3).all(|row| row["state"] == "quarantined"), "{kept:#?}");
    assert!(kept.iter().all(|row| row["note"].is_string()), "{kept:#?}");
    service.stop();
}

#[test]
fn of_two_members_of_one_name_one_counts_and_large_ids_keep_their_digits() {
    let service = Service::start(&LOCAL);
    let (source, path) = source(&service, "clickwrap", &json!({"token": TOKEN}));
    let body = "{\"event_type\":\"request_sent\",\"event_type\":\"request_sent\",\"id\":\"e-1\",\
        \"request\":9007199254740993,\"description\":\"John Doe sent NDA\"}";
    post(&service, &path, &PROOF, body).expect(200);
    let kept = inbox(&service, &source);
    assert_eq!(kept[0]["body"], body, "every byte");
    if kept[0]["state"] == "done" {
        assert_eq!(mirror(&service, &source)["foreign_id"], "9007199254740993");
    } else {
        assert_eq!(kept[0]["state"], "quarantined");
    }
    service.stop();
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    entries.map(|e| if e.path().is_dir() { folder_bytes(&e.path()) } else { size(&e.path()) }).sum()
}

/// Gives how many KiB of memory a process has.
#[cfg(target_os = "linux")]
fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_flood_of_forgeries_leaves_nothing_behind() {
    const FLOOD: usize = 10_000;
    let service = Service::start(&LOCAL);
    let (source, path) = source(&service, "clickwrap", &json!({"token": TOKEN}));
    let sent = clickwrap("request_sent", "event-1", "r-1", None);
    let forged = bytes(
        "POST",
        &path,
        &[("content-type", "application/json"), ("pactsafe-webhook-token", "another")],
        sent.as_bytes(),
    );
    let flood = |count: usize| {
        let mut stream = connect(&service.address);
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..count {
            stream.write_all(&forged).unwrap();
            Message::read(&mut answers).unwrap().expect(401);
        }
    };
    // The first ones have the server at its size.
    flood(500);
    let data = service.scratch.path().join("data");
    let (disk, memory) = (folder_bytes(&data), memory_kib(service.pid()));
    flood(FLOOD);
    let (grown, memory_after) = (folder_bytes(&data) - disk, memory_kib(service.pid()));
    let more = memory_after.saturating_sub(memory);
    assert_eq!(grown, 0, "bytes on the disk");
    assert!(more < 8 * 1024, "{more} KiB of memory");
    post(&service, &path, &PROOF, &sent).expect(200);
    assert_eq!(inbox(&service, &source).len(), 1);
    let shown = service.api("GET", &format!("/sources/{source}"), None).expect(200).json();
    assert_eq!(shown["refused_count"], json!(FLOOD + 500));
    assert_eq!(names(&service), ["request.sent"]);
    service.stop();
}
