//! What of a vendor's texts is kept: within the bounds of people's input, and without control characters.
//!
//! Invariants: a text that is too long is cut, an id that is too long is none, since a cut one could be another's;
//! an empty text is none.

use std::net::IpAddr;

use domain::chain::sha256;
use domain::told::{FOREIGN_ID_BYTES_MAX, WORD_CHARS_MAX};
use url::Url;

use crate::vendor::Unreadable;

/// The most characters of a title, a name, a label, a company or a subject.
pub const LINE_CHARS_MAX: usize = 200;
/// The most characters of a URL.
pub const URL_CHARS_MAX: usize = 2_048;
/// The most bytes of a key.
pub const KEY_BYTES_MAX: usize = 200;

const EMAIL_CHARS_MAX: usize = 254;
const MOBILE_CHARS_MAX: usize = 32;

/// Keeps a text of one line.
pub(crate) fn line(text: &str) -> Option<String> {
    cut(text, LINE_CHARS_MAX)
}

/// Keeps a vendor's name for what happened.
pub(crate) fn word(text: &str, place: &'static str) -> Result<String, Unreadable> {
    cut(text, WORD_CHARS_MAX).ok_or_else(|| Unreadable::new(place, "expected the event's name"))
}

fn cut(text: &str, chars_max: usize) -> Option<String> {
    let kept: String = text.trim().chars().filter(|c| !c.is_control()).take(chars_max).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Keeps a vendor's id.
pub(crate) fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=FOREIGN_ID_BYTES_MAX).contains(&text.len());
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Keeps the id of what is told about, without which nothing is told.
pub(crate) fn must(text: Option<&str>, place: &'static str) -> Result<String, Unreadable> {
    text.and_then(id).ok_or_else(|| {
        let what = format!("expected an id of 1 to {FOREIGN_ID_BYTES_MAX} bytes");
        Unreadable::new(place, what)
    })
}

/// Keeps what can be a mail address.
pub(crate) fn email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, host) = text.rsplit_once('@')?;
    let strange = |c: char| c.is_control() || c.is_whitespace() || "()<>[]:;@\\,\"".contains(c);
    let fits = !local.is_empty() && host.contains('.') && text.chars().count() <= EMAIL_CHARS_MAX;
    (fits && !local.contains(strange) && !host.contains(strange)).then(|| text.to_owned())
}

/// Keeps what can be a number to call.
pub(crate) fn mobile(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=MOBILE_CHARS_MAX).contains(&text.len());
    let plain = |byte: u8| byte.is_ascii_digit() || b"+-. ()/".contains(&byte);
    (fits && text.bytes().all(plain)).then(|| text.to_owned())
}

/// Keeps a link for people.
pub(crate) fn url(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let fits = matches!(url.scheme(), "https" | "http") && url.as_str().len() <= URL_CHARS_MAX;
    fits.then(|| url.into())
}

/// Keeps an address of the network.
pub(crate) fn ip(text: &str) -> Option<String> {
    let address: IpAddr = text.trim().parse().ok()?;
    Some(address.to_string())
}

/// Makes a key out of a text: the text itself, or its digest where it is long or strange.
pub(crate) fn key(text: &str) -> String {
    let plain = text.len() <= KEY_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { text.to_owned() } else { digest(&[text]) }
}

/// Makes a key out of a list of texts, so that no two lists share one.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut input = String::new();
    for part in parts {
        input.push_str(&part.len().to_string());
        input.push(':');
        input.push_str(part);
    }
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    sha256(input.as_bytes()).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_ids_are_not() {
        assert_eq!(line(&"é".repeat(300)).map(|text| text.chars().count()), Some(200));
        assert_eq!(line(" a\u{0}b\r\n "), Some("ab".to_owned()));
        assert_eq!(line("\u{7} "), None);
        assert_eq!(id(&"a".repeat(201)), None);
        assert_eq!(id("a\nb"), None);
        assert_eq!(id(" -Ne "), Some("-Ne".to_owned()));
    }

    #[test]
    fn what_can_be_no_address_or_link_is_none() {
        for text in ["", "a@b", "a b@c.de", "@c.de", "a@c.de\r\nbcc: x", "x@a@b.c"] {
            assert_eq!(email(text), None, "{text:?}");
        }
        assert_eq!(email(" a+b@c.de "), Some("a+b@c.de".to_owned()));
        for text in ["javascript:alert(1)", "/sign", "..."] {
            assert_eq!(url(text), None, "{text}");
        }
        assert_eq!(mobile("+1 (317) 555-1234"), Some("+1 (317) 555-1234".to_owned()));
        assert_eq!(mobile("call me"), None);
    }

    #[test]
    fn a_key_is_bounded_and_no_two_lists_share_one() {
        assert_eq!(key("a:1"), "a:1");
        assert_eq!(key(&"a".repeat(201)).len(), 64);
        assert_eq!(key("a b").len(), 64);
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
