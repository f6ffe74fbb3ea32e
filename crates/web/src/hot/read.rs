//! A hot call as it lies in a buffer: read by our own hand where it is plain, and by nobody here where it is not.
//!
//! Invariants: what is read here, hyper would read the same; what is said in any other than the plainest way (another
//! version, a length that is not said exactly once, a coding, an expectation, the wish to close) is left to hyper whole.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use http_body_util::Full;
use httparse::{EMPTY_HEADER, Header, Status};

use super::Hot;

/// The most fields of a head that is read here.
const FIELDS_MAX: usize = 32;
/// The most bytes of a call that is read here.
pub(super) const CALL_BYTES_MAX: usize = 16 * 1024;

/// What lies in a buffer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Found {
    /// A whole hot call, and how many bytes it took.
    Call(Call, usize),
    /// The beginning of a hot call that has so many bytes.
    Part(usize),
    /// Something else, or too little to tell.
    Other,
}

/// A hot call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) hot: Hot,
    pub(super) request: Request<Full<Bytes>>,
}

/// Looks at what lies in a buffer.
pub(super) fn find(bytes: &[u8]) -> Found {
    found(bytes).unwrap_or(Found::Other)
}

/// Looks at it; `None` where it is nothing for us.
fn found(bytes: &[u8]) -> Option<Found> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(Status::Complete(head_bytes)) = head.parse(bytes) else { return None };
    if head.method != Some("POST") || head.version != Some(1) {
        return None;
    }
    let path = head.path.filter(|path| path.starts_with('/'))?;
    let hot = Hot::at(&Method::POST, path.split('?').next().unwrap_or(path))?;
    let body_bytes = length_of_body(head.headers)?;
    let taken = head_bytes.checked_add(body_bytes).filter(|taken| *taken <= CALL_BYTES_MAX)?;
    if bytes.len() < taken {
        return Some(Found::Part(taken));
    }
    // One copy, which the parts of the request share.
    let call = Bytes::copy_from_slice(bytes.get(..taken)?);
    let share = |part: &[u8]| {
        let start = part.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
        (start + part.len() <= taken).then(|| call.slice(start..start + part.len()))
    };
    let mut request = Request::new(Full::new(call.slice(head_bytes..)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(PathAndQuery::from_maybe_shared(share(path.as_bytes())?).ok()?);
    request.headers_mut().reserve(head.headers.len());
    for field in &*head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(share(field.value)?).ok()?;
        request.headers_mut().append(name, value);
    }
    // Of a target that is cut on the way, a fragment say, the rest may be something else.
    (Hot::of(&request) == Some(hot)).then_some(Found::Call(Call { hot, request }, taken))
}

/// Gives the length of the body; `None` where a head is not plain.
fn length_of_body(fields: &[Header<'_>]) -> Option<usize> {
    let mut length = None;
    for Header { name, value } in fields {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("content-length") {
            if length.is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return None;
            }
            length = Some(str::from_utf8(value).ok()?.parse().ok()?);
        } else if is("connection") {
            if !value.eq_ignore_ascii_case(b"keep-alive") {
                return None;
            }
        } else if NOT_PLAIN.iter().any(|other| is(other)) {
            return None;
        }
    }
    length
}

/// Fields that say more of how a call is said than we read here.
const NOT_PLAIN: [&str; 5] = ["transfer-encoding", "expect", "upgrade", "te", "trailer"];

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{HeaderMap, Response, Version};
    use http_body_util::BodyExt as _;
    use hyper::body::{Body, Incoming};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use tokio::io::{AsyncWriteExt as _, duplex};
    use tokio::runtime;

    use super::*;

    const PLAIN: &str = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 4\r\nConnection: Keep-Alive\r\n\r\n";

    fn call(bytes: &[u8]) -> Option<(Call, usize)> {
        match find(bytes) {
            Found::Call(call, taken) => Some((call, taken)),
            Found::Part(_) | Found::Other => None,
        }
    }

    #[tokio::test]
    async fn a_plain_call_is_read_with_all_that_it_says() {
        let bytes = format!("{PLAIN}bodyPOST");
        let (Call { hot, request }, taken) = call(bytes.as_bytes()).unwrap();
        assert_eq!((hot, taken), (Hot::Event, bytes.len() - 4));
        let (parts, body) = request.into_parts();
        assert_eq!((parts.method, parts.uri.path()), (Method::POST, "/api/v1/events"));
        assert_eq!(parts.headers["authorization"], "Bearer k");
        assert_eq!(parts.headers.get_all("x-two").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "body");
    }

    #[test]
    fn of_a_call_whose_body_is_not_there_the_length_is_known() {
        assert!(matches!(find(PLAIN.as_bytes()), Found::Part(taken) if taken == PLAIN.len() + 4));
        assert!(matches!(find(&PLAIN.as_bytes()[..PLAIN.len() - 1]), Found::Other));
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        let plain = |from: &str, to: &str| {
            assert!(PLAIN.contains(from), "{from}");
            call(format!("{}body", PLAIN.replace(from, to)).as_bytes()).is_some()
        };
        assert!(plain("X-Two: 1", "x-two: 1"));
        for (from, to) in [
            ("HTTP/1.1", "HTTP/1.0"),
            ("POST", "GET"),
            ("POST", "post"),
            ("/api/v1/events", "/api/v1/event-types"),
            ("/api/v1/events", "/api/v1/events/"),
            ("/api/v1/events", "http://x/api/v1/events"),
            ("/api/v1/events", "/in/#abc"),
            ("/api/v1/events", "*"),
            ("Content-Length: 4", "Content-Length: 4\r\nContent-Length: 4"),
            ("Content-Length: 4", "Content-Length: +4"),
            ("Content-Length: 4", "Content-Length: 4, 4"),
            ("Content-Length: 4", "Content-Length: 99999999999999999999"),
            ("Content-Length: 4", "Content-Length: 17000"),
            ("Content-Length: 4", "Transfer-Encoding: chunked"),
            ("X-Two: 1", "Transfer-Encoding: chunked"),
            ("X-Two: 1", "Expect: 100-continue"),
            ("X-Two: 1", "Upgrade: h2c"),
            ("X-Two: 1", "X-Two : 1"),
            ("X-Two: 1", "X-Two: 1\r\n folded"),
            ("Connection: Keep-Alive", "Connection: close"),
            ("Connection: Keep-Alive", "Connection: keep-alive, x-two"),
        ] {
            assert!(!plain(from, to), "{to}");
        }
    }

    /// What a call says.
    type Said = (Method, Uri, Version, HeaderMap, Bytes);

    async fn said<B>(request: Request<B>) -> Option<Said>
    where
        B: Body<Data = Bytes>,
    {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some((parts.method, parts.uri, parts.version, parts.headers, body))
    }

    /// Reads all calls on a connection as hyper does.
    async fn as_hyper_reads(bytes: &[u8]) -> Vec<Said> {
        let (mut client, server) = duplex(1024 * 1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let service = service_fn(async |request: Request<Incoming>| {
            let call = said(request).await;
            heard.lock().unwrap().extend(call);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let mut connection = http1::Builder::new();
        // Whatever makes no sense ends the connection, and nothing after it is read.
        drop(connection.half_close(true).serve_connection(TokioIo::new(server), service).await);
        let heard = heard.lock().unwrap();
        heard.clone()
    }

    /// Lines of a head, most of which two readers might read differently.
    const LINES: &[&str] = &[
        "Host: x",
        "Authorization: Bearer k",
        "X-Two:1",
        "x-two:\t 2 \t",
        "X-Empty:",
        "X-High: \u{fc}",
        "Content-Length: 4",
        "content-length: 04",
        "Content-Length: 0",
        "Content-Length : 4",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length:",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding : chunked",
        "Connection: keep-alive",
        "Connection: close",
        "Expect: 100-continue",
        " folded",
        ": nameless",
        "no colon",
        "X-Nul: a\0b",
        "X-Return: a\rb",
    ];
    const FIRST: &[&str] = &[
        "POST /api/v1/events HTTP/1.1",
        "POST /in/abc?x=y HTTP/1.1",
        "POST /in/%61#b HTTP/1.1",
        "POST  /api/v1/events HTTP/1.1",
        "POST /api/v1/events HTTP/1.0",
        "POST http://x/api/v1/events HTTP/1.1",
        "GET /api/v1/events HTTP/1.1",
    ];
    const BODIES: &[&str] = &["", "body", "0\r\n\r\n", "body4\r\nbody\r\n0\r\n\r\n"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Two who read a connection differently are what smuggling lives on.
        #[test]
        fn what_is_read_here_hyper_reads_the_same(
            calls in vec((select(FIRST), vec(select(LINES), 0..6), select(BODIES)), 1..4),
            ends in select(&["\r\n", "\r\n", "\n"][..]),
            edits in vec((0_usize..400, any::<u8>()), 0..2),
        ) {
            let mut text = String::new();
            for (first, lines, body) in calls {
                for line in [first].into_iter().chain(lines).chain(["Content-Length: 4", ""]) {
                    text.push_str(line);
                    text.push_str(ends);
                }
                text.push_str(body);
            }
            let mut bytes = text.into_bytes();
            for (place, byte) in edits {
                let place = place % bytes.len();
                bytes[place] = byte;
            }
            let Some((Call { request, .. }, taken)) = call(&bytes) else { return Ok(()) };
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            let (ours, theirs, rest) = runtime.block_on(async {
                let rest = as_hyper_reads(&bytes[taken..]).await;
                (said(request).await, as_hyper_reads(&bytes).await, rest)
            });
            let ours: Vec<Said> = ours.into_iter().chain(rest).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_within_its_bounds(
            edits in vec((0_usize..200, any::<u8>()), 0..4),
            end in 0_usize..200,
        ) {
            let mut bytes = format!("{PLAIN}body").into_bytes();
            for (place, byte) in edits {
                let place = place % bytes.len();
                bytes[place] = byte;
            }
            bytes.truncate(end.max(1));
            match find(&bytes) {
                Found::Call(call, taken) => {
                    prop_assert!(taken <= bytes.len());
                    let length = call.request.headers()["content-length"].to_str().unwrap();
                    prop_assert!(length.parse::<usize>().unwrap() <= taken);
                }
                Found::Part(taken) => prop_assert!(taken > bytes.len() && taken <= CALL_BYTES_MAX),
                Found::Other => {}
            }
        }
    }
}
