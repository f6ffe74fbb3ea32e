//! Timelines that hold, and timelines that somebody changed.

use std::fs;
use std::slice;

use domain::call::{Answer, Outcome, Reason};
use domain::chain::{Entry, Hash, Link};
use domain::delivery::Attempt;
use domain::event::{Event, Kind};
use domain::id::{AccountId, AttemptId, DeliveryId, EventId, RequestId};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::process::{Scratch, text};

const REQUEST: RequestId = RequestId::new(7);

fn event(number: u128) -> (Entry, Value) {
    let event = Event {
        id: EventId::new(number),
        account: AccountId::new(1),
        kind: Kind::SignerSigned,
        name: "signer.signed".into(),
        at: Timestamp::from_millis(1_700_000_000_000),
        request: Some(REQUEST),
        order_key: None,
        key: None,
        data: format!(r#"{{"signer":{{"name":"Ada {number}"}}}}"#),
        test: false,
        callbacks: Vec::new(),
        link: None,
    };
    let said = json!({"what": "event", "id": event.id, "at": event.at,
        "event": {"type": event.name, "data": event.data}});
    (Entry::of_event(&event), said)
}

fn attempt(number: u128, outcome: Outcome, ending: &str) -> (Entry, Value) {
    let attempt = Attempt {
        id: AttemptId::new(number),
        delivery: DeliveryId::new(number),
        number: 1,
        at: Timestamp::from_millis(1_700_000_000_001),
        took_ms: 3,
        url: "https://example.com/hooks".to_owned(),
        body_digest: [9; 32],
        remote: Some("192.0.2.1:443".to_owned()),
        outcome,
    };
    let said = json!({"what": "attempt", "id": attempt.id, "at": attempt.at, "attempt": {
        "delivery_id": attempt.delivery, "number": attempt.number, "url": attempt.url,
        "body_digest": Hash(attempt.body_digest), "ending": ending, "remote": attempt.remote}});
    (Entry::of_attempt(&attempt), said)
}

/// An export of five entries, as the API gives it.
fn export() -> Value {
    let answered = Outcome::Answered(Answer { status: 200, ..Answer::default() });
    let failed = Outcome::failed(Reason::ConnectFailed, "refused");
    let entries = [
        event(1),
        attempt(2, answered, "200"),
        event(3),
        attempt(4, failed, "connect_failed"),
        event(5),
    ];
    let mut last: Option<Link> = None;
    let rows = entries.map(|(entry, mut said)| {
        let link = entry.link(REQUEST, last);
        last = Some(link);
        said["seq"] = json!(link.seq);
        said["hash"] = json!(link.hash);
        said["digest"] = json!(entry.digest);
        said
    });
    json!({"format": "countersign timeline 1", "account_id": AccountId::new(1),
        "request_id": REQUEST, "data": rows, "next_cursor": null})
}

/// Verifies exports; gives the exit code, and what was said.
fn verify(exports: &[Value], more: &[&str]) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let names: Vec<String> = (0..exports.len()).map(|number| format!("{number}.json")).collect();
    for (name, export) in names.iter().zip(exports) {
        fs::write(scratch.path().join(name), export.to_string()).unwrap();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = scratch.run(&[&["verify"], names.as_slice(), more].concat());
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn breaks(change: impl FnOnce(&mut Value), expected: &str) {
    let mut export = export();
    change(&mut export);
    let (code, said) = verify(&[export], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_timeline_that_nobody_changed_holds() {
    let (code, said) = verify(&[export()], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 events and 2 attempts, 0 of them without their texts"), "{said}");
}

#[test]
fn the_entry_that_was_changed_is_named() {
    breaks(|export| export["data"][2]["event"]["data"] = json!("{}"), "entry 3 (event");
    breaks(|export| export["data"][1]["attempt"]["ending"] = json!("500"), "entry 2 (attempt");
    breaks(
        |export| export["data"][3]["attempt"]["url"] = json!("https://x.example"),
        "entry 4 (attempt",
    );
    breaks(|export| export["data"][4]["at"] = json!("2020-01-01T00:00:00.000Z"), "entry 5 (event");
}

#[test]
fn a_text_that_was_changed_with_its_digest_still_breaks_the_chain() {
    breaks(
        |export| {
            let (entry, said) = event(9);
            export["data"][2]["event"] = said["event"].clone();
            export["data"][2]["digest"] = json!(entry.digest);
        },
        "entry 3 (event",
    );
}

#[test]
fn an_entry_that_was_left_out_or_moved_is_missed() {
    breaks(|export| drop(export["data"].as_array_mut().unwrap().remove(1)), "entry 2 is missing");
    breaks(|export| drop(export["data"].as_array_mut().unwrap().remove(0)), "entry 1 is missing");
    breaks(|export| export["data"].as_array_mut().unwrap().swap(1, 2), "entry 2 is missing");
    breaks(|export| export["request_id"] = json!(RequestId::new(8)), "entry 1 (event");
}

#[test]
fn erased_texts_leave_the_chain_whole() {
    let mut export = export();
    export["data"][0]["event"] = Value::Null;
    export["data"][2]["event"]["data"] = Value::Null;
    export["data"][3]["attempt"] = Value::Null;
    let (code, said) = verify(&[export], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 of them without their texts"), "{said}");
}

#[test]
fn a_head_that_somebody_kept_proves_that_nothing_was_cut_off() {
    let whole = export();
    let head = whole["data"][4]["hash"].as_str().unwrap().to_owned();
    assert_eq!(verify(slice::from_ref(&whole), &["--head", &head]).0, Some(0));
    let mut cut = whole;
    drop(cut["data"].as_array_mut().unwrap().pop());
    let (code, said) = verify(&[cut], &["--head", &head]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not in it"), "{said}");
}

#[test]
fn the_parts_of_a_long_export_follow_each_other() {
    let whole = export();
    let part = |from: usize, to: usize| {
        let mut part = whole.clone();
        part["data"] = json!(whole["data"].as_array().unwrap()[from..to]);
        part
    };
    assert_eq!(verify(&[part(0, 2), part(2, 5)], &[]).0, Some(0));
    assert_eq!(verify(&[part(2, 5), part(0, 2)], &[]).0, Some(1));
}

#[test]
fn what_is_no_export_is_said_to_be_none() {
    let (code, said) = verify(&[json!({"data": 3})], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no export of a timeline"), "{said}");
}
