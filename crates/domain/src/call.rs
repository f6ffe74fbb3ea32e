//! A call to be made, and how it ended: the two words that `dialects`, `channels` and `engine` share.
//!
//! Invariant: a call holds everything that goes on the wire; who carries it out adds nothing but `Host`,
//! `Content-Length` and `User-Agent`.
//! Left to others: carrying it out (`channels`), and what follows from its ending ([`crate::retry`]).

use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::id::ProviderId;
use crate::message::{Receipt, Reception};

/// The most bytes of an answer that are read and kept.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// An HTTP request, whole. Its `Debug` tells neither query nor headers nor body, since any of them may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: Method,
    /// Where it goes, query included.
    pub url: Arc<Url>,
    /// Header names in lower case, and their values.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; empty for a `GET`.
    pub body: Vec<u8>,
}

impl Debug for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_ref()).collect();
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("host", &host)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The verbs that deliveries use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Everything in the query string.
    Get,
    /// A body.
    #[default]
    Post,
}

impl Method {
    /// Names the verb as HTTP does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// How an attempt ended, and over which address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What came of it.
    pub outcome: Outcome,
    /// The vetted address that was dialled, if it came to that.
    pub remote: Option<SocketAddr>,
    /// Whether a kept-alive connection served it.
    pub reused: bool,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The receiver answered in time and whole (or up to [`ANSWER_BYTES_MAX`]).
    Answered(Answer),
    /// There was no answer, or only a part of one.
    Failed(Failure),
    /// A message was handed to a provider.
    Handed(Handed),
    /// A vendor's webhook was read.
    Read(Reading),
}

/// What came of reading a vendor's webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The vendor's word for what happened; empty where it could not be read.
    pub word: String,
    /// Whether all that follows was written down.
    pub done: bool,
    /// When the vendor wants to be asked again, in seconds, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// What else is to be known, such as why it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A message that was handed to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Which one.
    #[serde(rename = "provider_id")]
    pub provider: ProviderId,
    /// The operator's name for it.
    #[serde(rename = "provider")]
    pub name: String,
    /// What it made of the message.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// The HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What else is to be known, such as that the account's own template failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An answer, cut at [`ANSWER_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status, 100 to 999.
    pub status: u16,
    /// What `Retry-After` asked for, in seconds from now; dates are resolved by the reader. Bounded by [`crate::retry`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// The start of the body as text; bytes that are no UTF-8 are replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Whether more came than was kept.
    #[serde(default)]
    pub body_cut: bool,
    /// Of the headers those that say what a provider made of a message, names in lower case; read at once, not stored.
    #[serde(skip)]
    pub headers: Vec<(&'static str, String)>,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which step failed.
    pub reason: Reason,
    /// One sentence for people: what happened, lower case, no full stop, no secrets.
    pub detail: String,
}

/// The step that failed, as a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The guard does not let us call that address.
    TargetRefused,
    /// The name has no address.
    NameUnresolved,
    /// The name server did not answer in time.
    NameTimeout,
    /// Nobody listens, or no route leads there.
    ConnectFailed,
    /// The connection was not accepted in time.
    ConnectTimeout,
    /// The TLS handshake failed: certificate, name or version.
    TlsFailed,
    /// The handshake took longer than the attempt may.
    TlsTimeout,
    /// The connection broke before the answer was whole.
    ConnectionLost,
    /// No status line in time.
    HeadersTimeout,
    /// The head came, the body did not end in time.
    BodyTimeout,
    /// What came back was no HTTP, or too large a head.
    AnswerMalformed,
    /// Nothing was sent: the message could not be built.
    Unsayable,
    /// We stopped while it was under way; it may or may not have arrived.
    Interrupted,
}

impl Reason {
    /// Every reason, for labels and documents.
    pub const ALL: [Self; 13] = [
        Self::TargetRefused,
        Self::NameUnresolved,
        Self::NameTimeout,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::TlsTimeout,
        Self::ConnectionLost,
        Self::HeadersTimeout,
        Self::BodyTimeout,
        Self::AnswerMalformed,
        Self::Unsayable,
        Self::Interrupted,
    ];

    /// Names the reason as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TargetRefused => "target_refused",
            Self::NameUnresolved => "name_unresolved",
            Self::NameTimeout => "name_timeout",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::TlsFailed => "tls_failed",
            Self::TlsTimeout => "tls_timeout",
            Self::ConnectionLost => "connection_lost",
            Self::HeadersTimeout => "headers_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::AnswerMalformed => "answer_malformed",
            Self::Unsayable => "unsayable",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Outcome {
    /// Makes a failure of a reason and a sentence.
    pub fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Failed(Failure { reason, detail: detail.into() })
    }

    /// Says in one word how it ended, of a message with the provider and its own id: what the chain of a timeline holds.
    pub fn ending(&self) -> String {
        match self {
            Self::Answered(answer) => answer.status.to_string(),
            Self::Failed(failure) => failure.reason.as_str().to_owned(),
            Self::Handed(Handed { provider, receipt, .. }) => {
                let message = receipt.message_id.as_deref().unwrap_or("");
                format!("{} {provider} {message}", receipt.reception.as_str())
            }
            Self::Read(Reading { done: true, .. }) => READ.to_owned(),
            Self::Read(_) => UNREAD.to_owned(),
        }
    }

    /// Makes up an outcome that has this ending; `None` when nobody knows it.
    pub fn of_ending(text: &str) -> Option<Self> {
        if let Ok(status) = text.parse() {
            return Some(Self::Answered(Answer { status, ..Answer::default() }));
        }
        if let Some((word, rest)) = text.split_once(' ') {
            let (provider, message) = rest.split_once(' ')?;
            let receptions = [
                Reception::Accepted,
                Reception::Later { after_s: None, provider: false },
                Reception::Refused { suppressed: false },
                Reception::Refused { suppressed: true },
                Reception::Unknown,
            ];
            let reception = receptions.into_iter().find(|known| known.as_str() == word)?;
            let message_id = (!message.is_empty()).then(|| message.to_owned());
            let receipt = Receipt { reception, message_id, detail: String::new() };
            let provider = provider.parse().ok()?;
            let handed =
                Handed { provider, name: String::new(), receipt, status: None, note: None };
            return Some(Self::Handed(handed));
        }
        if text == READ || text == UNREAD {
            let done = text == READ;
            let reading = Reading { word: String::new(), done, retry_after_s: None, note: None };
            return Some(Self::Read(reading));
        }
        let reason = Reason::ALL.into_iter().find(|reason| reason.as_str() == text)?;
        Some(Self::failed(reason, ""))
    }

    /// Says what is to be known beside [`Outcome::ending`], if anything.
    pub fn detail(&self) -> Option<&str> {
        let text = match self {
            Self::Answered(_) => "",
            Self::Failed(failure) => &failure.detail,
            Self::Handed(handed) => handed.note.as_deref().unwrap_or(&handed.receipt.detail),
            Self::Read(reading) => reading.note.as_deref().unwrap_or_default(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Gives the HTTP status, if there was one.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(answer) => Some(answer.status),
            Self::Handed(handed) => handed.status,
            Self::Failed(_) | Self::Read(_) => None,
        }
    }
}

/// The endings of readings.
const READ: &str = "read";
const UNREAD: &str = "unread";
