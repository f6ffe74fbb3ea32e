//! Arguments and answers of the writing verbs.

use std::sync::Arc;
use std::time::Duration;

use domain::contact::Contact;
use domain::delivery::{Attempt, Cause, State, Why};
use domain::endpoint::Endpoint;
use domain::event::Event;
use domain::health::{Change, Health};
use domain::id::{AccountId, ContactId, DeliveryId, EndpointId, EventId, RequestId, SignerId};
use domain::key::Key;
use domain::notice::Notice;
use domain::replay::Replay;
use domain::request::Request;
use domain::secret::Secret;
use domain::time::Timestamp;

use crate::error::Error;

/// One commit: everything in it becomes durable together, or nothing does.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// New states.
    pub writes: Vec<Write>,
    /// What happened.
    pub events: Vec<Said>,
    /// Events of the past that are told again, and events of this commit of which people are told.
    pub deliveries: Vec<NewDelivery>,
    /// The answer to keep for an idempotency key.
    pub reply: Option<Reply>,
}

impl Commit {
    /// Starts an empty commit.
    pub const fn new(account: AccountId, at: Timestamp) -> Self {
        Self {
            account,
            at,
            writes: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            reply: None,
        }
    }
}

/// How often a row was written; 0 means that it must not exist yet.
pub type Version = u64;

/// A state to write. A version that is not the stored one makes the whole commit a [`Fault::Conflict`].
#[derive(Debug, Clone)]
pub enum Write {
    /// A tenant. Repeating it changes nothing.
    Account(Account),
    /// An API key, new or changed.
    Key(Key),
    /// A request, with the links of signers that have none yet.
    Request(Box<Guarded<Request>>, Vec<SignerLink>),
    /// A request is deleted; its log stays.
    RequestGone(RequestId, Version),
    /// A contact.
    Contact(Guarded<Contact>),
    /// A contact is deleted.
    ContactGone(ContactId, Version),
    /// An endpoint; its health is wiped when it becomes enabled.
    Endpoint(Guarded<Endpoint>),
    /// A warning about an endpoint that fares like that; refused when it was well since, or was warned of as often.
    Warned(EndpointId, Health),
    /// Something that an account has set.
    Setting(Guarded<Setting>),
    /// It is set no more.
    SettingGone(SettingKind, String, Version),
    /// A notice, new or further on.
    Notice(Guarded<Notice>),
    /// A timer is set, or with `None` cleared.
    Timer(TimerKind, u128, Option<Timestamp>),
    /// A timer that was acted on is set again, or with `None` cleared; refused when it was set anew meanwhile, or is gone.
    TimerDone(Timer, Option<Timestamp>),
    /// A replay, new or advanced.
    Replay(Replay),
    /// A pending delivery becomes due now, and is offered to the lanes, or is cancelled. One that is leased or has ended
    /// stays as it is.
    Delivery(DeliveryId, State),
    /// Pending deliveries of an endpoint that nobody has leased are cancelled, at most `limit`; none of an endpoint that
    /// is enabled.
    CancelPending {
        /// Whose.
        endpoint: EndpointId,
        /// Why.
        why: Why,
        /// How many at most.
        limit: u32,
    },
}

/// A state, and the version that it was made from.
#[derive(Debug, Clone)]
pub struct Guarded<T> {
    /// The version it was made from; 0 for a new one.
    pub version: Version,
    /// The state.
    pub value: T,
}

/// Something that an account has set. Bounded in number and size by who writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is.
    pub kind: SettingKind,
    /// Its name among those of its kind, 1 to 400 bytes.
    pub name: String,
    /// What it says, as JSON.
    pub body: String,
    /// What of it must not be seen, sealed at rest.
    pub secrets: Option<Secret>,
}

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingKind {
    /// An e-mail or SMS service; named by its id.
    Provider,
    /// What differs from the default on an occasion; named by it.
    NoticeRule,
    /// A template of the account's own; named by its owner.
    Template,
    /// How mails look; named `branding`.
    Branding,
    /// Who shortens links; named `shortener`.
    Shortener,
    /// A link that was shortened for a signer of a request; named by both.
    ShortLink,
    /// An address that nothing is sent to; named by channel and address.
    Suppression,
    /// A place that a vendor's webhooks come in at; named by its id.
    Source,
    /// Which request mirrors a vendor's; named by the source, a colon, and the vendor's id.
    Mirror,
    /// A key of the whole service; named by what it is for.
    ServiceKey,
    /// What workflows are launched from; named by its id.
    WorkflowTemplate,
    /// A contract workflow; named by its id. Not bounded in number, as requests are not.
    Workflow,
    /// The text of a document in one version; named by its id, a colon, and the version.
    DocumentText,
    /// Which workflow has a number; named by ten digits of it, and `last` for the highest that was given.
    WorkflowNumber,
    /// What came of a launch that was not waited for; named by its id.
    WorkflowJob,
    /// A document that is signed; named by its id. Not bounded in number, as requests are not.
    Document,
    /// Part of a document's bytes; named by its id, a colon, and its number in four digits.
    DocumentPiece,
    /// An upload that has not come to its end; named by the document's id.
    DocumentUpload,
}

impl SettingKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Provider,
        Self::NoticeRule,
        Self::Template,
        Self::Branding,
        Self::Shortener,
        Self::ShortLink,
        Self::Suppression,
        Self::Source,
        Self::Mirror,
        Self::ServiceKey,
        Self::WorkflowTemplate,
        Self::Workflow,
        Self::DocumentText,
        Self::WorkflowNumber,
        Self::WorkflowJob,
        Self::Document,
        Self::DocumentPiece,
        Self::DocumentUpload,
    ];

    /// Names the kind in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::NoticeRule => "notice_rule",
            Self::Template => "template",
            Self::Branding => "branding",
            Self::Shortener => "shortener",
            Self::ShortLink => "short_link",
            Self::Suppression => "suppression",
            Self::Source => "source",
            Self::Mirror => "mirror",
            Self::ServiceKey => "service_key",
            Self::WorkflowTemplate => "workflow_template",
            Self::Workflow => "workflow",
            Self::DocumentText => "document_text",
            Self::WorkflowNumber => "workflow_number",
            Self::WorkflowJob => "workflow_job",
            Self::Document => "document",
            Self::DocumentPiece => "document_piece",
            Self::DocumentUpload => "document_upload",
        }
    }
}

/// A tenant.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, unique.
    pub name: String,
    /// The seed of its Ed25519 key, base64; signs webhooks and heads of chains.
    pub signing_seed: Secret,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which signer a link belongs to; only the hash of its token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerLink {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The request.
    pub request: RequestId,
    /// The signer.
    pub signer: SignerId,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// A request's time runs out; the subject is the request.
    Expiry,
    /// Signers are reminded; the subject is the request.
    Reminder,
    /// A disabled endpoint is probed; the subject is the endpoint.
    Probe,
    /// An endpoint's pending deliveries are cancelled; the subject is the endpoint.
    Sweep,
    /// A replay goes on; the subject is the replay.
    Replay,
    /// A vendor is asked about a mirror that has been silent; the subject is the request.
    Silence,
    /// A signature packet is sent at a moment said before, or its account told of that; the subject is the workflow.
    Packet,
    /// A document that no request has goes, with its pieces; the subject is the document.
    Document,
}

impl TimerKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Expiry,
        Self::Reminder,
        Self::Probe,
        Self::Sweep,
        Self::Replay,
        Self::Silence,
        Self::Packet,
        Self::Document,
    ];

    /// Names the kind in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Reminder => "reminder",
            Self::Probe => "probe",
            Self::Sweep => "sweep",
            Self::Replay => "replay",
            Self::Silence => "silence",
            Self::Packet => "packet",
            Self::Document => "document",
        }
    }
}

/// A timer that stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Whose.
    pub account: AccountId,
    /// What for.
    pub kind: TimerKind,
    /// The 128 bits of the subject's id.
    pub subject: u128,
    /// When.
    pub due_at: Timestamp,
}

/// An event, and who is to hear of it.
#[derive(Debug, Clone)]
pub struct Said {
    /// What happened. Its link is set in the commit.
    pub event: Event,
    /// Who hears of it.
    pub audience: Audience,
}

/// Who is to hear of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every enabled endpoint of the account that wants it.
    Subscribers,
    /// One endpoint alone, whatever it wants: a test.
    Only(EndpointId, Cause),
}

/// An event of the past that is told to an endpoint again, or one of the same commit of which a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDelivery {
    /// What.
    pub event: EventId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Why.
    pub cause: Cause,
    /// When at the earliest.
    pub due_at: Timestamp,
}

/// An answer kept for an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The client's key, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of method, path and body: the same key with another request is a mistake.
    pub fingerprint: [u8; 32],
    /// The HTTP status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub body: String,
}

/// How long an answer is kept for an idempotency key.
pub(crate) const REPLY_KEPT: Duration = Duration::from_hours(24);

/// What a commit answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// One for each event, in order.
    pub events: Vec<Noted>,
    /// The ids of [`Commit::deliveries`], and of deliveries to an [`Audience::Only`], in order; those that were made
    /// before are left out.
    pub deliveries: Vec<DeliveryId>,
    /// How many deliveries [`Write::CancelPending`] and [`Write::Delivery`] changed.
    pub changed: u64,
}

/// What became of an event in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The event's id; that of the first one when the account's own key was known.
    pub id: EventId,
    /// Whether it was in the log already.
    pub known: bool,
}

/// Why a commit was refused. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Somebody else was faster; load and decide again.
    #[error("the {what} has changed meanwhile")]
    Conflict {
        /// Which noun.
        what: &'static str,
    },
    /// An endpoint with that URL exists.
    #[error("the url is registered already, as {id}")]
    UrlTaken {
        /// The first one.
        id: EndpointId,
    },
    /// The idempotency key is known; here is the answer it got.
    #[error("the idempotency key is known")]
    Repeated(Reply),
    /// Something that the commit refers to does not exist.
    #[error("there is no such {what}")]
    Missing {
        /// Which noun.
        what: &'static str,
    },
    /// The text of an event that the commit tells again has outlived its time.
    #[error("the text of the event was forgotten")]
    Forgotten,
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] Error),
}

/// An ended attempt, with what follows from it.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Whose.
    pub account: AccountId,
    /// To whom.
    pub endpoint: EndpointId,
    /// The request whose timeline records the attempt, if any.
    pub request: Option<RequestId>,
    /// The attempt; its number tells a repeated settlement. Shared, since whoever settles keeps it until it is written.
    pub attempt: Arc<Attempt>,
    /// Where the delivery stands now.
    pub state: State,
    /// Whether the receiver took it, where that counts for the endpoint's health (a test does not).
    pub health: Option<bool>,
    /// What else happened, such as `delivery.exhausted`; told to all who want it.
    pub events: Vec<Event>,
}

/// What a settlement answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Endpoints of which there is something to say; given again at the next failure until a commit acts on it.
    pub changes: Vec<(AccountId, EndpointId, Health, Change)>,
}

impl Write {
    /// Gives the moment of the timer that this sets, if it sets one.
    pub const fn timer(&self) -> Option<Timestamp> {
        match self {
            Self::Timer(_, _, due) | Self::TimerDone(_, due) => *due,
            Self::Account(_)
            | Self::Key(_)
            | Self::Request(..)
            | Self::RequestGone(..)
            | Self::Contact(_)
            | Self::ContactGone(..)
            | Self::Endpoint(_)
            | Self::Setting(_)
            | Self::SettingGone(..)
            | Self::Notice(_)
            | Self::Warned(..)
            | Self::Replay(_)
            | Self::Delivery(..)
            | Self::CancelPending { .. } => None,
        }
    }
}
