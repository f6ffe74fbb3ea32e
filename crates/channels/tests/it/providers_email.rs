//! Providers of mails against what their vendors document: what is sent, what answers and reports mean, what is forged.

mod proof;
mod reports;
mod sending;

use std::collections::BTreeMap;

use channels::provider::{Feedback, Protocol, Received, Untrusted, protocol};
use domain::id::{AccountId, ProviderId};
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde_json::Value;

const NOW: &str = "2026-07-02T10:00:10Z";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/providers/", $name))
    };
}

use fixture;

fn provider(kind: ProviderKind, settings: &[(&str, &str)], secrets: &[(&str, &str)]) -> Provider {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    Provider {
        id: ProviderId::new(1),
        account: AccountId::new(1),
        name: "mails".to_owned(),
        kind,
        priority: 0,
        rate_limit: None,
        on_unknown: OnUnknown::default(),
        enabled: true,
        settings: settings.collect(),
        created_at: now(),
        updated_at: now(),
        secrets: Secrets { values: secrets.collect::<BTreeMap<_, _>>(), feedback_token: None },
    }
}

fn ses() -> Provider {
    let settings = [
        ("region", "eu-west-1"),
        ("access_key_id", "AKIDEXAMPLE"),
        ("configuration_set", "signing-events"),
        ("topic_arn", "arn:aws:sns:eu-west-1:123456789012:ses-events"),
    ];
    provider(ProviderKind::Ses, &settings, &[("secret_access_key", "se-cret")])
}

fn sendgrid() -> Provider {
    let key = fixed("sendgrid/signature.json", "public_key_base64_der");
    let settings = [("verification_key", key.as_str().unwrap())];
    provider(ProviderKind::Sendgrid, &settings, &[("api_key", "se-cret")])
}

fn mailgun() -> Provider {
    let key = fixed("mailgun/signature.json", "webhook_signing_key");
    let secrets = [("api_key", "se-cret"), ("webhook_signing_key", key.as_str().unwrap())];
    provider(ProviderKind::Mailgun, &[("domain", "mg.example.com")], &secrets)
}

fn postmark() -> Provider {
    let secrets = [("server_token", "se-cret"), ("feedback_password", "se-cret")];
    provider(ProviderKind::Postmark, &[("feedback_user", "reports")], &secrets)
}

fn resend() -> Provider {
    let key = fixed("resend/signature.json", "secret");
    let secrets = [("api_key", "se-cret"), ("signing_secret", key.as_str().unwrap())];
    provider(ProviderKind::Resend, &[], &secrets)
}

pub(crate) fn all() -> [Provider; 5] {
    [ses(), sendgrid(), mailgun(), postmark(), resend()]
}

fn of(provider: &Provider) -> &'static dyn Protocol {
    protocol(provider.kind).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A member of a vector that stands in a file.
fn fixed(name: &str, member: &str) -> Value {
    let text = match name {
        "sendgrid/signature.json" => fixture!("sendgrid/signature.json"),
        "mailgun/signature.json" => fixture!("mailgun/signature.json"),
        _ => fixture!("resend/signature.json"),
    };
    parsed(text)[member].clone()
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// What came in, of the test's own.
#[derive(Clone)]
struct Came {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    now: Timestamp,
    certificate: Option<&'static str>,
}

impl Came {
    fn with(body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), (*value).to_owned()))
            .collect();
        Self { headers, body: body.into(), now: now(), certificate: None }
    }

    fn received(&self) -> Received<'_> {
        Received {
            method: "POST",
            url: "https://sign.example.com/feedback/token",
            headers: &self.headers,
            body: &self.body,
            now: self.now,
            certificate: self.certificate.map(str::as_bytes),
        }
    }

    fn prove(&self, provider: &Provider) -> Result<(), Untrusted> {
        of(provider).prove(provider, &self.received())
    }

    fn read(&self, provider: &Provider) -> Feedback {
        of(provider).reports(provider, &self.received()).unwrap()
    }
}

fn signed_by_sns(envelope: &str) -> Came {
    let certificate = Some(fixture!("sns/sns.pem"));
    Came { certificate, ..Came::with(envelope, &[]) }
}
