//! Webhooks: kept, and given up by the system.

use std::cell::RefCell;

use domain::time::{HOUR_MS, Timestamp};
use serde_json::{Value, json};

use super::shapes::Shapes;
use super::{Client, template, template_id};
use crate::http::{Receiver, reply};
use crate::process::until;
use crate::service::{KEY, Service};

/// Registers a webhook, looks at it, and takes it away.
pub(super) fn kept(client: &Client<'_>) {
    let new = json!({
        "events": ["workflow_launched"], "targetURL": "https://hooks.example.com/x",
        "headers": {"Authorization": "Bearer s3cret"},
    });
    let made = client.call("POST", "/webhooks", &new).expect(201).json();
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    assert_eq!(client.get(&path), made);
    let changed = json!({"status": "disabled", "events": ["*"]});
    let changed = client.call("PATCH", &path, &changed).expect(200).json();
    assert_eq!(client.get("/webhooks")["list"][0], changed);
    let taken = (400, "INVALID_PARAM", Some("tagetURL"));
    client.refused(("POST", "/webhooks"), &new, taken);
    assert_eq!(client.call("DELETE", &path, &Value::Null).expect(204).text(), "");
    client.refused(("GET", &path), &Value::Null, (404, "NOT_FOUND", None));
    client.call("GET", "/webhooks/verification-key", &Value::Null).expect(200);
}

/// Has a receiver say that it is gone, and is told that the webhook was disabled.
pub(super) fn given_up(client: &Client<'_>, template: &str) {
    let receiver = Receiver::answering(([127, 0, 0, 1], 0).into(), |_, _| reply(410, &[], ""));
    let new = json!({"events": ["workflow_launched"], "targetURL": receiver.url("/hook")});
    let made = client.call("POST", "/webhooks", &new).expect(201).json();
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    let all = client.service.api("GET", "/endpoints?limit=100", None).expect(200).json();
    let all = all["data"].as_array().unwrap();
    let own = all.iter().find(|endpoint| endpoint["url"] == receiver.url("/hook")).unwrap();
    // By the vendor's rule of today; by that of before, it goes.
    let rule = json!({"profile": "ironclad-2026"});
    let own = format!("/endpoints/{}", own["id"].as_str().unwrap());
    client.service.api("PATCH", &own, Some(&rule)).expect(200);
    let launch = json!({"template": template, "attributes": {"counterpartyName": "Acme"}});
    client.call("POST", "/workflows", &launch).expect(200);
    let over = until("the webhook to be given up", || {
        Some(client.get(&path)).filter(|webhook| webhook["status"] != "enabled")
    });
    assert_eq!(
        (&over["status"], &over["statusLastUpdatedBy"], &over["consecutiveFailureCount"]),
        (&json!("disabledBySystem"), &json!("system"), &json!(1))
    );
    client.call("DELETE", &path, &Value::Null).expect(204);
}

#[test]
fn a_webhook_that_has_failed_for_days_is_disabled_and_says_since_when() {
    // One more than the retries of an event, each fourteen hours after the one before.
    const FAILURES: usize = 10;
    let service = Service::develop(&[]);
    let shapes = RefCell::new(Shapes::new());
    let client = Client { service: &service, token: KEY.to_owned(), shapes };
    template(&service);
    let template = template_id(&service, &client);
    let refuse = |_: &_, count: usize| reply(if count < FAILURES { 500 } else { 200 }, &[], "");
    let receiver = Receiver::answering(([127, 0, 0, 1], 0).into(), refuse);
    let new = json!({"events": ["workflow_launched"], "targetURL": receiver.url("/hook")});
    let made = client.call("POST", "/webhooks", &new).expect(201).json();
    assert!(made.get("firstConsecutiveFailure").is_none(), "{made:#}");
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    let launch = json!({"template": template, "attributes": {"counterpartyName": "Acme"}});
    client.call("POST", "/workflows", &launch).expect(200);
    let failed = |times: usize| {
        until("a failure to count", || {
            Some(client.get(&path)).filter(|hook| hook["consecutiveFailureCount"] == times)
        })
    };
    let time = |hook: &Value, member: &str| -> Timestamp {
        hook[member].as_str().unwrap().parse().unwrap()
    };
    let first = failed(1);
    assert_eq!(first["status"], "enabled");
    let since = time(&first, "firstConsecutiveFailure");
    for times in 2..=FAILURES {
        service.advance("PT14H");
        let hook = failed(times);
        assert_eq!(time(&hook, "firstConsecutiveFailure"), since);
        assert!(times == FAILURES || hook["status"] == "enabled", "after {times}: {hook:#}");
    }
    // That is done in a step of its own.
    let over = until("the webhook to be disabled", || {
        Some(client.get(&path)).filter(|hook| hook["status"] != "enabled")
    });
    assert_eq!(
        (&over["status"], &over["statusLastUpdatedBy"]),
        (&json!("disabledBySystem"), &json!("system"))
    );
    assert_eq!(time(&over, "firstConsecutiveFailure"), since);
    let lasted_ms = time(&over, "statusLastUpdatedAt").millis_since(since);
    assert!(lasted_ms >= 9 * 14 * HOUR_MS, "{over:#}");
    // Who has mended the receiver turns the webhook on again.
    let again = client.call("PATCH", &path, &json!({"status": "enabled"})).expect(200).json();
    assert_eq!(again["status"], "enabled");
    client.call("POST", "/workflows", &launch).expect(200);
    let well = failed(0);
    assert!(well.get("firstConsecutiveFailure").is_none(), "{well:#}");
    service.stop();
}
