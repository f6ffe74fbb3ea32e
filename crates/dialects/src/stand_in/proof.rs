//! How a stand-in proves its webhooks, and how a forged one fails to.
//!
//! Invariant: a forged call differs from a proven one in its proof, or in the secret part of its URL.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::call::Call;
use domain::endpoint::Secrets;
use domain::id::Chance;
use domain::secret::Secret;
use domain::source::Vendor;
use url::Url;

use super::ironclad::{self, Key};
use super::pages::Page;
use crate::clickwrap::TOKEN_HEADER;

/// What proves the webhooks of a stand-in.
#[derive(Debug)]
pub enum Proof {
    /// The secret URL alone.
    Url,
    /// The secret code of Ironclad Clickwrap.
    Token(Secret),
    /// A user name and a password, of eSignAnyWhere.
    Basic {
        /// The user name, without a colon.
        user: String,
        /// The password.
        password: Secret,
    },
    /// The signature of Ironclad, which has no other proof.
    Signature(Box<Key>),
}

impl Proof {
    /// Tells whether a vendor proves itself so.
    pub(super) const fn fits(&self, vendor: Vendor) -> bool {
        match self {
            Self::Url => !matches!(vendor, Vendor::Ironclad),
            Self::Token(_) => matches!(vendor, Vendor::Clickwrap),
            Self::Basic { .. } => matches!(vendor, Vendor::Esaw),
            Self::Signature(_) => matches!(vendor, Vendor::Ironclad),
        }
    }

    /// Gives what the dialects prove their calls with.
    pub(super) fn secrets(&self) -> Secrets {
        match self {
            Self::Url | Self::Signature(_) => Secrets::default(),
            Self::Token(token) => Secrets { token: Some(token.clone()), ..Secrets::default() },
            Self::Basic { user, password } => {
                let code = STANDARD.encode(format!("{user}:{}", password.expose()));
                let value = Secret::new(format!("Basic {code}"));
                Secrets { authorization: Some(value), ..Secrets::default() }
            }
        }
    }

    /// Gives the page with the key that proves, where there is one.
    pub(super) fn page(&self) -> Option<Page> {
        match self {
            Self::Url | Self::Token(_) | Self::Basic { .. } => None,
            Self::Signature(key) => {
                let path = ironclad::KEY_PATH.to_owned();
                Some(Page { path, media_type: "application/x-pem-file", body: key.public() })
            }
        }
    }

    /// Makes a forged call of a proven one: the proof is left out or wrong, or the secret URL is another one.
    pub(super) fn forge(&self, call: &Call, chance: &mut dyn Chance) -> Call {
        let header = match self {
            Self::Url => None,
            Self::Token(_) => Some(TOKEN_HEADER),
            Self::Basic { .. } => Some("authorization"),
            Self::Signature(_) => Some(ironclad::PROOF_HEADER),
        };
        let mut call = call.clone();
        match (header, chance.draw() % 3) {
            (None, _) | (Some(_), 0) => {
                let url = elsewhere(&call.url);
                call.url = Arc::new(url);
            }
            (Some(header), 1) => call.headers.retain(|(name, _)| name != header),
            (Some(header), _) => {
                for (name, value) in &mut call.headers {
                    if name == header {
                        let wrong = self.wrong(value);
                        *value = wrong;
                    }
                }
            }
        }
        call
    }

    /// Makes a proof that is none.
    fn wrong(&self, value: &str) -> String {
        match self {
            Self::Url => value.to_owned(),
            Self::Token(token) => format!("not-{}", token.expose()),
            Self::Basic { user, password } => {
                let code = STANDARD.encode(format!("{user}:not-{}", password.expose()));
                format!("Basic {code}")
            }
            Self::Signature(_) => value.replacen("\"nonce\":\"", "\"nonce\":\"0", 1),
        }
    }
}

/// Changes one character in the middle of the last part of a path, which is where a source's URL is secret.
fn elsewhere(url: &Url) -> Url {
    let mut changed = url.clone();
    let path: Vec<char> = url.path().chars().collect();
    let last = path.iter().rposition(|char| *char == '/').map_or(0, |slash| slash + 1);
    let middle = last + (path.len() - last) / 2;
    let other = |(at, char): (usize, &char)| match (at == middle, char) {
        (true, '1') => '2',
        (true, _) => '1',
        (false, char) => *char,
    };
    let path: Cow<'_, str> = path.iter().enumerate().map(other).collect();
    changed.set_path(&path);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_url_is_another_one_in_its_secret_part() {
        let of = |text: &str| elsewhere(&Url::parse(text).unwrap()).to_string();
        assert_eq!(of("https://a.example/in/abcd?b=c"), "https://a.example/in/ab1d?b=c");
        assert_eq!(of("https://a.example/in/ab1d"), "https://a.example/in/ab2d");
        assert_eq!(of("https://a.example/in/1"), "https://a.example/in/2");
    }
}
