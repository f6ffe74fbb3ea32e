//! Any HTTP service for short messages, described in settings.
//!
//! Invariant: what is filled in is a value in JSON, in a form or in a query, and never the form of the call.
//! Left to others: what was said ([`words`]), what is filled in ([`template`]).

mod template;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::{Answer, Call, Method};
use domain::message::{Message, Receipt};
use domain::provider::Provider;
use ring::hmac;
use serde_json::Value;
use url::Url;

use crate::calls::{self, hidden, short, text};
use crate::proof::{unbase64, unhex};
use crate::provider::{
    Feedback, Field, Form, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use template::Values;

#[derive(Debug)]
pub(crate) struct HttpSms;

const fn json(name: &'static str, about: &'static str) -> Field {
    Field { name, about, form: Form::Json, required: false, secret: false }
}

const FIELDS: &[Field] = &[
    Field {
        name: "url",
        about: "Where a message is handed over.",
        form: Form::Url,
        required: true,
        secret: false,
    },
    Field {
        name: "method",
        about: "POST, or GET: then the body's members stand in the query. POST if left out.",
        form: Form::OneOf(&["POST", "GET"]),
        required: false,
        secret: false,
    },
    json("headers", "An object of up to 20 header names with their values, such as {\"authorization\": \"Bearer {secret}\"}."),
    Field {
        name: "body",
        about: "An object that is sent. In its texts, {to}, {to_digits} (without +), {from}, {text}, {key} (ours), {feedback_url} and {secret} are filled in.",
        form: Form::Json,
        required: true,
        secret: false,
    },
    Field {
        name: "body_type",
        about: "How the body is written: json or form (then its members are texts). json if left out.",
        form: Form::OneOf(&["json", "form"]),
        required: false,
        secret: false,
    },
    hidden("secret", "What {secret} stands for in headers and body: a key, a token, a password.").optional(),
    text("from", "A number or a sender id, as the service wants it.").optional(),
    text("answer_status", "A JSON pointer to the word in an answer that says what became of the message, such as /messages/0/status. If left out, the HTTP status is that word.").optional(),
    json("answer_accepted", "A list of such words that say that the message was taken."),
    json("answer_later", "A list of such words that say that it was not taken, and may be handed over again."),
    json("answer_refused", "A list of such words that say that it is refused for good."),
    text("answer_id", "A JSON pointer to the service's own id for the message in an answer, such as /messages/0/id.").optional(),
    text("report_status", "Where a report says what happened: a JSON pointer, or the name of a field of a form or query. Without it no report is taken.").optional(),
    text("report_id", "Where a report says the service's own id for the message, likewise.").optional(),
    text("report_key", "Where a report says our key, likewise; n in the query if left out, which {feedback_url} brings along.").optional(),
    json("report_sent", "A list of words in reports that say that the message left the service."),
    json("report_delivered", "A list of words that say that the phone has it."),
    json("report_expired", "A list of words that say that its time ran out."),
    json("report_failed", "A list of words that say that it could not be brought."),
    text("report_signature_header", "The header that holds the HMAC-SHA256 of a report's body, in hexadecimal or Base64, with or without sha256= before it.").optional(),
    hidden("report_secret", "The key of that HMAC. Without it the secret URL alone proves a report.").optional(),
];

impl Protocol for HttpSms {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut wrong = template::check(provider);
        wrong.extend(words::check(provider));
        if setting(provider, "report_signature_header").is_some()
            != secret(provider, "report_secret").is_some()
        {
            let what = "expected together with report_secret, or not at all";
            wrong.push(("report_signature_header", what.to_owned()));
        }
        wrong
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, TEXT_CHARS_MAX)?;
        let values = Values::of(provider, sms, sending.feedback_url);
        let mut url: Url = setting(provider, "url")
            .and_then(|url| url.parse().ok())
            .ok_or_else(|| Unbuildable("the url is no URL".to_owned()))?;
        let mut body = provider.settings.get("body").cloned().unwrap_or(Value::Null);
        values.fill(&mut body);
        let form = setting(provider, "body_type") == Some("form");
        let mut call = if setting(provider, "method") == Some("GET") {
            url.query_pairs_mut().extend_pairs(template::pairs(&body));
            let headers = vec![(Cow::Borrowed("accept"), "application/json".to_owned())];
            Call { method: Method::Get, url: Arc::new(url), headers, body: Vec::new() }
        } else if form {
            let pairs = template::pairs(&body);
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            calls::form(url, &pairs)
        } else {
            calls::json(url, &body)
        };
        for (name, value) in template::headers(provider) {
            call.headers.retain(|(known, _)| *known != name);
            call.headers.push((Cow::Owned(name), values.filled(&value)));
        }
        Ok(call)
    }

    fn read(&self, provider: &Provider, answer: &Answer) -> Receipt {
        words::receipt(provider, answer)
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let Some(secret) = secret(provider, "report_secret") else { return Ok(()) };
        let name = setting(provider, "report_signature_header").unwrap_or_default();
        let signature = received
            .header(&name.to_ascii_lowercase())
            .ok_or(Untrusted::Forged("the header with the signature is missing"))?;
        let text = signature.strip_prefix("sha256=").unwrap_or(signature);
        let code = unhex(text).filter(|code| code.len() == 32).or_else(|| unbase64(text));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let fits = code.is_some_and(|code| hmac::verify(&key, received.body, &code).is_ok());
        if fits { Ok(()) } else { Err(Untrusted::Forged("the signature does not fit the body")) }
    }

    fn reports(
        &self,
        provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        words::report(provider, received)
    }
}

/// No text of ours comes near; services have bounds of their own.
const TEXT_CHARS_MAX: usize = 3_200;
