//! Ironclad: a workflow from launch to its end, by the vendor's calls.

use serde_json::{Value, json};

use super::run;
use crate::http::Receiver;
use crate::service::{LOCAL, Service};

#[test]
fn the_page_runs_from_launch_to_its_end() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let said = run("ironclad.md", &service, &receiver.url("/ironclad"));
    let heard = receiver.until(|heard| heard.len() >= 4);
    let mut told: Vec<String> = heard
        .iter()
        .map(|call| {
            let payload = call.json()["payload"].clone();
            let transition = payload["transition"].as_str().unwrap_or("-").to_owned();
            format!("{} {transition}", payload["event"].as_str().unwrap())
        })
        .collect();
    told.sort();
    let expected = [
        "workflow_cancelled -",
        "workflow_launched -",
        "workflow_step_updated create_to_review",
        "workflow_step_updated review_to_sign",
    ];
    assert_eq!(told, expected);
    let last = said.lines().last().unwrap();
    let at = last.rfind(",\"ironcladId\"").and_then(|at| last.get(..at)?.rfind('{')).unwrap();
    let shown: Value = serde_json::from_str(last.get(at..).unwrap()).unwrap();
    assert_eq!((&shown["status"], &shown["step"]), (&json!("cancelled"), &json!("Sign")));
    assert_eq!(shown["attributes"]["draft"][0]["filename"], "nda.pdf");
    assert_eq!(shown["attributes"]["term"], 24);
    service.stop();
}
