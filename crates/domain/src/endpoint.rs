//! A URL that wants events: which ones, in which dialect, with which retry profile.
//!
//! Invariants: secrets are apart from the rest and never serialised with it; a callback endpoint is never shown or addressed by a client.
//! Left to others: what its names mean (`dialects`), whether its URL may be called (`channels::guard`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::Method;
use crate::id::{AccountId, EndpointId};
use crate::retry::Profile;
use crate::secret::Secret;
use crate::subscription::Subscription;
use crate::time::Timestamp;

/// A URL that wants events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Where it listens; a template in the dialects that have placeholders; the origin alone for callbacks.
    pub url: String,
    /// The owner's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// In whose words it is told.
    pub dialect: Dialect,
    /// When it is told again.
    pub profile: Profile,
    /// What it wants to hear.
    pub wants: Subscription,
    /// The verb it is called with.
    #[serde(default)]
    pub method: Method,
    /// How its messages are signed, where the dialect signs.
    #[serde(default)]
    pub signing: Signing,
    /// Whether the events of one request reach it one by one.
    #[serde(default)]
    pub ordering: Ordering,
    /// Attempts per second at most, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// Attempts under way at most, 1 to 100.
    pub max_in_flight: u32,
    /// Seconds an attempt may take, 1 to 30.
    pub timeout_s: u32,
    /// Whether it is told anything.
    pub status: Status,
    /// Who made it.
    #[serde(default)]
    pub scope: Scope,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What must not be seen.
    #[serde(skip)]
    pub secrets: Secrets,
}

impl Endpoint {
    /// Makes an endpoint that is on, wants nothing yet, keeps no secret, and says nothing otherwise.
    pub fn plain(
        of: (AccountId, EndpointId),
        dialect: Dialect,
        url: &str,
        profile: Profile,
        now: Timestamp,
    ) -> Self {
        let (account, id) = of;
        Self {
            id,
            account,
            url: url.to_owned(),
            description: None,
            dialect,
            profile,
            wants: Subscription::default(),
            method: Method::default(),
            signing: Signing::default(),
            ordering: Ordering::default(),
            rate_limit: None,
            max_in_flight: MAX_IN_FLIGHT_DEFAULT,
            timeout_s: TIMEOUT_S_DEFAULT,
            status: Status::default(),
            scope: Scope::default(),
            created_at: now,
            updated_at: now,
            secrets: Secrets::default(),
        }
    }
}

/// Attempts under way at most, unless an endpoint says otherwise.
pub const MAX_IN_FLIGHT_DEFAULT: u32 = 10;
/// Seconds an attempt may take, unless an endpoint says otherwise.
pub const TIMEOUT_S_DEFAULT: u32 = 15;

/// In whose words an endpoint is told.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Ours, as Standard Webhooks.
    #[default]
    Standard,
    /// Ironclad Clickwrap.
    Clickwrap,
    /// Ironclad, of its workflows.
    Ironclad,
    /// InsertSign.
    Insertsign,
    /// FintechOS eSign.
    Fintechos,
    /// Namirial eSignAnyWhere.
    Esaw,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 6] = [
        Self::Standard,
        Self::Clickwrap,
        Self::Ironclad,
        Self::Insertsign,
        Self::Fintechos,
        Self::Esaw,
    ];

    /// Names the dialect as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Clickwrap => "clickwrap",
            Self::Ironclad => "ironclad",
            Self::Insertsign => "insertsign",
            Self::Fintechos => "fintechos",
            Self::Esaw => "esaw",
        }
    }
}

/// How messages are signed in the standard dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// `v1`: HMAC-SHA256 with the endpoint's secrets.
    #[default]
    Hmac,
    /// `v1a`: Ed25519 with the account's key, beside `v1`.
    Ed25519,
}

/// Whether events reach an endpoint in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// As fast as they come.
    #[default]
    None,
    /// Those of one request (or order key) one at a time, in order; others are not held up.
    Request,
}

/// Whether an endpoint is told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is.
    #[default]
    Enabled,
    /// Its owner turned it off.
    Disabled,
    /// The system turned it off; one probe a day is let through.
    DisabledBySystem,
    /// It is gone; the row stays for the history.
    Deleted,
}

impl Status {
    /// Names the status as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::DisabledBySystem => "disabled_by_system",
            Self::Deleted => "deleted",
        }
    }
}

/// Who made an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A client registered it.
    #[default]
    Registered,
    /// The callbacks of requests to one origin in one dialect share it.
    Callback,
    /// All of an account's notices over one channel share it; its URL is `email:` or `sms:`.
    Notices,
    /// Made for a source: what comes in there is read by it.
    Intake,
}

/// What must not be seen of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The signing secrets (`whsec_` and base64), newest first; several while rotating.
    pub signing: Vec<SigningSecret>,
    /// The secret code of the clickwrap dialect, sent as it is.
    pub token: Option<Secret>,
    /// The value of the `Authorization` header.
    pub authorization: Option<Secret>,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, Secret)>,
}

/// A signing secret, and until when it still signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecret {
    /// `whsec_` and the base64 of 24 to 64 bytes.
    pub secret: Secret,
    /// The end of its rotation; the newest has none.
    pub until: Option<Timestamp>,
}

impl Secrets {
    /// Gives everything as JSON, to be sealed and nothing else.
    pub fn expose(&self) -> Value {
        json!({
            "signing": self.signing.iter().map(|s| json!([s.secret.expose(), s.until])).collect::<Vec<_>>(),
            "token": self.token.as_ref().map(Secret::expose),
            "authorization": self.authorization.as_ref().map(Secret::expose),
            "headers": self.headers.iter().map(|(n, v)| json!([n, v.expose()])).collect::<Vec<_>>(),
        })
    }

    /// Reads what [`Secrets::expose`] gave; `None` when it is something else.
    pub fn reveal(value: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(Secret::new);
        let pairs = |name: &str| value.get(name)?.as_array();
        let signing = pairs("signing")?
            .iter()
            .map(|pair| {
                let until = serde_json::from_value(pair.get(1)?.clone()).ok()?;
                Some(SigningSecret { secret: text(pair.get(0)?)?, until })
            })
            .collect::<Option<_>>()?;
        let headers = pairs("headers")?
            .iter()
            .map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), text(pair.get(1)?)?)))
            .collect::<Option<_>>()?;
        let one = |name: &str| value.get(name).and_then(text);
        Some(Self { signing, token: one("token"), authorization: one("authorization"), headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_back_from_their_sealed_form() {
        let secrets = Secrets {
            signing: vec![
                SigningSecret { secret: Secret::new("whsec_new"), until: None },
                SigningSecret {
                    secret: Secret::new("whsec_old"),
                    until: Some(Timestamp::from_millis(7)),
                },
            ],
            token: Some(Secret::new("code")),
            authorization: None,
            headers: vec![("x-a".to_owned(), Secret::new("b"))],
        };
        assert_eq!(Secrets::reveal(&secrets.expose()), Some(secrets));
        assert_eq!(Secrets::reveal(&json!({"signing": 3})), None);
    }
}
