//! Every sample fits its schema, and no member is without one.

use std::panic;

use domain::chain::{Hash, Link};
use domain::endpoint::Dialect;
use domain::event::{Event, Kind, is_custom_name, is_foreign_name};
use domain::id::decode;
use domain::time::Timestamp;
use serde_json::Value;

use super::world::{ACCOUNT, EVENT, call, endpoint, noon};

#[test]
fn every_sample_fits_its_schema() {
    for kind in Kind::ALL {
        for link in [None, Some(Link { seq: 1, hash: Hash::default() })] {
            let event = Event { link, ..dialects::sample(*kind, ACCOUNT, EVENT, noon()) };
            let body = call(&event, &endpoint(Dialect::Standard)).body;
            let body: Value = serde_json::from_slice(&body).unwrap();
            check(&body, &dialects::schema(*kind), kind.as_str());
        }
    }
}

#[test]
fn a_body_of_another_kind_does_not_fit() {
    let event = dialects::sample(Kind::RequestSent, ACCOUNT, EVENT, noon());
    let body = call(&event, &endpoint(Dialect::Standard)).body;
    let body: Value = serde_json::from_slice(&body).unwrap();
    let schema = dialects::schema(Kind::RequestCreated);
    assert!(panic::catch_unwind(|| check(&body, &schema, "")).is_err());
}

/// Checks the part of JSON Schema that we write, and that every member of an object with described members is described.
fn check(value: &Value, schema: &Value, path: &str) {
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{path}");
    }
    if let Some(words) = schema.get("enum") {
        assert!(words.as_array().unwrap().contains(value), "{path}: {value}");
    }
    match schema.get("type").and_then(Value::as_str) {
        None => assert!(schema.get("const").is_some(), "{path}"),
        Some("object") => check_object(value, schema, path),
        Some("array") => {
            for (index, item) in value.as_array().expect(path).iter().enumerate() {
                check(item, &schema["items"], &format!("{path}/{index}"));
            }
        }
        Some("string") => check_text(value.as_str().expect(path), schema, path),
        Some("integer") => {
            let number = value.as_i64().expect(path);
            assert!(schema.get("minimum").is_none_or(|min| number >= min.as_i64().unwrap()));
            assert!(schema.get("maximum").is_none_or(|max| number <= max.as_i64().unwrap()));
        }
        Some("boolean") => assert!(value.is_boolean(), "{path}"),
        Some(other) => panic!("{path}: unknown type {other}"),
    }
}

fn check_object(value: &Value, schema: &Value, path: &str) {
    let members = value.as_object().expect(path);
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().unwrap()), "{path} lacks {name}");
    }
    let Some(properties) = schema.get("properties") else { return };
    for (name, member) in members {
        let path = format!("{path}/{name}");
        check(member, properties.get(name).expect(&path), &path);
    }
}

fn check_text(text: &str, schema: &Value, path: &str) {
    if schema.get("format").is_some() {
        assert!(text.parse::<Timestamp>().is_ok(), "{path}: {text}");
    }
    let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return };
    // Of patterns there are four: of ids, of hashes, of vendors' words, of custom names.
    if let Some(prefix) = pattern.strip_suffix("[0-7][0-9a-hjkmnp-tv-z]{25}$") {
        let rest = text.strip_prefix(prefix.trim_start_matches('^')).expect(path);
        assert!(decode(rest).is_some(), "{path}: {text}");
    } else if pattern.contains("64") {
        assert!(Hash::parse(text).is_some(), "{path}: {text}");
    } else if pattern.contains("clickwrap") {
        assert!(is_foreign_name(text), "{path}: {text}");
    } else {
        assert!(is_custom_name(text), "{path}: {text}");
    }
}
