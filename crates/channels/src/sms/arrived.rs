//! What came in, as names and values; and what a report says in the end.
//!
//! Invariant: every report gets an event id, the same at each repetition.

use domain::message::{Fact, Report};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::calls::KEY;
use crate::proof::id_of;
use crate::provider::{Feedback, Received, Unreadable};
use crate::sms::receipts::{is_id, line};

/// Names and values, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// Reads the query of the URL.
    pub(crate) fn of_query(received: &Received<'_>) -> Self {
        let url = Url::parse(received.url).ok();
        Self(url.iter().flat_map(|url| url.query_pairs().into_owned()).collect())
    }

    /// Reads the body as a form.
    pub(crate) fn of_form(received: &Received<'_>) -> Self {
        Self(form_urlencoded::parse(received.body).into_owned().collect())
    }

    /// Reads whatever way was used: a JSON object, a form, or the query alone.
    pub(crate) fn of_any(received: &Received<'_>) -> Self {
        match serde_json::from_slice::<Value>(received.body) {
            Ok(Value::Object(object)) => Self(
                object
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, plain(&value)?)))
                    .collect(),
            ),
            Ok(_) | Err(_) if received.body.is_empty() => Self::of_query(received),
            Ok(_) | Err(_) => Self::of_form(received),
        }
    }

    /// Gives the first value of a name that is not empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, value)| known == name && !value.is_empty());
        values.next().map(|(_, value)| value.as_str())
    }

    /// Gives the first value of a name, if it can be an id, a key or a number.
    pub(crate) fn id(&self, name: &str) -> Option<String> {
        self.value(name).filter(|id| is_id(id)).map(ToOwned::to_owned)
    }

    /// Gives all, sorted by name and then by value, each pair once.
    pub(crate) fn sorted(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<_> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads a body that must be JSON.
pub(crate) fn json(received: &Received<'_>) -> Result<Value, Unreadable> {
    serde_json::from_slice(received.body)
        .map_err(|error| Unreadable(format!("the body is no JSON: line {}", error.line())))
}

/// Gives our key out of the query.
pub(crate) fn key(received: &Received<'_>) -> Option<String> {
    Fields::of_query(received).id(KEY)
}

/// Gives a report of one message, so far without more than what happened to it.
pub(crate) fn report(message_id: &str, word: &str, fact: Fact) -> Report {
    Report {
        key: None,
        message_id: Some(message_id.to_owned()),
        recipient: None,
        fact,
        at: None,
        event_id: id_of(&[message_id, word]),
        detail: None,
    }
}

/// Gives the fact of a word; one that the list does not know leaves open what happened.
pub(crate) fn fact(words: &[(&str, Fact)], word: &str) -> Fact {
    words.iter().find(|(known, _)| *known == word).map_or(Fact::Unknown, |(_, fact)| *fact)
}

/// Says why, in the provider's words: a code, a text, or nothing.
pub(crate) fn detail(code: Option<&str>, text: Option<&str>) -> Option<String> {
    let said = match (code, text) {
        (Some(code), Some(text)) => format!("{code}: {text}"),
        (Some(code), None) => format!("code {code}"),
        (None, Some(text)) => text.to_owned(),
        (None, None) => return None,
    };
    Some(line(&said)).filter(|line| !line.is_empty())
}

/// Gives feedback of one report.
pub(crate) fn one(report: Report) -> Feedback {
    Feedback { reports: vec![report], ..Feedback::default() }
}
