//! From one report to one commit: the notice further on, the event that tells of it, the address that gets nothing more.
//!
//! Invariants: an event has a key made from the provider's own id of the report, so that it is told once; what else
//! follows hangs on the notice moving on, which happens once for each fact.

use std::borrow::Cow;

use domain::chain::sha256;
use domain::event::{Event, Kind};
use domain::facts::{AboutMail, AboutSms};
use domain::id::{self, NoticeId, ProviderId};
use domain::message::{Channel, Fact, Report};
use domain::notice::Notice;
use domain::time::Timestamp;
use serde_json::{Map, Value, json};
use store::{Audience, Commit, Guarded, Said, Setting, SettingKind, Version, Write};

use super::Reporter;
use crate::Engine;
use crate::command::{Once, Refusal, insist};

/// The most characters of a provider's words that are kept.
const DETAIL_CHARS_MAX: usize = 1_000;
/// The most bytes of a setting's name.
const NAME_BYTES_MAX: usize = 400;

impl Engine {
    /// Writes down what is new in a report; one about nothing of ours is passed over.
    pub(super) async fn hear(&self, reporter: Reporter, report: &Report) -> Result<(), Refusal> {
        insist(|| self.try_hear(reporter, report)).await
    }

    async fn try_hear(&self, reporter: Reporter, report: &Report) -> Result<(), Refusal> {
        let account = reporter.account;
        let fact = report.fact;
        let Some((notice, version)) = self.reported(reporter, report).await? else {
            tracing::debug!(provider = %reporter.provider, fact = fact.as_str(), "a report is about nothing of ours");
            return Ok(());
        };
        let mut commit = Commit::new(account, self.now());
        let mut told = None;
        if let Some(kind) = kind(notice.channel, fact) {
            let event = self.told(reporter, report, (kind, &notice)).await?;
            told = Some(event.id);
            commit.events.push(Said { event, audience: Audience::Subscribers });
        }
        let progress = notice.progress.with(fact);
        if progress != notice.progress {
            if let Some(reason) = reason(fact) {
                let setting = suppression((&notice, report), reason, json!(told), commit.at);
                let (kind, name) = (setting.kind, setting.name.clone());
                let fits = name.len() <= NAME_BYTES_MAX;
                if fits && self.views().setting(account, kind, name).await?.is_none() {
                    commit.writes.push(Write::Setting(Guarded { version: 0, value: setting }));
                }
            }
            let value = Notice { progress, ..notice };
            commit.writes.push(Write::Notice(Guarded { version, value }));
        }
        if commit.events.is_empty() && commit.writes.is_empty() {
            return Ok(());
        }
        self.commit(commit).await.map_err(|fault| Once::<()>::unkept().refusal(fault))?;
        Ok(())
    }

    /// Finds the notice that a report is about: by our key, or else by the provider's id of the message.
    async fn reported(
        &self,
        reporter: Reporter,
        report: &Report,
    ) -> Result<Option<(Notice, Version)>, Refusal> {
        let key: Option<NoticeId> = report.key.as_ref().and_then(|key| key.parse().ok());
        let mut found = None;
        if let Some(id) = key {
            found = self.views().notice(reporter.account, id).await?;
        }
        if found.is_none()
            && let Some(message_id) = report.message_id.clone()
        {
            found = self.views().notice_by_message(reporter.account, message_id).await?;
        }
        Ok(found.filter(|(notice, _)| notice.channel == reporter.channel))
    }

    async fn told(
        &self,
        reporter: Reporter,
        report: &Report,
        about: (Kind, &Notice),
    ) -> Result<Event, Refusal> {
        let (kind, notice) = about;
        let reason = (report.fact != Fact::Delivered).then(|| detail(report)).flatten();
        let to = notice.to.clone();
        let event = match notice.channel {
            Channel::Email => {
                let request = self.views().request(reporter.account, notice.request).await?;
                let subject = request.map(|(request, _)| request.title).unwrap_or_default();
                let about = AboutMail { to, subject, reason };
                self.event(kind, reporter.account, &about, self.now())
            }
            Channel::Sms => {
                self.event(kind, reporter.account, &AboutSms { to, reason }, self.now())
            }
        };
        Ok(Event {
            name: Cow::Borrowed(kind.as_str()),
            request: Some(notice.request),
            order_key: Some(notice.request.to_string()),
            key: Some(key(reporter.provider, report)),
            ..event
        })
    }
}

/// Gives the event's key: the provider, and 128 bits of a digest of its own id of the report, which may be of any length.
fn key(provider: ProviderId, report: &Report) -> String {
    let digest = sha256(report.event_id.as_bytes());
    let digest = digest.iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    format!("feedback:{}:{}", id::encode(provider.bits()), id::encode(digest))
}

/// Gives what is told of a fact, if anything.
const fn kind(channel: Channel, fact: Fact) -> Option<Kind> {
    match (fact, channel) {
        (Fact::Delivered, Channel::Email) => Some(Kind::EmailDelivered),
        (Fact::Delivered, Channel::Sms) => Some(Kind::SmsDelivered),
        (
            Fact::Bounced
            | Fact::BouncedTransient
            | Fact::BouncedBlocked
            | Fact::Suppressed
            | Fact::Rejected
            | Fact::Expired
            | Fact::Failed,
            channel,
        ) => Some(match channel {
            Channel::Email => Kind::EmailBounced,
            Channel::Sms => Kind::SmsFailed,
        }),
        (Fact::Complained, Channel::Email) => Some(Kind::EmailComplained),
        (Fact::Complained, Channel::Sms)
        | (
            Fact::Accepted
            | Fact::Delayed
            | Fact::Sent
            | Fact::Unknown
            | Fact::Opened
            | Fact::Clicked
            | Fact::Unsubscribed,
            _,
        ) => None,
    }
}

/// Gives why nothing more is sent to an address after a fact, if so.
const fn reason(fact: Fact) -> Option<&'static str> {
    match fact {
        Fact::Bounced => Some("bounce"),
        Fact::Complained => Some("complaint"),
        Fact::Suppressed => Some("provider"),
        Fact::Accepted
        | Fact::Delayed
        | Fact::Sent
        | Fact::Delivered
        | Fact::BouncedTransient
        | Fact::BouncedBlocked
        | Fact::Rejected
        | Fact::Expired
        | Fact::Failed
        | Fact::Unknown
        | Fact::Opened
        | Fact::Clicked
        | Fact::Unsubscribed => None,
    }
}

fn detail(report: &Report) -> Option<String> {
    let detail = report.detail.as_ref()?;
    Some(detail.chars().take(DETAIL_CHARS_MAX).collect())
}

/// Writes down that nothing more is sent to the address of a notice.
fn suppression(about: (&Notice, &Report), reason: &str, event: Value, at: Timestamp) -> Setting {
    let (notice, report) = about;
    let address = match notice.channel {
        Channel::Email => notice.to.to_lowercase(),
        Channel::Sms => notice.to.clone(),
    };
    let name = format!("{}:{address}", notice.channel.as_str());
    let members = [
        ("channel", json!(notice.channel)),
        ("address", json!(address)),
        ("reason", json!(reason)),
        ("detail", json!(detail(report))),
        ("event_id", event),
        ("notice_id", json!(notice.id)),
        ("at", json!(at)),
    ];
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    let body: Map<String, Value> = members.map(|(name, value)| (name.to_owned(), value)).collect();
    let body = Value::Object(body).to_string();
    Setting { kind: SettingKind::Suppression, name, body, secrets: None }
}
