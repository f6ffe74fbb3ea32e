//! The head of an answer: what it says of itself, of its body, and of the connection.
//!
//! Invariant: a head that may be understood in two ways is understood in none, so that nobody decides but us where an
//! answer ends.
//! Source: RFC 9112, sections 4, 6 and 9.

use std::mem::MaybeUninit;
use std::str::from_utf8;
use std::time::Duration;

use httparse::{Header, ParserConfig, Response, Status};

use crate::conversation::Notes;
use crate::http::answer;
use crate::http::framing::{Framing, Nonsense};

/// What of a head is of use.
#[derive(Debug)]
pub(crate) struct Head {
    /// 100 to 999.
    pub(crate) status: u16,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether another message may follow over the connection.
    pub(crate) stays_open: bool,
    /// How long the receiver says it keeps the connection.
    pub(crate) keep_alive: Option<Duration>,
    /// What `Retry-After` asks for.
    pub(crate) retry_after_s: Option<u32>,
    /// What a provider made of a message.
    pub(crate) kept: Vec<(&'static str, String)>,
}

impl Head {
    /// Reads one from the front of what came, and gives how many bytes it has; nothing while it is not whole.
    pub(crate) fn read(bytes: &[u8], notes: &Notes) -> Result<Option<(Self, usize)>, Nonsense> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = Response::new(&mut []);
        let read = ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            bytes,
            &mut headers,
        );
        let length = match read.map_err(|error| Nonsense(error.to_string()))? {
            Status::Complete(length) => length,
            Status::Partial => return Ok(None),
        };
        let (status, version) =
            (response.code.unwrap_or_default(), response.version.unwrap_or_default());
        let headers: &[Header<'_>] = response.headers;
        if status < 100 {
            return Err(Nonsense(format!("there is no status {status:03}")));
        }
        let (framing, is_plain) = framing(status, version, headers)?;
        notes.head(status, response.reason.unwrap_or_default(), headers);
        let head = Self {
            status,
            stays_open: is_plain && stays_open(version, headers),
            framing,
            keep_alive: answer::keep_alive(headers),
            retry_after_s: answer::retry_after_s(headers),
            kept: answer::kept(headers),
        };
        Ok(Some((head, length)))
    }
}

/// Tells where the body ends, and whether that was said so plainly that another message may follow.
fn framing(status: u16, version: u8, headers: &[Header<'_>]) -> Result<(Framing, bool), Nonsense> {
    if matches!(status, 100..=199 | 204 | 304) {
        // Whoever announces a body all the same may send one.
        let announces = tokens(headers, "transfer-encoding").next().is_some()
            || !matches!(length(headers), Ok(None | Some(0)));
        return Ok((Framing::Length(0), !announces));
    }
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let coded = tokens(headers, "transfer-encoding").last();
    let chunked = tokens(headers, "transfer-encoding").filter(is_chunked).count();
    let length = length(headers)?;
    match (coded, length) {
        (Some(_), _) if version == 0 => {
            Err(Nonsense("HTTP/1.0 knows no Transfer-Encoding".to_owned()))
        }
        // RFC 9112, section 6.1.
        (Some(_), _) if chunked > 1 => {
            Err(Nonsense("Transfer-Encoding says chunked more than once".to_owned()))
        }
        (Some(last), length) if is_chunked(&last) => Ok((Framing::chunked(), length.is_none())),
        (Some(_), _) | (None, None) => Ok((Framing::UntilClose, false)),
        (None, Some(length)) => Ok((Framing::Length(length), true)),
    }
}

/// Reads `Content-Length`, which may come again as long as it says the same.
fn length(headers: &[Header<'_>]) -> Result<Option<u64>, Nonsense> {
    let mut said = None;
    for token in tokens(headers, "content-length") {
        let digits = token.iter().all(u8::is_ascii_digit);
        let length = from_utf8(token).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        let length: u64 =
            length.ok_or_else(|| Nonsense("Content-Length is no number".to_owned()))?;
        if said.is_some_and(|said| said != length) {
            return Err(Nonsense("Content-Length says two things".to_owned()));
        }
        said = Some(length);
    }
    Ok(said)
}

/// Tells whether the receiver lets the connection live on.
fn stays_open(version: u8, headers: &[Header<'_>]) -> bool {
    let says =
        |word: &[u8]| tokens(headers, "connection").any(|token| token.eq_ignore_ascii_case(word));
    !says(b"close") && (version > 0 || says(b"keep-alive"))
}

/// Gives the members of a header that is a list, however often it comes.
fn tokens<'a>(headers: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .flat_map(|header| header.value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// The most headers an answer may have.
const HEADERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Head, usize)>, Nonsense> {
        Head::read(text.as_bytes(), &Notes::default())
    }

    fn whole(fields: &str) -> (Framing, bool) {
        let (head, length) = read(&format!("{fields}\r\n\r\n")).unwrap().unwrap();
        assert_eq!(length, fields.len() + 4);
        (head.framing, head.stays_open)
    }

    #[test]
    fn a_head_says_where_its_body_ends_and_whether_the_connection_stays() {
        for (fields, framing, stays_open) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 3", Framing::Length(3), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3", Framing::Length(3), true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nConnection: Close",
                Framing::Length(3),
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: x, close",
                Framing::Length(3),
                false,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 3", Framing::Length(3), false),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive",
                Framing::Length(3),
                true,
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: close, keep-alive",
                Framing::Length(3),
                false,
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked", Framing::chunked(), true),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3",
                Framing::chunked(),
                false,
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip", Framing::UntilClose, false),
            ("HTTP/1.1 200 OK", Framing::UntilClose, false),
            ("HTTP/1.1 204 No Content\r\ncontent-length: 3", Framing::Length(0), false),
            ("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked", Framing::Length(0), false),
            ("HTTP/1.1 204 No Content\r\ncontent-length: 0", Framing::Length(0), true),
            ("HTTP/1.1 204 No Content", Framing::Length(0), true),
        ] {
            assert_eq!(whole(fields), (framing, stays_open), "{fields}");
        }
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_refused() {
        for fields in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4",
            "HTTP/1.1 200 OK\r\ncontent-length: 3, 4",
            "HTTP/1.1 200 OK\r\ncontent-length: +3",
            "HTTP/1.1 200 OK\r\ncontent-length:",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: Chunked",
            "HTTP/1.1 200 OK\r\ncontent-length : 3",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n folded: 4",
            "HTTP/1.1 099 Early",
        ] {
            assert!(read(&format!("{fields}\r\n\r\n")).is_err(), "{fields}");
        }
    }

    #[test]
    fn a_head_is_nothing_until_its_empty_line() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
        for length in 0..text.len() {
            assert!(read(text.get(..length).unwrap()).unwrap().is_none(), "{length}");
        }
    }
}
