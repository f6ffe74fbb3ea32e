//! One person's part in a request.
//!
//! Invariant: a variant of [`State`] holds just what exists in it; a signature is never without its evidence.
//! Left to others: whose turn it is, and what follows for the request ([`crate::request`]).

use serde::{Deserialize, Serialize};

use crate::id::SignerId;
use crate::time::{DAY_MS, Timestamp};

/// One person's part in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Its id; a reassigned part gets a new one.
    pub id: SignerId,
    /// Who it is.
    #[serde(flatten)]
    pub person: Person,
    /// Its place in a sequential request, from 1; equal places sign in parallel.
    pub order: u32,
    /// What the person is asked for.
    pub role: Role,
    /// Over which channels they are told.
    pub send_to: SendTo,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// How many of the request's days of reminders are past.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reminders: u32,
    /// When the person was last reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
    /// The vendor's id for the part, in a mirror; else the id of a client that knows the part by one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_id: Option<String>,
    /// Where the vendor has the person sign, or read what was signed, in a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_url: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A person, as the sender named them. Absent and empty are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// The full name, 1 to 200 characters.
    pub name: String,
    /// The mail address; checked at the door.
    pub email: String,
    /// The mobile number, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// A word for the part, such as `CEO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The language to write in, such as `en` or `de-AT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Where the person lives, as the time zone database names it, such as `Europe/Vienna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What a person is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To sign.
    #[default]
    Signer,
    /// Nothing: they get a copy.
    Cc,
}

/// Over which channels a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendTo {
    /// By e-mail.
    pub email: bool,
    /// By short message.
    pub sms: bool,
}

impl Default for SendTo {
    fn default() -> Self {
        Self { email: true, sms: false }
    }
}

/// Where a signer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Their turn has not come.
    Waiting,
    /// Their turn came and they were told.
    Notified {
        /// When.
        notified_at: Timestamp,
    },
    /// They opened the page.
    Viewed {
        /// When they were told.
        notified_at: Timestamp,
        /// When they first opened it.
        viewed_at: Timestamp,
    },
    /// They signed.
    Signed {
        /// When.
        signed_at: Timestamp,
        /// What proves it.
        evidence: Evidence,
    },
    /// They refused.
    Declined {
        /// When.
        declined_at: Timestamp,
        /// In their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody else has taken the part.
    Reassigned {
        /// When.
        reassigned_at: Timestamp,
        /// Who has it now.
        to: SignerId,
    },
}

/// What proves a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The name as typed by the signer.
    pub name: String,
    /// The words the signer agreed to, whole.
    pub consent: String,
    /// The address the signature came from, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The browser's name for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The kind of device.
    pub device: Device,
    /// Whether the signer acted on the page, or an API key on their behalf.
    pub via: Via,
}

/// The kind of device a signature came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// A computer.
    #[default]
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
}

impl Device {
    /// Names the device as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
        }
    }

    /// Guesses the device from what the browser says of itself.
    pub fn of_user_agent(user_agent: &str) -> Self {
        let text = user_agent.to_ascii_lowercase();
        let android = text.contains("android");
        if text.contains("ipad") || text.contains("tablet") || (android && !text.contains("mobile"))
        {
            Self::Tablet
        } else if android || text.contains("iphone") || text.contains("mobile") {
            Self::Mobile
        } else {
            Self::Desktop
        }
    }
}

/// By which way a signer acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The signing page.
    Page,
    /// The API, on the signer's behalf.
    Api,
    /// At a vendor, whose word it is.
    Vendor,
}

/// People are reminded in the morning.
const MORNING_HOUR: i8 = 9;

impl Signer {
    /// Tells whether the person still has to sign.
    pub const fn is_open(&self) -> bool {
        matches!(self.role, Role::Signer)
            && matches!(self.state, State::Waiting | State::Notified { .. } | State::Viewed { .. })
    }

    /// Tells whether it is the person's turn.
    pub const fn has_turn(&self) -> bool {
        matches!(self.role, Role::Signer)
            && matches!(self.state, State::Notified { .. } | State::Viewed { .. })
    }

    /// Gives the moment the person's turn came, while they have it.
    pub const fn turn_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Notified { notified_at } | State::Viewed { notified_at, .. } => {
                Some(notified_at)
            }
            State::Waiting
            | State::Signed { .. }
            | State::Declined { .. }
            | State::Reassigned { .. } => None,
        }
    }

    /// Counts the days of reminders that are past.
    pub fn reminders_due(&self, days: &[u16], now: Timestamp) -> u32 {
        let moments = days.iter().filter_map(|day| self.reminder(*day));
        u32::try_from(moments.filter(|at| *at <= now).count()).unwrap_or(u32::MAX)
    }

    /// Gives the moment of the next reminder that has not been.
    pub fn next_reminder(&self, days: &[u16]) -> Option<Timestamp> {
        let mut moments: Vec<_> = days.iter().filter_map(|day| self.reminder(*day)).collect();
        moments.sort_unstable();
        moments.into_iter().nth(usize::try_from(self.reminders).ok()?)
    }

    /// Gives the moment of the reminder so many days after the turn came: nine in the morning where the person lives, if
    /// that is known, else the same time of day.
    fn reminder(&self, day: u16) -> Option<Timestamp> {
        let at = self.turn_since()?.plus_millis(i64::from(day) * DAY_MS);
        let zone = self.person.time_zone.as_deref();
        Some(zone.and_then(|zone| at.at_hour_in(zone, MORNING_HOUR)).unwrap_or(at))
    }

    /// Tells whether the person has signed.
    pub const fn has_signed(&self) -> bool {
        matches!(self.state, State::Signed { .. })
    }

    /// Names where it stands, as the API does.
    pub const fn status(&self) -> &'static str {
        match self.state {
            State::Waiting => "waiting",
            State::Notified { .. } => "notified",
            State::Viewed { .. } => "viewed",
            State::Signed { .. } => "signed",
            State::Declined { .. } => "declined",
            State::Reassigned { .. } => "reassigned",
        }
    }
}
