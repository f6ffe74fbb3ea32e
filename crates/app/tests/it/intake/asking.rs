//! A vendor's interface in trouble: webhooks are answered all the same, the inbox says what they wait for, and what was
//! not known is asked for when it is back. And what is done where nobody can be asked.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::api::{API_TOKEN, Api, signer};
use super::caught::{
    PROOF, TOKEN, clickwrap, inbox, mirror, mirrors, post, rows, source, timeline,
};
use crate::process::until;
use crate::service::Service;

const PATH: &str = "/v1.1/requests/r-1";

fn settings(base: &str) -> Value {
    json!({"token": TOKEN, "api_token": API_TOKEN, "base_url": base})
}

fn request() -> Value {
    let signers = [signer("ana@example.com", ("Ana", "Pop"), None, "sent")];
    json!({"name": "NDA for Acme", "status": "sent", "signers": signers})
}

fn sent(service: &Service, path: &str, event: &str) {
    post(service, path, &PROOF, &clickwrap("request_sent", event, "r-1", None)).expect(200);
}

/// Waits until the only thing in an inbox waits with a note; gives its row.
fn waiting(service: &Service, source: &str, note: &str) -> Value {
    until(note, || {
        let rows = rows(service, source);
        let said = rows[0]["note"].as_str().is_some_and(|said| said.contains(note));
        (said && rows[0]["state"] == "waiting").then(|| rows[0].clone())
    })
}

#[test]
fn what_waits_for_a_vendor_that_is_down_catches_up_when_it_is_back() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let service = Service::develop(&[]);
    let (source, path) =
        source(&service, "clickwrap", &settings(&format!("http://{address}/v1.1")));
    sent(&service, &path, "event-1");
    waiting(&service, &source, "the vendor cannot be asked: connect_failed");
    assert_eq!(mirrors(&service, &source), Vec::<Value>::new());
    let api = Api::at(address);
    api.says(PATH, &request());
    service.advance("PT1H");
    let read = inbox(&service, &source);
    assert_eq!((&read[0]["state"], &read[0]["note"]), (&json!("done"), &Value::Null));
    assert_eq!(read[0]["word"], "request_sent");
    assert_eq!(mirror(&service, &source)["signers"][0]["name"], "Ana Pop");
    service.stop();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the rate is one of the real clock")]
fn a_vendor_is_asked_no_more_often_than_its_source_allows() {
    let api = Api::start();
    let service = Service::develop(&[]);
    let mut settings = settings(&api.url("/v1.1"));
    settings["lookups_per_s"] = json!(2);
    let (source, path) = source(&service, "clickwrap", &settings);
    let began = Instant::now();
    for at in 0..5 {
        let id = format!("r-{at}");
        api.says(&format!("/v1.1/requests/{id}"), &request());
        let said = clickwrap("request_sent", &format!("event-{at}"), &id, None);
        post(&service, &path, &PROOF, &said).expect(200);
    }
    api.until_answered(5);
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    assert!(inbox(&service, &source).iter().all(|row| row["state"] == "done"));
    service.stop();
}

#[test]
fn webhooks_are_answered_while_a_vendor_lets_us_wait() {
    let api = Api::start();
    api.hangs(true);
    api.says(PATH, &request());
    let service = Service::develop(&[]);
    let (source, path) = source(&service, "clickwrap", &settings(&api.url("/v1.1")));
    for at in 0..40 {
        sent(&service, &path, &format!("event-{at}"));
    }
    api.until_asked(16);
    let kept = rows(&service, &source);
    assert!(kept.len() == 40 && kept.iter().all(|row| row["state"] == "waiting"), "{kept:#?}");
    api.hangs(false);
    assert!(inbox(&service, &source).iter().all(|row| row["state"] == "done"));
    let told = timeline(&service, mirror(&service, &source)["id"].as_str().unwrap());
    let told: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(told, ["request.sent", "signer.notified"], "however often it came");
    service.stop();
}

#[test]
fn a_vendor_that_is_busy_is_asked_when_it_wants_to_be() {
    let api = Api::start();
    api.answers(PATH, 429, &[("retry-after", "7200")], "{}");
    let service = Service::develop(&[]);
    let (source, path) = source(&service, "clickwrap", &settings(&api.url("/v1.1")));
    sent(&service, &path, "event-1");
    let row = waiting(&service, &source, "the vendor is busy");
    let moment = |name: &str| row[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(moment("due_at") >= moment("received_at").plus_seconds(7_200), "{row:#}");
    api.says(PATH, &request());
    service.advance("PT3H");
    assert_eq!(inbox(&service, &source)[0]["state"], "done");
    service.stop();
}

#[test]
fn nonsense_and_refusals_of_a_vendor_are_said_and_asked_again() {
    let service = Service::develop(&[]);
    let answers: [(u16, &str, &str); 6] = [
        (200, "<html>down for maintenance</html>", "the vendor answered 200"),
        (200, "{}", "the vendor answered 200: no request"),
        (200, "{\"data\":[]}", "the vendor answered 200: no request"),
        (404, "<html>no such page</html>", "look at `base_url`"),
        (
            401,
            "{\"message\":\"unauthorized\"}",
            "the vendor answered 401: it does not take the credentials",
        ),
        (503, "", "the vendor is busy"),
    ];
    let api = Api::start();
    let (source, path) = source(&service, "clickwrap", &settings(&api.url("/v1.1")));
    api.answers(PATH, 500, &[], "");
    sent(&service, &path, "event-1");
    for (status, body, note) in answers {
        api.answers(PATH, status, &[], body);
        service.advance("PT2H");
        waiting(&service, &source, note);
    }
    api.says(PATH, &request());
    service.advance("PT2H");
    assert_eq!(inbox(&service, &source)[0]["state"], "done");
    assert_eq!(mirror(&service, &source)["status"], "sent");
    service.stop();
}

#[test]
fn after_three_days_without_an_answer_a_thing_is_taken_as_it_was_told() {
    let api = Api::start();
    api.answers(PATH, 500, &[], "");
    let service = Service::develop(&[]);
    let (source, path) = source(&service, "clickwrap", &settings(&api.url("/v1.1")));
    sent(&service, &path, "event-1");
    for times in 1..=78 {
        until("the next reading", || {
            rows(&service, &source)[0]["readings"].as_u64().filter(|read| *read >= times)
        });
        service.advance("PT75M");
    }
    let read = inbox(&service, &source);
    let note = "taken as it was told: the vendor is busy";
    assert_eq!((&read[0]["state"], &read[0]["note"]), (&json!("done"), &json!(note)));
    let told = timeline(&service, mirror(&service, &source)["id"].as_str().unwrap());
    assert_eq!(told[0].1["heard"]["note"], note);
    service.stop();
}
