//! Vendors' interfaces as we answer them: what a vendor's client sends, in our words, and our requests in the vendor's.
//!
//! Invariants: pure; nothing here panics, whatever the bytes; a client that sends more than we know of is taken at what we
//! know, one that sends something of the wrong type is told where; what is shown can be read by the vendor's reader in
//! [`mod@crate::vendor`].
//! Left to others: bounds of texts and what is possible (`engine`), paths, keys and statuses (`web`).

pub mod clickwrap;
pub mod esaw;
pub mod fintechos;
mod form;
pub mod ironclad;

use std::collections::BTreeMap;

use domain::id::DocumentId;
use domain::request::{Callbacks, Reminders, Sender, SigningOrder};
use domain::signer::{Person, Role, SendTo};
use domain::time::Timestamp;
use serde_json::Value;

/// A request that a vendor's client wants, in our words and unchecked: lengths, addresses and URLs are as they came.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// What is to be signed, in a few words.
    pub title: String,
    /// What the sender says to the signers.
    pub message: Option<String>,
    /// The documents that are signed.
    pub documents: Vec<DocumentId>,
    /// Who asks.
    pub sender: Sender,
    /// All at once, or one group after the other.
    pub signing_order: SigningOrder,
    /// Who is asked.
    pub signers: Vec<WantedSigner>,
    /// When it ends unsigned.
    pub expires_at: Option<Timestamp>,
    /// When signers are reminded, if the client says so.
    pub reminders: Option<Reminders>,
    /// URLs of this request's own that hear of its steps.
    pub callbacks: Callbacks,
    /// Where a signer goes afterwards.
    pub redirect_url: Option<String>,
    /// What the client said that we have no word for, under the vendor's name.
    pub metadata: BTreeMap<String, Value>,
}

/// One person's part in a [`Wanted`] request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedSigner {
    /// Who it is.
    pub person: Person,
    /// The place in a sequential request, from 1; absent means the place in the list.
    pub order: Option<u32>,
    /// What the person is asked for.
    pub role: Role,
    /// Over which channels they are told.
    pub send_to: SendTo,
    /// The client's own id for the part.
    pub foreign_id: Option<String>,
}

/// Places that are wrong, in the vendor's spelling, and what is expected there.
pub type Flaws = Vec<(String, String)>;
