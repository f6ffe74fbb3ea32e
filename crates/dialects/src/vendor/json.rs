//! JSON from outside, read strictly, and members looked for leniently.
//!
//! Invariants: a name that stands twice in one object is refused, since two readers could see two things; the number of
//! values is bounded, and with it what they take in memory; the depth is bounded by the parser (128).

use std::cell::Cell;
use std::fmt::{self, Formatter};

use domain::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::vendor::{Unreadable, bounds};

/// The most values in one body, members of members included.
pub const VALUES_MAX: u32 = 20_000;

/// Reads a body.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Unreadable> {
    let count = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict(&count).deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| Unreadable::new("body", format!("expected JSON: {error}")))
}

/// Reads a body that must be an object.
pub(crate) fn object(body: &[u8]) -> Result<Value, Unreadable> {
    let value = parse(body)?;
    if value.is_object() { Ok(value) } else { Err(Unreadable::new("body", "expected an object")) }
}

/// Reads some members of a body that must be an object, in the order of their names, and passes the others over unread.
pub(crate) fn members<const N: usize>(
    body: &[u8],
    names: [&'static str; N],
) -> Result<[Option<Value>; N], Unreadable> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let some = reader.deserialize_map(Picked(names));
    let some = some.and_then(|some| reader.end().map(|()| some));
    some.map_err(|error| Unreadable::new("body", format!("expected JSON: {error}")))
}

/// Some members of an object.
struct Picked<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Picked<N> {
    type Value = [Option<Value>; N];

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut some = [const { None }; N];
        let count = Cell::new(0);
        while let Some(place) = members.next_key_seed(Place(&self.0))? {
            let Some(member) = place.and_then(|place| some.get_mut(place)) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            if member.replace(members.next_value_seed(Strict(&count))?).is_some() {
                return Err(Error::custom("a name stands twice in one object"));
            }
        }
        Ok(some)
    }
}

/// A name, as its place among others; `None` when it is none of them.
struct Place<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<u32>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.set(self.0.get().saturating_add(1));
        if self.0.get() > VALUES_MAX {
            return Err(Error::custom(format_args!("more than {VALUES_MAX} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if all.insert(name, value).is_some() {
                return Err(Error::custom("a name stands twice in one object"));
            }
        }
        Ok(Value::Object(all))
    }
}

/// Gives a member that is a text with something in it.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(as_text)
}

/// Gives a text with something in it.
pub(crate) fn as_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// Gives a member that is an id: a text or a whole number.
pub(crate) fn id(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(as_id)
}

/// Gives an id: a text or a whole number.
pub(crate) fn as_id(value: &Value) -> Option<String> {
    let number = || value.as_i64().map(|number| number.to_string());
    value.as_str().and_then(bounds::id).or_else(number)
}

/// Gives a member that is a text of one line.
pub(crate) fn line(object: &Value, name: &str) -> Option<String> {
    text(object, name).and_then(bounds::line)
}

/// Gives a member that is a mail address.
pub(crate) fn email(object: &Value, name: &str) -> Option<String> {
    text(object, name).and_then(bounds::email)
}

/// Gives a member that is a moment: a text by RFC 3339, with or without its zone (then UTC), or milliseconds since 1970
/// as a number or a text.
pub(crate) fn moment(object: &Value, name: &str) -> Option<Timestamp> {
    let value = object.get(name)?;
    let millis = |millis: i64| {
        let within = (0..=Timestamp::MAX.as_millis()).contains(&millis);
        within.then(|| Timestamp::from_millis(millis))
    };
    let Some(text) = value.as_str().map(str::trim) else {
        return value.as_i64().and_then(millis);
    };
    let written = text.parse().or_else(|_| format!("{text}Z").parse());
    written.ok().or_else(|| text.parse().ok().and_then(millis))
}

/// Gives a member that is a whole number that fits.
pub(crate) fn number(object: &Value, name: &str) -> Option<i64> {
    let value = object.get(name)?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Gives the items of a member that is a list, or the values of one that is an object.
pub(crate) fn items<'a>(object: &'a Value, name: &str) -> Vec<&'a Value> {
    let member = object.get(name);
    let list = member.and_then(Value::as_array).into_iter().flatten();
    let values = member.and_then(Value::as_object).into_iter().flat_map(Map::values);
    list.chain(values).collect()
}

/// Gives a member's text in small letters and without what parts its words, as states are written in several ways.
pub(crate) fn state(object: &Value, name: &str) -> String {
    let text = text(object, name).unwrap_or_default();
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .take(STATE_CHARS_MAX)
        .flat_map(char::to_lowercase)
        .collect()
}

const STATE_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &[u8]) -> String {
        parse(body).unwrap_err().to_string()
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused_with_its_place() {
        assert_eq!(
            refused(br#"{"a":{"b":1,"b":2}}"#),
            "body: expected JSON: a name stands twice in one object at line 1 column 18"
        );
        assert!(refused(b"{} {}").contains("trailing characters at line 1 column 4"));
        assert!(refused(b"{\"a\":\"\xff\"}").contains("column"));
        assert!(refused(br#""\ud800""#).contains("column"));
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert!(refused("[".repeat(100_000).as_bytes()).contains("recursion limit"));
        let many = format!("[{}0]", "0,".repeat(500_000));
        assert!(refused(many.as_bytes()).contains("more than 20000 values"));
    }

    #[test]
    fn numbers_that_do_not_fit_are_passed_over() {
        let body = br#"{"a":1e300,"b":9007199254740993,"c":-5,"d":123456789012345678901234567890}"#;
        let value = parse(body).unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(moment(&value, name), None, "{name}");
        }
        assert!(refused(b"1e400").contains("out of range"));
    }

    #[test]
    fn a_moment_is_written_in_several_ways() {
        let at = Some(Timestamp::from_millis(1_603_288_877_395));
        for value in [
            json!("2020-10-21T14:01:17.395Z"),
            json!("2020-10-21T16:01:17.395+02:00"),
            json!("2020-10-21T14:01:17.3950000"),
            json!(1_603_288_877_395_i64),
            json!("1603288877395"),
        ] {
            assert_eq!(moment(&json!({ "at": value }), "at"), at, "{value}");
        }
    }
}
