//! On which occasions a person is told.
//!
//! Left to others: the words (`templates`), the message that carries them ([`crate::message`]).

use serde::{Deserialize, Serialize};

/// Why a person is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It is their turn to sign.
    Turn,
    /// Somebody has signed, and others have yet to.
    Signed,
    /// Everybody has signed.
    Completed,
    /// It is still their turn to sign.
    Reminder,
    /// Somebody has declined.
    Declined,
    /// The time to sign has run out.
    Expired,
    /// The sender has withdrawn the request.
    Cancelled,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Turn,
        Self::Signed,
        Self::Completed,
        Self::Reminder,
        Self::Declined,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Names the occasion as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Signed => "signed",
            Self::Completed => "completed",
            Self::Reminder => "reminder",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}
