//! A service that is described in settings.

use domain::call::{Call, Method};
use domain::message::{Fact, Reception};
use domain::provider::{Provider, ProviderKind};
use serde_json::{Value, json};

use super::{Arrival, TEXT, answer, message, provider, sending, speaks};

const KIND: ProviderKind = ProviderKind::HttpSms;

/// A gateway that answers and reports in words of its own.
pub(super) fn settings() -> Value {
    json!({
        "url": "https://gateway.example.com/send?v=1",
        "headers": { "Authorization": "Bearer {secret}" },
        "body": { "to": "{to_digits}", "sender": "{from}", "text": "{text}", "ref": "{key}", "flash": false,
                  "callback": { "url": "{feedback_url}" } },
        "answer_status": "/result/code",
        "answer_accepted": ["OK", 0],
        "answer_later": ["BUSY"],
        "answer_refused": ["BAD_NUMBER"],
        "answer_id": "/result/id",
        "report_status": "/report/state",
        "report_id": "/report/id",
        "report_sent": ["SENT"],
        "report_delivered": ["DLVRD"],
        "report_failed": ["UNDELIV"],
        "report_expired": ["EXPIRED"],
    })
}

fn with(changes: &Value) -> Provider {
    let mut settings = settings();
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let provider = provider(KIND, &settings, &json!({ "secret": "gateway-secret" }));
    assert_eq!(speaks(KIND).check(&provider), [], "{changes}");
    provider
}

fn built(provider: &Provider, text: &str) -> Call {
    speaks(KIND).build(provider, &message("Example", text), &sending()).unwrap()
}

#[test]
fn what_is_filled_in_stays_a_value() {
    let text = "\"}, {key} {secret} & a=b";
    let call = built(&with(&json!({})), text);
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        body,
        json!({
            "to": "447700900123", "sender": "Example", "text": text, "ref": "ntf_01J8Z3", "flash": false,
            "callback": { "url": "https://hooks.example.com/feedback/t0k3n?n=ntf_01J8Z3" },
        })
    );
}

#[test]
fn a_body_may_be_a_form_or_stand_in_the_query() {
    let flat = json!({ "to": "{to}", "m": "{text}", "k": "{secret}{unknown}" });
    let form = with(&json!({ "body_type": "form", "body": flat }));
    let call = built(&form, TEXT);
    let query = "to=%2B447700900123&m=Please+review+%26+sign%3A+https%3A%2F%2Fs.example.com%2F8f2c&k=gateway-secret%7Bunknown%7D";
    assert_eq!(
        (call.method, String::from_utf8(call.body).unwrap().as_str()),
        (Method::Post, query)
    );
    let get = with(&json!({ "method": "GET", "body": flat }));
    let call = built(&get, TEXT);
    assert_eq!(call.url.as_str(), format!("https://gateway.example.com/send?v=1&{query}"));
    assert_eq!((call.method, call.body.len()), (Method::Get, 0));
}

#[test]
fn a_listed_word_counts_whatever_the_status_and_no_word_is_no_yes() {
    let provider = with(&json!({}));
    let later = Reception::Later { after_s: None, provider: true };
    let refused = Reception::Refused { suppressed: false };
    for (status, body, reception, id) in [
        (200, r#"{"result":{"code":"OK","id":4711}}"#, Reception::Accepted, Some("4711")),
        (200, r#"{"result":{"code":0,"id":"a"}}"#, Reception::Accepted, Some("a")),
        (200, r#"{"result":{"code":"BUSY"}}"#, later, None),
        (200, r#"{"result":{"code":"BAD_NUMBER"}}"#, refused, None),
        (500, r#"{"result":{"code":"BAD_NUMBER"}}"#, refused, None),
        (200, r#"{"result":{"code":"WHAT"}}"#, Reception::Unknown, None),
        (200, "OK", Reception::Unknown, None),
        (400, r#"{"result":{"code":"WHAT"}}"#, refused, None),
        (503, "", later, None),
    ] {
        let receipt = speaks(KIND).read(&provider, &answer(status, body));
        assert_eq!(
            (receipt.reception, receipt.message_id.as_deref()),
            (reception, id),
            "{status} {body}"
        );
    }
}

#[test]
fn without_a_pointer_the_status_is_the_word() {
    let mut settings = settings();
    settings.as_object_mut().unwrap().remove("answer_status");
    settings["answer_accepted"] = json!([200, 409]);
    settings["answer_refused"] = json!(["404"]);
    let provider = provider(KIND, &settings, &json!({}));
    for (status, name) in [
        (200, "accepted"),
        (409, "accepted"),
        (204, "accepted"),
        (404, "refused"),
        (500, "unknown"),
    ] {
        assert_eq!(
            speaks(KIND).read(&provider, &answer(status, "")).reception.as_str(),
            name,
            "{status}"
        );
    }
}

#[test]
fn a_report_may_be_a_form_or_a_query() {
    let places = json!({ "report_status": "state", "report_id": "id", "report_key": "ref" });
    let provider = with(&places);
    for (url, body) in [
        ("https://hooks.example.com/f/t?state=UNDELIV&id=7&ref=k", ""),
        ("https://hooks.example.com/f/t", "state=UNDELIV&id=7&ref=k"),
    ] {
        let arrival = Arrival {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: body.to_owned(),
            now: super::now(),
        };
        let read = speaks(KIND).reports(&provider, &arrival.received()).unwrap();
        let report = read.reports.first().unwrap();
        assert_eq!(report.fact, Fact::Failed);
        assert_eq!((report.message_id.as_deref(), report.key.as_deref()), (Some("7"), Some("k")));
    }
}

#[test]
fn settings_that_would_break_a_call_are_named() {
    for (name, value) in [
        ("headers", json!({ "host": "evil.example" })),
        ("headers", json!({ "x-a": "b\r\nc: d" })),
        ("headers", json!({ "a b": "c" })),
        ("headers", json!([])),
        ("body", json!("text")),
        ("answer_accepted", json!("OK")),
        ("answer_later", json!([{}])),
        ("report_sent", json!(vec!["x"; 101])),
        ("answer_id", json!("id")),
        ("report_signature_header", json!("x-signature")),
    ] {
        let mut settings = settings();
        settings[name] = value.clone();
        let wrong = speaks(KIND).check(&provider(KIND, &settings, &json!({})));
        assert_eq!(wrong.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [name], "{value}");
    }
    let mut nested = settings();
    nested["body_type"] = json!("form");
    let wrong = speaks(KIND).check(&provider(KIND, &nested, &json!({})));
    assert_eq!(wrong.first().map(|(name, _)| *name), Some("body"));
}
