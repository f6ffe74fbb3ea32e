//! Vendors' webhooks from outside: each of their samples comes in at a source, and becomes what it says.

mod api;
mod asking;
mod caught;
mod envelopes;
mod guide;
mod hostile;
mod keys;
mod played;
mod samples;
mod silence;

use serde_json::{Value, json};

use crate::http::Receiver;
use crate::process::until;
use crate::service::{LOCAL, Service};
use caught::{TOKEN, inbox, names, post, sample, source};

#[test]
fn a_request_at_clickwrap_is_mirrored_once_however_often_it_is_told() {
    let service = Service::start(&LOCAL);
    let (source, path) = source(&service, "clickwrap", &json!({"token": TOKEN}));
    let receiver = Receiver::start();
    let endpoint = json!({"url": receiver.url("/hook"), "events": ["*"]});
    service.api("POST", "/endpoints", Some(&endpoint)).expect(201);
    let proof = [("pactsafe-webhook-token", TOKEN)];
    for _ in 0..2 {
        for name in ["request_sent", "request_signed", "request_complete", "request_expired"] {
            // All of one request: the samples are of several.
            let mut body: Value =
                serde_json::from_str(&sample(&format!("clickwrap/{name}.json"))).unwrap();
            body["request"] = json!("123456abcdef");
            body["id"] = json!(format!("event-{name}"));
            post(&service, &path, &proof, &body.to_string()).expect(200);
        }
    }
    let kept = inbox(&service, &source);
    assert_eq!(kept.len(), 4, "the second time is the first: {kept:#?}");
    assert!(kept.iter().all(|row| row["state"] == "done"), "{kept:#?}");
    let masked =
        |row: &Value| row["headers"].to_string().contains("[\"pactsafe-webhook-token\",\"…\"]");
    assert!(kept.iter().all(masked) && !kept.iter().any(|row| row.to_string().contains(TOKEN)));
    let mut told = names(&service);
    told.sort();
    assert!(told.contains(&"request.completed".to_owned()), "{told:?}");
    let once = |name: &str| told.iter().filter(|told| *told == name).count();
    assert_eq!((once("request.completed"), once("signer.signed")), (1, 1), "{told:?}");
    let list = service.api("GET", "/requests", None).expect(200).json();
    let mirror = &list["data"][0];
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&mirror["origin"], &mirror["foreign_id"]),
        (&json!(source), &json!("123456abcdef"))
    );
    receiver.until(|heard| heard.len() >= told.len());
    service.stop();
}

#[test]
fn what_is_not_proven_is_not_kept() {
    let service = Service::start(&LOCAL);
    let (clickwrap, path) = source(&service, "clickwrap", &json!({"token": TOKEN}));
    let body = sample("clickwrap/request_sent.json");
    for headers in [&[][..], &[("pactsafe-webhook-token", "another")]] {
        post(&service, &path, headers, &body).expect(401);
    }
    let (other, last) = path.split_at(path.len() - 1);
    let last = if last == "0" { "1" } else { "0" };
    post(&service, &format!("{other}{last}"), &[("pactsafe-webhook-token", TOKEN)], &body)
        .expect(404);
    assert_eq!(inbox(&service, &clickwrap), Vec::<Value>::new());
    let shown = service.api("GET", &format!("/sources/{clickwrap}"), None).expect(200).json();
    assert_eq!(shown["refused_count"], 2);
    assert!(!shown.to_string().contains(TOKEN), "{shown}");

    let check: Value = serde_json::from_str(&sample("ironclad/_signature_check.json")).unwrap();
    let key = check["publicKeyPem"].as_str().unwrap();
    let (ironclad, path) = source(&service, "ironclad", &json!({"verification_key": key}));
    let header = |name: &str| check["headers"][name].as_str().unwrap();
    let headers = [
        ("x-ironclad-webhook-event-id", header("X-Ironclad-Webhook-Event-Id")),
        ("x-ironclad-webhook-verification", header("X-Ironclad-Webhook-Verification")),
    ];
    let body = check["body"].as_str().unwrap();
    post(&service, &path, &headers, check["tampered"]["body"].as_str().unwrap()).expect(401);
    for place in [0, body.len() / 2, body.len() - 1] {
        let mut bytes = body.as_bytes().to_vec();
        bytes[place] ^= 1;
        post(&service, &path, &headers, &String::from_utf8_lossy(&bytes)).expect(401);
    }
    for _ in 0..2 {
        post(&service, &path, &headers, body).expect(200);
    }
    assert_eq!(inbox(&service, &ironclad).len(), 1);
    assert_eq!(names(&service), ["ironclad.workflow_launched"]);
    service.stop();
}

#[test]
fn more_than_is_read_again_at_once_can_be_read_again_as_often_as_it_takes() {
    let service = Service::start(&LOCAL);
    let (source, path) = source(&service, "insertsign", &json!({}));
    for number in 0..1_001 {
        post(&service, &path, &[], &format!("[{number}]")).expect(200);
    }
    let read = |what: &str| {
        until(what, || {
            let path = format!("/sources/{source}/inbox?state=waiting");
            let rows = service.api("GET", &path, None).expect(200).json();
            rows["data"].as_array().unwrap().is_empty().then_some(())
        });
    };
    for round in 0..3 {
        read("the end of reading");
        let path = format!("/sources/{source}/inbox/replay");
        let again = service.api("POST", &path, None).expect(202).json();
        assert_eq!(again["replayed"], 1_000, "round {round}");
    }
    service.stop();
}

#[test]
fn what_cannot_be_read_waits_in_quarantine_and_can_be_read_again() {
    let service = Service::start(&LOCAL);
    let (source, path) = source(&service, "insertsign", &json!({}));
    let deep = "[".repeat(100_000);
    let huge = format!("{{\"type\":\"request.sent\",\"data\":\"{}\"}}", "x".repeat(1_000_000));
    for body in ["", "{", "[]", "null", deep.as_str(), huge.as_str(), "{\"type\":\"request.sent\"}"]
    {
        post(&service, &path, &[], body).expect(200);
    }
    let sent = service.send(
        "POST",
        &path,
        &[("content-type", "application/json")],
        b"{\"type\":\"\xff\xfe\"}",
    );
    sent.expect(200);
    let too_much = "x".repeat(1_048_577);
    post(&service, &path, &[], &too_much).expect(413);
    let kept = inbox(&service, &source);
    assert_eq!(kept.len(), 8);
    for row in &kept {
        assert_eq!(
            (&row["state"], &row["quarantine"]["why"]),
            (&json!("quarantined"), &json!("unreadable")),
            "{row:#}"
        );
    }
    let quarantined = names(&service).iter().filter(|name| *name == "source.quarantined").count();
    assert_eq!(quarantined, 8);
    let again =
        service.api("POST", &format!("/sources/{source}/inbox/replay"), None).expect(202).json();
    assert_eq!(again["replayed"], 8);
    assert_eq!(inbox(&service, &source).len(), 16, "each was read once more");
    service.stop();
}
