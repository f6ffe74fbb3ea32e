//! Webhooks of the interface: registered, shown, changed.
//!
//! A webhook is an endpoint in Ironclad's words. The vendor's typing error in the name of a parameter (`tagetURL`) is kept,
//! since clients look for it. Who changed a status last is `system`, or the company where a client did it: who holds a key is
//! not known here.
//!
//! Sources: <https://developer.ironcladapp.com/reference/create-a-webhook> and its neighbours (members, statuses, the two
//! errors), <https://developer.ironcladapp.com/reference/webhook-authentication> (`headers`).

use domain::endpoint::{Dialect, Endpoint, Status};
use domain::health::Health;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::dialect;
use crate::face::form::{self, Form};
use crate::face::ironclad::Error;
use crate::ironclad::{company_id, webhook_id};

/// What a client says of a webhook; what it leaves out is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Names of events, or `*`.
    pub events: Option<Vec<String>>,
    /// Where it listens; unchecked.
    pub target_url: Option<String>,
    /// Whether it is told anything.
    pub is_enabled: Option<bool>,
    /// The value of the `Authorization` header.
    pub authorization: Option<String>,
}

/// A webhook as the interface shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// 24 hexadecimal digits: the `webhookID` of its deliveries.
    pub id: String,
    /// Names of events, or `*`.
    pub events: Vec<String>,
    /// Where it listens.
    #[serde(rename = "targetURL")]
    pub target_url: String,
    /// The account: the `companyID` of its deliveries.
    pub company_id: String,
    /// `enabled`, `disabled` or `disabledBySystem`.
    pub status: &'static str,
    /// Failures since the last success.
    pub consecutive_failure_count: u32,
    /// When it was changed last.
    pub status_last_updated_at: Timestamp,
    /// By whom.
    pub status_last_updated_by: String,
    /// The first of those failures; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_consecutive_failure: Option<Timestamp>,
}

/// Reads the body that registers a webhook.
pub fn wanted(body: &[u8]) -> Result<Wanted, Error> {
    let wanted = changes(body)?;
    match (&wanted.events, &wanted.target_url) {
        (None, _) => Err(Error::missing("events")),
        (_, None) => Err(Error::missing("targetURL")),
        (Some(_), Some(_)) => Ok(wanted),
    }
}

/// Reads the body that changes a webhook.
pub fn changes(body: &[u8]) -> Result<Wanted, Error> {
    let wanted = form::read(body, |form| Wanted {
        events: events(form),
        target_url: form.text("targetURL").map(str::to_owned),
        is_enabled: form.text("status").and_then(|status| match status {
            "enabled" => Some(true),
            "disabled" => Some(false),
            _ => {
                form.flaw_at("status", "expected enabled or disabled");
                None
            }
        }),
        authorization: form.inner("headers").text("Authorization").map(str::to_owned),
    });
    let wanted = wanted.map_err(Error::flawed)?;
    let words = dialect(Dialect::Ironclad).words();
    let is_known = |name: &String| name == "*" || words.iter().any(|word| word.name == name);
    if wanted.events.iter().flatten().all(is_known) {
        return Ok(wanted);
    }
    let names: Vec<&str> = words.iter().map(|word| word.name).collect();
    let names = names.join(", ");
    Err(Error::invalid(
        "events",
        format!("invalid event type; *, {names} are acceptable event types"),
    ))
}

fn events(form: &Form<'_>) -> Option<Vec<String>> {
    let items = form.any("events")?.as_array();
    let names = |items: &Vec<Value>| -> Option<Vec<String>> {
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let names = items.filter(|items| (1..=EVENTS_MAX).contains(&items.len())).and_then(names);
    if names.is_none() {
        form.flaw_at("events", "expected a list of names of events, one at least");
    }
    names
}

const EVENTS_MAX: usize = 100;

/// Says that a URL has a webhook already.
pub fn taken(events: &[String], url: &str) -> Error {
    let event = events.first().map_or("*", String::as_str);
    Error::invalid("tagetURL", format!("webhook already exists for event {event} and target {url}"))
}

/// Gives the id under which the interface knows a webhook: 24 hexadecimal digits.
pub fn id(endpoint: &Endpoint) -> String {
    webhook_id(endpoint)
}

/// Shows a webhook.
pub fn shown(endpoint: &Endpoint, health: Health) -> Shown {
    let company_id = company_id(endpoint.account);
    let (status, by) = match endpoint.status {
        Status::Enabled => ("enabled", company_id.clone()),
        Status::Disabled | Status::Deleted => ("disabled", company_id.clone()),
        Status::DisabledBySystem => ("disabledBySystem", "system".to_owned()),
    };
    Shown {
        id: webhook_id(endpoint),
        events: endpoint.wants.names.clone(),
        target_url: endpoint.url.clone(),
        company_id,
        status,
        consecutive_failure_count: health.failures,
        status_last_updated_at: endpoint.updated_at,
        status_last_updated_by: by,
        first_consecutive_failure: health.failing_since.filter(|_| health.failures > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_the_vendors_words() {
        let said = |body: &str| serde_json::to_value(wanted(body.as_bytes()).unwrap_err()).unwrap();
        let unknown = said(r#"{"events":["workflow_forgotten"],"targetURL":"https://a.example"}"#);
        assert_eq!(
            (&unknown["code"], &unknown["param"]),
            (&"INVALID_PARAM".into(), &"events".into())
        );
        let message = unknown["message"].as_str().unwrap();
        assert!(message.starts_with("invalid event type; *, workflow_launched, "), "{message}");
        assert!(message.ends_with(" are acceptable event types"), "{message}");
        assert_eq!(said("{}")["code"], "MISSING_PARAM");
        assert_eq!(said(r#"{"events":[],"targetURL":"https://a.example"}"#)["param"], "events");
        assert_eq!(said("[]")["code"], "INVALID_PARAM");
        let status = r#"{"events":["*"],"targetURL":"https://a.example","status":"off"}"#;
        assert_eq!(said(status)["param"], "status");
    }
}
