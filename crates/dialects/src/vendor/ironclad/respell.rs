//! JSON as the vendor's runtime would write it again: the text of `JSON.stringify(JSON.parse(body))`.
//!
//! Invariants: of a name that stands twice the last value counts, at the place of the first; names that are small whole
//! numbers come first, by their size; numbers are doubles in their shortest form, for
//! which `serde_json` must read them exactly (`float_roundtrip`); what is no JSON is none.
//! Source: ECMA-262, `JSON.stringify`, `OrdinaryOwnPropertyKeys` and `Number::toString`.

use serde_json::{Map, Value};

/// Writes a body again; `None` if it is no JSON.
pub(crate) fn as_node(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut text = String::with_capacity(body.len());
    push(&mut text, &value)?;
    Some(text)
}

fn push(out: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => push_number(out, number.as_f64()?),
        Value::String(text) => push_text(out, text)?,
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push(out, item)?;
            }
            out.push(']');
        }
        Value::Object(members) => push_object(out, members)?,
    }
    Some(())
}

fn push_object(out: &mut String, members: &Map<String, Value>) -> Option<()> {
    let mut numbered: Vec<(u32, &String)> =
        members.keys().filter_map(|name| Some((index(name)?, name))).collect();
    numbered.sort_unstable();
    let others = members.keys().filter(|name| index(name).is_none());
    out.push('{');
    for (at, name) in numbered.into_iter().map(|(_, name)| name).chain(others).enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, name)?;
        out.push(':');
        push(out, members.get(name)?)?;
    }
    out.push('}');
    Some(())
}

/// Reads a name that the runtime takes for the place in a list.
fn index(name: &str) -> Option<u32> {
    let is_plain =
        name == "0" || (!name.starts_with('0') && name.bytes().all(|b| b.is_ascii_digit()));
    name.parse().ok().filter(|index| is_plain && *index != u32::MAX)
}

/// Both escape the same characters in the same way.
fn push_text(out: &mut String, text: &str) -> Option<()> {
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

fn push_number(out: &mut String, number: f64) {
    if !number.is_finite() {
        out.push_str("null");
        return;
    }
    if number == 0.0 {
        out.push('0');
        return;
    }
    if number < 0.0 {
        out.push('-');
    }
    let shortest = format!("{:e}", number.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = digits.replace('.', "");
    // Where the point stands, counted from before the first digit.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |count: usize| "0".repeat(count);
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    match usize::try_from(point) {
        Ok(point) if (1..=21).contains(&point) && digits.len() <= point => {
            out.push_str(&digits);
            out.push_str(&zeros(point - digits.len()));
        }
        Ok(point) if (1..=21).contains(&point) => {
            let (whole, part) = digits.split_at_checked(point).unwrap_or((&digits, ""));
            out.push_str(whole);
            out.push('.');
            out.push_str(part);
        }
        _ if (-5..=0).contains(&point) => {
            out.push_str("0.");
            out.push_str(&zeros(usize::try_from(-point).unwrap_or(0)));
            out.push_str(&digits);
        }
        _ => {
            let (first, part) = digits.split_at_checked(1).unwrap_or((&digits, ""));
            out.push_str(first);
            if count > 1 {
                out.push('.');
                out.push_str(part);
            }
            let sign = if point > 0 { "+" } else { "" };
            out.extend(["e", sign, &(point - 1).to_string()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_as_the_runtime_would() {
        for (body, expected) in [
            (r#"{ "b" : 1.0 , "a" : [ ] }"#, r#"{"b":1,"a":[]}"#),
            (r#"{"10":1,"b":2,"9":3,"01":4}"#, r#"{"9":3,"10":1,"b":2,"01":4}"#),
            (r#"{"4294967295":1,"4294967294":2}"#, r#"{"4294967294":2,"4294967295":1}"#),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#""\u00e9\/\u2028\u001F\u007f\"""#, "\"é/\u{2028}\\u001f\u{7f}\\\"\""),
            ("[-0, 0.10, -1.5e3, 1e21, 1e20]", "[0,0.1,-1500,1e+21,100000000000000000000]"),
            ("[1e-6, 1e-7, 1.25e-9, 123.456]", "[0.000001,1e-7,1.25e-9,123.456]"),
            ("[9007199254740993, 12345678901234567890]", "[9007199254740992,12345678901234567000]"),
            (
                "[90e29, 5.5814e-19, 20977301391225734861]",
                "[9e+30,5.5814e-19,20977301391225733000]",
            ),
            ("[true,false,null]", "[true,false,null]"),
        ] {
            assert_eq!(as_node(body.as_bytes()).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(as_node(b"{"), None);
        assert_eq!(as_node(b"\"\xff\""), None);
    }
}
