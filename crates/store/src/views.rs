//! What may be read: by `web` to show, by `engine` to decide.
//!
//! Invariants: a view never writes; another account's row is as absent as one that never was;
//! pages are ordered by id, newest first unless said otherwise, and bounded by their limit; the log is followed in the
//! order in which it was written.

use std::fmt::Debug;

use async_trait::async_trait;
use domain::chain::{Hash, Link, What};
use domain::contact::Contact;
use domain::delivery::{Attempt, Delivery};
use domain::endpoint::{Dialect, Endpoint};
use domain::event::Event;
use domain::health::Health;
use domain::id::{
    AccountId, ContactId, DeliveryId, EndpointId, EventId, KeyId, NoticeId, ReplayId, RequestId,
};
use domain::key::Key;
use domain::notice::Notice;
use domain::replay::Replay;
use domain::request::Request;
use domain::time::Timestamp;

use crate::commit::{Account, Reply, Setting, SettingKind, SignerLink, Version};
use crate::error::Error;

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows at most, 1 to 1,000.
    pub limit: u32,
    /// Rows older (or, where the order is oldest first, newer) than the one with these 128 bits of id.
    pub after: Option<u128>,
}

/// Which requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only those with this status.
    pub status: Option<String>,
    /// Only archived ones, or only others.
    pub archived: Option<bool>,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those of this request.
    pub request: Option<RequestId>,
    /// Only those with one of these names.
    pub names: Vec<String>,
    /// In the order in which they came into the log: each is shown once to who goes on behind the last one shown,
    /// whatever else is committed meanwhile. `after` is that event's id; when that event is not there, the one before it
    /// by id stands for it.
    pub ascending: bool,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those to this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only those of this event.
    pub event: Option<EventId>,
    /// Only those in this state.
    pub state: Option<String>,
}

/// An endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its version.
    pub version: Version,
    /// How it fares.
    pub health: Health,
}

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The delivery.
    pub delivery: Delivery,
    /// The name of its event.
    pub event_name: String,
}

/// A setting as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// What is set.
    pub setting: Setting,
    /// Its version.
    pub version: Version,
}

/// One entry of a request's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its place and hash.
    pub link: Link,
    /// Event or attempt.
    pub what: What,
    /// The 128 bits of its id.
    pub id: u128,
    /// When.
    pub at: Timestamp,
    /// The digest of what it says.
    pub digest: Hash,
    /// The event, when it is one.
    pub event: Option<Event>,
    /// The attempt and its delivery, when it is one.
    pub attempt: Option<(Delivery, Attempt)>,
}

/// One row of a page of the log, as a replay looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRow {
    /// The event, without its data.
    pub event: Event,
    /// Whether its text was forgotten, so that it cannot be told any more.
    pub forgotten: bool,
    /// The last delivery of it to the endpoint, the replay's own apart.
    pub last: Option<Delivery>,
}

/// Counts that an operator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Deliveries under way.
    pub pending: u64,
    /// Bytes of the database, its log included.
    pub bytes: u64,
    /// The highest position in the log of events.
    pub events: u64,
    /// When the oldest event happened that is left, that of requests included.
    pub oldest_event: Option<Timestamp>,
    /// When the oldest delivery was made that is left.
    pub oldest_delivery: Option<Timestamp>,
}

/// How late the oldest due delivery of an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Whose.
    pub endpoint: EndpointId,
    /// Since when it is due.
    pub due_at: Timestamp,
}

/// What may be read.
#[async_trait]
pub trait Views: Send + Sync + Debug {
    /// Lists the tenants.
    async fn accounts(&self) -> Result<Vec<Account>, Error>;
    /// Finds a key by the hash of its text.
    async fn key_by_hash(&self, hash: Hash) -> Result<Option<Key>, Error>;
    /// Finds a key.
    async fn key(&self, account: AccountId, id: KeyId) -> Result<Option<Key>, Error>;
    /// Lists keys, revoked ones too.
    async fn keys(&self, account: AccountId) -> Result<Vec<Key>, Error>;
    /// Finds a request that was not deleted.
    async fn request(
        &self,
        account: AccountId,
        id: RequestId,
    ) -> Result<Option<(Request, Version)>, Error>;
    /// Lists requests that were not deleted.
    async fn requests(
        &self,
        account: AccountId,
        filter: RequestFilter,
        page: Page,
    ) -> Result<Vec<Request>, Error>;
    /// Counts the requests of the account's own that are with their signers, among the newest `looked_at` that are, mirrors
    /// included.
    async fn open_requests(&self, account: AccountId, looked_at: u32) -> Result<u32, Error>;
    /// Finds whose link a token is, by the hash of the token.
    async fn link(&self, hash: [u8; 32]) -> Result<Option<(AccountId, SignerLink)>, Error>;
    /// Finds a contact.
    async fn contact(
        &self,
        account: AccountId,
        id: ContactId,
    ) -> Result<Option<(Contact, Version)>, Error>;
    /// Lists contacts.
    async fn contacts(&self, account: AccountId, page: Page) -> Result<Vec<Contact>, Error>;
    /// Finds an endpoint, callback endpoints and deleted ones too: the caller looks at scope and status.
    async fn endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
    ) -> Result<Option<EndpointRow>, Error>;
    /// Lists registered endpoints that were not deleted.
    async fn endpoints(&self, account: AccountId, page: Page) -> Result<Vec<EndpointRow>, Error>;
    /// Finds the callback endpoint of an origin in a dialect.
    async fn callback_endpoint(
        &self,
        account: AccountId,
        dialect: Dialect,
        origin: String,
    ) -> Result<Option<EndpointRow>, Error>;
    /// Finds an event.
    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, Error>;
    /// Lists events.
    async fn events(
        &self,
        account: AccountId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Vec<Event>, Error>;
    /// Finds a delivery and its attempts, first one first.
    async fn delivery(
        &self,
        account: AccountId,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, Error>;
    /// Lists deliveries.
    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Vec<DeliveryRow>, Error>;
    /// Gives a request's timeline in order, that of a deleted request too; `after` counts entries.
    async fn timeline(
        &self,
        account: AccountId,
        request: RequestId,
        page: Page,
    ) -> Result<Vec<TimelineEntry>, Error>;
    /// Finds a replay.
    async fn replay(&self, account: AccountId, id: ReplayId) -> Result<Option<Replay>, Error>;
    /// Lists replays of an endpoint.
    async fn replays(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        page: Page,
    ) -> Result<Vec<Replay>, Error>;
    /// Gives the next events of a replay's span after its cursor, oldest first, tests apart.
    async fn replay_page(&self, replay: Replay, limit: u32) -> Result<Vec<ReplayRow>, Error>;
    /// Finds the answer kept for an idempotency key that has not run out.
    async fn reply(
        &self,
        account: AccountId,
        key: String,
        now: Timestamp,
    ) -> Result<Option<Reply>, Error>;
    /// Finds a setting.
    async fn setting(
        &self,
        account: AccountId,
        kind: SettingKind,
        name: String,
    ) -> Result<Option<SettingRow>, Error>;
    /// Lists settings of a kind by name, those after `after`, at most `limit`.
    async fn settings(
        &self,
        account: AccountId,
        kind: SettingKind,
        after: String,
        limit: u32,
    ) -> Result<Vec<SettingRow>, Error>;
    /// Finds a notice.
    async fn notice(
        &self,
        account: AccountId,
        id: NoticeId,
    ) -> Result<Option<(Notice, Version)>, Error>;
    /// Finds a notice whoever's it is, as a link is found: for reports that come in without an account.
    async fn notice_of_anybody(&self, id: NoticeId) -> Result<Option<(Notice, Version)>, Error>;
    /// Finds the newest notice of which a provider gave this id.
    async fn notice_by_message(
        &self,
        account: AccountId,
        message_id: String,
    ) -> Result<Option<(Notice, Version)>, Error>;
    /// Lists notices, those of one request or all.
    async fn notices(
        &self,
        account: AccountId,
        request: Option<RequestId>,
        page: Page,
    ) -> Result<Vec<Notice>, Error>;
    /// Finds the delivery of a notice on its way through this endpoint.
    async fn notice_delivery(
        &self,
        notice: Notice,
        endpoint: EndpointId,
    ) -> Result<Option<DeliveryId>, Error>;
    /// Counts.
    async fn stats(&self) -> Result<Stats, Error>;
    /// Lists the oldest due delivery of each enabled endpoint that has one; those held behind others do not count, nor
    /// those that another node has leased.
    async fn lags(&self, now: Timestamp) -> Result<Vec<Lag>, Error>;
}
