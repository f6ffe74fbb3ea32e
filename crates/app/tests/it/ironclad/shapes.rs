//! The vendor's description of its calls, as answers are held against it: member for member, value for value.

use std::collections::{BTreeMap, BTreeSet};

use domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::http::Message;

const DESCRIBED: &str = include_str!("calls.json");

/// What is described, and what of it was seen.
#[derive(Debug)]
pub(super) struct Shapes {
    described: Value,
    seen: BTreeSet<String>,
    said: BTreeMap<String, BTreeSet<String>>,
}

impl Shapes {
    pub(super) fn new() -> Self {
        let described = serde_json::from_str(DESCRIBED).unwrap();
        Self { described, seen: BTreeSet::new(), said: BTreeMap::new() }
    }

    /// Holds an answer against what is described of the call, or of errors.
    pub(super) fn check(&mut self, method: &str, path: &str, answer: &Message) {
        let at = format!("{method} {path} {}", answer.status());
        if answer.status() >= 400 {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{at}");
            return self.hold("@error".into(), &answer.json(), &at);
        }
        let call = self.call(method, path);
        let described = self.described["calls"][&call].clone();
        assert_eq!(described[0], answer.status(), "{at}: {}", answer.text());
        self.seen.insert(call);
        match described[1].as_str() {
            Some("nothing") => assert_eq!(answer.text(), "", "{at}"),
            Some("bytes") => assert!(!answer.body.is_empty(), "{at}"),
            Some("true") => assert_eq!(answer.text(), "true", "{at}"),
            Some(_) | None => {
                assert_eq!(answer.header("content-type"), Some("application/json"), "{at}");
                self.hold(described[1].clone(), &answer.json(), &at);
            }
        }
    }

    /// Sees that every call was answered, and that every value was said that can be.
    pub(super) fn done(&self) {
        let calls = self.described["calls"].as_object().unwrap().keys();
        let unseen: Vec<&String> = calls.filter(|call| !self.seen.contains(*call)).collect();
        assert!(unseen.is_empty(), "never answered: {unseen:?}");
        for (name, values) in self.described["values"].as_object().unwrap() {
            let unsaid = self.described["unsaid"][name].as_object();
            let expected: BTreeSet<String> = values.as_array().unwrap().iter().map(text).collect();
            let expected: BTreeSet<String> = expected
                .into_iter()
                .filter(|value| unsaid.is_none_or(|unsaid| !unsaid.contains_key(value)))
                .collect();
            let said = self.said.get(name).cloned().unwrap_or_default();
            assert_eq!(said, expected, "values of {name}");
        }
    }

    /// Finds the call that a path belongs to: that with the fewest holes.
    fn call(&self, method: &str, path: &str) -> String {
        let path = path.split('?').next().unwrap();
        let wanted = format!("{method} {path}");
        let fits = |call: &&String| {
            let (ours, theirs): (Vec<&str>, Vec<&str>) =
                (wanted.split('/').collect(), call.split('/').collect());
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(&theirs)
                    .all(|(ours, theirs)| theirs.starts_with('{') || ours == theirs)
        };
        let all = self.described["calls"].as_object().unwrap().keys().filter(fits);
        let found = all.min_by_key(|call| call.matches('{').count());
        found.unwrap_or_else(|| panic!("{wanted} is not described")).clone()
    }

    fn hold(&mut self, shape: Value, value: &Value, at: &str) {
        match shape {
            Value::String(shape) => self.hold_text(&shape, value, at),
            Value::Array(shapes) => {
                let items = value.as_array().unwrap_or_else(|| panic!("{at}: no list: {value}"));
                for (index, item) in items.iter().enumerate() {
                    self.hold(shapes[0].clone(), item, &format!("{at}[{index}]"));
                }
            }
            Value::Object(members) => self.hold_members(&members, value, at),
            Value::Null | Value::Bool(_) | Value::Number(_) => panic!("{at}: no shape: {shape}"),
        }
    }

    fn hold_members(&mut self, members: &Map<String, Value>, value: &Value, at: &str) {
        let given = value.as_object().unwrap_or_else(|| panic!("{at}: no object: {value}"));
        let mut known = BTreeSet::new();
        for (name, shape) in members {
            if name == "*" {
                for (name, value) in given {
                    self.hold(shape.clone(), value, &format!("{at}.{name}"));
                }
                return;
            }
            let plain = name.trim_end_matches(['?', '+', '!']);
            let may_be_absent = name.ends_with('?') || name.ends_with('!');
            match given.get(plain) {
                Some(value) => self.hold(shape.clone(), value, &format!("{at}.{plain}")),
                None => assert!(may_be_absent, "{at}: {plain} is missing: {value:#}"),
            }
            known.insert(plain);
        }
        let unknown: Vec<&String> =
            given.keys().filter(|name| !known.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{at}: not described: {unknown:?}");
    }

    fn hold_text(&mut self, shape: &str, value: &Value, at: &str) {
        if let Some(name) = shape.strip_prefix('@') {
            let shape = self.described["shapes"][name].clone();
            return self.hold(shape, value, at);
        }
        if let Some(name) = shape.strip_prefix('#') {
            let values = self.described["values"][name].as_array().unwrap();
            assert!(values.contains(value), "{at}: {value} is no {name}");
            self.said.entry(name.to_owned()).or_default().insert(text(value));
            return;
        }
        assert!(shape.split('|').any(|kind| is_a(kind, value)), "{at}: no {shape}: {value}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn is_a(kind: &str, value: &Value) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let text = value.as_str();
    match kind {
        "any" => true,
        "null" => value.is_null(),
        "flag" => value.is_boolean(),
        "number" => value.is_i64() || value.is_u64(),
        "count" => value.is_u64(),
        "text" => text.is_some(),
        "email" => text.is_some_and(|text| text.contains('@')),
        "url" => {
            text.is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
        }
        "id" => text.is_some_and(|text| text.len() == 24 && is_hex(text)),
        "uuid" => text.is_some_and(|text| {
            let parts: Vec<&str> = text.split('-').collect();
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part))
        }),
        "time" => text.is_some_and(|text| text.ends_with('Z') && text.parse::<Timestamp>().is_ok()),
        "none" => false,
        other => panic!("no kind: {other}"),
    }
}
