//! What is posted: by which verb and where to, with which headers, and the body of each post.

use std::{fmt::Write, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};

#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) method: Method,
    pub(crate) path: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: fn(Stamp) -> Bytes,
}

/// What tells one body from the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) seq: u64,
    /// The sink finds it again and takes the difference for the latency.
    pub(crate) sent_at_us: u64,
}

/// An event of the account's own, 1 KB in all.
pub(crate) fn event(stamp: Stamp) -> Bytes {
    let Stamp { seq, sent_at_us } = stamp;
    let mut body = String::with_capacity(BODY_BYTES);
    write!(
        body,
        r#"{{"type":"custom.bench","data":{{"sent_at_us":{sent_at_us},"seq":{seq},"note":""#
    )
    .unwrap_or_default();
    finish(body, r#""}}"#)
}

/// A signature request with one signer, sent at once, 1 KB in all.
///
/// The signer takes no mail and no short message, so that what is measured is the webhook.
pub(crate) fn request(stamp: Stamp) -> Bytes {
    sent(stamp, r#""email":false,"sms":false"#)
}

/// The same, but the signer is told by short message. The number is one that is kept for stories.
pub(crate) fn notice(stamp: Stamp) -> Bytes {
    sent(stamp, r#""email":false,"sms":true"#)
}

fn sent(stamp: Stamp, send_to: &str) -> Bytes {
    let Stamp { seq, sent_at_us } = stamp;
    let mut body = String::with_capacity(BODY_BYTES);
    write!(
        body,
        concat!(
            r#"{{"title":"Bench {}","send":true,"signers":[{{"name":"Ada Bench","email":"ada{}@bench.invalid","#,
            r#""mobile":"+447700900123","send_to":{{{}}}}}],"metadata":{{"sent_at_us":{},"note":""#
        ),
        seq, seq, send_to, sent_at_us
    )
    .unwrap_or_default();
    finish(body, r#""}}"#)
}

/// The same event as a message to Svix, 1 KB in all.
pub(crate) fn message(stamp: Stamp) -> Bytes {
    let Stamp { seq, sent_at_us } = stamp;
    let mut body = String::with_capacity(BODY_BYTES);
    write!(
        body,
        r#"{{"eventType":"custom.bench","payload":{{"sent_at_us":{sent_at_us},"seq":{seq},"note":""#
    )
    .unwrap_or_default();
    finish(body, r#""}}"#)
}

/// A vendor's webhook, as Ironclad Clickwrap sends them: one of four signers of a request has signed.
///
/// A request is told of by four webhooks in a row, so each changes something; with another moment it is another request.
pub(crate) fn webhook(stamp: Stamp) -> Bytes {
    let Stamp { seq, sent_at_us } = stamp;
    signed((seq / 4, sent_at_us / 4_000_000), stamp)
}

/// The same of few requests: all but the first webhooks of each tell nothing new.
pub(crate) fn webhook_of_few(stamp: Stamp) -> Bytes {
    signed((stamp.seq / 4 % REQUESTS_FEW, 0), stamp)
}

fn signed((request, variant): (u64, u64), stamp: Stamp) -> Bytes {
    let Stamp { seq, sent_at_us } = stamp;
    let signer = seq % 4;
    let mut body = String::with_capacity(BODY_BYTES);
    write!(
        body,
        concat!(
            r#"{{"deliverable":true,"type":"webhook","integration":"1","sent_to":"https://bench.invalid/in","#,
            r#""event_type":"request_signed","description":"Ada Bench {} signed Bench {}","site":1,"#,
            r#""request":"{}-{}","signer":"ada{}@bench.invalid","created_time":"2026-01-02T03:04:05.678Z","#,
            r#""updated_time":"2026-01-02T03:04:05.679Z","id":"{}-{}"}}"#
        ),
        signer, request, variant, request, signer, sent_at_us, seq
    )
    .unwrap_or_default();
    Bytes::from(body)
}

/// The headers of a webhook, with the source's token or a wrong one.
pub(crate) fn webhook_headers(token: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (HeaderName::from_static("pactsafe-webhook-token"), HeaderValue::from_static(token)),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]
}

/// The headers of every post, the yardstick's included.
pub(crate) fn headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::AUTHORIZATION, HeaderValue::from_static(BEARER)),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]
}

/// Fills a body up to its size with text that compresses like text.
fn finish(mut body: String, end: &str) -> Bytes {
    let room = BODY_BYTES.saturating_sub(body.len() + end.len());
    body.push_str(FILLER.get(..room).unwrap_or_default());
    body.push_str(end);
    Bytes::from(body)
}

pub(crate) const API_KEY: &str = "cs_benchbenchbenchbenchbenchbenchbench0001";
const REQUESTS_FEW: u64 = 25;
const BEARER: &str = "Bearer cs_benchbenchbenchbenchbenchbenchbench0001";
pub(crate) const BODY_BYTES: usize = 1024;
static FILLER: LazyLock<String> = LazyLock::new(|| PROSE.repeat(BODY_BYTES / PROSE.len() + 1));
const PROSE: &str = "The parties agree that notice of each step reaches every one of them, in order and with proof. ";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn four_webhooks_in_a_row_tell_of_one_request() {
        let read = |seq| {
            let bytes = webhook(Stamp { seq, sent_at_us: 1_700_000_000_000_000 });
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        let of = |name: &str| -> BTreeSet<String> {
            (0..8).map(|seq| read(seq)[name].to_string()).collect()
        };
        assert_eq!((of("request").len(), of("signer").len(), of("id").len()), (2, 4, 8));
    }

    #[test]
    fn every_body_is_json_of_one_kilobyte() {
        for body in [event, request, notice, message] {
            for seq in [0, 7, 1_000_000] {
                let bytes = body(Stamp { seq, sent_at_us: 1_700_000_000_000_000 });
                assert_eq!(bytes.len(), BODY_BYTES);
                serde_json::from_slice::<Value>(&bytes).unwrap();
            }
        }
    }
}
