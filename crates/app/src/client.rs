//! The API from outside, for commands that ask a running server.
//!
//! Invariants: every call has a deadline and every answer a bound; no redirect is followed with a key in hand; a refusal
//! is told in the server's own words.

use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use domain::secret::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, Proxy};
use url::{Host, Url};

use crate::failure;

/// A call may take so long.
const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// An answer may be so long: a page of events of the largest kind.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A server, and a key to it.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    key: Option<Secret>,
}

/// Why there is no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The server cannot be reached, or does not work at this moment.
    #[error("no answer from {url}")]
    Away {
        /// Which server.
        url: String,
        /// What went wrong.
        source: anyhow::Error,
    },
    /// The server wants no more of such calls at this moment.
    #[error("the server asks to wait: {detail}")]
    Busy {
        /// One sentence.
        detail: String,
    },
    /// The server refused the call.
    #[error("the server refused: {detail} ({status})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Which problem.
        code: String,
        /// One sentence.
        detail: String,
    },
    /// The answer is not what was expected.
    #[error("the answer of {url} cannot be read")]
    Unreadable {
        /// Which server.
        url: String,
        /// What is wrong with it.
        source: anyhow::Error,
    },
}

#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<Flaw>,
}

#[derive(Debug, Deserialize)]
struct Flaw {
    path: String,
    message: String,
}

impl Client {
    /// Speaks to the server at a URL.
    pub(crate) fn new(url: &str, key: Option<Secret>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(CALL_TIME_MAX))
            .proxy(if is_here(url) { None } else { Proxy::try_from_env() })
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { agent, url: url.trim_end_matches('/').to_owned(), key }
    }

    /// Gives the URL of the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Reads.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let mut call = self.agent.get(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            call = call.header("authorization", format!("Bearer {}", key.expose()));
        }
        self.read(call.call())
    }

    /// Looks at a page without a key; gives the status, whatever it is, and the body if it is JSON.
    pub(crate) fn look(&self, path: &str) -> Result<(u16, Value), Trouble> {
        let away =
            |error: ureq::Error| Trouble::Away { url: self.url.clone(), source: error.into() };
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().map_err(away)?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let said = serde_json::from_slice(&text.map_err(away)?).unwrap_or(Value::Null);
        Ok((answer.status().as_u16(), said))
    }

    /// Asks for something to be done.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Trouble> {
        let mut call = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            call = call.header("authorization", format!("Bearer {}", key.expose()));
        }
        self.read(call.send(body.to_string()))
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, Trouble> {
        let url = || self.url.clone();
        let away = |error: ureq::Error| Trouble::Away { url: url(), source: error.into() };
        let mut answer = answer.map_err(away)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let text = text.map_err(away)?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&text)
                .map_err(|error| Trouble::Unreadable { url: url(), source: error.into() });
        }
        let problem: Problem = serde_json::from_slice(&text).unwrap_or_else(|_| Problem {
            code: String::new(),
            detail: "it said nothing that could be understood".to_owned(),
            errors: Vec::new(),
        });
        let Problem { code, mut detail, errors } = problem;
        if let [_, _, ..] = errors.as_slice() {
            for Flaw { path, message } in errors {
                detail = format!("{detail}; {path}: {message}");
            }
        }
        if status == 429 {
            return Err(Trouble::Busy { detail });
        }
        if matches!(status, 408 | 500..) {
            let source = anyhow!("{detail} ({status})");
            return Err(Trouble::Away { url: url(), source });
        }
        Err(Trouble::Refused { status, code, detail })
    }
}

impl Trouble {
    /// Tells whether the same call may succeed later.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Busy { .. } => true,
            Self::Refused { .. } | Self::Unreadable { .. } => false,
        }
    }

    /// Says what to do about it.
    pub(crate) fn advised(self) -> anyhow::Error {
        let advice = match &self {
            Self::Away { .. } => {
                "start it with `countersign dev` or `countersign serve`, or name another server with --public-url"
                    .to_owned()
            }
            Self::Busy { .. } => "wait as long as it says, then ask again".to_owned(),
            Self::Refused { code, .. } if code.starts_with("key_") => {
                "give a key with --api-key or COUNTERSIGN_API_KEY; `countersign keys create` makes one"
                    .to_owned()
            }
            Self::Refused { code, .. } if !code.is_empty() => {
                format!("see `countersign explain {code}`")
            }
            Self::Refused { .. } | Self::Unreadable { .. } => {
                "check that --public-url is the URL of a Countersign server".to_owned()
            }
        };
        failure::advised(self, advice)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Tells whether a URL leads to this very machine.
pub(crate) fn is_here(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_dev_goes_nowhere_else() {
        for here in ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:1"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["https://example.com", "http://localhost.example.com", "http://10.0.0.1"]
        {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
