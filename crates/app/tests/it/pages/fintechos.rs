//! FintechOS eSign: a sign request with two worksteps, and the two hooks that it names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::run;
use crate::http::{Message, Receiver};
use crate::service::{LOCAL, Service};

/// Counts the actions that a hook heard of, and looks at what each call hands back.
fn actions(heard: &[Message], hook: &str, envelope: &str) -> BTreeMap<String, u32> {
    let mut actions = BTreeMap::new();
    for call in heard.iter().filter(|call| call.word(1).starts_with(&format!("/{hook}?"))) {
        let data = &call.json()["Data"];
        let action = data["action"].as_str().unwrap();
        let query = format!(
            "test=12345&asdf=abc&envelopeId={envelope}&recipientEmail=&recipientOrder=&action={action}"
        );
        assert_eq!(call.word(1), format!("/{hook}?{query}"));
        assert_eq!((&data["test"], &data["asdf"]), (&json!("12345"), &json!("abc")));
        let is_finish = hook == "finish-hook-id";
        let mark = if is_finish { json!("1") } else { Value::Null };
        assert_eq!(data["FTOSIsFinishCallback"], mark, "{action}");
        *actions.entry(action.to_owned()).or_insert(0) += 1;
    }
    actions
}

#[test]
fn the_page_runs_through_two_worksteps_and_calls_both_hooks() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let said = run("fintechos.md", &service, &receiver.url(""));
    let last: Value = serde_json::from_str(
        said.split_once("{\"EnvelopeId\"")
            .map(|(_, rest)| format!("{{\"EnvelopeId\"{rest}"))
            .unwrap()
            .trim(),
    )
    .unwrap();
    assert_eq!(
        (&last["EnvelopeStatus"], &last["WorkstepUrl"]),
        (&json!("Completed"), &Value::Null)
    );
    let envelope = last["EnvelopeId"].as_str().unwrap();
    let heard = receiver.until(|heard| heard.len() >= 7);
    let all = |actions: &[(&str, u32)]| -> BTreeMap<String, u32> {
        actions.iter().map(|(action, times)| ((*action).to_owned(), *times)).collect()
    };
    let status = [("sendSignNotification", 2), ("workstepFinished", 2), ("workstepOpened", 2)];
    assert_eq!(actions(&heard, "status-hook-id", envelope), all(&status));
    assert_eq!(actions(&heard, "finish-hook-id", envelope), all(&[("envelopeFinished", 1)]));
    service.stop();
}
