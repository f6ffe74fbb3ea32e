//! What commands share: how they are refused, and how an answer is kept for an idempotency key.

use std::fmt;

use domain::document::Full;
use domain::id::{AccountId, EndpointId};
use domain::request::{Action, Refused};
use domain::workflow;
use serde::{Deserialize, Deserializer};
use store::{Fault, Reply};

use crate::Engine;

/// Why a command was not carried out. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or it belongs to another account.
    #[error("there is no such {what}")]
    NotFound {
        /// Which noun.
        what: &'static str,
    },
    /// The input is well-formed but cannot be taken.
    #[error("the input is invalid")]
    Invalid(Vec<Flaw>),
    /// The present state does not allow it.
    #[error("{message}")]
    Impossible {
        /// One sentence.
        message: String,
        /// What could be done instead, if that is known.
        possible: Vec<&'static str>,
    },
    /// What is uploaded is longer than it may be.
    #[error("the document is longer than {bytes_max} bytes")]
    TooLarge {
        /// The most bytes.
        bytes_max: u64,
    },
    /// What is uploaded is nothing that is taken.
    #[error("the file is no PDF: it does not begin with %PDF-")]
    NotADocument,
    /// The account has as many of them as it may.
    #[error("limit reached: {message}")]
    LimitReached {
        /// One sentence.
        message: String,
    },
    /// It may be done again later.
    #[error("{message}")]
    TooSoon {
        /// One sentence.
        message: String,
        /// After how many seconds.
        wait_s: u32,
    },
    /// An endpoint with that URL exists.
    #[error("the url is registered already, as {id}")]
    UrlTaken {
        /// The first one.
        id: EndpointId,
    },
    /// The idempotency key is known; this is the answer it got.
    #[error("the idempotency key is known")]
    Repeated(Reply),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Others kept changing the same thing; trying again is safe.
    #[error("the {what} kept changing; try again")]
    Contended {
        /// Which noun.
        what: &'static str,
    },
    /// What is to be told again has outlived its time.
    #[error("the text of the event was forgotten, and cannot be told any more")]
    Forgotten,
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What is wrong with an input, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where, such as `signers[0].email`.
    pub path: String,
    /// What, as a sentence that says what is expected.
    pub message: String,
}

impl Flaw {
    /// Makes a flaw.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// What a change does to a field that may be empty: in JSON, absent, `null`, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes empty, or what it is by default.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// Gives the field as it is after the change.
    pub fn over(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new),
        }
    }

    /// Hands on what the field becomes, if it changes at all.
    pub fn then(self, take: impl FnOnce(Option<T>)) {
        match self {
            Self::Keep => {}
            Self::Clear => take(None),
            Self::Set(new) => take(Some(new)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

impl From<workflow::Refused> for Refusal {
    fn from(refused: workflow::Refused) -> Self {
        use workflow::Refused as No;
        let message = refused.to_string();
        match refused {
            No::NoSuch { what, .. } => Self::NotFound { what },
            No::BadAttribute { id, expected } => {
                let flaw = Flaw::new(format!("attributes.{id}"), format!("expected {expected}"));
                Self::Invalid(vec![flaw])
            }
            No::Impossible { possible, .. } => Self::Impossible {
                message,
                possible: possible.into_iter().map(workflow::Action::as_str).collect(),
            },
            No::Taken { .. }
            | No::Full { .. }
            | No::EarlierApprovals { .. }
            | No::ApprovalsMissing { .. }
            | No::NotTheAuthor { .. }
            | No::TurnIsTheirs { .. }
            | No::SignersMissing { .. }
            | No::HasSigned { .. }
            | No::LastToSign { .. }
            | No::NobodyToSign
            | No::NotScheduled
            | No::MomentPassed
            | No::PacketOut
            | No::NotSigned => Self::Impossible { message, possible: Vec::new() },
        }
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        Self::Impossible { message: full.to_string(), possible: Vec::new() }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::NoSuchSigner(_) => Self::NotFound { what: "signer" },
            Refused::Impossible { possible, .. } => Self::Impossible {
                message,
                possible: possible.into_iter().map(Action::as_str).collect(),
            },
            Refused::TooSoon { wait_s } => Self::TooSoon { message, wait_s },
            Refused::NotTheirs { .. } | Refused::NobodyToSign => {
                Self::Impossible { message, possible: Vec::new() }
            }
        }
    }
}

/// A client's idempotency key, and what it was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, 1 to 255 visible characters.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// How a command's answer looks, so that it can be kept in the commit that makes it true.
pub struct Once<'a, T: ?Sized> {
    /// The client's key, if it sent one.
    pub key: Option<Idempotency>,
    /// Writes status and body of the answer.
    pub answer: &'a (dyn Fn(&T) -> (u16, String) + Send + Sync),
}

impl<T: ?Sized> fmt::Debug for Once<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Once<'static, T> {
    /// Keeps nothing: the client sent no key, or the command is harmless to repeat.
    pub const fn unkept() -> Self {
        Self { key: None, answer: &|_| (204, String::new()) }
    }
}

impl<T: ?Sized> Once<'_, T> {
    /// Gives what the commit keeps, if the client sent a key.
    pub fn reply(&self, outcome: &T) -> Option<Reply> {
        let Idempotency { key, fingerprint } = self.key.clone()?;
        let (status, body) = (self.answer)(outcome);
        Some(Reply { key, fingerprint, status, body })
    }

    /// Turns the store's refusal into the command's.
    pub fn refusal(&self, fault: Fault) -> Refusal {
        match fault {
            Fault::Conflict { what } => Refusal::Contended { what },
            Fault::UrlTaken { id } => Refusal::UrlTaken { id },
            Fault::Missing { what } => Refusal::NotFound { what },
            Fault::Forgotten => Refusal::Forgotten,
            Fault::Store(error) => Refusal::Store(error),
            Fault::Repeated(reply) => {
                let same =
                    self.key.as_ref().is_some_and(|key| key.fingerprint == reply.fingerprint);
                if same { Refusal::Repeated(reply) } else { Refusal::KeyReused }
            }
        }
    }
}

/// How often a command loads and decides anew when others were faster.
const TRIES_MAX: u32 = 5;

/// Makes tries until one is not outrun, at most [`TRIES_MAX`].
pub(crate) async fn insist<T, F>(a_try: impl FnMut() -> F + Send) -> Result<T, Refusal>
where
    T: Send,
    F: Future<Output = Result<T, Refusal>> + Send,
{
    insist_for(TRIES_MAX, a_try).await
}

/// Makes tries until one is not outrun, at most so many.
pub(crate) async fn insist_for<T, F>(
    tries_max: u32,
    mut a_try: impl FnMut() -> F + Send,
) -> Result<T, Refusal>
where
    T: Send,
    F: Future<Output = Result<T, Refusal>> + Send,
{
    for _ in 1..tries_max {
        match a_try().await {
            Err(Refusal::Contended { .. }) => {}
            done => return done,
        }
    }
    a_try().await
}

impl Engine {
    /// Refuses a command whose idempotency key is known, before its outcome is in the way: a request that was sent
    /// cannot be sent, but the answer to the first try can be given again.
    pub(crate) async fn refuse_known<T: ?Sized>(
        &self,
        account: AccountId,
        once: &Once<'_, T>,
    ) -> Result<(), Refusal> {
        let Some(Idempotency { key, .. }) = &once.key else { return Ok(()) };
        match self.views().reply(account, key.clone(), self.now()).await? {
            Some(reply) => Err(once.refusal(Fault::Repeated(reply))),
            None => Ok(()),
        }
    }
}
