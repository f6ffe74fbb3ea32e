//! From a call to the HTTP request that says it.
//!
//! Invariant: adds `Host`, `User-Agent` and `Content-Length`, and nothing else; whatever cannot be written as HTTP is
//! `Unsayable`, never a panic.

use bytes::Bytes;
use domain::call::{Call, Failure, Method, Reason};
use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Method as Verb, Request, Uri};
use url::Url;

/// A request, ready to be written.
pub(crate) type Message = Request<Full<Bytes>>;

/// Writes a call as a request.
pub(crate) fn message(call: Call) -> Result<Message, Failure> {
    let Call { method, url, headers, body } = call;
    let body_bytes = body.len();
    let mut message = Request::new(Full::new(Bytes::from(body)));
    *message.uri_mut() = target(&url)?;
    *message.method_mut() = match method {
        Method::Get => Verb::GET,
        Method::Post => Verb::POST,
    };
    let fields = message.headers_mut();
    fields.reserve(headers.len().saturating_add(ADDED));
    fields.insert(HOST, host(&url)?);
    fields.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in headers {
        let field = field_name(&name)?;
        let value = field_value(&name, value)?;
        if field == USER_AGENT {
            fields.insert(field, value);
        } else {
            fields.append(field, value);
        }
    }
    if method == Method::Post || body_bytes > 0 {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(body_bytes));
    }
    Ok(message)
}

/// Gives what stands on the request line: path and query.
fn target(url: &Url) -> Result<Uri, Failure> {
    let target = match url.query() {
        None => PathAndQuery::try_from(url.path()),
        Some(query) => PathAndQuery::try_from([url.path(), "?", query].concat()),
    };
    target
        .map(Uri::from)
        .map_err(|error| unsayable(format!("the target cannot be written as HTTP: {error}")))
}

fn host(url: &Url) -> Result<HeaderValue, Failure> {
    let host = url.host_str().unwrap_or_default();
    // The port is there only if it is not the scheme's own.
    let value = match url.port() {
        None => HeaderValue::try_from(host),
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
    };
    value.map_err(|error| unsayable(format!("the host cannot be written as HTTP: {error}")))
}

fn field_name(name: &str) -> Result<HeaderName, Failure> {
    let field = HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
        unsayable(format!("a header has a name that cannot be written as HTTP: {error}"))
    })?;
    if OURS.contains(&field.as_str()) {
        return Err(unsayable(format!("the header {field} is not for the call to set")));
    }
    Ok(field)
}

fn field_value(name: &str, value: String) -> Result<HeaderValue, Failure> {
    // The value may be a secret; the name is not.
    HeaderValue::try_from(value)
        .map_err(|error| unsayable(format!("the header {name} cannot be written as HTTP: {error}")))
}

fn unsayable(detail: String) -> Failure {
    Failure { reason: Reason::Unsayable, detail }
}

const AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));

/// How many headers are added at most.
const ADDED: usize = 3;

/// What frames the message or belongs to the connection; from a call it could smuggle a second request.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use super::*;

    fn call(url: &str, headers: &[(&'static str, &str)]) -> Call {
        Call {
            method: Method::Post,
            url: Arc::new(Url::parse(url).unwrap()),
            headers: headers
                .iter()
                .map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned()))
                .collect(),
            body: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_request_names_host_port_path_and_query() {
        for (url, host, target) in [
            ("https://example.com", "example.com", "/"),
            ("https://example.com:443/a%20b?c=%26&d#fragment", "example.com", "/a%20b?c=%26&d"),
            ("http://example.com:8080/?", "example.com:8080", "/?"),
            ("http://[2606:4700::1]:81/x", "[2606:4700::1]:81", "/x"),
            (
                "http://bücher.example/ü?ü|^{}'\"",
                "xn--bcher-kva.example",
                "/%C3%BC?%C3%BC|^{}%27%22",
            ),
        ] {
            let message = message(call(url, &[])).unwrap();
            assert_eq!(message.headers()[HOST], host, "{url}");
            assert_eq!(message.uri().to_string(), target, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_unsayable() {
        for header in [
            ("x-signature", "one\r\ntwo: three"),
            ("x-signature", "\0"),
            ("x signature", "a"),
            ("", "a"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("host", "elsewhere"),
            ("connection", "close"),
        ] {
            let failure = message(call("https://example.com/", &[header])).unwrap_err();
            assert_eq!(failure.reason, Reason::Unsayable, "{header:?}");
        }
    }

    #[test]
    fn a_header_may_come_twice_and_the_agent_may_be_replaced() {
        let message = message(call(
            "https://example.com/",
            &[("a", "1"), ("a", "2"), ("user-agent", "other")],
        ))
        .unwrap();
        assert_eq!(message.headers().get_all("a").iter().count(), 2);
        assert_eq!(message.headers().get_all(USER_AGENT).iter().collect::<Vec<_>>(), ["other"]);
    }
}
