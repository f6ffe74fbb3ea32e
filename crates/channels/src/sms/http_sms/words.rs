//! What a service that is described in settings says, in answers and in reports.
//!
//! Invariants: a word in one of the lists counts, whatever the HTTP status; without one, an answer is read as any
//! other; only what stands where the settings point is kept.

use domain::call::Answer;
use domain::message::{Fact, Receipt, Reception, Report};
use domain::provider::Provider;
use serde_json::Value;

use crate::calls::KEY;
use crate::proof::id_of;
use crate::provider::{Feedback, Received, Unreadable, setting};
use crate::sms::arrived::{self, Fields};
use crate::sms::receipts::{
    self, REFUSED, accepted, by_status, id, is_success, later, receipt as said, word,
};

/// Reads an answer.
pub(super) fn receipt(provider: &Provider, answer: &Answer) -> Receipt {
    let body = receipts::body(answer);
    let pointer = setting(provider, "answer_status");
    let status = match pointer {
        Some(pointer) => word(&body, pointer),
        None => Some(answer.status.to_string()),
    };
    let taken = || accepted(setting(provider, "answer_id").and_then(|pointer| id(&body, pointer)));
    let Some(status) = status else { return by_status(answer, "") };
    let shown = if pointer.is_some() { status.as_str() } else { "" };
    if is_listed(provider, "answer_accepted", &status) {
        taken()
    } else if is_listed(provider, "answer_later", &status) {
        said(later(answer), answer, &reason(shown))
    } else if is_listed(provider, "answer_refused", &status) {
        said(REFUSED, answer, &reason(shown))
    } else if !is_success(answer) {
        by_status(answer, &reason(shown))
    } else if pointer.is_none() {
        taken()
    } else {
        said(Reception::Unknown, answer, &reason(shown))
    }
}

fn reason(status: &str) -> String {
    if status.is_empty() { String::new() } else { format!("the service says {status}") }
}

/// Reads a report.
pub(super) fn report(provider: &Provider, received: &Received<'_>) -> Result<Feedback, Unreadable> {
    let Some(place) = setting(provider, "report_status") else { return Ok(Feedback::default()) };
    let arrived = Arrived::of(received);
    let status = arrived
        .word(place)
        .ok_or_else(|| Unreadable(format!("the report has no word at {place}")))?;
    let at = |name: &str| setting(provider, name).and_then(|place| arrived.word(place));
    let message_id = at("report_id");
    let key = match setting(provider, "report_key") {
        Some(place) => arrived.word(place),
        None => arrived.query.id(KEY),
    };
    if message_id.is_none() && key.is_none() {
        return Err(Unreadable(
            "the report names no message: neither report_id nor our key is in it".to_owned(),
        ));
    }
    let fact = FACTS
        .iter()
        .find(|(list, _)| is_listed(provider, list, &status))
        .map_or(Fact::Unknown, |(_, fact)| *fact);
    let of = [message_id.as_deref(), key.as_deref()].map(Option::unwrap_or_default);
    let detail = arrived::detail(None, Some(&reason(&status)));
    let event_id = id_of(&[of[0], of[1], &status]);
    Ok(arrived::one(Report { key, message_id, recipient: None, fact, at: None, event_id, detail }))
}

/// The lists of words in reports, and what each says.
const FACTS: [(&str, Fact); 4] = [
    ("report_sent", Fact::Sent),
    ("report_delivered", Fact::Delivered),
    ("report_expired", Fact::Expired),
    ("report_failed", Fact::Failed),
];

/// A report, as JSON, as a form and as a query: the settings say where to look.
struct Arrived {
    json: Value,
    form: Fields,
    query: Fields,
}

impl Arrived {
    fn of(received: &Received<'_>) -> Self {
        Self {
            json: serde_json::from_slice(received.body).unwrap_or(Value::Null),
            form: Fields::of_form(received),
            query: Fields::of_query(received),
        }
    }

    fn word(&self, place: &str) -> Option<String> {
        if place.starts_with('/') {
            return id(&self.json, place);
        }
        self.form.id(place).or_else(|| self.query.id(place))
    }
}

/// Tells whether a list in the settings holds a word; numbers count as they are written.
fn is_listed(provider: &Provider, list: &str, status: &str) -> bool {
    let list = provider.settings.get(list).and_then(Value::as_array);
    list.is_some_and(|list| list.iter().any(|known| word(known, "").as_deref() == Some(status)))
}

/// Says what is wrong with lists and places.
pub(super) fn check(provider: &Provider) -> Vec<(&'static str, String)> {
    let lists = ["answer_accepted", "answer_later", "answer_refused"]
        .into_iter()
        .chain(FACTS.iter().map(|(list, _)| *list));
    let is_word = |value: &Value| value.is_string() || value.is_number();
    let is_list = |value: &Value| {
        value.as_array().is_some_and(|list| list.len() <= WORDS_MAX && list.iter().all(is_word))
    };
    let mut wrong: Vec<(&'static str, String)> = lists
        .filter(|list| provider.settings.get(*list).is_some_and(|value| !is_list(value)))
        .map(|list| (list, "expected a list of up to 100 texts or whole numbers".to_owned()))
        .collect();
    let pointers = ["answer_status", "answer_id"].into_iter();
    let pointers = pointers
        .filter(|name| setting(provider, name).is_some_and(|pointer| !pointer.starts_with('/')));
    wrong.extend(pointers.map(|name| (name, "expected a JSON pointer, such as /id".to_owned())));
    wrong
}

const WORDS_MAX: usize = 100;
