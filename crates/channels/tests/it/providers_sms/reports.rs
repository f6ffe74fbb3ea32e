//! What a report says.

use std::fs;

use channels::provider::{Feedback, Unreadable};
use domain::message::{Fact, Progress, Report};
use domain::provider::ProviderKind;
use serde_json::{Value, json};

use super::{Arrival, FEEDBACK_URL, KEY, fixture, kinds, path, speaks, usual};

fn feedback(kind: ProviderKind, arrival: &Arrival) -> Result<Feedback, Unreadable> {
    speaks(kind).reports(&usual(kind).0, &arrival.received())
}

fn report(kind: ProviderKind, name: &str) -> Report {
    let arrival = Arrival::of(&fixture(&format!("{}/report.{name}.json", kind.as_str())));
    let first = feedback(kind, &arrival).unwrap();
    assert_eq!(first, feedback(kind, &arrival).unwrap(), "{name}: the same twice");
    assert_eq!(first.reports.len(), 1, "{name}");
    first.reports.into_iter().next().unwrap()
}

#[test]
fn every_documented_report_says_what_happened_to_which_message() {
    let twilio = "SM00000000000000000000000000000001";
    let vonage = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";
    let bird = "e8077d803532c0b5937c639b60216938";
    let plivo = "5b40a428-bfc7-4daf-9d06-000000000001";
    let sinch = "01J1S8Z3EXAMPLE0000000000";
    let aws = "34d9b400-c6dd-5444-820d-000000000003";
    for (kind, name, id, fact, detail) in [
        (ProviderKind::Twilio, "sent", twilio, Fact::Sent, None),
        (ProviderKind::Twilio, "delivered", twilio, Fact::Delivered, None),
        (ProviderKind::Twilio, "undelivered", twilio, Fact::Bounced, Some("code 30005")),
        (ProviderKind::Vonage, "submitted", vonage, Fact::Accepted, None),
        (ProviderKind::Vonage, "delivered", vonage, Fact::Delivered, None),
        (
            ProviderKind::Vonage,
            "rejected",
            vonage,
            Fact::Rejected,
            Some("1000: Throttled by the operator"),
        ),
        (ProviderKind::VonageSms, "buffered", "0A0000000123ABCD1", Fact::Delayed, None),
        (ProviderKind::VonageSms, "delivered", "0A0000000123ABCD1", Fact::Delivered, None),
        (ProviderKind::VonageSms, "failed", "0A0000000123ABCD1", Fact::Failed, Some("code 6")),
        (ProviderKind::Messagebird, "sent", bird, Fact::Sent, None),
        (ProviderKind::Messagebird, "delivered", bird, Fact::Delivered, None),
        (ProviderKind::Messagebird, "failed", bird, Fact::Failed, Some("1: unknown subscriber")),
        (ProviderKind::Plivo, "sent", plivo, Fact::Sent, None),
        (ProviderKind::Plivo, "delivered", plivo, Fact::Delivered, None),
        (ProviderKind::Plivo, "undelivered", plivo, Fact::Failed, Some("code 30")),
        (ProviderKind::Sinch, "dispatched", sinch, Fact::Sent, None),
        (ProviderKind::Sinch, "delivered", sinch, Fact::Delivered, None),
        (ProviderKind::Sinch, "batch-delivered", sinch, Fact::Delivered, None),
        (ProviderKind::Sinch, "expired", sinch, Fact::Expired, Some("code 406")),
        (ProviderKind::AwsSms, "successful", aws, Fact::Sent, None),
        (ProviderKind::AwsSms, "delivered", aws, Fact::Delivered, None),
        (
            ProviderKind::AwsSms,
            "blocked",
            aws,
            Fact::BouncedBlocked,
            Some("The carrier blocked the message"),
        ),
        (ProviderKind::HttpSms, "sent-json", "4711", Fact::Sent, Some("the service says SENT")),
        (
            ProviderKind::HttpSms,
            "delivered-json",
            "4711",
            Fact::Delivered,
            Some("the service says DLVRD"),
        ),
    ] {
        let report = report(kind, name);
        assert_eq!(report.fact, fact, "{} {name}", kind.as_str());
        assert_eq!(report.message_id.as_deref(), Some(id), "{} {name}", kind.as_str());
        assert_eq!(report.key.as_deref(), Some(KEY), "{} {name}", kind.as_str());
        assert_eq!(report.detail.as_deref(), detail, "{} {name}", kind.as_str());
        if kind != ProviderKind::HttpSms {
            let recipient = report.recipient.unwrap();
            assert_eq!(recipient.trim_start_matches('+'), "447700900123", "{}", kind.as_str());
        }
    }
}

#[test]
fn reports_of_one_message_differ_and_their_order_does_not_matter() {
    for kind in kinds().filter(|kind| *kind != ProviderKind::SnsSms) {
        let files = fs::read_dir(path(kind.as_str())).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut reports: Vec<Report> = names
            .filter_map(|name| {
                Some(report(kind, name.strip_prefix("report.")?.strip_suffix(".json")?))
            })
            .collect();
        assert!(reports.len() > 1);
        let after = |reports: &[Report]| {
            reports.iter().fold(Progress::default(), |progress, report| progress.with(report.fact))
        };
        let forwards = after(&reports);
        reports.reverse();
        assert_eq!(forwards, after(&reports), "{}", kind.as_str());
        // A batch's report and the recipient's are of one happening.
        let mut facts: Vec<_> = reports.iter().map(|report| report.fact).collect();
        let mut ids: Vec<_> = reports.iter().map(|report| &report.event_id).collect();
        facts.sort_by_key(|fact| fact.as_str());
        facts.dedup();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), facts.len(), "{}", kind.as_str());
    }
}

#[test]
fn the_moment_is_the_providers() {
    for (kind, name, at) in [
        (ProviderKind::Vonage, "delivered", "2026-07-02T10:00:02.000Z"),
        (ProviderKind::VonageSms, "delivered", "2026-07-02T10:00:02.000Z"),
        (ProviderKind::Messagebird, "delivered", "2026-07-02T10:00:05.000Z"),
        (ProviderKind::Sinch, "delivered", "2026-07-02T10:00:02.000Z"),
        (ProviderKind::AwsSms, "delivered", "2026-07-02T10:00:02.000Z"),
    ] {
        assert_eq!(report(kind, name).at, at.parse().ok(), "{}", kind.as_str());
    }
}

#[test]
fn a_word_that_nobody_knows_leaves_open_what_happened() {
    for (kind, method, url, body) in [
        (ProviderKind::Twilio, "POST", "", "MessageSid=SM1&MessageStatus=teleported"),
        (ProviderKind::Vonage, "POST", "", r#"{"message_uuid":"u","status":"teleported"}"#),
        (ProviderKind::VonageSms, "POST", "", r#"{"messageId":"u","status":"teleported"}"#),
        (ProviderKind::Messagebird, "GET", "?id=u&status=teleported", ""),
        (ProviderKind::Plivo, "POST", "", "MessageUUID=u&Status=teleported"),
        (
            ProviderKind::Sinch,
            "POST",
            "",
            r#"{"type":"recipient_delivery_report_sms","batch_id":"u","status":"Teleported"}"#,
        ),
        (ProviderKind::HttpSms, "POST", "?n=k", r#"{"report":{"state":"TELEPORTED"}}"#),
    ] {
        let arrival = arrival(method, url, body);
        let read = feedback(kind, &arrival).unwrap();
        assert_eq!(
            read.reports.first().map(|report| report.fact),
            Some(Fact::Unknown),
            "{}",
            kind.as_str()
        );
    }
}

#[test]
fn nonsense_is_unreadable_or_says_nothing_and_never_a_panic() {
    for kind in kinds() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "\"\u{0}\"",
            "a=b&c",
            "%ff%fe=%",
            "{\"type\":1}",
            "{\"type\":\"delivery_report_sms\",\"batch_id\":\"b\",\"statuses\":[{},1]}",
        ] {
            let read = feedback(kind, &arrival("POST", "", body));
            assert!(
                read.is_err() || read == Ok(Feedback::default()),
                "{} {body}: {read:?}",
                kind.as_str()
            );
        }
        let mut odd = arrival("GET", "", "");
        odd.url = "::nonsense".to_owned();
        let read = feedback(kind, &odd);
        assert!(read.is_err() || read == Ok(Feedback::default()), "{}", kind.as_str());
    }
}

#[test]
fn a_nonce_of_plivo_counts_once() {
    let signatures = fixture("signatures.json");
    let of = |name: &str| {
        let vectors = signatures.as_array().unwrap().iter();
        let vector = vectors.into_iter().find(|vector| vector["name"] == name).unwrap();
        feedback(ProviderKind::Plivo, &Arrival::of(vector)).unwrap().once
    };
    assert_eq!(of("plivo version 2").as_deref(), Some("79"));
    assert_eq!(of("plivo version 3").as_deref(), Some("05429567804466091622"));
}

#[test]
fn the_parts_of_a_long_text_are_of_one_message_and_reported_each() {
    let part = |id: &str| {
        let body = format!("MessageUUID={id}&ParentMessageUUID=p1&Status=delivered");
        feedback(ProviderKind::Plivo, &arrival("POST", "", &body)).unwrap().reports.remove(0)
    };
    let (first, second) = (part("p1"), part("p2"));
    assert_eq!(first.message_id, second.message_id);
    assert_ne!(first.event_id, second.event_id);
}

#[test]
fn what_a_summary_leaves_out_is_left_open() {
    let body = json!({
        "type": "delivery_report_sms", "batch_id": "b", "client_reference": KEY, "total_message_count": 1,
        "statuses": [{ "code": 0, "status": "Delivered", "count": 1 }],
    });
    let read = feedback(ProviderKind::Sinch, &arrival("POST", "", &body.to_string())).unwrap();
    let report = read.reports.first().unwrap();
    assert_eq!((report.fact, &report.recipient), (Fact::Delivered, &None));
}

#[test]
fn a_topic_that_asks_is_answered_and_one_that_tells_of_itself_is_heard() {
    let url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t";
    let envelope = |kind: &str, text: &str| {
        json!({
            "Type": kind, "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:sms-events",
            "Message": text, "Token": "t", "SubscribeURL": url, "Timestamp": "2026-07-02T10:00:00.000Z",
            "SignatureVersion": "2", "Signature": "AAAA", "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem",
        })
    };
    let read = |envelope: Value| {
        feedback(ProviderKind::AwsSms, &arrival("POST", "", &envelope.to_string())).unwrap()
    };
    let asked = read(envelope("SubscriptionConfirmation", "You have chosen to subscribe"));
    assert_eq!((asked.confirm.as_deref(), asked.reports), (Some(url), vec![]));
    assert_eq!(read(envelope("Notification", "set up")), Feedback::default());
}

fn arrival(method: &str, url: &str, body: &str) -> Arrival {
    Arrival {
        method: method.to_owned(),
        url: format!("{FEEDBACK_URL}{url}"),
        headers: Vec::new(),
        body: body.to_owned(),
        now: super::now(),
    }
}
