//! What a vendor tells of its requests, in our words: by a webhook, or when it is asked.
//!
//! Invariant: everything absent is unknown, never "no": a vendor that leaves something out takes nothing back.
//! Left to others: reading it out of a vendor's bytes (`dialects`), what it changes ([`crate::mirror`]).

use crate::event::Kind;
use crate::request::{Sender, SigningOrder};
use crate::signer::{Device, Role, SendTo};
use crate::time::Timestamp;

/// One thing that a vendor told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The vendor's name for what happened, 1 to [`WORD_CHARS_MAX`] characters.
    pub word: String,
    /// When it happened, by the vendor's clock.
    pub at: Option<Timestamp>,
    /// What it is about.
    pub about: About,
}

/// The most characters of a vendor's name for what happened.
pub const WORD_CHARS_MAX: usize = 80;
/// The most bytes of a vendor's id.
pub const FOREIGN_ID_BYTES_MAX: usize = 200;

/// What a vendor told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A request.
    Request {
        /// The vendor's id for it.
        foreign_id: String,
        /// What happened to it, if something did that we have a word for.
        step: Option<Step>,
        /// What else was said of it. Large, and often empty.
        picture: Box<Picture>,
    },
    /// A person was added to the vendor's list.
    Contact {
        /// The vendor's id for the person.
        foreign_id: String,
        /// Their name.
        name: String,
        /// Their address.
        email: String,
        /// A word for them, such as `CEO`.
        label: Option<String>,
        /// Their company.
        company: Option<String>,
    },
    /// A mail of the vendor's own.
    Mail {
        /// [`Kind::EmailDelivered`], [`Kind::EmailBounced`] or [`Kind::EmailComplained`].
        kind: Kind,
        /// Where it went.
        to: String,
        /// What it was called.
        subject: String,
        /// The vendor's id for the request.
        request: Option<String>,
    },
    /// Somebody pressed the vendor's test button.
    Test,
    /// Something that we have no word for.
    Foreign {
        /// The vendor's id for the request that it belongs to, if it names one.
        request: Option<String>,
    },
}

/// What happened to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It went to its signers.
    Sent,
    /// A signer was told.
    Notified(Who),
    /// A signer opened it.
    Viewed(Who),
    /// Signers signed.
    Signed(Vec<Who>),
    /// A signer refused.
    Declined(Who),
    /// A signer's part went to somebody else.
    Reassigned(Who),
    /// Everybody has signed.
    Completed,
    /// It is over: signed by all or refused. Only asking tells which.
    Finished,
    /// Its time ran out.
    Expired,
    /// It was withdrawn.
    Cancelled,
    /// It was put away.
    Archived,
    /// It was deleted.
    Deleted,
}

/// A signer, as far as the vendor names them. Empty texts are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    /// The vendor's id for the signer.
    pub foreign_id: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// Their place in the order, from 1.
    pub order: Option<u32>,
    /// When they did it, where that differs from when it was told.
    pub at: Option<Timestamp>,
    /// The address they did it from.
    pub ip: Option<String>,
    /// What they did it with.
    pub device: Option<Device>,
}

impl Who {
    /// Tells whether nothing says who it is.
    pub const fn is_nobody(&self) -> bool {
        self.foreign_id.is_none() && self.email.is_none() && self.order.is_none()
    }
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// What is to be signed.
    pub title: Option<String>,
    /// What the sender says to the signers.
    pub message: Option<String>,
    /// Who asks.
    pub sender: Option<Sender>,
    /// Who may sign when.
    pub signing_order: Option<SigningOrder>,
    /// Who is asked. Those that are not in it may be there all the same.
    pub signers: Vec<Pictured>,
    /// Where it stands as a whole.
    pub stage: Option<Stage>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When it ends unsigned.
    pub expires_at: Option<Timestamp>,
}

impl Picture {
    /// Tells whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a vendor's request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not sent.
    Draft,
    /// With its signers.
    Sent,
    /// Signed by everybody.
    Completed,
    /// Refused by somebody.
    Declined,
    /// Out of time.
    Expired,
    /// Withdrawn.
    Cancelled,
}

/// What is known of a signer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pictured {
    /// The vendor's id for the signer.
    pub foreign_id: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their number, as the vendor writes it.
    pub mobile: Option<String>,
    /// A word for the part, such as `CEO`.
    pub label: Option<String>,
    /// Their company.
    pub company: Option<String>,
    /// What they are asked for.
    pub role: Option<Role>,
    /// Their place in the order, from 1.
    pub order: Option<u32>,
    /// Over which channels the vendor wants them told.
    pub send_to: Option<SendTo>,
    /// Where they sign, or read what was signed.
    pub url: Option<String>,
    /// How far they are.
    pub stage: Option<SignerStage>,
    /// Since when.
    pub at: Option<Timestamp>,
}

/// How far a signer is; each is further than those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignerStage {
    /// Their turn has not come.
    Waiting,
    /// They were told.
    Notified,
    /// They opened it.
    Viewed,
    /// Somebody else has the part.
    Reassigned,
    /// They refused.
    Declined,
    /// They signed.
    Signed,
}
