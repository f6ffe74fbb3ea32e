//! A URL that a command calls as an endpoint would be called, without any server.
//!
//! Invariant: who runs a command chooses the URL, so that every address may be called.
//! Left to others: what is said (`dialects`), carrying it out (`channels`).

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use channels::{Channel as _, Guard, Http, Lane, Options, Schemes};
use dialects::proof::{RsaKey, encode_secret};
use domain::call::{ANSWER_BYTES_MAX, Call, Ending, Outcome};
use domain::endpoint::{Dialect, Endpoint, Secrets, SigningSecret};
use domain::event::Event;
use domain::id::{AccountId, Chance as _, EndpointId};
use domain::retry::Profile;
use domain::secret::Secret;
use domain::time::{Clock as _, Timestamp};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::chance::SystemChance;
use crate::clock::RealClock;
use crate::failure::Advise as _;

/// The account of calls that no account makes.
pub(crate) const NOBODY: AccountId = AccountId::new(0);

/// Somebody to be called.
#[derive(Debug)]
pub(crate) struct Target {
    endpoint: Endpoint,
    url: Arc<Url>,
    http: Http,
    runtime: Runtime,
    rsa: Option<RsaKey>,
}

impl Target {
    /// Takes a URL, in a dialect, with what proves where a call comes from.
    pub(crate) fn new(
        dialect: Dialect,
        url: &str,
        secret: Secret,
        token: Option<Secret>,
    ) -> anyhow::Result<Self> {
        let now = RealClock.now();
        let checked = dialects::check_url(dialect, url)
            .with_context(|| format!("reading the url {url}"))
            .advise("give the whole url, such as http://localhost:3000/webhooks")?;
        let (guard, http) = client()?;
        guard.check_url(&checked).with_context(|| format!("reading the url {url}"))?;
        Ok(Self {
            endpoint: endpoint(dialect, url, (secret, token), now)?,
            url: Arc::new(checked),
            http,
            runtime: Builder::new_current_thread().enable_all().build().context("starting")?,
            rsa: if dialect == Dialect::Ironclad { Some(draw_rsa_key()?) } else { None },
        })
    }

    /// Gives the public half of the key that was drawn for these calls, as PEM, where the dialect signs with one.
    pub(crate) fn verification_key(&self) -> Option<String> {
        self.rsa.as_ref().map(RsaKey::public_pem)
    }

    /// Says an event as the dialect would; `None` when it has no word for it.
    pub(crate) fn render(&self, event: &Event, now: Timestamp) -> anyhow::Result<Option<Call>> {
        let (endpoint, url, rsa) = (&self.endpoint, &self.url, self.rsa.as_ref());
        let target = dialects::Target { endpoint, url, now, signer: None, rsa };
        dialects::dialect(self.endpoint.dialect)
            .render(event, &target)
            .context("writing the call")
            .advise("check the secret: it is whsec_ and the base64 of 24 to 64 bytes")
    }

    /// Carries a call out.
    pub(crate) fn call(&self, call: Call) -> Ending {
        let lane = Lane {
            key: self.endpoint.id.bits(),
            connections_max: 1,
            timeout: Duration::from_secs(u64::from(self.endpoint.timeout_s)),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.runtime.block_on(self.http.attempt(call, lane))
    }

    /// Tells whether the receiver took it.
    pub(crate) fn accepts(&self, outcome: &Outcome) -> bool {
        outcome.status().is_some_and(|status| self.endpoint.profile.is_success(status))
    }
}

/// Makes a client that may call every address.
pub(crate) fn client() -> anyhow::Result<(Guard, Http)> {
    let ranges = ["0.0.0.0/0", "::/0"];
    let ranges = ranges.iter().filter_map(|range| range.parse().ok()).collect();
    let guard = Guard::new(ranges, Schemes::HttpToo);
    let http = Http::new(Options::new(guard.clone())).context("building the client")?;
    Ok((guard, http))
}

fn draw_rsa_key() -> anyhow::Result<RsaKey> {
    let mut seed = [0; 32];
    SystemChance::new().fill(&mut seed);
    let key = RsaKey::generate(&seed).context("drawing a key")?;
    RsaKey::read(&key).context("drawing a key")
}

/// Draws a signing secret.
pub(crate) fn draw_secret() -> Secret {
    let mut bytes = [0; 32];
    SystemChance::new().fill(&mut bytes);
    encode_secret(&bytes)
}

/// Says how a call ended.
pub(crate) fn ending(outcome: &Outcome) -> String {
    match outcome.detail() {
        None => outcome.ending(),
        Some(detail) => format!("{}: {detail}", outcome.ending()),
    }
}

fn endpoint(
    dialect: Dialect,
    url: &str,
    secrets: (Secret, Option<Secret>),
    now: Timestamp,
) -> anyhow::Result<Endpoint> {
    let (secret, token) = secrets;
    let signing = vec![SigningSecret { secret, until: None }];
    // The callbacks of one vendor and of the other are told alike.
    let profile = Profile::named(dialect.as_str()).or_else(|| Profile::named("esaw"));
    let profile = profile.context("the dialect has no profile")?;
    Ok(Endpoint {
        method: dialects::dialect(dialect).methods().first().copied().unwrap_or_default(),
        secrets: Secrets { signing, token, ..Secrets::default() },
        ..Endpoint::plain((NOBODY, EndpointId::new(0)), dialect, url, profile, now)
    })
}
