//! Two calls at the same instant, over two connections.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::http::{Message, Receiver, at_once};
use crate::process::text;
use crate::service::{KEY, LOCAL, Service, api_bytes, form_bytes};

const ROUNDS: usize = 50;

/// Both sign a request at the same instant: through the API, and every other time one of them on the page.
fn sign_at_once(service: &Service, round: usize) -> String {
    let request = service.sent("parallel");
    let id = request["id"].as_str().unwrap();
    let sign = |index: usize, name: &str| {
        let signer = request["signers"][index]["id"].as_str().unwrap();
        let body = json!({"name": name, "consent": format!("I, {name}, agree.")});
        api_bytes(KEY, "POST", &format!("/requests/{id}/signers/{signer}/sign"), Some(&body))
    };
    let (second, status) = if round.is_multiple_of(2) {
        (sign(1, "Alan"), 200)
    } else {
        let target = format!("{}/sign", service.page(&request, 1));
        (form_bytes(&target, "name=Alan&consent=yes"), 303)
    };
    let [first, second] = at_once(&service.address, &[sign(0, "Ada"), second]);
    first.expect(200);
    second.expect(status);
    id.to_owned()
}

/// Gives the names of a request's events, oldest first.
fn events(service: &Service, id: &str) -> Vec<String> {
    let path = format!("/events?request_id={id}&order=asc&limit=100");
    let listed = service.api("GET", &path, None).expect(200).json();
    assert!(listed["data"].as_array().unwrap().len() < 100, "that is all of them");
    let name = |event: &Value| event["type"].as_str().unwrap().to_owned();
    listed["data"].as_array().unwrap().iter().map(name).collect()
}

fn completes_exactly_once(service: &Service, id: &str) {
    let request = service.api("GET", &format!("/requests/{id}"), None).expect(200).json();
    assert_eq!((&request["status"], &request["progress"]), (&json!("completed"), &json!(100)));
    for (index, name) in ["Ada", "Alan"].into_iter().enumerate() {
        let signer = &request["signers"][index];
        assert_eq!(signer["status"], "signed", "{request:#}");
        assert_eq!(signer["evidence"]["name"], name, "{request:#}");
    }
    let events = events(service, id);
    let count = |name: &str| events.iter().filter(|known| known.as_str() == name).count();
    assert_eq!((count("signer.signed"), count("request.completed")), (2, 1), "{events:?}");
    assert_eq!(events.last().unwrap(), "request.completed");
}

/// Verifies the exported timeline with the head that the webhook of the completion handed out.
fn holds(service: &Service, id: &str, heard: &[Value]) {
    let told = heard.iter().find(|body| body["data"]["request"]["id"] == id).unwrap();
    let head = told["data"]["chain"]["hash"].as_str().unwrap();
    let export = service.api("GET", &format!("/requests/{id}/timeline"), None).expect(200).body;
    fs::write(service.scratch.path().join("timeline.json"), export).unwrap();
    let verified = service.scratch.run(&["verify", "timeline.json", "--head", head]);
    assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
}

#[test]
fn two_who_sign_at_the_same_instant_complete_a_request_exactly_once() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let endpoint = json!({"url": receiver.url("/hooks"), "events": ["request.completed"]});
    service.api("POST", "/endpoints", Some(&endpoint)).expect(201);
    let ids: Vec<String> = (0..ROUNDS).map(|round| sign_at_once(&service, round)).collect();
    for id in &ids {
        completes_exactly_once(&service, id);
    }
    let heard = receiver.until(|heard| event_ids(heard).len() >= ROUNDS);
    let heard: Vec<Value> = heard.iter().map(Message::json).collect();
    for id in &ids {
        holds(&service, id, &heard);
    }
    service.stop();
    assert_eq!(event_ids(&receiver.heard()).len(), ROUNDS, "each completion is one event");
}

fn event_ids(heard: &[Message]) -> BTreeSet<&str> {
    heard.iter().map(|call| call.header("webhook-id").unwrap()).collect()
}
