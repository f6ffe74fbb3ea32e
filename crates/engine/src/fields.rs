//! What a client fills in for somebody else: named fields, some of them secret.
//!
//! Invariants: only names that are known are kept; a secret field goes among the secrets, and nowhere else; no refusal
//! holds a value that was given.
//! Left to others: which fields there are (`channels::provider`, `dialects::vendor`), what they say together.

use std::collections::BTreeMap;
use std::fmt;

use channels::Guard;
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::check::{self, Checked, Flaws};
use crate::command::{Flaw, Refusal};

const TEXT_CHARS_MAX: usize = 4_096;
const JSON_BYTES_MAX: usize = 16 * 1024;

/// Settings as a client gives them. Some are secret, so that `Debug` shows their names alone.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Given(pub(crate) BTreeMap<String, Value>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a kind needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name in `settings`.
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// What it may be.
    #[serde(flatten)]
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is never shown again.
    pub secret: bool,
}

/// What a field may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    /// A text of 1 to 4,096 characters.
    Text,
    /// One of these.
    OneOf {
        /// Which ones.
        values: &'static [&'static str],
    },
    /// An absolute URL, `https` outside of development.
    Url,
    /// A whole number.
    Number {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A truth value.
    Flag,
    /// Any JSON, at most 16 KiB.
    Json,
}

/// Settings and secrets by name.
pub(crate) type Filled = (BTreeMap<String, Value>, BTreeMap<String, Secret>);

/// Whose fields they are, which there are, and which of them are mail addresses.
pub(crate) type Kinds<'a> = (&'a str, &'a [Field], &'a dyn Fn(&str) -> bool);

/// Puts what a client gives over what is known.
pub(crate) fn fill(
    flaws: &mut Flaws,
    (what, fields, is_mail): Kinds<'_>,
    (mut settings, mut secrets): Filled,
    Given(given): Given,
    guard: &Guard,
) -> Filled {
    for (name, value) in given {
        let path = format!("settings.{name}");
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            flaws.note(path, unknown(what, fields));
            continue;
        };
        if value.is_null() {
            settings.remove(&name);
            secrets.remove(&name);
        } else if field.secret {
            drop(secrets.insert(name, flaws.take(path, secret(&value).map(Known)).0));
        } else {
            let is_mail = is_mail(field.name);
            let checked = if is_mail { mail(&value) } else { plain(&field.form, value, guard) };
            settings.insert(name, flaws.take(path, checked));
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        if !settings.contains_key(field.name) && !secrets.contains_key(field.name) {
            flaws.note(format!("settings.{}", field.name), format!("is missing. {}", field.about));
        }
    }
    (settings, secrets)
}

/// A secret that stands for nothing until the end, when it is bad.
struct Known(Secret);

impl Default for Known {
    fn default() -> Self {
        Self(Secret::new(""))
    }
}

fn unknown(what: &str, fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    if names.is_empty() {
        format!("{what} has no settings")
    } else {
        format!("{} has no such setting; expected {}", what, names.join(", "))
    }
}

/// Makes flaws of what does not fit together, by the fields' names.
pub(crate) fn as_a_whole(wrong: Vec<(&'static str, String)>) -> Result<(), Refusal> {
    if wrong.is_empty() {
        return Ok(());
    }
    let flaw = |(name, what): (&str, String)| {
        let message = if what.starts_with("expected") { what } else { format!("expected {what}") };
        Flaw::new(format!("settings.{name}"), message)
    };
    Err(Refusal::Invalid(wrong.into_iter().map(flaw).collect()))
}

/// Refuses a name that another one has, given with its id.
pub(crate) fn free(taken: Option<(impl fmt::Display, &str)>) -> Result<(), Refusal> {
    let Some((id, name)) = taken else { return Ok(()) };
    let message = format!("{id} is named {name} already; choose another name");
    Err(Refusal::Impossible { message, possible: Vec::new() })
}

/// Checks a name that is unique among its kind.
pub(crate) fn name(text: &str) -> Checked<String> {
    if check::is_template_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 of a-z 0-9 - _".to_owned())
    }
}

fn secret(value: &Value) -> Checked<Secret> {
    let Some(text) = value.as_str() else { return Err("expected a string".to_owned()) };
    if text.starts_with('…') {
        return Err(
            "expected the secret itself; leave it out to keep the one that is known".to_owned()
        );
    }
    if text.is_empty() || text.chars().nth(TEXT_CHARS_MAX).is_some() {
        return Err(format!("expected 1 to {TEXT_CHARS_MAX} characters"));
    }
    Ok(Secret::new(text))
}

fn mail(value: &Value) -> Checked<Value> {
    check::email(value.as_str().unwrap_or_default()).map(Value::String)
}

fn plain(form: &Form, value: Value, guard: &Guard) -> Checked<Value> {
    match form {
        Form::Text => {
            let text = value.as_str().ok_or("expected a string")?;
            check::prose(text, TEXT_CHARS_MAX).map(Value::String)
        }
        Form::OneOf { values: words }
            if value.as_str().is_some_and(|word| words.contains(&word)) =>
        {
            Ok(value)
        }
        Form::OneOf { values: words } => Err(format!("expected one of {}", words.join(", "))),
        Form::Url => url(value.as_str().unwrap_or_default(), guard).map(Value::String),
        Form::Number { min: least, max: most }
            if value.as_i64().is_some_and(|number| (*least..=*most).contains(&number)) =>
        {
            Ok(value)
        }
        Form::Number { min: least, max: most } => {
            Err(format!("expected a whole number from {least} to {most}"))
        }
        Form::Flag if value.is_boolean() => Ok(value),
        Form::Flag => Err("expected true or false".to_owned()),
        Form::Json if value.to_string().len() <= JSON_BYTES_MAX => Ok(value),
        Form::Json => Err(format!("expected at most {JSON_BYTES_MAX} bytes of JSON")),
    }
}

/// Checks a URL that is called.
fn url(text: &str, guard: &Guard) -> Checked<String> {
    if text.chars().nth(check::URL_CHARS_MAX).is_some() {
        return Err(format!("expected at most {} characters", check::URL_CHARS_MAX));
    }
    let url = Url::parse(text)
        .map_err(|_bad| "expected an absolute url, such as https://api.example.com")?;
    guard.check_url(&url).map_err(|refused| refused.to_string())?;
    Ok(text.to_owned())
}
