//! What providers report of messages: proven, read, and written down with what follows.
//!
//! Invariants: nothing is read before it is proven; of each report, how far its notice has come, the event that tells of
//! it and the address that gets nothing more are one commit; a report that comes again changes nothing.
//! Left to others: how each kind proves and speaks (`channels::provider`), minding suppressions (`notices`).

mod memory;
mod report;
mod returned;

use std::sync::Arc;
use std::time::Duration;

use channels::Lane;
use channels::provider::{Protocol, Received, Untrusted, protocol};
use domain::call::{ANSWER_BYTES_MAX, Answer, Call, Method, Outcome};
use domain::chain::sha256;
use domain::id::{AccountId, ProviderId};
use domain::message::Channel;
use domain::provider::Provider;
use store::SettingKind;
use url::Url;

use crate::Engine;
use crate::command::{Flaw, Refusal};
use crate::providers;

pub(crate) use memory::Memory;
pub use returned::return_paths;

/// What tokens of reports are for.
const DOOR: &str = "feedback";
/// How long fetching a certificate, or confirming a subscription, may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// What came in at a provider's feedback URL.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path and query as they came.
    pub path_and_query: &'a str,
    /// Header names in lower case, and their values.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// Who reports.
#[derive(Debug, Clone, Copy)]
struct Reporter {
    account: AccountId,
    provider: ProviderId,
    channel: Channel,
}

impl Reporter {
    fn of(provider: &Provider) -> Self {
        let channel = provider.kind.channel();
        Self { account: provider.account, provider: provider.id, channel }
    }
}

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    /// It is not proven to be the provider's.
    #[error("{0}")]
    Unproven(&'static str),
    /// It may be taken when it comes again.
    #[error("{0}")]
    Later(String),
    /// There is no such provider, it cannot be read, or the store could not do its work.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Engine {
    /// Gives the URL at which a provider's reports come in, without a query: the same each time, and known to nobody
    /// without the master key.
    pub fn feedback_url(&self, account: AccountId, provider: ProviderId) -> String {
        format!(
            "{}/feedback/{}",
            self.public_url(),
            self.door_token(DOOR, account, provider.bits())
        )
    }

    /// Takes what came in at a provider's URL: proves it, reads it, and writes down what is new in it.
    pub async fn take_feedback(&self, token: &str, arrived: &Arrived<'_>) -> Result<(), Untaken> {
        let provider = self.provider_of_token(token).await?;
        let protocol = protocol(provider.kind).ok_or(UNKNOWN)?;
        let url = format!("{}{}", self.public_url(), arrived.path_and_query);
        let received = Received {
            method: arrived.method,
            url: &url,
            headers: arrived.headers,
            body: arrived.body,
            now: self.now(),
            certificate: None,
        };
        self.prove(protocol, &provider, received).await?;
        let feedback = protocol.reports(&provider, &received).map_err(|unreadable| {
            tracing::warn!(provider = %provider.name, error = %unreadable, "a report cannot be read");
            Refusal::Invalid(vec![Flaw::new("", unreadable.to_string())])
        })?;
        if let Some(once) = &feedback.once {
            let what = sha256(&[url.as_bytes(), b"\n", arrived.body].concat());
            if !self.inner.heard.is_first(provider.id, once, what) {
                return Err(Untaken::Unproven("the proof was used for another report before"));
            }
        }
        if let Some(url) = &feedback.confirm {
            self.fetch(&provider, url).await?;
            tracing::info!(provider = %provider.name, "a provider's reports are subscribed to");
        }
        for report in &feedback.reports {
            self.hear(Reporter::of(&provider), report).await?;
        }
        Ok(())
    }

    /// Refuses a token of no provider's URL; whether the provider is still there shows only later.
    pub fn may_report(&self, token: &str) -> Result<(), Refusal> {
        self.read_door_token(DOOR, token).map(|_provider| ()).ok_or(UNKNOWN)
    }

    async fn provider_of_token(&self, token: &str) -> Result<Provider, Refusal> {
        let (account, provider) = self.read_door_token(DOOR, token).ok_or(UNKNOWN)?;
        let name = ProviderId::new(provider).to_string();
        let row = self.views().setting(account, SettingKind::Provider, name).await?;
        Ok(providers::read(&row.ok_or(UNKNOWN)?)?)
    }

    async fn prove(
        &self,
        protocol: &dyn Protocol,
        provider: &Provider,
        received: Received<'_>,
    ) -> Result<(), Untaken> {
        let url = match protocol.prove(provider, &received) {
            Err(Untrusted::NeedsCertificate(url)) => url,
            proven => return proven.map_err(|untrusted| untaken(&untrusted)),
        };
        let (certificate, is_new) = match self.inner.heard.certificate(&url) {
            Some(known) => (known, false),
            None => (Arc::from(self.fetch(provider, &url).await?.body.into_bytes()), true),
        };
        let received = Received { certificate: Some(&certificate), ..received };
        protocol.prove(provider, &received).map_err(|untrusted| untaken(&untrusted))?;
        if is_new {
            self.inner.heard.keep_certificate(url, Arc::clone(&certificate));
        }
        Ok(())
    }

    /// Calls a URL that the protocol has looked at, through the same guard as any other.
    async fn fetch(&self, provider: &Provider, url: &str) -> Result<Answer, Untaken> {
        let later = |why: String| Untaken::Later(format!("a URL of the report: {why}"));
        let url = Url::parse(url).map_err(|error| later(error.to_string()))?;
        let call =
            Call { method: Method::Get, url: Arc::new(url), headers: Vec::new(), body: Vec::new() };
        let lane = Lane {
            key: provider.id.bits(),
            connections_max: 0,
            timeout: FETCH_TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        match self.channel().attempt(call, lane).await.outcome {
            Outcome::Answered(answer) if (200..300).contains(&answer.status) => Ok(answer),
            Outcome::Answered(answer) => Err(later(format!("it answers {}", answer.status))),
            Outcome::Failed(failure) => Err(later(failure.detail)),
            Outcome::Handed(_) | Outcome::Read(_) => Err(later("it is none".to_owned())),
        }
    }
}

/// Nobody is told whether a provider is there.
const UNKNOWN: Refusal = Refusal::NotFound { what: "provider" };

fn untaken(untrusted: &Untrusted) -> Untaken {
    match untrusted {
        Untrusted::Forged(why) => Untaken::Unproven(why),
        Untrusted::Unsigned(why) => Untaken::Later((*why).to_owned()),
        Untrusted::NeedsCertificate(_) => {
            Untaken::Unproven("the certificate of the signature makes no sense")
        }
    }
}
