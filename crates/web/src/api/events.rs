//! Events: the account's own come in here, and the log is read.
//!
//! Invariants: posting is the hot path: the body is read once, `data` is kept byte for byte; what cannot be read is
//! looked at again slowly, to say where it is wrong.
//! Left to others: rules about names and sizes (`engine::events`).

use std::borrow::Cow;
use std::fmt::Write as _;

use domain::chain::Link;
use domain::event::{DATA_BYTES_MAX, Event};
use domain::id::{EventId, RequestId};
use domain::key::Scope;
use domain::time::Timestamp;
use engine::events::NewEvent;
use engine::problem::Problem as Page;
use engine::{Flaw, Once};
use memchr::{memchr_iter, memchr2_iter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use store::{EventFilter, Noted};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::input::{self, BATCH_BYTES_MAX, Input};
use crate::page::Query;
use crate::problem::{Answer, Halt, Problem};

/// An event as it is posted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    order_key: Option<Cow<'a, str>>,
}

/// A batch as it is posted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<Posted<'a>>,
}

/// `POST /events`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Events)?;
    let key = input.once().await?;
    let new = taken(posted(input.json_bytes()?, "NewEvent")?, "")?;
    let show = |noted: &Noted| (status(noted.known), shown_noted(noted));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let noted = engine.post_event(account, new, &once).await?;
    Ok(answer::json(show(&noted)))
}

/// `POST /events/batch`.
pub(crate) async fn create_batch(input: Input<BATCH_BYTES_MAX>) -> Answer {
    input.may(Scope::Events)?;
    let key = input.once().await?;
    let Batch { events } = posted(input.json_bytes()?, "NewEvents")?;
    let taken = |(index, posted)| taken(posted, &format!("events[{index}]."));
    let new = events.into_iter().enumerate().map(taken).collect::<Result<Vec<_>, _>>()?;
    let show = |noted: &[Noted]| (202, shown_batch(noted));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let noted = engine.post_events(account, new, &once).await?;
    Ok(answer::json(show(&noted)))
}

/// `GET /events`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Events)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    let names = query.text("type").unwrap_or_default();
    let filter = EventFilter {
        request: query.take("request_id", "the id of a request"),
        names: names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        ascending: query.one_of("order", &["asc", "desc"]).as_deref() == Some("asc"),
    };
    query.done()?;
    let ascending = filter.ascending;
    let rows = caller.engine().views().events(caller.account(), filter, window.page()).await?;
    let id = |row: &Event| row.id.bits();
    let page =
        if ascending { window.follow(&rows, id, shown) } else { window.list(&rows, id, shown) };
    Ok(answer::ok(&page))
}

/// `GET /events/{id}`.
pub(crate) async fn read(Path(id): Path<EventId>, caller: Caller) -> Answer {
    caller.may(Scope::Events)?;
    let event = caller.engine().views().event(caller.account(), id).await?;
    Ok(answer::ok(&shown(&event.ok_or_else(|| Problem::not_found("event"))?)))
}

/// Reads what was posted; what cannot be read is read again for its flaws.
fn posted<'a, T: Deserialize<'a>>(bytes: &'a [u8], shape: &str) -> Result<T, Halt> {
    let error = match serde_json::from_slice(bytes) {
        Ok(posted) => return Ok(posted),
        Err(error) => error,
    };
    if !error.is_data() {
        return Err(input::malformed(&error));
    }
    if !input::has_too_many_values(bytes) {
        drop(input::parse::<Value>(bytes, shape)?);
    }
    // The shape found nothing wrong, or was not asked, so the reader itself has the word.
    Err(Problem::invalid(vec![Flaw::new("", error.to_string())]).into())
}

/// Takes an event whose data any reader of JSON can read.
fn taken(posted: Posted<'_>, path: &str) -> Result<NewEvent, Halt> {
    let data = posted.data.get();
    if data.len() > DATA_BYTES_MAX {
        let detail = format!("{path}data is longer than {DATA_BYTES_MAX} bytes");
        return Err(Problem::new(Page::TooLarge, detail).with("bytes_max", DATA_BYTES_MAX).into());
    }
    if is_doubtful(data)
        && let Err(error) = serde_json::from_str::<Value>(data)
    {
        let message = format!("cannot be read by others: {error}");
        return Err(Problem::invalid(vec![Flaw::new(format!("{path}data"), message)]).into());
    }
    Ok(NewEvent {
        name: posted.name.into_owned(),
        data: data.to_owned(),
        id: posted.id.map(Cow::into_owned),
        order_key: posted.order_key.map(Cow::into_owned),
    })
}

/// Tells whether some text of JSON might be nested too deeply, or hold half a surrogate pair.
fn is_doubtful(data: &str) -> bool {
    let opened = memchr2_iter(b'[', b'{', data.as_bytes()).count();
    let mut escapes = memchr_iter(b'\\', data.as_bytes());
    opened > DEPTH_SAFE
        || escapes.any(|at| matches!(data.as_bytes().get(at + 1..at + 3), Some(b"ud" | b"uD")))
}

/// Readers of JSON take at least that many levels.
const DEPTH_SAFE: usize = 100;

/// 200 when the event was in the log already, else 202: it is safe, and on its way.
const fn status(known: bool) -> u16 {
    if known { 200 } else { 202 }
}

fn shown_noted(noted: &Noted) -> String {
    let mut text = String::with_capacity(64);
    push_noted(&mut text, noted);
    text
}

fn shown_batch(noted: &[Noted]) -> String {
    let mut text = String::with_capacity(16 + noted.len() * 64);
    text.push_str("{\"data\":[");
    for (index, noted) in noted.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_noted(&mut text, noted);
    }
    text.push_str("]}");
    text
}

fn push_noted(text: &mut String, noted: &Noted) {
    let written = write!(text, "{{\"id\":\"{}\",\"known\":{}}}", noted.id, noted.known);
    debug_assert!(written.is_ok(), "a text takes everything");
}

/// An event as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: EventId,
    #[serde(rename = "type")]
    name: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Link>,
    /// `None` once it was forgotten.
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_false")]
    forgotten: bool,
}

pub(crate) fn shown(event: &Event) -> Shown {
    Shown {
        id: event.id,
        name: event.name.clone().into_owned(),
        at: event.at,
        request_id: event.request,
        order_key: event.order_key.clone(),
        key: event.key.clone(),
        test: event.test,
        chain: event.link,
        data: RawValue::from_string(event.data.clone()).ok(),
        forgotten: event.is_forgotten(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(body: &str) -> Result<String, String> {
        let posted = posted::<Posted<'_>>(body.as_bytes(), "NewEvent")
            .map_err(|halt| format!("{halt:?}"))?;
        taken(posted, "").map(|event| event.data).map_err(|halt| format!("{halt:?}"))
    }

    #[test]
    fn data_is_kept_as_it_came() {
        let body = r#"{"type":"custom.a","data":{ "b" : 1.0, "a":"\u00e9" }}"#;
        assert_eq!(take(body).unwrap(), r#"{ "b" : 1.0, "a":"\u00e9" }"#);
    }

    #[test]
    fn data_that_others_cannot_read_is_refused() {
        let deep =
            format!(r#"{{"type":"custom.a","data":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        for body in [r#"{"type":"custom.a","data":{"a":"\ud800"}}"#, &deep] {
            assert!(take(body).unwrap_err().contains("cannot be read by others"), "{body}");
        }
        assert!(take(r#"{"type":"custom.a","data":{"a":"\ud83d\ude00"}}"#).is_ok());
    }

    #[test]
    fn an_unknown_member_is_named() {
        let error = take(r#"{"type":"custom.a","data":{},"orderkey":"x"}"#).unwrap_err();
        assert!(error.contains("orderkey"), "{error}");
    }
}
