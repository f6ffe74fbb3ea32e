//! Where vendors' webhooks come in: whose they are, what proves them, how the vendor is asked.
//!
//! Invariant: secrets are apart from the rest and never serialised with it.
//! Left to others: how a vendor proves and says things (`dialects`), what follows (`engine::intake`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::endpoint::Dialect;
use crate::id::{AccountId, SourceId};
use crate::secret::Secret;
use crate::time::Timestamp;

/// A place that one vendor's webhooks come in at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// The operator's name for it, unique in the account: 1 to 64 of `a-z 0-9 - _`.
    pub name: String,
    /// Who calls.
    pub vendor: Vendor,
    /// Whether anything is taken.
    pub enabled: bool,
    /// What else the vendor needs, by name; see `dialects::vendor`.
    pub settings: BTreeMap<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What must not be seen, by name.
    #[serde(skip)]
    pub secrets: BTreeMap<String, Secret>,
}

impl Source {
    /// Gives a setting that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Gives a secret.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }
}

/// Whose webhooks come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Ironclad Clickwrap, formerly PactSafe.
    Clickwrap,
    /// Ironclad CLM.
    Ironclad,
    /// InsertSign.
    Insertsign,
    /// FintechOS eSign: the context object of its automation scripts.
    Fintechos,
    /// Namirial eSignAnyWhere.
    Esaw,
}

impl Vendor {
    /// Every vendor.
    pub const ALL: [Self; 5] =
        [Self::Clickwrap, Self::Ironclad, Self::Insertsign, Self::Fintechos, Self::Esaw];

    /// Names the vendor as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clickwrap => "clickwrap",
            Self::Ironclad => "ironclad",
            Self::Insertsign => "insertsign",
            Self::Fintechos => "fintechos",
            Self::Esaw => "esaw",
        }
    }

    /// Finds the vendor of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vendor| vendor.as_str() == name)
    }

    /// Gives the dialect in which we say what the vendor says.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Clickwrap => Dialect::Clickwrap,
            Self::Ironclad => Dialect::Ironclad,
            Self::Insertsign => Dialect::Insertsign,
            Self::Fintechos => Dialect::Fintechos,
            Self::Esaw => Dialect::Esaw,
        }
    }
}
