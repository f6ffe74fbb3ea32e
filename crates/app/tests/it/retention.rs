//! Days pass: what has outlived its time is forgotten, and what must hold without it holds.

use std::fs;

use serde_json::{Value, json};

use crate::http::Receiver;
use crate::process::{text, until};
use crate::service::{Service, draft, id};

/// Calls the API, and gives what it answers.
fn read(service: &Service, path: &str) -> Value {
    service.api("GET", path, None).expect(200).json()
}

fn days_pass(service: &Service, days: u32) {
    let advance = json!({"advance": format!("P{days}D")});
    service.api("POST", "/clock", Some(&advance)).expect(200);
}

/// Exports a timeline, and has it checked; gives what was said.
fn verified(service: &Service, request: &str) -> String {
    let export = read(service, &format!("/requests/{request}/timeline"));
    let kept = fs::write(service.scratch.path().join("timeline.json"), export.to_string());
    assert!(kept.is_ok(), "{kept:?}");
    let output = service.scratch.run(&["verify", "timeline.json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn texts_and_deliveries_go_when_their_time_is_over_and_the_proof_holds() {
    let receiver = Receiver::start();
    let service = Service::develop(&["--keep-payloads", "P30D", "--keep-deliveries", "P60D"]);
    let endpoint = json!({"url": receiver.url("/hook")});
    let endpoint = id(&service.api("POST", "/endpoints", Some(&endpoint)).expect(201));
    let event = json!({"type": "custom.a", "data": {"a": 1}});
    let event = id(&service.api("POST", "/events", Some(&event)).expect(202));
    let open = id(&service.api("POST", "/requests", Some(&draft("parallel"))).expect(201));
    let ended = service.sent("parallel")["id"].as_str().unwrap().to_owned();
    service.api("POST", &format!("/requests/{ended}/cancel"), None).expect(200);
    until("the end of every delivery", || {
        let pending = read(&service, "/deliveries?state=pending");
        pending["data"].as_array().unwrap().is_empty().then_some(())
    });
    let of_event = format!("/deliveries?event_id={event}");
    let delivery = read(&service, &of_event)["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(verified(&service, &ended).contains(" 0 of them without their texts"));

    days_pass(&service, 31);
    let (event, delivery) = (format!("/events/{event}"), format!("/deliveries/{delivery}"));
    until("the text to be forgotten", || {
        (read(&service, &event)["forgotten"] == true).then_some(())
    });
    assert_eq!(read(&service, &event)["data"], Value::Null);
    service.api("POST", &format!("{delivery}/retry"), None).expect_problem(409, "forgotten");
    let entries = read(&service, &format!("/requests/{ended}/timeline"));
    assert_eq!(entries["data"][0]["event"], json!({"type": "request.created", "data": null}));
    verified(&service, &ended);
    assert!(verified(&service, &open).contains(" 0 of them without their texts"));

    let since = json!({"since": "2000-01-01T00:00:00Z"});
    let replay = format!("/endpoints/{endpoint}/replay");
    let replay = id(&service.api("POST", &replay, Some(&since)).expect(202));
    let replay = until("the replay's end", || {
        let replay = read(&service, &format!("/replays/{replay}"));
        (replay["status"] == "done").then_some(replay)
    });
    let number = |value: &Value| value.as_u64().unwrap();
    let skipped = number(&replay["skipped"]["forgotten"]);
    assert_eq!(number(&replay["matched"]), number(&replay["sent"]) + skipped);
    assert!(skipped > 1 && number(&replay["sent"]) > 0, "{replay}");

    days_pass(&service, 30);
    until("the deliveries to go", || {
        (service.api("GET", &delivery, None).status() == 404).then_some(())
    });
    until("the event to go", || (service.api("GET", &event, None).status() == 404).then_some(()));
    assert!(!verified(&service, &ended).contains(" 0 of them without their texts"));
    service.stop();
}
