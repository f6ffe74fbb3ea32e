//! What is kept of an answer.
//!
//! Invariant: no more of the text is kept than was asked for, and no clock is read: a date in `Retry-After` is
//! understood relative to the answer's own `Date`.

use std::str::from_utf8;
use std::time::{Duration, SystemTime};

use httparse::Header;

/// The start of a body, as it came.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    bytes_max: usize,
    cut: bool,
}

impl Body {
    /// Starts one of which so much is kept.
    pub(crate) const fn of(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, cut: false }
    }

    /// Takes what fits, and notes whether that was less than came.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let room = self.bytes_max.saturating_sub(self.bytes.len());
        self.cut |= chunk.len() > room;
        self.bytes.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }

    /// Tells whether more came than is kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Gives the text, and whether something of it is missing.
    pub(crate) fn into_text(mut self) -> (String, bool) {
        if self.cut {
            trim_partial_character(&mut self.bytes);
        }
        let text = match String::from_utf8(self.bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        // A replacement is three bytes for one, so what fitted may fit no longer.
        if text.len() <= self.bytes_max {
            return (text, self.cut);
        }
        let mut text = text;
        text.truncate(text.floor_char_boundary(self.bytes_max));
        (text, true)
    }
}

/// Drops the start of a character whose end was cut off; it would read as damage otherwise.
fn trim_partial_character(bytes: &mut Vec<u8>) {
    if let Some(tail) = bytes.utf8_chunks().last().map(|chunk| chunk.invalid().len())
        && let Some(start) = bytes.len().checked_sub(tail)
        && bytes.get(start).is_some_and(|first| *first >= 0xc2)
    {
        bytes.truncate(start);
    }
}

/// Gives the first value under a name, if it is text.
fn value<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    from_utf8(header.value).ok()
}

/// Reads `Retry-After`, in seconds from the moment of the answer.
pub(crate) fn retry_after_s(headers: &[Header<'_>]) -> Option<u32> {
    let wanted = value(headers, "retry-after")?.trim();
    if !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(wanted.parse().unwrap_or(u32::MAX));
    }
    let wait = date(wanted)?.duration_since(date(value(headers, "date")?)?).unwrap_or_default();
    Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX))
}

/// Headers in which providers say what they made of a message.
const KEPT: [&str; 2] = ["x-message-id", "x-amzn-errortype"];

/// Keeps the headers that say what a provider made of a message.
pub(crate) fn kept(headers: &[Header<'_>]) -> Vec<(&'static str, String)> {
    KEPT.iter().filter_map(|name| Some((*name, value(headers, name)?.to_owned()))).collect()
}

/// Reads how long the receiver says it keeps an idle connection.
pub(crate) fn keep_alive(headers: &[Header<'_>]) -> Option<Duration> {
    let parameters = value(headers, "keep-alive")?;
    let timeout =
        parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.trim().parse::<u32>().ok()?.into()))
}

fn date(value: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(value).ok()
}

#[cfg(test)]
mod tests {
    use domain::call::ANSWER_BYTES_MAX;

    use super::*;

    fn headers<'a>(fields: &[(&'a str, &'a str)]) -> Vec<Header<'a>> {
        fields.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_beside_the_answers_own() {
        let now = ("date", "Sun, 22 Nov 2026 15:00:00 GMT");
        for (fields, seconds) in [
            (vec![], None),
            (vec![("retry-after", "120")], Some(120)),
            (vec![("retry-after", "0")], Some(0)),
            (vec![("retry-after", "99999999999999999999")], Some(u32::MAX)),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "+1")], None),
            (vec![("retry-after", "1.5")], None),
            (vec![("retry-after", "")], None),
            (vec![("retry-after", "soon"), now], None),
            (vec![("retry-after", "Sun, 22 Nov 2026 15:02:00 GMT")], None),
            (vec![("retry-after", "Sun, 22 Nov 2026 15:02:00 GMT"), ("date", "now")], None),
            (vec![("retry-after", "Sun, 22 Nov 2026 15:02:00 GMT"), now], Some(120)),
            (vec![("retry-after", "Sun, 22 Nov 2026 14:00:00 GMT"), now], Some(0)),
            (vec![("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"), now], Some(u32::MAX)),
        ] {
            assert_eq!(retry_after_s(&headers(&fields)), seconds, "{fields:?}");
        }
    }

    #[test]
    fn keep_alive_is_read_from_among_its_parameters() {
        for (value, seconds) in [
            ("timeout=5", Some(5)),
            ("max=100, timeout=15", Some(15)),
            ("max=100", None),
            ("timeout=x", None),
        ] {
            assert_eq!(
                keep_alive(&headers(&[("keep-alive", value)])),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }

    fn text_of(bytes: &[u8]) -> (String, bool) {
        let mut body = Body::of(ANSWER_BYTES_MAX);
        for chunk in bytes.chunks(1000) {
            body.push(chunk);
        }
        body.into_text()
    }

    #[test]
    fn a_body_that_just_fits_is_whole() {
        let text = "a".repeat(ANSWER_BYTES_MAX);
        assert_eq!(text_of(text.as_bytes()), (text.clone(), false));
        assert_eq!(text_of(format!("{text}a").as_bytes()), (text, true));
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        let (text, cut) = text_of(format!("a{}", "ü".repeat(ANSWER_BYTES_MAX)).as_bytes());
        assert_eq!((text.len(), cut), (ANSWER_BYTES_MAX - 1, true));
        assert!(!text.contains('\u{fffd}'));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_within_the_bound() {
        assert_eq!(text_of(b"a\xffb"), ("a\u{fffd}b".to_owned(), false));
        let (text, cut) = text_of(&[0xff; ANSWER_BYTES_MAX]);
        assert!(text.len() <= ANSWER_BYTES_MAX && cut);
    }
}
