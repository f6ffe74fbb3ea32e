//! Vonage's older SMS API.
//!
//! Invariant: the status of HTTP says nothing here; every part of a text has a status of its own in the body.
//! Source: <https://developer.vonage.com/en/api/sms>,
//! <https://developer.vonage.com/en/getting-started/concepts/signing-messages>.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt, Reception};
use domain::provider::Provider;
use domain::time::Timestamp;
use ring::hmac;
use serde_json::Value;

use crate::calls::{self, BASE_URL, address, digits, hidden, needed, short, text};
use crate::proof::{WINDOW_S, is_timely, unhex};
use crate::provider::{
    Feedback, Field, Form, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use crate::sms::arrived::{self, Fields};
use crate::sms::receipts::{
    self, REFUSED, SUPPRESSED, accepted, by_status, is_success, later, receipt, word,
};

#[derive(Debug)]
pub(crate) struct VonageSms;

const FIELDS: &[Field] = &[
    text("api_key", "The account's API key, from the API settings of the dashboard."),
    hidden("api_secret", "The account's API secret, beside the key."),
    hidden("signature_secret", "The account's signature secret, if Vonage's support has turned signed webhooks on. Without it the secret URL alone proves a report.").optional(),
    Field {
        name: "signature_method",
        about: "By which HMAC reports are signed, as chosen in the API settings; sha256 if left out. MD5 is not taken.",
        form: Form::OneOf(&["sha1", "sha256", "sha512"]),
        required: false,
        secret: false,
    },
    text("from", "A number without +, or a sender id of up to eleven letters and digits."),
    BASE_URL,
];

impl Protocol for VonageSms {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, _provider: &Provider) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, 3_200)?;
        if sms.key.len() > 40 {
            return Err(Unbuildable(
                "the key is longer than the 40 characters Vonage gives back".to_owned(),
            ));
        }
        let url = address(provider, "https://rest.nexmo.com", &["sms", "json"])?;
        let plain = sms.text.chars().all(|character| GSM_7.contains(character));
        let mut pairs = vec![
            ("api_key", needed(provider, "api_key")?),
            ("api_secret", needed(provider, "api_secret")?),
            ("from", digits(&sms.from)),
            ("to", digits(&sms.to)),
            ("text", &sms.text),
            ("type", if plain { "text" } else { "unicode" }),
            ("client-ref", &sms.key),
        ];
        pairs.extend(sending.feedback_url.map(|url| ("callback", url)));
        Ok(calls::form(url, &pairs))
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        let parts = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let status = |part: &Value| word(part, "/status");
        // When any part was taken, the whole must not be sent again: the person would read that part twice.
        if let Some(taken) = parts.iter().find(|part| status(part).as_deref() == Some("0")) {
            return accepted(receipts::id(taken, "/message-id"));
        }
        let Some((first, status)) = parts.first().and_then(|part| Some((part, status(part)?)))
        else {
            return by_status(answer, "");
        };
        let said = format!("{status} {}", word(first, "/error-text").unwrap_or_default());
        let reception = match status.as_str() {
            // Over the limit; the credentials; no credit; the account, or the sender in the settings.
            "1" | "4" | "8" | "9" | "10" | "11" | "14" | "15" | "32" => later(answer),
            // Something failed on their side.
            "5" => Reception::Unknown,
            "7" => SUPPRESSED,
            _ if is_success(answer) => REFUSED,
            _ => return by_status(answer, &said),
        };
        receipt(reception, answer, &said)
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let Some(secret) = secret(provider, "signature_secret") else { return Ok(()) };
        let fields = Fields::of_any(received);
        let signature = fields
            .value("sig")
            .and_then(unhex)
            .ok_or(Untrusted::Forged("the report has no sig"))?;
        let at = fields.value("timestamp").and_then(|at| at.parse().ok()).unwrap_or_default();
        let at = Timestamp::from_millis(0).plus_seconds(at);
        if !is_timely(received.now, at, TRIES_S) {
            return Err(Untrusted::Forged("the report is too old, or of the future"));
        }
        let algorithm = match setting(provider, "signature_method") {
            Some("sha1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Some("sha512") => hmac::HMAC_SHA512,
            Some(_) | None => hmac::HMAC_SHA256,
        };
        let pairs = fields.sorted().into_iter().filter(|(name, _)| *name != "sig");
        let signed: Vec<String> = pairs
            .map(|(name, value)| format!("&{name}={}", value.replace(['&', '='], "_")))
            .collect();
        let key = hmac::Key::new(algorithm, secret.as_bytes());
        hmac::verify(&key, signed.concat().as_bytes(), &signature)
            .ok()
            .ok_or(Untrusted::Forged("the sig does not fit the report"))
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let fields = Fields::of_any(received);
        let id = fields.id("messageId").or_else(|| fields.id("message-id"));
        let (Some(id), Some(status)) = (id, fields.value("status")) else {
            return Err(Unreadable("the receipt has no messageId with a status".to_owned()));
        };
        let mut report = arrived::report(&id, status, arrived::fact(WORDS, status));
        report.key = fields.id("client-ref");
        report.recipient = fields.id("msisdn");
        report.at = fields
            .value("message-timestamp")
            .and_then(|at| format!("{}Z", at.replace(' ', "T")).parse().ok());
        report.detail = arrived::detail(fields.value("err-code").filter(|code| *code != "0"), None);
        Ok(arrived::one(report))
    }
}

const WORDS: &[(&str, Fact)] = &[
    ("accepted", Fact::Accepted),
    ("buffered", Fact::Delayed),
    ("delivered", Fact::Delivered),
    ("expired", Fact::Expired),
    ("failed", Fact::Failed),
    ("rejected", Fact::Rejected),
    ("unknown", Fact::Unknown),
];

/// How long a receipt is sent again.
const TRIES_S: i64 = 24 * 3_600 + WINDOW_S;

/// The characters of GSM 03.38 and its extension; a text with any other must be sent as Unicode.
const GSM_7: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€";
