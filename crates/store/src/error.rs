//! What can go wrong with the store itself.

use std::error::Error as StdError;

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same verb may succeed later: the disk is full or read-only, the database is locked or away.
    #[error("the store cannot write or read now: {hint}")]
    Unavailable {
        /// What an operator should look at.
        hint: &'static str,
        /// The driver's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A row makes no sense.
    #[error("a row of `{table}` makes no sense: {detail}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with which row.
        detail: String,
    },
    /// The folder or file cannot be used at all.
    #[error("{detail}")]
    Unusable {
        /// What is wrong, and what to do.
        detail: String,
        /// The cause, if another error is one.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Says the same again, to the next one who must hear it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Unavailable { hint, source } => {
                Self::Unavailable { hint, source: source.to_string().into() }
            }
            Self::Corrupt { table, detail } => Self::Corrupt { table, detail: detail.clone() },
            Self::Unusable { detail, .. } => {
                Self::Unusable { detail: detail.clone(), source: None }
            }
            Self::Closed => Self::Closed,
        }
    }

    /// Tells whether the same verb may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Corrupt { .. } | Self::Unusable { .. } | Self::Closed => false,
        }
    }
}
