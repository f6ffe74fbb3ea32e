//! The services for short messages, against what their vendors' documents show.
//!
//! Left to others: how calls are carried out (the files beside this one).

mod answers;
mod calls;
mod described;
mod proofs;
mod reports;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use channels::provider::{Protocol, Received, Sending, protocol};
use domain::call::Answer;
use domain::id::{AccountId, ProviderId};
use domain::message::{Channel, Message, Sms};
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde_json::{Value, json};

const TEXT: &str = "Please review & sign: https://s.example.com/8f2c";
const FEEDBACK_URL: &str = "https://hooks.example.com/feedback/t0k3n";
const KEY: &str = "ntf_01J8Z3";

/// Every kind that carries short messages over HTTP.
pub(crate) fn kinds() -> impl Iterator<Item = ProviderKind> {
    let all = ProviderKind::ALL.iter().copied();
    all.filter(|kind| kind.channel() == Channel::Sms && *kind != ProviderKind::MailboxSms)
}

fn speaks(kind: ProviderKind) -> &'static dyn Protocol {
    protocol(kind).unwrap_or_else(|| panic!("{} has no protocol", kind.as_str()))
}

fn provider(kind: ProviderKind, settings: &Value, secrets: &Value) -> Provider {
    let settings = settings.as_object().unwrap().clone().into_iter().collect();
    let secrets = secrets.as_object().unwrap().iter();
    let values: BTreeMap<_, _> =
        secrets.map(|(name, value)| (name.clone(), Secret::new(value.as_str().unwrap()))).collect();
    Provider {
        id: ProviderId::new(1),
        account: AccountId::new(1),
        name: "texts".to_owned(),
        kind,
        priority: 0,
        rate_limit: None,
        on_unknown: OnUnknown::Wait,
        enabled: true,
        settings,
        created_at: now(),
        updated_at: now(),
        secrets: Secrets { values, feedback_token: None },
    }
}

/// A provider as an operator would set it up, with what it sends from.
pub(crate) fn usual(kind: ProviderKind) -> (Provider, &'static str) {
    let key = read("vonage/application.test.key");
    let aws = json!({ "secret_access_key": "aws-secret-access-key" });
    let aws_settings = json!({
        "access_key_id": "AKIAEXAMPLE",
        "region": "eu-west-1",
        "configuration_set": "signing-sms",
        "topic_arn": "arn:aws:sns:eu-west-1:123456789012:sms-events",
    });
    let account = "AC00000000000000000000000000000000";
    let (settings, secrets, from) = match kind {
        ProviderKind::Twilio => (
            json!({ "account_sid": account }),
            json!({ "auth_token": "twilio-token" }),
            "+15005550006",
        ),
        ProviderKind::Vonage => (
            json!({ "api_key": "abcd1234", "application_id": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab" }),
            json!({ "private_key": key, "signature_secret": "vonage-signature-secret" }),
            "Example",
        ),
        ProviderKind::VonageSms => (
            json!({ "api_key": "abcd1234" }),
            json!({ "api_secret": "api-secret-of-16" }),
            "Example",
        ),
        ProviderKind::Messagebird => (
            json!({}),
            json!({ "access_key": "live-key-of-bird", "signing_key": "bird-signing-key" }),
            "Example",
        ),
        ProviderKind::Plivo => (
            json!({ "auth_id": "MAEXAMPLE" }),
            json!({ "auth_token": "plivo-token" }),
            "+14155550100",
        ),
        ProviderKind::Sinch => (
            json!({ "service_plan_id": "plan1", "region": "eu" }),
            json!({ "api_token": "sinch-token" }),
            "+447700900999",
        ),
        ProviderKind::AwsSms => (aws_settings, aws, "pool-0123456789abcdef0123456789abcdef"),
        ProviderKind::SnsSms => (aws_settings, aws, ""),
        ProviderKind::HttpSms => {
            (described::settings(), json!({ "secret": "gateway-secret" }), "Example")
        }
        ProviderKind::MailboxEmail
        | ProviderKind::MailboxSms
        | ProviderKind::Smtp
        | ProviderKind::Ses
        | ProviderKind::Sendgrid
        | ProviderKind::Mailgun
        | ProviderKind::Postmark
        | ProviderKind::Resend => panic!("{} carries no short messages over HTTP", kind.as_str()),
    };
    (provider(kind, &settings, &secrets), from)
}

pub(crate) fn message(from: &str, text: &str) -> Message {
    Message::Sms(Sms {
        key: KEY.to_owned(),
        from: from.to_owned(),
        to: "+447700900123".to_owned(),
        text: text.to_owned(),
    })
}

fn now() -> Timestamp {
    "2026-07-02T10:00:02.000Z".parse().unwrap()
}

pub(crate) fn sending() -> Sending<'static> {
    Sending { now: now(), nonce: [7; 16], feedback_url: Some(FEEDBACK_URL) }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.to_owned(), ..Answer::default() }
}

/// What came in, as a test owns it.
#[derive(Debug, Clone)]
struct Arrival {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    now: Timestamp,
}

impl Arrival {
    /// Takes a fixture of a report.
    fn of(fixture: &Value) -> Self {
        let text = |name: &str| fixture[name].as_str().unwrap().to_owned();
        let headers = fixture["headers"].as_object().into_iter().flatten();
        Self {
            method: text("method"),
            url: text("url"),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body: text("body"),
            now: now(),
        }
    }

    fn received(&self) -> Received<'_> {
        Received {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: self.body.as_bytes(),
            now: self.now,
            certificate: None,
        }
    }
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures/providers/sms", name].iter().collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn fixture(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}
