//! Documents that go out, piece by piece.
//!
//! Invariants: one piece of a document is in memory at a time, whoever is slow; a name of whatever characters stays a name;
//! a browser takes the bytes for nothing but what they are said to be.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::document::Document;
use engine::Refusal;
use engine::documents::Pieces;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// What a browser does with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It shows it.
    Inline,
    /// It saves it.
    Attachment,
}

/// Answers with a document. Only the browser that asked may keep it, for some minutes.
pub(crate) fn answer(document: &Document, pieces: Pieces, shown: Shown) -> Response {
    let mut response = Response::new(Body::new(Streamed { pieces: Some(pieces), asked: None }));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static(document.media_type.as_str());
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_DISPOSITION, disposition(shown, &document.brief.name));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Nobody frames a document. It says nothing of what is loaded: browsers take that for their own viewer of PDFs, which then
/// shows nothing; and as nothing but a PDF, a document loads nothing by itself.
const POLICY: &str = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Writes how a file is called (RFC 6266): plain characters for old clients, and all of them by RFC 8187.
fn disposition(shown: Shown, name: &str) -> HeaderValue {
    let kind = match shown {
        Shown::Inline => "inline",
        Shown::Attachment => "attachment",
    };
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase();
    let mut whole = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push('%');
            whole.extend([byte >> 4, byte & 15].map(digit));
        }
    }
    let text = format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{whole}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// A question for the next piece, under way.
type Asked = Pin<Box<dyn Future<Output = (Pieces, Result<Option<Bytes>, Refusal>)> + Send>>;

/// A body that asks for a piece when the one before has gone.
struct Streamed {
    pieces: Option<Pieces>,
    asked: Option<Asked>,
}

/// Why a body breaks off.
#[derive(Debug)]
struct Broken(Refusal);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a document broke off: {}", self.0)
    }
}

impl StdError for Broken {}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Some(mut pieces) = this.pieces.take() {
            this.asked = Some(Box::pin(async move {
                let next = pieces.next().await;
                (pieces, next)
            }));
        }
        let Some(asked) = &mut this.asked else { return Poll::Ready(None) };
        let Poll::Ready((pieces, next)) = asked.as_mut().poll(cx) else { return Poll::Pending };
        this.asked = None;
        match next {
            Ok(Some(bytes)) => {
                this.pieces = Some(pieces);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Ok(None) => Poll::Ready(None),
            Err(refusal) => {
                tracing::warn!(error = %refusal, "a document broke off on its way out");
                Poll::Ready(Some(Err(Broken(refusal))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.asked.is_none() && self.pieces.as_ref().is_none_or(|pieces| pieces.left() == 0)
    }

    fn size_hint(&self) -> SizeHint {
        self.pieces
            .as_ref()
            .map_or_else(SizeHint::default, |pieces| SizeHint::with_exact(pieces.left()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name_whatever_its_characters() {
        let cases = [
            ("lease.pdf", "inline; filename=\"lease.pdf\"; filename*=UTF-8''lease.pdf"),
            (
                "a\"; x=\"b\r\nc%41.pdf",
                "inline; filename=\"a_; x=_b__c_41.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%22b%0D%0Ac%2541.pdf",
            ),
            (
                "Vertrag für Ö.pdf",
                "inline; filename=\"Vertrag f_r _.pdf\"; filename*=UTF-8''Vertrag%20f%C3%BCr%20%C3%96.pdf",
            ),
        ];
        for (name, expected) in cases {
            assert_eq!(disposition(Shown::Inline, name), expected, "{name}");
        }
    }
}
