//! How services that shorten URLs are spoken to, without any IO: a call is built, an answer is read.
//!
//! Invariants: the same long URL gives the same short one, however often it is asked for; a short URL is absolute,
//! `https`, and on the host that was asked for; the long URL, which is a secret, comes into no error.
//! Left to others: carrying calls out ([`crate::Http`]), and going on with the long URL when there is no short one
//! (`engine`).

mod bitly;
mod rebrandly;

use domain::call::{Answer, Call};
use domain::secret::Secret;
use url::Url;

use crate::reception::detail;
use crate::sms::receipts::line;

/// A service that shortens URLs, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortener {
    /// Which service.
    pub kind: ShortenerKind,
    /// The key or token that it gave.
    pub token: Secret,
    /// The host of short URLs, such as `go.example.com`; the service's own if left out.
    pub domain: Option<String>,
    /// Bitly's group, or Rebrandly's workspace; the token's own if left out.
    pub group: Option<String>,
    /// Where the API is, if not at its usual address.
    pub base_url: Option<String>,
}

/// The services that can be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShortenerKind {
    /// Bitly, version 4 of its API.
    Bitly,
    /// Rebrandly.
    Rebrandly,
}

impl Shortener {
    /// Gives the host of its short URLs.
    pub fn host(&self) -> &str {
        self.domain.as_deref().unwrap_or(match self.kind {
            ShortenerKind::Bitly => "bit.ly",
            ShortenerKind::Rebrandly => "rebrand.ly",
        })
    }
}

impl ShortenerKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Bitly, Self::Rebrandly];

    /// Names the kind as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bitly => "bitly",
            Self::Rebrandly => "rebrandly",
        }
    }
}

/// Why there is no short URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct NotShortened {
    /// What happened, in one line without the URL.
    pub detail: String,
    /// Whether it may be there when asked for again later.
    pub again: bool,
}

/// Builds the call that asks for a short URL.
///
/// `key` is at least 16 bytes that nobody else knows and that stay the same: names that are given to the service are
/// derived with it, so that they cannot be guessed and a repeated call finds the first one's.
///
/// # Errors
///
/// When the settings do not allow a call; asking again is of no use before they change.
pub fn build(shortener: &Shortener, long: &Url, key: &[u8]) -> Result<Call, NotShortened> {
    match shortener.kind {
        ShortenerKind::Bitly => bitly::build(shortener, long),
        ShortenerKind::Rebrandly => rebrandly::build(shortener, long, key),
    }
}

/// Reads the answer to such a call, made with the same arguments, as an absolute `https` URL on [`Shortener::host`].
///
/// # Errors
///
/// When the answer says no, makes no sense, or leads elsewhere.
pub fn read(
    shortener: &Shortener,
    long: &Url,
    key: &[u8],
    answer: &Answer,
) -> Result<Url, NotShortened> {
    let short = match shortener.kind {
        ShortenerKind::Bitly => bitly::read(answer)?,
        ShortenerKind::Rebrandly => rebrandly::read(shortener, long, key, answer)?,
    };
    let host = shortener.host();
    if short.domain() == Some(host) && short.port().is_none() {
        return Ok(short);
    }
    let detail = format!("the short URL is not on {host}; set the domain that short URLs have");
    Err(NotShortened { detail, again: false })
}

/// Reads what a service calls a short URL, with or without its scheme.
fn normal(text: &str) -> Option<Url> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.unwrap_or(text);
    if rest.len() > SHORT_BYTES_MAX || rest.contains("://") {
        return None;
    }
    let url = Url::parse(&format!("https://{rest}")).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    let fits = plain && url.domain().is_some_and(|host| host.contains('.')) && url.path().len() > 1;
    fits.then_some(url)
}

/// The longest URL that is still a short one.
const SHORT_BYTES_MAX: usize = 200;

fn no(answer: &Answer, said: Option<&str>) -> NotShortened {
    let said = match answer.status {
        200..=299 => "the answer makes no sense".to_owned(),
        _ => line(said.unwrap_or_default()),
    };
    let again = matches!(answer.status, 408 | 425 | 429 | 500..=599);
    NotShortened { detail: detail(answer.status, &said), again }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_url_is_https_whatever_it_was_called() {
        for text in
            ["go.example.com/8f2c", "http://go.example.com/8f2c", "https://go.example.com/8f2c"]
        {
            assert_eq!(normal(text).unwrap().as_str(), "https://go.example.com/8f2c", "{text}");
        }
        for text in [
            "",
            "/8f2c",
            "https://",
            "javascript:alert(1)",
            "ftp://a.example/x",
            "https://me@a.example/x",
            "https://a.example",
            "a b",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
