//! What is filled into a call that is described in settings.
//!
//! Invariant: only values are filled in, each once: what is filled in is not looked at again.

use domain::message::Sms;
use domain::provider::Provider;
use serde_json::{Map, Value};

use crate::calls::{digits, keyed};
use crate::provider::secret;

/// What stands for each name.
pub(super) struct Values<'a>([(&'static str, &'a str); 6], Option<String>);

impl<'a> Values<'a> {
    /// Takes the values of one message.
    pub(super) fn of(provider: &'a Provider, sms: &'a Sms, feedback_url: Option<&str>) -> Self {
        let values = [
            ("to", sms.to.as_str()),
            ("to_digits", digits(&sms.to)),
            ("from", &sms.from),
            ("text", &sms.text),
            ("key", &sms.key),
            ("secret", secret(provider, "secret").unwrap_or_default()),
        ];
        Self(values, feedback_url.map(|url| keyed(url, &sms.key)))
    }

    fn value(&self, name: &str) -> Option<&str> {
        if name == "feedback_url" {
            return Some(self.1.as_deref().unwrap_or_default());
        }
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Fills in every text of a value, member names left alone.
    pub(super) fn fill(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.filled(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.fill(value)),
            Value::Object(object) => object.values_mut().for_each(|value| self.fill(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Gives a text with every known name in braces filled in; others stay as they are.
    pub(super) fn filled(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let known =
                after.split_once('}').and_then(|(name, behind)| Some((self.value(name)?, behind)));
            if let Some((value, behind)) = known {
                out.push_str(value);
                rest = behind;
            } else {
                out.push('{');
                rest = after;
            }
        }
        out.push_str(rest);
        out
    }
}

/// Gives the members of an object as names and texts.
pub(super) fn pairs(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    object(Some(body)).map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Gives the headers in the settings, names in lower case.
pub(super) fn headers(provider: &Provider) -> Vec<(String, String)> {
    object(provider.settings.get("headers"))
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())))
        .collect()
}

fn object(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Says what is wrong with the parts of a call.
pub(super) fn check(provider: &Provider) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let setting = |name| provider.settings.get(name);
    if let Some(value) = setting("headers") {
        let fits = value.as_object().is_some_and(|headers| {
            headers.len() <= HEADERS_MAX
                && headers.iter().all(|(name, value)| is_header(name, value))
        });
        if !fits {
            let what = "expected an object of up to 20 header names with texts of printable characters; host, content-length and what frames a call are not for settings";
            wrong.push(("headers", what.to_owned()));
        }
    }
    let flat = setting("body_type").and_then(Value::as_str) == Some("form")
        || setting("method").and_then(Value::as_str) == Some("GET");
    let body = setting("body").and_then(Value::as_object);
    let nested = |value: &Value| value.is_array() || value.is_object();
    match body {
        None => wrong.push(("body", "expected an object".to_owned())),
        Some(body) if flat && body.values().any(nested) => {
            wrong.push((
                "body",
                "expected an object of texts, since it is written as a form".to_owned(),
            ));
        }
        Some(_) => {}
    }
    wrong
}

fn is_header(name: &str, value: &Value) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name_fits = !name.is_empty()
        && name.bytes().all(token)
        && !NOT_OURS.contains(&name.to_ascii_lowercase().as_str());
    let value_fits = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    name_fits && value.as_str().is_some_and(value_fits)
}

const HEADERS_MAX: usize = 20;

/// What frames a call, or belongs to the connection.
const NOT_OURS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
