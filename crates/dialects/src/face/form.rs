//! A JSON body, taken apart member by member, with the place of everything that has the wrong type.
//!
//! Invariant: `null` and a member that is not there are the same, unless asked; an empty text is none.

use std::cell::RefCell;

use serde_json::Value;

use crate::face::Flaws;
use crate::vendor::{bounds, json};

/// Notes what is wrong, at most so many places.
const FLAWS_MAX: usize = 100;

/// Reads a body that must be an object, and hands it to `take`.
pub(super) fn read<T>(body: &[u8], take: impl FnOnce(&Form<'_>) -> T) -> Result<T, Flaws> {
    let value = json::object(body).map_err(|error| vec![(String::new(), error.what)])?;
    let flaws = RefCell::default();
    let taken = take(&Form { value: &value, path: String::new(), flaws: &flaws });
    let flaws = flaws.into_inner();
    if flaws.is_empty() { Ok(taken) } else { Err(flaws) }
}

/// A value, and the way to it.
pub(super) struct Form<'a> {
    value: &'a Value,
    path: String,
    flaws: &'a RefCell<Flaws>,
}

impl<'a> Form<'a> {
    /// Gives a member as it is.
    pub(super) fn any(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// Tells whether a member is there and says nothing.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.value.get(name).is_some_and(Value::is_null)
    }

    /// Names the members that are there.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let members = self.value.as_object().into_iter().flatten();
        members.filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }

    /// Goes on to a member that is an object; what is not there has no members.
    pub(super) fn inner(&self, name: &str) -> Self {
        let value = self.typed(name, "an object", |value| value.is_object().then_some(value));
        Self { value: value.unwrap_or(&Value::Null), path: self.at(name), flaws: self.flaws }
    }

    /// Takes the items of a member that is a list of objects.
    pub(super) fn list(&self, name: &str) -> Vec<Self> {
        let items = self.typed(name, "a list", Value::as_array).map_or(&[][..], Vec::as_slice);
        let path = self.at(name);
        let item = |(index, value): (usize, &'a Value)| {
            let form = Self { value, path: format!("{path}[{index}]"), flaws: self.flaws };
            if !value.is_object() {
                form.flaw("expected an object");
            }
            form
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Takes a text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.typed(name, "a text", Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Takes yes or no.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// Takes a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        self.typed(name, "a whole number", number)
    }

    /// Takes an id: a text or a whole number.
    pub(super) fn id(&self, name: &str) -> Option<String> {
        let text = |value: &Value| match value {
            Value::Number(number) => number.is_u64().then(|| number.to_string()),
            Value::String(text) => bounds::id(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        self.typed(name, "an id of 1 to 200 bytes", text)
    }

    /// Notes that this place is wrong.
    pub(super) fn flaw(&self, expected: &str) {
        self.note(self.path.clone(), expected);
    }

    /// Notes that a member is wrong.
    pub(super) fn flaw_at(&self, name: &str, expected: &str) {
        self.note(self.at(name), expected);
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let read = read(self.any(name)?);
        if read.is_none() {
            self.flaw_at(name, &format!("expected {expected}"));
        }
        read
    }

    fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn note(&self, path: String, expected: &str) {
        let mut flaws = self.flaws.borrow_mut();
        if flaws.len() < FLAWS_MAX {
            flaws.push((path, expected.to_owned()));
        }
    }
}
