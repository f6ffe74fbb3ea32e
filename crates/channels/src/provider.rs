//! How each kind of provider is spoken to, without any IO: a call is built, an answer is read, a report is proven and read.
//!
//! Invariants: nothing here waits, reads a clock or draws chance; nothing panics, whatever the bytes; no secret comes
//! into an error or a receipt.
//! Left to others: carrying calls out ([`crate::Http`]), choosing a provider and what follows (`engine`).

use std::fmt::Debug;

use domain::call::{Answer, Call};
use domain::message::{Message, Receipt, Report};
use domain::provider::{Provider, ProviderKind};
use domain::secret::Secret;
use domain::time::Timestamp;

use crate::{email, sms};

/// One kind of provider that takes messages over HTTP.
pub trait Protocol: Debug + Send + Sync {
    /// Lists what the kind needs, in the order in which people would fill it in.
    fn fields(&self) -> &'static [Field];

    /// Looks at a provider's settings as a whole, after each field was checked by its [`Field`]; gives what is wrong as
    /// the field's name and a sentence that says what is expected.
    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)>;

    /// Builds the call that hands a message over.
    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable>;

    /// Reads what the provider answered to such a call.
    fn read(&self, provider: &Provider, answer: &Answer) -> Receipt;

    /// Tells whether handing over the same message again is safe after a lost answer: the provider knows our key.
    fn has_idempotency(&self) -> bool {
        false
    }

    /// Proves that what came in is the provider's.
    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted>;

    /// Reads reports, after they were proven. It may carry several, or none.
    fn reports(&self, provider: &Provider, received: &Received<'_>)
    -> Result<Feedback, Unreadable>;
}

/// What a kind needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in the API.
    pub name: &'static str,
    /// One sentence for people: what it is and where the provider shows it.
    pub about: &'static str,
    /// What it may be.
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it must not be seen. Secret fields are texts.
    pub secret: bool,
}

/// What a field may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text of 1 to 4,096 characters.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// An absolute URL, `https` outside of development.
    Url,
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// A truth value.
    Flag,
    /// Any JSON, looked at by [`Protocol::check`].
    Json,
}

/// What a sending needs beside the message.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// Sixteen bytes of chance, for nonces and boundaries.
    pub nonce: [u8; 16],
    /// Where reports go: the public URL of this provider's feedback, without a query. `None` when there is none.
    pub feedback_url: Option<&'a str>,
}

/// Why a call cannot be built: the settings or the message do not allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unbuildable(pub String);

/// What came in at a provider's feedback URL.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The whole URL as the provider was told it: the public one, with the query as it came.
    pub url: &'a str,
    /// Header names in lower case, and their values.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The present moment, for windows of time.
    pub now: Timestamp,
    /// The certificate (PEM) that [`Untrusted::NeedsCertificate`] asked for.
    pub certificate: Option<&'a [u8]>,
}

impl Received<'_> {
    /// Finds a header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why what came in is not taken for the provider's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The proof is missing or wrong. Answered with 401.
    #[error("{0}")]
    Forged(&'static str),
    /// The proof is missing though it should be there, and the provider will send it again with one if it hears a 5xx.
    #[error("{0}")]
    Unsigned(&'static str),
    /// The proof hangs on a certificate that lies at this URL, which was looked at and may be fetched.
    #[error("the certificate has to be fetched")]
    NeedsCertificate(String),
}

/// What cannot be read, though it is the provider's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What came in, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feedback {
    /// What is reported.
    pub reports: Vec<Report>,
    /// A token that must not be used a second time.
    pub once: Option<String>,
    /// A URL to call once, which confirms a subscription; its host was looked at.
    pub confirm: Option<String>,
}

/// Gives the protocol of a kind; `None` for the built-in mailbox and for SMTP, which is no HTTP.
pub fn protocol(kind: ProviderKind) -> Option<&'static dyn Protocol> {
    match kind {
        ProviderKind::MailboxEmail | ProviderKind::MailboxSms | ProviderKind::Smtp => None,
        ProviderKind::Ses
        | ProviderKind::Sendgrid
        | ProviderKind::Mailgun
        | ProviderKind::Postmark
        | ProviderKind::Resend => email::protocol(kind),
        ProviderKind::Twilio
        | ProviderKind::Vonage
        | ProviderKind::VonageSms
        | ProviderKind::Messagebird
        | ProviderKind::Plivo
        | ProviderKind::Sinch
        | ProviderKind::AwsSms
        | ProviderKind::SnsSms
        | ProviderKind::HttpSms => sms::protocol(kind),
    }
}

/// Gives a setting that is a text.
pub(crate) fn setting<'a>(provider: &'a Provider, name: &str) -> Option<&'a str> {
    provider.settings.get(name).and_then(serde_json::Value::as_str)
}

/// Gives a secret.
pub(crate) fn secret<'a>(provider: &'a Provider, name: &str) -> Option<&'a str> {
    provider.secrets.values.get(name).map(Secret::expose)
}
