//! Ironclad Clickwrap: the vendor's guide to one's own e-mail and SMS provider, against our interface.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::run;
use crate::http::Receiver;
use crate::service::{LOCAL, Service};

#[test]
fn the_guide_runs_from_create_to_complete() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let said = run("clickwrap.md", &service, &receiver.url("/clickwrap"));
    let heard = receiver.until(|heard| heard.len() >= 3);
    let events: BTreeMap<String, Value> = heard
        .iter()
        .map(|call| {
            assert_eq!(call.header("pactsafe-webhook-token"), Some("my-secret-code"));
            let body = call.json();
            (body["event_type"].as_str().unwrap().to_owned(), body)
        })
        .collect();
    let names: Vec<&str> = events.keys().map(String::as_str).collect();
    assert_eq!(names, ["request_complete", "request_sent", "request_signed"]);
    let last = said.lines().last().unwrap();
    let last = last.split_once("{\"data\":").map(|(_, data)| format!("{{\"data\":{data}"));
    let request: Value = serde_json::from_str(&last.unwrap()).unwrap();
    let request = &request["data"];
    assert_eq!(request["status"], "complete");
    assert_eq!(request["signers"][0]["status"], "signed");
    for body in events.values() {
        assert_eq!((&body["request"], &body["site"]), (&request["id"], &json!(1)));
    }
    assert_eq!(events["request_sent"]["description"], "John Doe sent My Request Name!");
    assert_eq!(events["request_signed"]["signer"], "signer@example.com");
    service.stop();
}
