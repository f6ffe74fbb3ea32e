//! Mailgun.
//!
//! Mails go as a form of several parts. Reports are signed, but the signature covers no more than a time and a token:
//! a token that came a second time with something else is forged, so who takes reports must remember tokens.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt, Report};
use domain::provider::Provider;
use domain::time::Timestamp;
use serde_json::{Number, Value};

use crate::email::{self, BASE_URL, FROM, FROM_NAME, KEY, REPLY_TO, secret_field, text_field};
use crate::proof::{base64, hex, is_hmac_sha256, is_timely, unhex};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use crate::reception::{Repeats, accepted, by_status};

#[derive(Debug)]
pub(super) struct Mailgun;

impl Protocol for Mailgun {
    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut flaws = email::check_addresses(provider);
        if setting(provider, DOMAIN).is_some_and(|domain| !is_domain(domain)) {
            flaws.push((DOMAIN, "a domain, such as mg.example.com".to_owned()));
        }
        flaws
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let mail = email::mail(message)?;
        let domain = setting(provider, DOMAIN)
            .filter(|domain| is_domain(domain))
            .ok_or_else(|| Unbuildable("the provider has no domain; set it".to_owned()))?;
        let (from, to) = (email::named(&mail.from), email::named(&mail.to));
        let key = format!("v:{KEY}");
        let fields = [
            ("from", Some(from.as_str())),
            ("to", Some(&to)),
            ("subject", Some(&mail.subject)),
            ("text", Some(&mail.text)),
            ("html", mail.html.as_deref()),
            ("o:tag", mail.tag.as_deref()),
            ("o:tracking", Some("no")),
            ("h:Reply-To", mail.reply_to.as_deref()),
            (&key, Some(&mail.key)),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let fields: Vec<(&str, &str)> = fields.collect();
        let boundary = hex(&sending.nonce);
        let mut call =
            email::post(provider, "https://api.mailgun.net", &format!("/v3/{domain}/messages"))?;
        let user = format!("api:{}", email::need(provider, "api_key")?);
        let authorization = format!("Basic {}", base64(user.as_bytes()));
        call.headers.push(("authorization".into(), authorization));
        let form = format!("multipart/form-data; boundary={boundary}");
        call.headers.push(("content-type".into(), form));
        call.body = multipart(&fields, &boundary).into_bytes();
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        match (answer.status, text("id")) {
            (200, Some(id)) => accepted(Some(bare(id))),
            _ => by_status(answer, text("message").unwrap_or_default(), Repeats::Doubled),
        }
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let key = secret(provider, SIGNING_KEY).ok_or(Untrusted::Forged(
            "the provider has no webhook_signing_key, so no report is taken",
        ))?;
        let body: Value = serde_json::from_slice(received.body).unwrap_or_default();
        let text = |name: &str| body.get("signature").and_then(|block| block.get(name)?.as_str());
        let (Some(time), Some(token), Some(code)) =
            (text("timestamp"), text("token"), text("signature"))
        else {
            return Err(Untrusted::Forged("the report is not signed"));
        };
        let at = time.parse().map(|seconds| Timestamp::from_millis(0).plus_seconds(seconds));
        if !at.is_ok_and(|at| is_timely(received.now, at, TRIES_S)) {
            return Err(Untrusted::Forged("the report is too old, or of the future"));
        }
        let code = unhex(code).unwrap_or_default();
        if is_hmac_sha256(key.as_bytes(), &[time.as_bytes(), token.as_bytes()], &code) {
            Ok(())
        } else {
            Err(Untrusted::Forged("the signature does not fit the report"))
        }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let body: Value = serde_json::from_slice(received.body)
            .map_err(|error| Unreadable(format!("the body is no event: {error}")))?;
        let token = email::text(body.pointer("/signature/token"))
            .ok_or_else(|| Unreadable("the event has no token".to_owned()))?;
        let event = body.get("event-data").unwrap_or(&Value::Null);
        let reports = report(event, &token).into_iter().collect();
        Ok(Feedback { reports, once: Some(token), confirm: None })
    }
}

fn report(event: &Value, token: &str) -> Option<Report> {
    let text = |name: &str| email::text(event.get(name));
    let reason = text("reason").unwrap_or_default();
    let fact = match (event.get("event")?.as_str()?, text("severity").as_deref()) {
        ("accepted", _) => Fact::Accepted,
        ("delivered", _) => Fact::Delivered,
        ("failed", Some("temporary")) => Fact::Delayed,
        ("failed", _) => match reason.as_str() {
            "old" => Fact::Expired,
            "espblock" => Fact::BouncedBlocked,
            reason if reason.starts_with("suppress-") => Fact::Suppressed,
            _ => Fact::Bounced,
        },
        ("rejected", _) => Fact::Rejected,
        ("opened", _) => Fact::Opened,
        ("clicked", _) => Fact::Clicked,
        ("unsubscribed", _) => Fact::Unsubscribed,
        ("complained", _) => Fact::Complained,
        _ => return None,
    };
    let status =
        |name: &str| event.get("delivery-status").and_then(|status| email::text(status.get(name)));
    Some(Report {
        key: email::key(event.get("user-variables").and_then(|known| known.get(KEY))),
        message_id: email::text(event.pointer("/message/headers/message-id"))
            .map(|id| bare(&id).to_owned()),
        recipient: text("recipient"),
        fact,
        at: event.get("timestamp").and_then(Value::as_number).and_then(moment),
        event_id: token.to_owned(),
        detail: status("message").or_else(|| status("description")),
    })
}

/// Reads seconds with a fraction, without losing milliseconds on the way.
fn moment(number: &Number) -> Option<Timestamp> {
    let text = number.to_string();
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let start = Timestamp::from_millis(0).plus_seconds(seconds.parse().ok()?);
    Some(start.plus_millis(millis.parse().ok()?))
}

/// The answer has brackets around an id, reports have none.
fn bare(id: &str) -> &str {
    id.trim_start_matches('<').trim_end_matches('>')
}

fn is_domain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    text.contains('.') && text.len() <= 253 && text.bytes().all(fits)
}

fn multipart(fields: &[(&str, &str)], boundary: &str) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let parts: String = fields.iter().map(part).collect();
    format!("{parts}--{boundary}--\r\n")
}

const DOMAIN: &str = "domain";
const SIGNING_KEY: &str = "webhook_signing_key";

/// Mailgun goes on trying for some eight hours, and does not say that it signs anew.
const TRIES_S: i64 = 9 * 3_600;

const FIELDS: [Field; 7] = [
    FROM,
    FROM_NAME,
    REPLY_TO,
    text_field(DOMAIN, "The sending domain, from Sending, Domains, such as mg.example.com.", true),
    secret_field(
        "api_key",
        "The API key, or the sending key of the domain, from API Security.",
        true,
    ),
    secret_field(
        SIGNING_KEY,
        "The HTTP webhook signing key, from Webhooks; it is not the API key. Without it no report is taken.",
        false,
    ),
    BASE_URL,
];
