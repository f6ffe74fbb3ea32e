//! Each sample of each vendor, posted to a source of its own: what it becomes, and that it becomes it once.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::caught::{
    FIRST, PROOF, TOKEN, events, inbox, mirrors, named, names, post, sample, timeline,
};
use crate::http::Message;
use crate::service::{LOCAL, Service};

/// A sample, what happens by it, and where the mirror stands then.
type Line = (&'static str, &'static [&'static str], Option<&'static str>);

/// Posts each sample twice to a source of its own, and compares what comes of it.
fn each_is(
    service: &Service,
    (vendor, times): (&str, usize),
    settings: &Value,
    lines: &[Line],
    call: &dyn Fn(&str, &str) -> Message,
) {
    let mut before = all(service).len();
    let made = service.api("GET", "/sources", None).expect(200).json();
    let made = made["data"].as_array().unwrap().len();
    for (at, (file, happens, status)) in (made..).zip(lines) {
        let (source, path) = named(service, vendor, &format!("{vendor}-{at}"), settings);
        for _ in 0..2 {
            call(&path, file).expect(200);
        }
        let kept = inbox(service, &source);
        assert_eq!(kept.len(), times, "{file}: {kept:#?}");
        assert!(kept.iter().all(|row| row["state"] == "done"), "{file}: {kept:#?}");
        let told = all(service);
        assert_eq!(told[before..], **happens, "{file}");
        before = told.len();
        let mirrors = mirrors(service, &source);
        let standing = mirrors.first().map(|mirror| mirror["status"].as_str().unwrap());
        assert_eq!(standing, *status, "{file}");
        if let Some(mirror) = mirrors.first() {
            is_readable(service, mirror, (&source, &kept), happens);
        }
    }
}

/// Gives the names of all that has happened, however much it is.
fn all(service: &Service) -> Vec<String> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/events?limit=100{after}");
        let list = service.api("GET", &path, None).expect(200).json();
        let rows = list["data"].as_array().unwrap();
        all.extend(rows.iter().map(|row| row["type"].as_str().unwrap().to_owned()));
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        after = format!("&cursor={cursor}");
    }
    all.retain(|name| name != "source.received");
    all.reverse();
    all
}

/// Sees that a timeline says what happened, and which arrival it was heard by.
fn is_readable(service: &Service, mirror: &Value, of: (&str, &[Value]), happens: &[&str]) {
    let told = timeline(service, mirror["id"].as_str().unwrap());
    let named: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, *happens);
    for (_, data) in &told {
        let heard = &data["heard"];
        let word = heard["word"].as_str().unwrap();
        assert!(!word.is_empty());
        let arrival = &heard["arrival_id"];
        assert!(of.1.iter().any(|row| row["id"] == *arrival), "{heard}");
        assert_eq!((&heard["source_id"], &heard["by"]), (&json!(of.0), &json!("webhook")));
        // Of what was withdrawn or put away, nobody is asked for more.
        let note = heard["note"].as_str().unwrap_or_default();
        let is_asked = !word.contains("cancelled") && !word.contains("archived");
        assert_eq!(note.starts_with("taken as it was told: "), is_asked, "{heard}");
    }
}

#[test]
fn every_sample_of_clickwrap_becomes_what_it_says_by_post_and_by_get() {
    const LINES: [Line; 9] = [
        ("test_event", &[], None),
        ("request_sent", &["request.sent"], Some("sent")),
        ("request_signed", &["signer.signed"], Some("sent")),
        ("request_complete", &["request.completed"], Some("completed")),
        ("request_expired", &["request.expired"], Some("expired")),
        ("activity_agreed", &["clickwrap.activity_agreed"], None),
        ("activity_displayed", &["clickwrap.activity_displayed"], None),
        ("group_published", &["clickwrap.group_published"], None),
        ("version_published", &["clickwrap.version_published"], None),
    ];
    let service = Service::start(&LOCAL);
    let settings = json!({"token": TOKEN});
    each_is(&service, ("clickwrap", 1), &settings, &LINES, &|path, file| {
        post(&service, path, &PROOF, &sample(&format!("clickwrap/{file}.json")))
    });
    service.stop();
    let service = Service::start(&LOCAL);
    each_is(&service, ("clickwrap", 1), &settings, &LINES, &|path, file| {
        let members: Value =
            serde_json::from_str(&sample(&format!("clickwrap/{file}.json"))).unwrap();
        let pairs = members.as_object().unwrap().iter().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        service.send("GET", &format!("{path}?{query}"), &PROOF, b"")
    });
    service.stop();
}

#[test]
fn every_sample_of_insertsign_becomes_what_it_says() {
    const LINES: [Line; 9] = [
        ("request.sent", &["request.sent", "signer.notified", "signer.notified"], Some("sent")),
        ("signer.signed", &["signer.signed"], Some("sent")),
        ("request.completed", &["signer.signed", "request.completed"], Some("completed")),
        ("request.archived", &["request.archived"], Some("completed")),
        ("request.deleted", &["request.deleted"], None),
        ("contact.created", &["contact.created"], None),
        ("email.delivered", &["email.delivered"], None),
        ("email.bounced", &["email.bounced"], None),
        ("email.spammed", &["email.complained"], None),
    ];
    let service = Service::start(&LOCAL);
    each_is(&service, ("insertsign", 1), &json!({}), &LINES, &|path, file| {
        post(&service, path, &[], &sample(&format!("insertsign/{file}.json")))
    });
    let deleted = events(&service).into_iter().find(|(name, _)| name == "request.deleted").unwrap();
    let id = deleted.1["request"]["id"].as_str().unwrap().to_owned();
    service.api("GET", &format!("/requests/{id}"), None).expect(404);
    assert_eq!(timeline(&service, &id).last().unwrap().0, "request.deleted");
    service.stop();
}

#[test]
fn every_sample_of_ironclad_becomes_what_it_says() {
    const SIGNING: [Line; 5] = [
        ("workflow_signature_packet_sent", &["request.sent"], Some("sent")),
        (
            "workflow_signature_packet_signatures_collected",
            &["signer.signed", "signer.signed"],
            Some("sent"),
        ),
        ("workflow_signature_packet_fully_signed", &["request.completed"], Some("completed")),
        ("workflow_signature_packet_cancelled", &["request.cancelled"], Some("cancelled")),
        ("workflow_cancelled", &["request.cancelled"], Some("cancelled")),
    ];
    let service = Service::start(&LOCAL);
    let settings = json!({"verification_key": FIRST.public()});
    let call = |path: &str, file: &str| {
        let body = sample(&format!("ironclad/{file}.json"));
        FIRST.post(&service, path, &format!("event-{file}"), &body)
    };
    each_is(&service, ("ironclad", 1), &settings, &SIGNING, &call);
    let (source, path) = named(&service, "ironclad", "the-rest", &settings);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/fixtures/ironclad");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let files = files.map(|name| name.into_string().unwrap());
    let mut rest: Vec<String> = files
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .filter(|name| !name.starts_with('_') && !SIGNING.iter().any(|line| line.0 == name))
        .collect();
    rest.sort();
    assert_eq!(rest.len(), 26);
    let before = names(&service).len();
    for file in rest.iter().chain(&rest) {
        call(&path, file).expect(200);
    }
    let kept = inbox(&service, &source);
    assert!(kept.len() == 26 && kept.iter().all(|row| row["state"] == "done"), "{kept:#?}");
    let mut told = names(&service).split_off(before);
    told.sort();
    let named: Vec<String> = rest.iter().map(|file| format!("ironclad.{file}")).collect();
    assert_eq!(told, named);
    for (name, data) in events(&service).split_off(before) {
        let file = name.strip_prefix("ironclad.").unwrap();
        assert_eq!(data["body"], sample(&format!("ironclad/{file}.json")), "every byte");
    }
    service.stop();
}

const BODIES: [Line; 3] = [
    ("automation-context.workstepOpened", &["signer.viewed"], Some("sent")),
    ("automation-context.envelopeFinished", &["request.completed"], Some("completed")),
    ("fintechos.call-action.request", &["signer.viewed"], Some("sent")),
];

const QUERIES: [Line; 7] = [
    ("workstepOpened", &["signer.viewed"], Some("sent")),
    ("workstepFinished", &["signer.signed"], Some("sent")),
    ("workstepRejected", &["signer.declined", "request.declined"], Some("declined")),
    ("workstepDelegated", &["signer.reassigned"], Some("sent")),
    ("sendSignNotification", &["request.sent", "signer.notified"], Some("sent")),
    ("envelopeExpired", &["request.expired"], Some("expired")),
    ("envelopeFinished", &["request.completed"], Some("completed")),
];

/// Where callbacks name nobody, a repetition and a second signer's step look the same: both are kept, and the mirror tells.
fn each_query_is(vendor: &str, method: &str) {
    let expansions: Value =
        serde_json::from_str(&sample("fintechos/esaw.callback-expansions.json")).unwrap();
    let expansions = expansions["expansions"].as_array().unwrap();
    let query = |action: &str| {
        let said = expansions.iter().find(|said| said["action"] == action).unwrap();
        said["url"].as_str().unwrap().split_once('?').unwrap().1.to_owned()
    };
    let service = Service::start(&LOCAL);
    each_is(&service, (vendor, 2), &json!({}), &QUERIES, &|path, action| {
        service.send(method, &format!("{path}?{}", query(action)), &[], b"")
    });
    service.stop();
}

#[test]
fn every_body_of_fintechos_becomes_what_it_says() {
    let service = Service::start(&LOCAL);
    each_is(&service, ("fintechos", 2), &json!({}), &BODIES, &|path, file| {
        post(&service, path, &[], &sample(&format!("fintechos/{file}.json")))
    });
    service.stop();
}

#[test]
fn every_query_of_fintechos_becomes_what_it_says() {
    each_query_is("fintechos", "GET");
    each_query_is("fintechos", "POST");
}

#[test]
fn every_query_of_esaw_becomes_what_it_says() {
    each_query_is("esaw", "GET");
    each_query_is("esaw", "POST");
}
