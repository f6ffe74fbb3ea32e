//! A message on its way to a person: what is said, what a provider answered, and what it reported afterwards.
//!
//! Invariants: a message holds everything that the person will read, and the key by which reports find it again;
//! what is known of a message only grows: [`Progress`] never goes back.
//! Left to others: whom to tell ([`crate::notice`]), the words (`templates`), each provider's way of speaking (`channels`).

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// By which way a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A mail.
    Email,
    /// A short message.
    Sms,
}

impl Channel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Email, Self::Sms];

    /// Names the channel as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// A message, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum Message {
    /// A mail to one address.
    Email(Mail),
    /// A short message to one number.
    Sms(Sms),
}

/// A mail to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Our key, given back in reports: the notice's id. ASCII letters, digits and `_`.
    pub key: String,
    /// Who it is from.
    pub from: Mailbox,
    /// Where answers go, if not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Who it is for.
    pub to: Mailbox,
    /// One line, without line ends.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// The same as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What kind of mail it is, for the provider's statistics, such as `signature-request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// A name and a mail address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// The name, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

/// A short message to one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sms {
    /// Our key, given back in reports: the notice's id. ASCII letters, digits and `_`.
    pub key: String,
    /// A number in E.164, or up to eleven letters, as the provider allows.
    pub from: String,
    /// The number in E.164, with `+`.
    pub to: String,
    /// The text.
    pub text: String,
}

impl Message {
    /// Gives our key.
    pub fn key(&self) -> &str {
        match self {
            Self::Email(mail) => &mail.key,
            Self::Sms(sms) => &sms.key,
        }
    }

    /// Gives the address or the number it is for.
    pub fn to(&self) -> &str {
        match self {
            Self::Email(mail) => &mail.to.address,
            Self::Sms(sms) => &sms.to,
        }
    }
}

/// What a provider made of a message that was handed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What became of the message.
    pub reception: Reception,
    /// The provider's own id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What the provider said, in one line without secrets; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What became of a message that was handed to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reception", rename_all = "snake_case")]
pub enum Reception {
    /// The provider has it, and will try.
    Accepted,
    /// It was surely not taken, and may be handed over again.
    Later {
        /// How many seconds the provider asks to wait, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_s: Option<u32>,
        /// Whose trouble it is: `true` when the provider takes nothing from anybody now (over its limit, down, wrong
        /// credentials), `false` when it is about this message alone.
        provider: bool,
    },
    /// It is refused for good.
    Refused {
        /// Because the provider sends nothing to this address any more.
        suppressed: bool,
    },
    /// It may have been taken, or not: the answer was lost, or makes no sense.
    Unknown,
}

impl Reception {
    /// Names it as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Later { .. } => "later",
            Self::Refused { suppressed: false } => "refused",
            Self::Refused { suppressed: true } => "suppressed",
            Self::Unknown => "unknown",
        }
    }
}

/// What a provider reports of a message after it took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Our key, where the report carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The provider's id for the message, in the form of [`Receipt::message_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The address or number, where the report names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// What happened.
    pub fact: Fact,
    /// When, by the provider's clock, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The same for every repetition of the same report, and different for others, within one provider.
    pub event_id: String,
    /// Why, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What can be reported of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The provider has it.
    Accepted,
    /// It is being tried again.
    Delayed,
    /// It left the provider.
    Sent,
    /// The other side has it.
    Delivered,
    /// It came back for good: there is no such address.
    Bounced,
    /// It came back this time: a full mailbox, a server that is down.
    BouncedTransient,
    /// It came back because the other side refuses the sender or the content.
    BouncedBlocked,
    /// The provider did not even try, since the address is on its list.
    Suppressed,
    /// The provider took it back: a virus, a policy.
    Rejected,
    /// Its time ran out.
    Expired,
    /// It could not be brought, for another reason.
    Failed,
    /// The provider cannot tell.
    Unknown,
    /// The person called it unwanted.
    Complained,
    /// Somebody, or some scanner, opened it. No proof of a view.
    Opened,
    /// Somebody, or some scanner, followed a link.
    Clicked,
    /// The person wants no more.
    Unsubscribed,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 16] = [
        Self::Accepted,
        Self::Delayed,
        Self::Sent,
        Self::Delivered,
        Self::Bounced,
        Self::BouncedTransient,
        Self::BouncedBlocked,
        Self::Suppressed,
        Self::Rejected,
        Self::Expired,
        Self::Failed,
        Self::Unknown,
        Self::Complained,
        Self::Opened,
        Self::Clicked,
        Self::Unsubscribed,
    ];

    /// Names the fact as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delayed => "delayed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::BouncedTransient => "bounced_transient",
            Self::BouncedBlocked => "bounced_blocked",
            Self::Suppressed => "suppressed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Complained => "complained",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Unsubscribed => "unsubscribed",
        }
    }

    /// Says how far a message is that this was reported of; `None` for what happens beside its way.
    ///
    /// A late failure outranks `delivered`: servers take mails and send them back afterwards.
    const fn rank(self) -> Option<u8> {
        match self {
            Self::Unknown => Some(1),
            Self::Accepted => Some(2),
            Self::Sent => Some(3),
            Self::Delivered => Some(4),
            Self::Expired | Self::Failed | Self::BouncedTransient => Some(5),
            Self::Rejected | Self::BouncedBlocked => Some(6),
            Self::Suppressed => Some(7),
            Self::Bounced => Some(8),
            Self::Delayed
            | Self::Complained
            | Self::Opened
            | Self::Clicked
            | Self::Unsubscribed => None,
        }
    }

    /// Tells whether the message did not and will not reach its person.
    pub const fn is_failure(self) -> bool {
        matches!(self.rank(), Some(5..))
    }
}

/// How far a message has come, by all that was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact beside the way, true or not")]
pub struct Progress {
    /// The furthest fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Fact>,
    /// Whether the person called it unwanted.
    #[serde(default)]
    pub complained: bool,
    /// Whether somebody, or some scanner, opened it.
    #[serde(default)]
    pub opened: bool,
    /// Whether somebody, or some scanner, followed a link.
    #[serde(default)]
    pub clicked: bool,
    /// Whether the person wants no more.
    #[serde(default)]
    pub unsubscribed: bool,
}

impl Progress {
    /// Adds a fact. In whatever order facts come, and however often, the end is the same.
    #[must_use]
    pub fn with(self, fact: Fact) -> Self {
        let further = fact.rank() > self.stage.and_then(Fact::rank);
        Self {
            stage: if further { Some(fact) } else { self.stage },
            complained: self.complained || fact == Fact::Complained,
            opened: self.opened || fact == Fact::Opened,
            clicked: self.clicked || fact == Fact::Clicked,
            unsubscribed: self.unsubscribed || fact == Fact::Unsubscribed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn after(facts: &[Fact]) -> Progress {
        facts.iter().fold(Progress::default(), |progress, fact| progress.with(*fact))
    }

    #[test]
    fn a_bounce_after_a_delivery_counts_and_a_late_acceptance_does_not() {
        assert_eq!(after(&[Fact::Delivered, Fact::Bounced]).stage, Some(Fact::Bounced));
        assert_eq!(
            after(&[Fact::Bounced, Fact::Delivered, Fact::Accepted]).stage,
            Some(Fact::Bounced)
        );
        assert_eq!(after(&[Fact::Delivered, Fact::Delayed]).stage, Some(Fact::Delivered));
    }

    proptest! {
        #[test]
        fn the_end_is_the_same_backwards_and_twice(facts in vec(select(Fact::ALL.to_vec()), 0..8)) {
            // Of facts of one rank the first stays: these do not come about one message.
            let mut ranks: Vec<_> = facts.iter().filter_map(|fact| fact.rank()).collect();
            ranks.sort_unstable();
            let told = ranks.windows(2).all(|pair| pair[0] != pair[1]);
            prop_assume!(told);
            let backwards: Vec<Fact> = facts.iter().rev().copied().collect();
            let twice: Vec<Fact> = facts.iter().flat_map(|fact| [*fact, *fact]).collect();
            prop_assert_eq!(after(&facts), after(&backwards));
            prop_assert_eq!(after(&facts), after(&twice));
        }
    }
}
