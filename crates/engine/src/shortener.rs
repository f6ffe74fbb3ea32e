//! Who shortens an account's links: the service itself, or one outside.
//!
//! Invariants: what is kept was checked as a whole; the token is apart from the rest.
//! Left to others: how the services are spoken to (`channels::shorten`), when one is asked (`notices`).

use channels::Guard;
use channels::shorten::{self, ShortenerKind};
use domain::endpoint::Dialect;
use domain::id::AccountId;
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use store::{Setting, SettingKind, SettingRow};
use url::Url;

use crate::Engine;
use crate::check::{self, Checked, Flaws};
use crate::command::Refusal;
use crate::endpoints::secret;
use crate::settings;

/// Who shortens links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The service itself.
    #[default]
    BuiltIn,
    /// Bitly.
    Bitly,
    /// Rebrandly.
    Rebrandly,
}

/// Who is to shorten links.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NewShortener {
    /// Who. The built-in one takes nothing else.
    pub kind: Kind,
    /// The host of short links, such as `go.example.com`; the vendor's own if absent.
    #[serde(default)]
    pub domain: Option<String>,
    /// Bitly's group, 1 to 200 characters; the token's own if absent.
    #[serde(default)]
    pub group: Option<String>,
    /// Rebrandly's workspace, 1 to 200 characters; the key's own if absent.
    #[serde(default)]
    pub workspace: Option<String>,
    /// Where the vendor's API is, if not at its usual address; one that may be called.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The token or key that the vendor gave: 1 to 4,096 visible ASCII characters.
    #[serde(default, deserialize_with = "secret")]
    pub token: Option<Secret>,
}

/// Who shortens links, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shortener {
    /// Who.
    pub kind: Kind,
    /// The host of short links.
    pub domain: Option<String>,
    /// Bitly's group.
    pub group: Option<String>,
    /// Rebrandly's workspace.
    pub workspace: Option<String>,
    /// Where the vendor's API is.
    pub base_url: Option<String>,
    /// What must not be seen.
    #[serde(skip)]
    pub token: Option<Secret>,
}

impl Engine {
    /// Gives who shortens links, if the account has set it.
    pub async fn shortener(&self, account: AccountId) -> Result<Option<Shortener>, Refusal> {
        let row = self.views().setting(account, SettingKind::Shortener, NAME.to_owned()).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }

    /// Sets who shortens links, whoever did before. Links that were made stay with the messages that hold them; the next
    /// message of a signer holds a new one.
    pub async fn set_shortener(
        &self,
        account: AccountId,
        input: NewShortener,
    ) -> Result<Shortener, Refusal> {
        let shortener = checked(input, self.guard())?;
        let setting = settings::written(SettingKind::Shortener, NAME, &shortener)?;
        self.set(account, Setting { secrets: shortener.token.clone(), ..setting }).await?;
        self.inner.shorteners.changed(account);
        Ok(shortener)
    }

    /// Goes back to the built-in short links.
    pub async fn delete_shortener(&self, account: AccountId) -> Result<(), Refusal> {
        self.unset(account, (SettingKind::Shortener, NAME), "shortener").await?;
        self.inner.shorteners.changed(account);
        Ok(())
    }
}

impl Shortener {
    /// Gives the service to be asked; `None` for the built-in one.
    pub(crate) fn service(&self) -> Option<shorten::Shortener> {
        let (kind, group) = match self.kind {
            Kind::BuiltIn => return None,
            Kind::Bitly => (ShortenerKind::Bitly, &self.group),
            Kind::Rebrandly => (ShortenerKind::Rebrandly, &self.workspace),
        };
        Some(shorten::Shortener {
            kind,
            token: self.token.clone()?,
            domain: self.domain.clone(),
            group: group.clone(),
            base_url: self.base_url.clone(),
        })
    }
}

/// Reads who shortens links, with the token.
pub(crate) fn read(row: &SettingRow) -> Result<Shortener, store::Error> {
    let shortener: Shortener = settings::read(row)?;
    Ok(Shortener { token: row.setting.secrets.clone(), ..shortener })
}

fn checked(input: NewShortener, guard: &Guard) -> Result<Shortener, Refusal> {
    let NewShortener { kind, domain, group, workspace, base_url, token } = input;
    let mut flaws = Flaws::default();
    let filled = [
        ("domain", domain.is_some(), kind != Kind::BuiltIn),
        ("group", group.is_some(), kind == Kind::Bitly),
        ("workspace", workspace.is_some(), kind == Kind::Rebrandly),
        ("base_url", base_url.is_some(), kind != Kind::BuiltIn),
        ("token", token.is_some(), kind != Kind::BuiltIn),
    ];
    for (name, _, _) in filled.iter().filter(|(_, is_given, is_known)| *is_given && !is_known) {
        flaws.note(*name, "expected nothing: the kind has no such thing");
    }
    if kind != Kind::BuiltIn && token.is_none() {
        flaws.note("token", "is missing: expected the token or key that the vendor gave");
    }
    let line = |text: Option<String>| check::line_or_none(text.as_deref(), check::LINE_CHARS_MAX);
    let base_url = check::filled(base_url.as_deref())
        .map(|text| check::target(text, Dialect::Standard, guard).map(|_url| text.to_owned()));
    let shortener = Shortener {
        kind,
        domain: flaws.take("domain", check::filled(domain.as_deref()).map(host).transpose()),
        group: flaws.take("group", line(group)),
        workspace: flaws.take("workspace", line(workspace)),
        base_url: flaws.take("base_url", base_url.transpose()),
        token: flaws.take("token", token.map(visible).transpose()),
    };
    flaws.none()?;
    Ok(shortener)
}

/// Checks the name of a host, and gives it as it stands in URLs.
fn host(text: &str) -> Checked<String> {
    let wrong = || "expected the name of a host, such as go.example.com".to_owned();
    let fits = text.len() <= HOST_BYTES_MAX
        && text.contains('.')
        && text.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.');
    let url = Url::parse(&format!("https://{text}/")).ok().filter(|_| fits).ok_or_else(wrong)?;
    url.domain().map(str::to_owned).ok_or_else(wrong)
}

fn visible(token: Secret) -> Checked<Secret> {
    let text = token.expose();
    if text.starts_with('…') {
        return Err("expected the token itself, not how it is shown".to_owned());
    }
    let fits = (1..=TOKEN_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err(format!("expected 1 to {TOKEN_BYTES_MAX} visible ASCII characters"))
    }
}

/// There is one, so its name is always the same.
pub(crate) const NAME: &str = "shortener";
const TOKEN_BYTES_MAX: usize = 4_096;
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use channels::Schemes;
    use serde_json::{Value, json};

    use super::*;

    fn check(input: Value) -> Result<Shortener, Vec<String>> {
        let guard = Guard::new(Vec::new(), Schemes::HttpsOnly);
        checked(serde_json::from_value(input).unwrap(), &guard).map_err(|refusal| {
            let Refusal::Invalid(flaws) = refusal else { panic!("{refusal}") };
            flaws.into_iter().map(|flaw| flaw.path).collect()
        })
    }

    #[test]
    fn a_vendor_needs_a_token_and_the_built_in_one_needs_nothing() {
        assert_eq!(check(json!({"kind": "built_in"})).unwrap().service(), None);
        assert_eq!(check(json!({"kind": "bitly"})).unwrap_err(), ["token"]);
        let all = json!({
            "kind": "built_in", "token": "t", "domain": "a.example", "group": "g",
            "workspace": "w", "base_url": "https://api.example.com",
        });
        let flaws = check(all).unwrap_err();
        assert_eq!(flaws, ["domain", "group", "workspace", "base_url", "token"]);
        let other = json!({"kind": "rebrandly", "token": "t", "group": "g"});
        assert_eq!(check(other).unwrap_err(), ["group"]);
    }

    #[test]
    fn what_is_kept_is_a_host_a_url_that_may_be_called_and_a_token() {
        let bitly = |name: &str, value: &str| {
            let mut input = json!({"kind": "bitly", "token": "t0ken"});
            input[name] = value.into();
            check(input)
        };
        assert_eq!(bitly("domain", "Go.Example.COM").unwrap().domain.unwrap(), "go.example.com");
        let bad = [
            ("domain", "https://go.example.com"),
            ("domain", "go.example.com/x"),
            ("domain", "me@go.example.com"),
            ("domain", "go.example.com:8443"),
            ("domain", "localhost"),
            ("domain", "127.0.0.1"),
            ("base_url", "https://127.0.0.1/"),
            ("base_url", "http://api.example.com/"),
            ("base_url", "api"),
            ("token", "…cdef"),
            ("token", ""),
            ("token", "a\r\nx: y"),
            ("group", "a\nb"),
        ];
        for (name, value) in bad {
            assert_eq!(bitly(name, value).unwrap_err(), [name], "{value:?}");
        }
    }

    #[test]
    fn the_token_is_not_written_with_the_rest() {
        let shortener = check(json!({"kind": "rebrandly", "token": "t0ken"})).unwrap();
        assert!(!serde_json::to_string(&shortener).unwrap().contains("t0ken"));
        assert!(!format!("{shortener:?}").contains("t0ken"));
        assert_eq!(shortener.service().unwrap().host(), "rebrand.ly");
    }
}
