//! Reports through Amazon SNS: a signed envelope around a text.
//!
//! Invariants: only the topic that the operator named is listened to, since anybody can sign with a topic of their own;
//! a certificate is only ever asked for from a host of SNS's own, over `https`.
//! Left to others: fetching the certificate and keeping it (`engine`), what the text says (the kind of provider).
//!
//! SNS gives out its certificate without those between it and a public authority. What vouches for it then is the
//! connection that it came over, to a host whose name was looked at. A file that brings the others along must lead to a
//! public authority.

use std::time::Duration;

use domain::provider::Provider;
use domain::time::Timestamp;
use ring::signature;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    UnixTime, alg_id,
};
use serde_json::Value;
use url::Url;
use webpki::{EndEntityCert, Error, KeyUsage, ring as algorithms};

use crate::proof::{is_timely, unbase64};
use crate::provider::{Field, Form, Received, Unreadable, Untrusted, setting};

/// The topic that is listened to.
pub(crate) const TOPIC_ARN: Field = Field {
    name: "topic_arn",
    about: "The ARN of the SNS topic that reports come from, such as arn:aws:sns:eu-west-1:123456789012:reports. Without it no report is taken. Subscribe the feedback URL to it over HTTPS, without raw message delivery.",
    form: Form::Text,
    required: false,
    secret: false,
};

/// What an envelope holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A text of the service that reports.
    Notification {
        /// The same at each try.
        id: String,
        /// The text.
        text: String,
    },
    /// The topic asks whether it may send: this URL says yes.
    Confirmation(String),
    /// A subscription ended.
    Ended,
}

/// Says what is wrong with the settings that this file reads.
pub(crate) fn check(provider: &Provider) -> Option<(&'static str, String)> {
    let topic = setting(provider, TOPIC_ARN.name)?;
    let parts: Vec<&str> = topic.split(':').collect();
    let fits = matches!(parts.as_slice(), ["arn", _, "sns", region, account, name]
        if [region, account, name].iter().all(|part| !part.is_empty()));
    let expected = "an ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:reports";
    (!fits).then(|| (TOPIC_ARN.name, expected.to_owned()))
}

/// Proves that an envelope is of the topic in the settings, and that SNS signed it.
pub(crate) fn prove(provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
    let envelope = Envelope::read(received.body)
        .ok_or(Untrusted::Forged("the body is no SNS envelope; turn raw message delivery off"))?;
    let topic = setting(provider, TOPIC_ARN.name)
        .ok_or(Untrusted::Forged("the provider has no topic_arn, so no report is taken"))?;
    if envelope.text("TopicArn") != Some(topic) {
        return Err(Untrusted::Forged("the envelope is of another topic"));
    }
    let at = envelope.text("Timestamp").and_then(|text| text.parse().ok());
    if !at.is_some_and(|at| is_timely(received.now, at, TRIES_S)) {
        return Err(Untrusted::Forged("the envelope is too old, or of the future"));
    }
    let url = envelope
        .text("SigningCertURL")
        .filter(|url| is_certificate_of_sns(url))
        .ok_or(Untrusted::Forged("the certificate does not lie with SNS"))?;
    let pem = received.certificate.ok_or_else(|| Untrusted::NeedsCertificate(url.to_owned()))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    let Some((first, others)) = certificates.split_first() else {
        return Err(Untrusted::Forged("what lies at the URL is no certificate"));
    };
    trust(first, others, received.now)?;
    if is_signed(&envelope, first) {
        Ok(())
    } else {
        Err(Untrusted::Forged("the signature does not fit the envelope"))
    }
}

/// Takes out what an envelope holds, after it was proven.
pub(crate) fn open(received: &Received<'_>) -> Result<Content, Unreadable> {
    let envelope = Envelope::read(received.body)
        .ok_or_else(|| Unreadable("the body is no SNS envelope".to_owned()))?;
    let text = |name: &str| {
        let text = envelope.text(name).map(ToOwned::to_owned);
        text.ok_or_else(|| Unreadable(format!("the SNS envelope has no {name}")))
    };
    match envelope.text("Type") {
        Some(NOTIFICATION) => {
            Ok(Content::Notification { id: text("MessageId")?, text: text("Message")? })
        }
        Some("SubscriptionConfirmation") => {
            let url = text("SubscribeURL")?;
            if is_of_sns(&url) {
                Ok(Content::Confirmation(url))
            } else {
                Err(Unreadable("the SubscribeURL does not lie with SNS".to_owned()))
            }
        }
        Some("UnsubscribeConfirmation") => Ok(Content::Ended),
        Some(_) | None => Err(Unreadable("the SNS envelope is of an unknown type".to_owned())),
    }
}

struct Envelope(Value);

impl Envelope {
    fn read(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let envelope = Self(value);
        envelope.text("SigningCertURL").is_some().then_some(envelope)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Gives the text that is signed.
    fn signed(&self) -> String {
        let names: &[&str] = if self.text("Type") == Some(NOTIFICATION) {
            &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        } else {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        };
        let line = |name: &&str| Some(format!("{name}\n{}\n", self.text(name)?));
        names.iter().filter_map(line).collect()
    }
}

/// Tells whether a URL leads to SNS, in whatever region.
fn is_of_sns(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain && url.host_str().is_some_and(is_host_of_sns)
}

/// Tells whether a URL leads to a file of SNS's, and not to an action whose answer somebody else may shape.
fn is_certificate_of_sns(url: &str) -> bool {
    let is_file = |url: &Url| url.path().strip_suffix(".pem").is_some() && url.query().is_none();
    is_of_sns(url) && Url::parse(url).is_ok_and(|url| is_file(&url))
}

fn is_host_of_sns(host: &str) -> bool {
    let region = host.strip_prefix("sns.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    });
    region.is_some_and(|region| {
        !region.is_empty()
            && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Looks at a certificate: valid now, SNS's by name, and, where its file leads to an authority, of a public one.
fn trust(
    first: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<(), Untrusted> {
    let certificate = EndEntityCert::try_from(first)
        .ok()
        .ok_or(Untrusted::Forged("the certificate cannot be read"))?;
    let of_sns = certificate.valid_dns_names().any(|name| {
        name.starts_with("sns")
            && (name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn"))
    });
    if !of_sns {
        return Err(Untrusted::Forged("the certificate is for another name"));
    }
    let seconds = u64::try_from(now.as_seconds()).unwrap_or_default();
    let verified = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        webpki_roots::TLS_SERVER_ROOTS,
        others,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::server_auth(),
        None,
        None,
    );
    match verified {
        Ok(_) => Ok(()),
        Err(Error::UnknownIssuer) if others.is_empty() => Ok(()),
        Err(_) => Err(Untrusted::Forged("the certificate is not valid")),
    }
}

fn is_signed(envelope: &Envelope, certificate: &CertificateDer<'_>) -> bool {
    let algorithm: &dyn SignatureVerificationAlgorithm = match envelope.text("SignatureVersion") {
        Some("1") => &RsaSha1,
        Some("2") => algorithms::RSA_PKCS1_2048_8192_SHA256,
        Some(_) | None => return false,
    };
    let code = envelope.text("Signature").and_then(unbase64);
    let certificate = EndEntityCert::try_from(certificate);
    let (Some(code), Ok(certificate)) = (code, certificate) else { return false };
    certificate.verify_signature(algorithm, envelope.signed().as_bytes(), &code).is_ok()
}

/// What topics sign with unless they were told better. Only texts that SNS made up itself are signed so.
#[derive(Debug)]
struct RsaSha1;

impl SignatureVerificationAlgorithm for RsaSha1 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        code: &[u8],
    ) -> Result<(), InvalidSignature> {
        let algorithm = &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
        let key = signature::UnparsedPublicKey::new(algorithm, public_key);
        key.verify(message, code).ok().ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }
}

const NOTIFICATION: &str = "Notification";

/// SNS goes on trying for an hour at most, with the same time in the envelope.
const TRIES_S: i64 = 3_900;

#[cfg(test)]
mod tests {
    use super::*;

    /// The certificate of the vector vouches for itself, so only its key is asked here.
    #[test]
    fn the_first_version_of_signatures_covers_every_member() {
        let vector: Value =
            serde_json::from_str(include_str!("../../fixtures/providers/sns/notification.v1.json"))
                .unwrap();
        let pem = vector["certificate_pem"].as_str().unwrap();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let message = vector["message"].clone();
        assert_eq!(Envelope(message.clone()).signed(), vector["string_to_sign"].as_str().unwrap());
        assert!(is_signed(&Envelope(message.clone()), &certificate));
        for name in ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "SignatureVersion"]
        {
            let mut changed = message.clone();
            changed[name] = format!("{}x", message[name].as_str().unwrap()).into();
            assert!(!is_signed(&Envelope(changed), &certificate), "{name}");
        }
        assert!(trust(&certificate, &[], "2026-11-27T00:00:00Z".parse().unwrap()).is_err());
    }

    #[test]
    fn only_hosts_of_sns_are_asked() {
        for (url, fits) in [
            ("https://sns.eu-west-1.amazonaws.com/a.pem", true),
            ("https://sns.cn-north-1.amazonaws.com.cn/a.pem", true),
            ("http://sns.eu-west-1.amazonaws.com/a.pem", false),
            ("https://sns.eu-west-1.amazonaws.com:8443/a.pem", false),
            ("https://me@sns.eu-west-1.amazonaws.com/a.pem", false),
            ("https://sns.eu-west-1.amazonaws.com.example.com/a.pem", false),
            ("https://sns.evil.example.amazonaws.com/a.pem", false),
            ("https://example.com/sns.eu-west-1.amazonaws.com", false),
            ("https://s3.eu-west-1.amazonaws.com/a.pem", false),
            ("https://sns..amazonaws.com/a.pem", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_certificate_of_sns(url), fits, "{url}");
        }
        let action = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=a.pem";
        assert!(is_of_sns(action) && !is_certificate_of_sns(action));
    }
}
