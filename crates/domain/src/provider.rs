//! The operator's own e-mail and SMS services: which ones, in which order, how fast.
//!
//! Invariant: secrets are apart from the rest and never serialised with it.
//! Left to others: what each kind's settings mean and how it is spoken to (`channels::provider`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::id::{AccountId, ProviderId};
use crate::message::Channel;
use crate::secret::Secret;
use crate::time::Timestamp;

/// A service that carries messages to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its id.
    pub id: ProviderId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// The operator's name for it, unique in the account: 1 to 64 of `a-z 0-9 - _`.
    pub name: String,
    /// Which service.
    pub kind: ProviderKind,
    /// The lower, the sooner it is asked; of equal ones the older.
    pub priority: u16,
    /// Messages per second at most, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// What to do when an answer was lost.
    #[serde(default)]
    pub on_unknown: OnUnknown,
    /// Whether it is used.
    pub enabled: bool,
    /// What else the kind needs, by name; see `channels::provider`.
    pub settings: BTreeMap<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What must not be seen.
    #[serde(skip)]
    pub secrets: Secrets,
}

/// What must not be seen of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// What is secret of what the kind needs, by name.
    pub values: BTreeMap<String, Secret>,
    /// The last part of the URL that takes its reports, unguessable.
    pub feedback_token: Option<Secret>,
}

impl Secrets {
    /// Gives everything as JSON, to be sealed and nothing else.
    pub fn expose(&self) -> Value {
        let values: BTreeMap<&str, &str> =
            self.values.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        json!({ "values": values, "feedback_token": self.feedback_token.as_ref().map(Secret::expose) })
    }

    /// Reads what [`Secrets::expose`] gave; `None` when it is something else.
    pub fn reveal(value: &Value) -> Option<Self> {
        let values = value.get("values")?.as_object()?.iter();
        let values = values
            .map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))))
            .collect::<Option<_>>()?;
        let feedback_token = value.get("feedback_token").and_then(Value::as_str).map(Secret::new);
        Some(Self { values, feedback_token })
    }
}

/// What to do with a message whose answer was lost, where the provider has no key against doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Wait a quarter of an hour for a report; try again only if none came.
    #[default]
    Wait,
    /// Try again as after any failure: rather twice than never.
    Again,
    /// Leave it: rather never than twice.
    Never,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $channel:ident;)*) => {
        /// The services that can be spoken to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ProviderKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl ProviderKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Names the kind as the API does.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Gives what it carries.
            pub const fn channel(self) -> Channel {
                match self { $(Self::$variant => Channel::$channel,)* }
            }
        }
    };
}

kinds! {
    /// The built-in mailbox: keeps mails for the developer, sends nothing.
    MailboxEmail = "mailbox_email", Email;
    /// The built-in mailbox: keeps short messages for the developer, sends nothing.
    MailboxSms = "mailbox_sms", Sms;
    /// Any mail server, by SMTP.
    Smtp = "smtp", Email;
    /// Amazon SES, version 2 of its API.
    Ses = "ses", Email;
    /// Twilio SendGrid.
    Sendgrid = "sendgrid", Email;
    /// Mailgun.
    Mailgun = "mailgun", Email;
    /// Postmark.
    Postmark = "postmark", Email;
    /// Resend.
    Resend = "resend", Email;
    /// Twilio.
    Twilio = "twilio", Sms;
    /// Vonage's Messages API.
    Vonage = "vonage", Sms;
    /// Vonage's older SMS API.
    VonageSms = "vonage_sms", Sms;
    /// MessageBird.
    Messagebird = "messagebird", Sms;
    /// Plivo.
    Plivo = "plivo", Sms;
    /// Sinch.
    Sinch = "sinch", Sms;
    /// AWS End User Messaging.
    AwsSms = "aws_sms", Sms;
    /// Amazon SNS: sends, and reports nothing.
    SnsSms = "sns_sms", Sms;
    /// Any HTTP service, described in settings.
    HttpSms = "http_sms", Sms;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_back_from_their_sealed_form() {
        let secrets = Secrets {
            values: BTreeMap::from([("api_key".to_owned(), Secret::new("key-1"))]),
            feedback_token: Some(Secret::new("token")),
        };
        assert_eq!(Secrets::reveal(&secrets.expose()), Some(secrets));
    }
}
