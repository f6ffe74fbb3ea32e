//! What takes secrets out of a text, in whatever form they stand there.
//!
//! Invariants: a masked text holds none of the secrets plainly, with escapes of URLs, forms or JSON anywhere in them, or,
//! those of [`ENCODED_BYTES_MIN`] and more, in Base64 at any place of it; last characters are shown only as
//! `Secret::masked` does; a text that takes too long to be looked through is masked as a whole.
//! Left to others: which secrets there are (`conversation`).

use std::collections::BTreeSet;

use domain::secret::Secret;

/// Secrets to be taken out of texts.
#[derive(Debug)]
pub struct Masks {
    /// Each with what stands for it.
    secrets: Vec<(Secret, String)>,
}

/// A part of a text that must not be seen, and what stands there instead.
struct Hidden {
    start: usize,
    end: usize,
    shown: String,
}

impl Masks {
    /// Takes secrets, and what is made of secrets, of which not even an end may be seen: it may be all of a short one.
    /// Each is looked for with the blanks around it and without.
    pub(crate) fn new(secrets: &[Secret], made: &[Secret]) -> Self {
        let trimmed = |secret: &Secret| [Secret::new(secret.expose().trim()), secret.clone()];
        let spelt = |secrets: &[Secret]| {
            let all = secrets.iter().flat_map(trimmed);
            all.filter(|secret| !secret.expose().trim().is_empty()).collect::<Vec<_>>()
        };
        let (known, mut made) = (spelt(secrets), spelt(made));
        made.retain(|secret| !known.contains(secret));
        let shown = |secret: &Secret| {
            let masked = secret.masked();
            let tells = known.iter().chain(&made).any(|other| masked.contains(other.expose()));
            (secret.clone(), if tells { "…".to_owned() } else { masked })
        };
        let ends = known.iter().map(shown).collect::<Vec<_>>();
        let none = made.iter().map(|secret| (secret.clone(), "…".to_owned()));
        Self { secrets: ends.into_iter().chain(none).collect() }
    }

    /// Gives a text with `…` for each secret in it, and behind that the last four characters of a long one.
    pub fn mask(&self, text: &str) -> String {
        let Some(hidden) = self.hidden(text) else { return "…".to_owned() };
        let mut out = String::new();
        let mut end = 0;
        for Hidden { start, end: until, shown } in hidden {
            out.push_str(text.get(end..start).unwrap_or_default());
            out.push_str(&shown);
            end = until;
        }
        out.push_str(text.get(end..).unwrap_or_default());
        out
    }

    /// Finds what must not be seen, in order, overlapping parts as one; `None` when that takes too long.
    fn hidden(&self, text: &str) -> Option<Vec<Hidden>> {
        let mut found: Vec<Hidden> = Vec::new();
        let mut steps = 0;
        let encoded: Vec<Reading> =
            ALPHABETS.iter().flat_map(|undo| Reading::of(text, *undo).encoded()).collect();
        for (secret, shown) in &self.secrets {
            let needle = secret.expose().as_bytes();
            let hide = |(start, end)| Hidden { start, end, shown: shown.clone() };
            found.extend(escaped(text.as_bytes(), needle, &mut steps)?.into_iter().map(hide));
            if needle.len() >= ENCODED_BYTES_MIN {
                found.extend(encoded.iter().flat_map(|reading| reading.find(needle)).map(hide));
            }
        }
        found.sort_by_key(|hidden| (hidden.start, hidden.end));
        let mut merged: Vec<Hidden> = Vec::new();
        for hidden in found {
            match merged.last_mut() {
                Some(last) if hidden.start <= last.end => {
                    last.end = last.end.max(hidden.end);
                    if last.shown != hidden.shown {
                        "…".clone_into(&mut last.shown);
                    }
                }
                Some(_) | None => merged.push(hidden),
            }
        }
        Some(merged)
    }
}

/// Undoes an escape at the beginning of some bytes: gives what it stands for, and how many bytes it has.
type Undo = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// Every escape that a secret is looked for with.
const ESCAPES: [Undo; 3] = [blank, percent, json];

/// Ways in which Base64 may be written.
const ALPHABETS: [Undo; 3] = [|_| None, percent, json];

/// Steps of looking for secrets in one text.
const STEPS_MAX: usize = 1 << 20;

/// Finds every place where a text reads as these bytes, each of them escaped or not; `None` when that takes too long.
fn escaped(text: &[u8], needle: &[u8], steps: &mut usize) -> Option<Vec<(usize, usize)>> {
    let mut found = Vec::new();
    for (start, first) in text.iter().enumerate() {
        if needle.first() != Some(first) && !b"%+\\".contains(first) {
            continue;
        }
        // How much of the secret was read, and up to where in the text.
        let mut open = BTreeSet::from([(0, start)]);
        while let Some((read, at)) = open.pop_first() {
            let (Some(left), Some(rest)) = (needle.get(read..), text.get(at..)) else { continue };
            if left.is_empty() {
                found.push((start, at));
                continue;
            }
            *steps += 1;
            if *steps > STEPS_MAX {
                return None;
            }
            if left.first() == rest.first() {
                open.insert((read + 1, at + 1));
            }
            for (bytes, count) in ESCAPES.iter().filter_map(|undo| undo(rest)) {
                if left.starts_with(&bytes) {
                    open.insert((read + bytes.len(), at + count));
                }
            }
        }
    }
    Some(found)
}

/// Bytes that were read out of a text, each with the place in the text that it came from.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Reading {
    fn of(text: &str, undo: Undo) -> Self {
        let mut reading = Self::default();
        let mut at = 0;
        while let Some(rest @ [first, ..]) = text.as_bytes().get(at..) {
            let (bytes, count) = undo(rest).unwrap_or_else(|| (vec![*first], 1));
            for byte in bytes {
                reading.push(byte, (at, at + count));
            }
            at += count;
        }
        reading
    }

    fn push(&mut self, byte: u8, place: (usize, usize)) {
        self.bytes.push(byte);
        self.places.push(place);
    }

    /// Finds every place in the text that these bytes came from.
    fn find(&self, needle: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let windows = self.bytes.windows(needle.len().max(1));
        let places = self.places.windows(needle.len().max(1));
        windows.zip(places).filter_map(move |(bytes, places)| {
            (bytes == needle).then_some((places.first()?.0, places.last()?.1))
        })
    }

    /// Reads whatever could be Base64, from each of the four places where a group of it may begin.
    fn encoded(&self) -> Vec<Self> {
        let digits: Vec<Option<u32>> = self.bytes.iter().map(|byte| sextet(*byte)).collect();
        let mut readings = Vec::new();
        let mut at = 0;
        for run in digits.split(Option::is_none) {
            for phase in 0..GROUP.min(run.len()) {
                let places = self.places.get(at + phase..at + run.len()).unwrap_or_default();
                let digits: Vec<u32> = run.iter().skip(phase).flatten().copied().collect();
                readings.push(Self::decoded(&digits, places));
            }
            at += run.len() + 1;
        }
        readings
    }

    fn decoded(digits: &[u32], places: &[(usize, usize)]) -> Self {
        let mut reading = Self::default();
        for (digits, places) in digits.chunks(GROUP).zip(places.chunks(GROUP)) {
            let bits = digits.iter().fold(0, |bits, digit| bits << 6 | digit);
            let [_, bytes @ ..] = (bits << (6 * (GROUP - digits.len()))).to_be_bytes();
            // Each byte lies in two digits beside each other.
            for (byte, two) in bytes.into_iter().zip(places.windows(2)) {
                if let [(start, _), (_, end)] = two {
                    reading.push(byte, (*start, *end));
                }
            }
        }
        reading
    }
}

/// Digits of Base64 that make three bytes.
const GROUP: usize = 4;

/// Secrets below this length would be found in Base64 by chance.
const ENCODED_BYTES_MIN: usize = 4;

/// Reads a digit of Base64, of either alphabet.
fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

fn percent(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = rest.strip_prefix(b"%")?.get(..2)?;
    Some((vec![u8::try_from(hexadecimal(digits)?).ok()?], 3))
}

fn blank(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    rest.starts_with(b"+").then(|| (vec![b' '], 1))
}

fn json(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'\\', second, ..] = rest else { return None };
    let plain = match second {
        b'"' | b'\\' | b'/' => *second,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let unit = |at: usize| {
                let digits = rest.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
                u16::try_from(hexadecimal(digits)?).ok()
            };
            let units: Vec<u16> = [unit(0), unit(6)].into_iter().map_while(|unit| unit).collect();
            let char = char::decode_utf16(units).next()?.ok()?;
            return Some((char.to_string().into_bytes(), 6 * char.len_utf16()));
        }
        _ => return None,
    };
    Some((vec![plain], 2))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};
    use url::form_urlencoded::byte_serialize;

    use super::*;

    fn masked(secrets: &[&str], text: &str) -> String {
        let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
        Masks::new(&secrets, &[]).mask(text)
    }

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let secret = "p/ss+w\"rd é%1234";
        for (text, expected) in [
            ("a p/ss+w\"rd é%1234 b", "a …1234 b"),
            ("a=p%2Fss%2Bw%22rd%20%C3%A9%251234&b", "a=…1234&b"),
            ("a=p%2fss%2bw%22rd+%c3%a9%251234&b", "a=…1234&b"),
            (r#"{"a":"p\/ss+w\"rd \u00e9%1234"}"#, r#"{"a":"…1234"}"#),
            ("Basic cC9zcyt3InJkIMOpJTEyMzQ=", "Basic …1234="),
            ("ana:p/ss+w\"rd é%1234p/ss+w\"rd é%1234", "ana:…1234"),
            ("p/ss+w\"rd", "p/ss+w\"rd"),
        ] {
            assert_eq!(masked(&[secret], text), expected, "{text}");
        }
    }

    #[test]
    fn neither_an_overlap_nor_a_last_character_gives_another_secret_away() {
        assert_eq!(masked(&["abcdef", "efghij"], "abcdefghij"), "…");
        assert_eq!(masked(&["abc", "abcdef"], "abcdef abc"), "… …");
        assert_eq!(masked(&["0123456789abcdef", "cdef"], "0123456789abcdef"), "…");
        assert_eq!(masked(&["", "  ", "\n"], "a b"), "a b");
        assert_eq!(masked(&["key-of-twelve\n"], "key-of-twelve."), "…elve.");
    }

    #[test]
    fn of_what_is_made_of_a_secret_no_end_is_shown() {
        let made = STANDARD.encode("ana.pop@example.com:abc");
        let masks = Masks::new(&[Secret::new("abc")], &[Secret::new(&*made)]);
        assert_eq!(masks.mask(&format!("Basic {made}")), "Basic …");
    }

    #[test]
    fn a_text_that_takes_too_long_is_masked_as_a_whole() {
        let secret = format!("{}b", "a".repeat(4_000));
        assert_eq!(masked(&[&secret], &"a".repeat(16_000)), "…");
    }

    /// Encodes three texts together; gives all of it, and the digits that hold nothing but the middle one.
    fn encoded(parts: [&str; 3]) -> [(String, String); 2] {
        let [before, secret, _] = parts.map(str::len);
        let (start, end) = ((before * 4).div_ceil(3), (before + secret) * 4 / 3);
        [STANDARD.encode(parts.concat()), URL_SAFE_NO_PAD.encode(parts.concat())].map(|text| {
            let part = text.get(start..end).unwrap().to_owned();
            (text, part)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_secret_is_left(
            secret in "[ -~é😀]{6,40}", other in "[!-~]{1,20}",
            before in "[ -~]{0,9}", after in "[ -~]{0,9}",
        ) {
            let secret = secret.trim();
            if secret.len() < 6 {
                return Ok(());
            }
            let json = serde_json::to_string(secret).unwrap();
            let units = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            let forms = [
                secret.to_owned(),
                json.strip_prefix('"').unwrap().strip_suffix('"').unwrap().to_owned(),
                units.collect::<Vec<_>>().concat(),
                utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
                byte_serialize(secret.as_bytes()).collect(),
            ];
            let masks = Masks::new(&[Secret::new(secret)], &[Secret::new(&*other)]);
            for form in forms {
                let masked = masks.mask(&format!("{before}{form}{after}"));
                prop_assert!(!masked.contains(&form), "{form} in {masked}");
            }
            for (text, part) in encoded([&before, secret, &after]) {
                let masked = masks.mask(&format!("/{text} {text}"));
                prop_assert!(!masked.contains(&part), "{part} in {masked}");
            }
        }
    }
}
