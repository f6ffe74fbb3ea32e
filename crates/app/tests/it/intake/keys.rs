//! The key that Ironclad signs with, fetched from the vendor: kept, fetched anew when it was changed, and not at the wish of
//! whoever knocks with a wrong proof.

use serde_json::{Value, json};

use super::api::Api;
use super::caught::{FIRST, SECOND, inbox, sample, source};
use crate::service::Service;

fn body() -> String {
    sample("ironclad/workflow_signature_packet_sent.json")
}

#[test]
fn a_key_is_fetched_once_and_once_more_when_it_was_changed() {
    let api = Api::start();
    api.answers("/key", 200, &[], &FIRST.public());
    let service = Service::develop(&[]);
    let settings = json!({"key_url": api.url("/key")});
    let (source, path) = source(&service, "ironclad", &settings);
    for event in ["event-1", "event-2"] {
        FIRST.post(&service, &path, event, &body()).expect(200);
    }
    for at in 0..20 {
        SECOND.post(&service, &path, &format!("forged-{at}"), &body()).expect(401);
    }
    assert_eq!(api.asked().len(), 1);

    api.answers("/key", 200, &[], &SECOND.public());
    service.advance("PT10M");
    SECOND.post(&service, &path, "event-3", &body()).expect(200);
    assert_eq!(api.asked().len(), 2);
    for at in 0..20 {
        FIRST.post(&service, &path, &format!("forged-again-{at}"), &body()).expect(401);
    }
    assert_eq!(api.asked().len(), 2);
    assert_eq!(inbox(&service, &source).len(), 3);
    let shown = service.api("GET", &format!("/sources/{source}"), None).expect(200).json();
    assert_eq!(shown["refused_count"], 40);
    service.stop();
}

#[test]
fn while_the_key_cannot_be_fetched_the_vendor_is_told_to_come_again() {
    let api = Api::start();
    api.answers("/key", 500, &[], "");
    let service = Service::develop(&[]);
    let (source, path) = source(&service, "ironclad", &json!({"key_url": api.url("/key")}));
    let refused = FIRST.post(&service, &path, "event-1", &body()).expect(503);
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(inbox(&service, &source), Vec::<Value>::new());
    api.answers("/key", 200, &[], "no key at all");
    FIRST.post(&service, &path, "event-1", &body()).expect(503);
    api.answers("/key", 200, &[], &FIRST.public());
    FIRST.post(&service, &path, "event-1", &body()).expect(200);
    service.stop();
}
