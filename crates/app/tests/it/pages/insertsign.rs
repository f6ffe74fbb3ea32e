//! InsertSign: its test button, its webhooks, and its statuses on our API.

use serde_json::json;

use super::run;
use crate::http::Receiver;
use crate::service::{LOCAL, Service, draft, id};

#[test]
fn the_page_runs_from_the_test_button_to_complete() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let said = run("insertsign.md", &service, &receiver.url("/insertsign"));
    assert!(said.lines().last().unwrap().contains("\"status\":\"completed\""), "{said}");
    let heard = receiver.until(|heard| heard.len() >= 4);
    let types = heard.iter().map(|call| call.json()["type"].as_str().unwrap().to_owned());
    let mut types: Vec<String> = types.collect();
    types.sort();
    assert_eq!(types, ["request.completed", "request.sent", "signer.signed", "signer.signed"]);
    service.stop();
}

#[test]
fn the_api_answers_with_the_vendors_statuses() {
    let service = Service::start(&["--open-requests-max", "1"]);
    let draft = id(&service.api("POST", "/requests", Some(&draft("parallel"))).expect(201));
    let sent = service.sent("parallel");
    let send = format!("/requests/{draft}/send");
    let full = service.api("POST", &send, None).expect_problem(403, "limit_reached");
    assert!(full["detail"].as_str().unwrap().starts_with("limit reached"), "{full:#}");
    service.api("DELETE", &format!("/requests/{}", sent["id"].as_str().unwrap()), None).expect(204);
    service.api("POST", &send, None).expect(200);
    let headers = [("content-type", "application/json")];
    service.send("GET", "/api/v1/requests", &headers, b"").expect_problem(401, "key_missing");
    let wrong = "cs_nobody_knows_this_key_0123456789";
    service.api_as(wrong, "GET", "/requests", None).expect_problem(401, "key_invalid");
    service.api("GET", &format!("/requests/{}", sent["id"].as_str().unwrap()), None).expect(404);
    service.api("POST", "/requests", Some(&json!({"title": 7}))).expect_problem(422, "invalid");
    service.stop();
}
