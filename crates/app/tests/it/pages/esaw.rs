//! eSignAnyWhere: an envelope followed by callbacks and by asking, and one withdrawn.

use serde_json::Value;

use super::run;
use crate::http::Receiver;
use crate::service::{LOCAL, Service};

#[test]
fn an_envelope_is_followed_to_its_end() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let said = run("esaw.md", &service, &receiver.url("/esaw"));
    let heard = receiver.until(|heard| heard.len() >= 4);
    let envelope = said.split_once("{\"Id\"").map(|(_, rest)| format!("{{\"Id\"{rest}")).unwrap();
    let envelope: Value = serde_json::from_str(envelope.trim()).unwrap();
    assert_eq!(envelope["EnvelopeStatus"], "Completed");
    assert_eq!(envelope["Activities"][0]["Status"], "Completed");
    let id = envelope["Id"].as_str().unwrap();
    let mut targets: Vec<&str> = heard.iter().map(|call| call.word(1)).collect();
    targets.sort_unstable();
    let expected = [
        ("finish", "envelopeFinished"),
        ("status", "sendSignNotification"),
        ("status", "workstepFinished"),
        ("status", "workstepOpened"),
    ]
    .map(|(url, action)| format!("/esaw/{url}?envelope={id}&action={action}&ref=4711"));
    assert_eq!(targets, expected);
    assert!(heard.iter().all(|call| call.body.is_empty()));
    let list = service.api("GET", "/requests?status=cancelled", None).expect(200).json();
    assert_eq!(list["data"][0]["cancel_reason"], "no longer needed");
    service.stop();
}
