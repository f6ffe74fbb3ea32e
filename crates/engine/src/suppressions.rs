//! Addresses that nothing is sent to.
//!
//! Invariant: an address has one spelling: mail addresses in lower case, numbers in E.164.
//! Left to others: finding out that an address is not to be written to (`feedback`), minding it (`notices`).

use domain::id::{AccountId, EventId, NoticeId};
use domain::message::Channel;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Setting, SettingKind, SettingRow};

use crate::Engine;
use crate::check::{self, Checked, Flaws};
use crate::command::{Once, Refusal, insist};
use crate::settings;

/// The most bytes of an address.
const ADDRESS_BYTES_MAX: usize = 380;

/// An address that nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// By which way nothing is sent.
    pub channel: Channel,
    /// The address in lower case, or the number in E.164.
    pub address: String,
    /// Why.
    pub reason: Reason,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The event that told of it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The notice that it was learnt from, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_id: Option<NoticeId>,
    /// Since when.
    pub at: Timestamp,
}

/// Why nothing is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It came back for good.
    Bounce,
    /// The person called a message unwanted, or wants no more.
    Complaint,
    /// The account says so.
    Manual,
    /// The provider sends nothing to it.
    Provider,
}

/// An address to send nothing to.
#[derive(Debug, Clone, Deserialize)]
pub struct NewSuppression {
    /// By which way.
    pub channel: Channel,
    /// The mail address, or the number with its country.
    pub address: String,
    /// Why, at most 1,000 characters.
    #[serde(default)]
    pub detail: Option<String>,
}

impl Suppression {
    /// Writes it down, under the name by which [`name`] finds it.
    pub(crate) fn written(&self) -> Result<Setting, store::Error> {
        settings::written(SettingKind::Suppression, &name(self.channel, &self.address), self)
    }
}

impl Engine {
    /// Sends nothing more to an address. One that is suppressed already stays as it is, and is given.
    pub async fn create_suppression(
        &self,
        account: AccountId,
        input: NewSuppression,
        once: &Once<'_, Suppression>,
    ) -> Result<Suppression, Refusal> {
        self.refuse_known(account, once).await?;
        let NewSuppression { channel, address, detail } = input;
        let mut flaws = Flaws::default();
        let new = Suppression {
            channel,
            address: flaws.take("address", spelt(channel, &address)),
            reason: Reason::Manual,
            detail: flaws
                .take("detail", check::prose_or_none(detail.as_deref(), check::NOTE_CHARS_MAX)),
            event_id: None,
            notice_id: None,
            at: self.now(),
        };
        flaws.none()?;
        insist(|| {
            let new = new.clone();
            async move {
                let name = name(channel, &new.address);
                let old = self.views().setting(account, SettingKind::Suppression, name).await?;
                let (version, kept) = match old {
                    Some(row) => (row.version, settings::read(&row)?),
                    None => (0, new),
                };
                // Writing again what stands keeps the answer in the commit that makes it true.
                let reply = once.reply(&kept);
                self.write_setting(account, (version, kept.written()?), reply).await?;
                Ok(kept)
            }
        })
        .await
    }

    /// Lets messages go to an address again.
    pub async fn delete_suppression(
        &self,
        account: AccountId,
        channel: Channel,
        address: &str,
    ) -> Result<(), Refusal> {
        let name = name(channel, &spelt(channel, address).unwrap_or_else(|_| address.to_owned()));
        self.unset(account, (SettingKind::Suppression, &name), "suppression").await
    }

    /// Lists suppressions by name, those after `after`, each with its name.
    pub async fn suppressions(
        &self,
        account: AccountId,
        after: String,
        limit: u32,
    ) -> Result<Vec<(String, Suppression)>, Refusal> {
        let rows = self.views().settings(account, SettingKind::Suppression, after, limit).await?;
        let named = |row: &SettingRow| Ok((row.setting.name.clone(), settings::read(row)?));
        rows.iter().map(named).collect()
    }
}

/// Names a suppression: `email:ana@example.net`, `sms:+447700900123`.
pub(crate) fn name(channel: Channel, address: &str) -> String {
    format!("{}:{address}", channel.as_str())
}

/// Gives the one spelling of an address.
pub(crate) fn spelt(channel: Channel, address: &str) -> Checked<String> {
    let spelt = match channel {
        Channel::Email => check::email(address)?.to_lowercase(),
        Channel::Sms => check::phone(address)
            .ok_or("expected a phone number with its country, such as +44 7700 900123")?,
    };
    if spelt.len() > ADDRESS_BYTES_MAX {
        return Err(format!("expected at most {ADDRESS_BYTES_MAX} bytes"));
    }
    Ok(spelt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(spelt(Channel::Email, " Ana@Example.NET ").unwrap(), "ana@example.net");
        assert_eq!(spelt(Channel::Sms, "+44 7700 900123").unwrap(), "+447700900123");
        for (channel, bad) in
            [(Channel::Email, "ana"), (Channel::Sms, "7700 900123"), (Channel::Sms, "a@b.de")]
        {
            assert!(spelt(channel, bad).is_err(), "{bad}");
        }
        assert_eq!(name(Channel::Sms, "+447700900123"), "sms:+447700900123");
    }
}
