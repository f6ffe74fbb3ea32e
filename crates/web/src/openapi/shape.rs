//! The shapes of the API's JSON, and the check of an input against its shape.
//!
//! Invariants: the document and the check read the same file, so what is documented is what is taken; every flaw is
//! found in one go, up to a hundred.
//! Left to others: rules about values, such as lengths (`engine`), which know more than a shape can say.

use std::sync::LazyLock;

use engine::Flaw;
use serde_json::{Map, Value};

/// Every shape, by name.
pub(crate) static SHAPES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("schemas.json")).unwrap_or_default());

/// The most flaws that are told of one input.
const FLAWS_MAX: usize = 100;

/// What leads to a shape from elsewhere in the document.
pub(crate) const PREFIX: &str = "#/components/schemas/";

/// Finds what is wrong with an input of a named shape.
pub(crate) fn check(value: &Value, name: &str) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if let Some(shape) = SHAPES.get(name) {
        compare(value, shape, "", &mut flaws);
    }
    flaws
}

fn compare(value: &Value, shape: &Value, path: &str, flaws: &mut Vec<Flaw>) {
    let shape = resolved(shape);
    if let Some(shapes) = shape.get("anyOf").and_then(Value::as_array) {
        return compare_any(value, shapes, path, flaws);
    }
    if !is_of_type(value, shape) {
        flaws.push(Flaw::new(path, format!("expected {}", types(shape).join(" or "))));
        return;
    }
    if let Some(words) = shape.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        flaws.push(Flaw::new(path, format!("expected one of {}", words.join(", "))));
    }
    match value {
        Value::Object(members) => compare_members(members, shape, path, flaws),
        Value::Array(items) => {
            let Some(shape) = shape.get("items") else { return };
            for (index, item) in items.iter().enumerate() {
                if flaws.len() >= FLAWS_MAX {
                    return;
                }
                compare(item, shape, &format!("{path}[{index}]"), flaws);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn compare_members(members: &Map<String, Value>, shape: &Value, path: &str, flaws: &mut Vec<Flaw>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let known = shape.get("properties").and_then(Value::as_object);
    let others = shape.get("additionalProperties");
    for (name, value) in members {
        if flaws.len() >= FLAWS_MAX {
            return;
        }
        match known.and_then(|known| known.get(name)) {
            Some(shape) => compare(value, shape, &at(name), flaws),
            None if others == Some(&Value::Bool(false)) => {
                flaws.push(Flaw::new(at(name), unknown(known)));
            }
            None => {
                if let Some(shape) = others {
                    compare(value, shape, &at(name), flaws);
                }
            }
        }
    }
    let required = shape.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str).filter(|name| !members.contains_key(*name)) {
        flaws.push(Flaw::new(at(name), "is missing"));
    }
}

fn unknown(known: Option<&Map<String, Value>>) -> String {
    let names: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        "there is no such member; none is expected".to_owned()
    } else {
        format!("there is no such member; expected {}", names.join(", "))
    }
}

/// Takes the value if one of the shapes does; else the shape of the value's own type says what is wrong.
fn compare_any(value: &Value, shapes: &[Value], path: &str, flaws: &mut Vec<Flaw>) {
    let mut closest = None;
    for shape in shapes {
        let mut found = Vec::new();
        compare(value, shape, path, &mut found);
        if found.is_empty() {
            return;
        }
        if closest.is_none() && is_of_type(value, resolved(shape)) {
            closest = Some(found);
        }
    }
    flaws.extend(closest.unwrap_or_else(|| {
        let types: Vec<&str> = shapes.iter().flat_map(|shape| types(resolved(shape))).collect();
        vec![Flaw::new(path, format!("expected {}", types.join(" or ")))]
    }));
}

fn resolved(shape: &Value) -> &Value {
    let name = shape.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(PREFIX));
    name.and_then(|name| SHAPES.get(name)).unwrap_or(shape)
}

fn names(shape: &Value) -> impl Iterator<Item = &str> {
    let (one, several) = match shape.get("type") {
        Some(Value::Array(names)) => (None, names.as_slice()),
        other => (other, [].as_slice()),
    };
    one.into_iter().chain(several).filter_map(Value::as_str)
}

fn is_of_type(value: &Value, shape: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    };
    names(shape).next().is_none() || names(shape).any(is)
}

fn types(shape: &Value) -> Vec<&'static str> {
    let word = |name: &str| match name {
        "object" => "an object",
        "array" => "a list",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "null",
    };
    names(shape).map(word).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(value: &Value, name: &str) -> Vec<String> {
        check(value, name).iter().map(|flaw| format!("{}: {}", flaw.path, flaw.message)).collect()
    }

    #[test]
    fn every_place_that_is_wrong_is_named() {
        let value = json!({
            "signers": [{"name": "A", "email": 5}, {"name": "B", "emial": "b@example.com"}, 7],
            "signing_order": "random",
            "send": "yes",
        });
        insta::assert_snapshot!(found(&value, "NewRequest").join("\n"));
    }

    #[test]
    fn of_many_places_that_are_wrong_a_hundred_are_named() {
        let items = json!({"events": vec![0; 100_000]});
        assert_eq!(found(&items, "NewEvents").len(), 100);
        let members: Map<String, Value> =
            (0..1_000).map(|number| (number.to_string(), json!(0))).collect();
        assert_eq!(found(&Value::Object(members), "NewEvents").len(), 100);
    }

    #[test]
    fn what_may_be_cleared_may_be_null() {
        assert!(found(&json!({"message": null, "reminders": null}), "RequestPatch").is_empty());
        assert_eq!(found(&json!({"title": null}), "RequestPatch"), ["title: expected a string"]);
    }

    #[test]
    fn a_profile_is_a_name_or_an_object() {
        let of = |profile: Value| {
            found(&json!({"url": "https://example.com", "profile": profile}), "NewEndpoint")
        };
        assert!(of(json!("ironclad")).is_empty());
        assert!(of(json!({"waits_s": [1, 2]})).is_empty());
        assert_eq!(of(json!({"waits_s": ["1"]})), ["profile.waits_s[0]: expected a whole number"]);
        assert!(of(json!(7))[0].starts_with("profile: expected"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value) {
            if let Some(name) = value.get("$ref").and_then(Value::as_str) {
                let name = name.strip_prefix(PREFIX).unwrap();
                assert!(SHAPES.contains_key(name), "{name}");
            }
            match value {
                Value::Object(members) => members.values().for_each(walk),
                Value::Array(items) => items.iter().for_each(walk),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        assert!(!SHAPES.is_empty());
        SHAPES.values().for_each(walk);
    }
}
