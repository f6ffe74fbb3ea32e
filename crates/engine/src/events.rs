//! Events of the account's own: checked, and committed as they came.
//!
//! Invariant: what is said is kept byte for byte; it is not parsed again here, for this is the hot path.
//! Left to others: that `data` is JSON at all (`web`, which read it).

use std::borrow::Cow;

use domain::event::{DATA_BYTES_MAX, Event, Kind, NAME_CHARS_MAX, is_custom_name};
use domain::id::{AccountId, EventId};
use domain::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use store::{Audience, Commit, Noted, Said};

use crate::Engine;
use crate::check::Flaws;
use crate::command::{Flaw, Once, Refusal};

/// The most events of one call.
pub const EVENTS_MAX: usize = 1_000;

/// An event of the account's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewEvent {
    /// Its whole name, `custom.` included.
    #[serde(rename = "type", default)]
    pub name: String,
    /// A JSON object as text, at most 256 KiB. Deserialising keeps the text as it came (from JSON text only).
    #[serde(default, deserialize_with = "raw")]
    pub data: String,
    /// The account's own id, 1 to 64 visible ASCII characters: a second event with the same id is the first one.
    #[serde(default)]
    pub id: Option<String>,
    /// Events of one key arrive in order where an endpoint asks for it; at most 128 characters.
    #[serde(default)]
    pub order_key: Option<String>,
}

fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text: Box<str> = Box::<RawValue>::deserialize(deserializer)?.into();
    Ok(text.into())
}

impl Engine {
    /// Notes one event. Flaws have paths such as `data`.
    pub async fn post_event(
        &self,
        account: AccountId,
        event: NewEvent,
        once: &Once<'_, Noted>,
    ) -> Result<Noted, Refusal> {
        // Whether an event with an id of its own is new shows only in the commit; repeating it is harmless anyway.
        let later = event.id.is_some();
        let commit = self.of_one(account, event, once)?;
        let committed = self.commit(commit).await;
        let noted = committed.map_err(|fault| once.refusal(fault))?.events;
        let noted = noted.into_iter().next().ok_or(Refusal::NotFound { what: "event" })?;
        if later && let Some(reply) = once.reply(&noted) {
            // Boxed, so that the hot path does not carry the room for it.
            Box::pin(self.keep_reply(account, reply)).await?;
        }
        Ok(noted)
    }

    /// Makes the commit of one event, apart from whoever waits for it, who would carry the room for it all the while.
    fn of_one(
        &self,
        account: AccountId,
        event: NewEvent,
        once: &Once<'_, Noted>,
    ) -> Result<Commit, Refusal> {
        let now = self.now();
        let said = self.said(account, event, now).map_err(Refusal::Invalid)?;
        let noted = Noted { id: said.event.id, known: false };
        let reply = if said.event.key.is_some() { None } else { once.reply(&noted) };
        Ok(Commit { events: vec![said], reply, ..Commit::new(account, now) })
    }

    /// Notes 1 to [`EVENTS_MAX`] events in one commit; the answer is in their order. Flaws have paths such as
    /// `events[3].data`.
    pub async fn post_events(
        &self,
        account: AccountId,
        events: Vec<NewEvent>,
        once: &Once<'_, [Noted]>,
    ) -> Result<Vec<Noted>, Refusal> {
        if events.is_empty() || events.len() > EVENTS_MAX {
            let message = format!("expected 1 to {EVENTS_MAX} events");
            return Err(Refusal::Invalid(vec![Flaw::new("events", message)]));
        }
        let now = self.now();
        let mut said = Vec::with_capacity(events.len());
        let mut flaws = Flaws::default();
        for (index, event) in events.into_iter().enumerate() {
            match self.said(account, event, now) {
                Ok(event) => said.push(event),
                Err(found) => {
                    for Flaw { path, message } in found {
                        flaws.note(format!("events[{index}].{path}"), message);
                    }
                }
            }
        }
        flaws.none()?;
        let later = said.iter().all(|said| said.event.key.is_some());
        let reply = if later { None } else { once.reply(&new(&said)) };
        let commit = Commit { events: said, reply, ..Commit::new(account, now) };
        let committed = self.commit(commit).await;
        let noted = committed.map_err(|fault| once.refusal(fault))?.events;
        if later && let Some(reply) = once.reply(&noted) {
            self.keep_reply(account, reply).await?;
        }
        Ok(noted)
    }

    fn said(&self, account: AccountId, event: NewEvent, now: Timestamp) -> Result<Said, Vec<Flaw>> {
        check_event(&event)?;
        let NewEvent { name, data, id: key, order_key } = event;
        let id = EventId::new(self.mint(now));
        let (kind, name) = (Kind::Custom, Cow::Owned(name));
        let event = Event {
            id,
            account,
            kind,
            name,
            at: now,
            request: None,
            order_key,
            key,
            data,
            test: false,
            callbacks: Vec::new(),
            link: None,
        };
        Ok(Said { event, audience: Audience::Subscribers })
    }
}

/// Gives the answer that is kept with a batch in which some events have no id of their own: of every event that it is
/// new.
fn new(events: &[Said]) -> Vec<Noted> {
    events.iter().map(|said| Noted { id: said.event.id, known: false }).collect()
}

/// Checks an event without looking into what it says; costs nothing while all is well.
fn check_event(event: &NewEvent) -> Result<(), Vec<Flaw>> {
    let NewEvent { name, data, id, order_key } = event;
    let mut flaws = Vec::new();
    if !is_custom_name(name) {
        let message = format!(
            "expected `custom.` and words of letters, digits, `_` and `-`, joined by dots, at most {NAME_CHARS_MAX} characters"
        );
        flaws.push(Flaw::new("type", message));
    }
    if !data.starts_with('{') {
        flaws.push(Flaw::new("data", "expected a JSON object"));
    } else if data.len() > DATA_BYTES_MAX {
        flaws.push(Flaw::new("data", format!("expected at most {DATA_BYTES_MAX} bytes of JSON")));
    }
    if id.as_ref().is_some_and(|id| !is_id(id)) {
        let message = format!("expected 1 to {ID_CHARS_MAX} visible ASCII characters");
        flaws.push(Flaw::new("id", message));
    }
    if order_key.as_ref().is_some_and(|key| !is_order_key(key)) {
        let message = format!(
            "expected 1 to {ORDER_KEY_CHARS_MAX} characters, none of them a control character"
        );
        flaws.push(Flaw::new("order_key", message));
    }
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_order_key(key: &str) -> bool {
    !key.is_empty()
        && key.chars().nth(ORDER_KEY_CHARS_MAX).is_none()
        && !key.chars().any(char::is_control)
}

const ID_CHARS_MAX: usize = 64;
const ORDER_KEY_CHARS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> NewEvent {
        NewEvent {
            name: "custom.invoice.paid".to_owned(),
            data: "{}".to_owned(),
            id: None,
            order_key: None,
        }
    }

    fn paths(event: &NewEvent) -> Vec<String> {
        check_event(event).err().unwrap_or_default().into_iter().map(|flaw| flaw.path).collect()
    }

    #[test]
    fn the_text_of_data_is_kept_as_it_came() {
        let text = r#"{"type":"custom.a","data":{ "b": 1.0,  "a":"\u00e4" },"id":"1"}"#;
        let event: NewEvent = serde_json::from_str(text).unwrap();
        assert_eq!(event.data, r#"{ "b": 1.0,  "a":"\u00e4" }"#);
        assert!(paths(&event).is_empty());
    }

    #[test]
    fn every_flaw_of_an_event_is_told() {
        let bad = NewEvent {
            name: "invoice.paid".to_owned(),
            data: "[]".to_owned(),
            id: Some("a b".to_owned()),
            order_key: Some("x".repeat(129)),
        };
        assert_eq!(paths(&bad), ["type", "data", "id", "order_key"]);
        let empty = NewEvent { id: Some(String::new()), order_key: Some(String::new()), ..event() };
        assert_eq!(paths(&empty), ["id", "order_key"]);
    }

    #[test]
    fn data_may_have_just_its_bound() {
        let of_bytes = |bytes: usize| NewEvent {
            data: format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8)),
            ..event()
        };
        assert!(paths(&of_bytes(DATA_BYTES_MAX)).is_empty());
        assert_eq!(paths(&of_bytes(DATA_BYTES_MAX + 1)), ["data"]);
    }
}
