//! Mirrors that hear nothing: their vendor is asked, what a lost webhook would have said is found, and who has ended is
//! not asked about any more.

use serde_json::{Value, json};

use super::api::{API_TOKEN, Api, signer};
use super::caught::{PROOF, TOKEN, clickwrap, inbox, post, source, timeline, until_mirror};
use crate::service::Service;

const ENVELOPE: &str = "7bfa100a-f52c-4915-b25d-210e6bb82f48";

/// Gives what was told of a mirror, and by which way.
fn heard(service: &Service, mirror: &Value) -> Vec<(String, String)> {
    let told = timeline(service, mirror["id"].as_str().unwrap());
    let by = |data: &Value| data["heard"]["by"].as_str().unwrap().to_owned();
    told.into_iter().map(|(name, data)| (name, by(&data))).collect()
}

fn pair((name, by): (&str, &str)) -> (String, String) {
    (name.to_owned(), by.to_owned())
}

#[test]
fn a_lost_webhook_is_found_by_asking_and_nobody_asks_after_the_end() {
    let api = Api::start();
    let ana = |status| json!([signer("ana@example.com", ("Ana", "Pop"), None, status)]);
    let says = |status: &str, signers: Value| json!({"name": "NDA for Acme", "status": status, "signers": signers});
    api.says("/v1.1/requests/r-1", &says("sent", ana("sent")));
    let service = Service::develop(&[]);
    let settings = json!({"token": TOKEN, "api_token": API_TOKEN,
        "base_url": api.url("/v1.1"), "silence_s": 600});
    let (source, path) = source(&service, "clickwrap", &settings);
    post(&service, &path, &PROOF, &clickwrap("request_sent", "e-1", "r-1", None)).expect(200);
    inbox(&service, &source);
    assert_eq!(api.asked().len(), 1);
    service.advance("PT9M");
    service.advance("PT2M");
    api.until_answered(2);
    api.says("/v1.1/requests/r-1", &says("completed", ana("signed")));
    service.advance("PT11M");
    let mirror = until_mirror(&service, &source, "completed");
    let asked = api.asked().len();
    assert_eq!(asked, 3, "once in ten minutes");
    let expected = [
        ("request.sent", "webhook"),
        ("signer.notified", "webhook"),
        ("signer.signed", "asking"),
        ("request.completed", "asking"),
    ];
    assert_eq!(heard(&service, &mirror), expected.map(pair));
    // The lost webhook comes after all, and asks once more; a day of silence does not.
    post(&service, &path, &PROOF, &clickwrap("request_complete", "e-2", "r-1", None)).expect(200);
    inbox(&service, &source);
    for _ in 0..4 {
        service.advance("PT6H");
    }
    post(&service, &path, &PROOF, &clickwrap("request_signed", "e-3", "r-1", None)).expect(200);
    inbox(&service, &source);
    assert_eq!(api.asked().len(), asked + 2);
    assert_eq!(heard(&service, &mirror), expected.map(pair), "and nothing is told twice");
    service.stop();
}

#[test]
fn an_envelope_that_is_cancelled_has_no_callback_and_is_found_by_asking() {
    let api = Api::start();
    let envelope = |status: &str| {
        json!({"Id": ENVELOPE, "EnvelopeStatus": status, "Name": "Example contract",
            "SentDate": "2026-07-02T10:00:00Z", "Activities": [{"Id": "a-1", "Status": "Pending",
            "OpenedDate": null, "FinishedDate": null}]})
    };
    let place = format!("/Api/v6.0/envelope/{ENVELOPE}");
    let links = json!({"ViewerLinks": [{"ActivityId": "a-1", "Email": "ana@example.com",
        "ViewerLink": "https://vendor.example/sign/a-1"}]});
    api.says(&place, &envelope("Active"));
    api.says(&format!("{place}/viewerlinks"), &links);
    let service = Service::develop(&[]);
    let settings = json!({"api_token": API_TOKEN, "base_url": api.url("/Api/v6.0")});
    let (source, path) = source(&service, "esaw", &settings);
    let call = format!("{path}?envelopeId={ENVELOPE}&action=workstepOpened");
    service.send("POST", &call, &[], b"").expect(200);
    until_mirror(&service, &source, "sent");
    assert_eq!(api.asked()[0].header("apitoken"), Some(API_TOKEN));
    api.says(&place, &envelope("Canceled"));
    service.advance("PT7H");
    let mirror = until_mirror(&service, &source, "cancelled");
    let last = heard(&service, &mirror).pop().unwrap();
    assert_eq!(last, pair(("request.cancelled", "asking")));
    service.stop();
}

#[test]
fn a_mirror_whose_vendor_is_away_is_asked_about_again_a_little_later() {
    let api = Api::start();
    let path_of = "/v1.1/requests/r-1";
    let signers = json!([signer("ana@example.com", ("Ana", "Pop"), None, "sent")]);
    api.says(path_of, &json!({"name": "NDA", "status": "sent", "signers": signers}));
    let service = Service::develop(&[]);
    let settings = json!({"token": TOKEN, "api_token": API_TOKEN, "base_url": api.url("/v1.1")});
    let (source, path) = source(&service, "clickwrap", &settings);
    post(&service, &path, &PROOF, &clickwrap("request_sent", "e-1", "r-1", None)).expect(200);
    inbox(&service, &source);
    api.answers(path_of, 503, &[], "");
    service.advance("PT6H1M");
    api.until_answered(2);
    api.says(path_of, &json!({"name": "NDA", "status": "expired", "signers": signers}));
    service.advance("PT16M");
    let mirror = until_mirror(&service, &source, "expired");
    assert_eq!(heard(&service, &mirror).pop().unwrap(), pair(("request.expired", "asking")));
    service.stop();
}
