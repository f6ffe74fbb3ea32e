//! From a call to the HTTP request that says it.
//!
//! Invariant: adds `Host`, `User-Agent` and `Content-Length`, and nothing else; whatever cannot be written as HTTP is
//! `Unsayable`, never a panic.

use std::fmt::{self, Debug, Formatter};
use std::io::Write as _;

use domain::call::{Call, Failure, Method, Reason};
use url::Position;

/// A request, as it is written.
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Gives what goes on the wire.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without what it says, which may be a secret.
        f.debug_struct("Message").field("bytes", &self.bytes.len()).finish()
    }
}

/// Writes a call as a request.
pub(crate) fn message(call: &Call) -> Result<Message, Failure> {
    let Call { method, url, headers, body } = call;
    let fields_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let room = FRAME_BYTES + url.as_str().len() + fields_bytes + headers.len() * 4 + body.len();
    let mut bytes = Vec::with_capacity(room);
    let target = &url[Position::BeforePath..Position::AfterQuery];
    // The port is there only if it is not the scheme's own.
    let host = &url[Position::BeforeHost..Position::AfterPort];
    if let Some(part) = [target, host].into_iter().find(|part| !part.bytes().all(is_graphic)) {
        let what = if part == host { "host" } else { "target" };
        return Err(unsayable(format!("the {what} cannot be written as HTTP")));
    }
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\nhost: ", host] {
        bytes.extend_from_slice(part.as_bytes());
    }
    let agent = headers.iter().rfind(|(name, _)| is_agent(name));
    push_field(&mut bytes, AGENT_NAME, agent.map_or(AGENT, |(_, value)| value))?;
    for (name, value) in headers.iter().filter(|(name, _)| !is_agent(name)) {
        push_field(&mut bytes, name, value)?;
    }
    let length = if *method == Method::Post || !body.is_empty() {
        write!(bytes, "\r\ncontent-length: {}\r\n\r\n", body.len())
    } else {
        bytes.write_all(b"\r\n\r\n")
    };
    length.map_err(|error| unsayable(error.to_string()))?;
    bytes.extend_from_slice(body);
    Ok(Message { bytes })
}

/// Writes a header, after the line before it.
fn push_field(bytes: &mut Vec<u8>, name: &str, value: &str) -> Result<(), Failure> {
    if name.is_empty() || !name.bytes().all(is_of_token) {
        let what = "a header has a name that cannot be written as HTTP";
        return Err(unsayable(what.to_owned()));
    }
    if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        return Err(unsayable(format!("the header {name} is not for the call to set")));
    }
    // The value may be a secret; the name is not.
    if !value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != DELETE)) {
        return Err(unsayable(format!("the header {name} cannot be written as HTTP")));
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value.as_bytes());
    Ok(())
}

fn is_agent(name: &str) -> bool {
    name.eq_ignore_ascii_case(AGENT_NAME)
}

const fn is_graphic(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Tells whether a name may have such a byte: RFC 9110, section 5.6.2.
const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn unsayable(detail: String) -> Failure {
    Failure { reason: Reason::Unsayable, detail }
}

const AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));

const AGENT_NAME: &str = "user-agent";

/// Room for what stands around a call's own words: verb, version, the names and values that we add.
const FRAME_BYTES: usize = 128;

const DELETE: u8 = 0x7f;

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

    use url::Url;

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

    fn written(call: &Call) -> String {
        String::from_utf8(message(call).unwrap().bytes).unwrap()
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
            let start = format!("POST {target} HTTP/1.1\r\nhost: {host}\r\n");
            let written = written(&call(url, &[]));
            assert!(written.starts_with(&start), "{url}: {written}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_unsayable() {
        for header in [
            ("x-signature", "one\r\ntwo: three"),
            ("x-signature", "\0"),
            ("x-signature", "\u{7f}"),
            ("x signature", "a"),
            ("x-signature:", "a"),
            ("x-sígnature", "a"),
            ("", "a"),
            ("transfer-encoding", "chunked"),
            ("Content-Length", "3"),
            ("host", "elsewhere"),
            ("connection", "close"),
        ] {
            let failure = message(&call("https://example.com/", &[header])).unwrap_err();
            assert_eq!(failure.reason, Reason::Unsayable, "{header:?}");
            assert!(!failure.detail.contains("three"), "{failure:?}");
        }
    }

    #[test]
    fn a_header_may_come_twice_and_the_agent_may_be_replaced() {
        let written = written(&call(
            "https://example.com/",
            &[("A", "1"), ("a", "2\tü"), ("user-agent", "one"), ("User-Agent", "other")],
        ));
        let fields: Vec<&str> = written.lines().skip(2).collect();
        let expected = ["user-agent: other", "a: 1", "a: 2\tü", "content-length: 2", "", "{}"];
        assert_eq!(fields, expected);
    }
}
