//! A person the account knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{AccountId, ContactId};
use crate::signer::Person;
use crate::time::Timestamp;

/// A person the account knows. Its serialised form is what the API and the events show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Who it is.
    #[serde(flatten)]
    pub person: Person,
    /// The account's own notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
