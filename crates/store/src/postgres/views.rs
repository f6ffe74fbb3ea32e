//! The questions that `web` and `engine` ask.

use std::time::Duration;

use async_trait::async_trait;
use domain::chain::{Hash, Link as Place, What};
use domain::contact::Contact;
use domain::delivery::Attempt;
use domain::endpoint::Dialect;
use domain::event::Event;
use domain::id::{
    AccountId, ContactId, DeliveryId, EndpointId, EventId, KeyId, NoticeId, ReplayId, RequestId,
    SignerId, lowest,
};
use domain::key::Key;
use domain::notice::Notice;
use domain::replay::Replay;
use domain::request::Request;
use domain::secret::Secret;
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time;
use tokio_postgres::Row;

use super::link::{Arguments, Link};
use super::pool::Readers;
use super::rows::{self, Id, SEAL_ACCOUNT, parsed};
use super::sql;
use crate::commit::{Account, Reply, SettingKind, SignerLink, Version};
use crate::error::Error;
use crate::views::{
    DeliveryFilter, DeliveryRow, EndpointRow, EventFilter, Lag, Page, ReplayRow, RequestFilter,
    SettingRow, Stats, TimelineEntry, Views,
};

/// Transactions under way are waited for so often, and so long each time.
const FOLLOW_LOOKS_MAX: u32 = 100;
const FOLLOW_PAUSE: Duration = Duration::from_millis(10);

impl Readers {
    /// Reads every row of a statement.
    async fn all<T>(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
        read: impl Fn(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        let found = self.lend().await?.ask(text, arguments).await?;
        found.iter().map(read).collect()
    }

    /// Reads the log in the order it was written, up to the oldest transaction under way.
    ///
    /// Most of these take some milliseconds, so that whoever asks for what was acknowledged just now finds it; one that
    /// takes longer is not waited for.
    async fn follow(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
        read: impl Fn(&Row) -> Result<Event, Error> + Send,
    ) -> Result<Vec<Event>, Error> {
        let link = self.lend().await?;
        // The account, and what places in the log are counted from.
        if let [account, _, _, _, base, ..] = arguments {
            let hidden: Arguments<'_> = &[*account, *base];
            let mut pause = time::interval(FOLLOW_PAUSE);
            let mut looks = 0;
            while looks < FOLLOW_LOOKS_MAX && !link.ask(sql::event_hidden, hidden).await?.is_empty()
            {
                pause.tick().await;
                looks += 1;
            }
        }
        link.ask(text, arguments).await?.iter().map(read).collect()
    }

    /// Reads the first row of a statement, if there is one.
    async fn first<T>(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
        read: impl Fn(&Row) -> Result<T, Error> + Send,
    ) -> Result<Option<T>, Error> {
        let found = self.lend().await?.ask(text, arguments).await?;
        found.first().map(read).transpose()
    }
}

fn body<T: DeserializeOwned>(table: &'static str) -> impl Fn(&Row) -> Result<T, Error> {
    move |row| parsed(table, rows::column(row, 0)?)
}

fn versioned<T: DeserializeOwned>(
    table: &'static str,
) -> impl Fn(&Row) -> Result<(T, Version), Error> {
    move |row| Ok((body(table)(row)?, rows::column::<i64>(row, 1)?.unsigned_abs()))
}

/// The bound of a page that goes down: everything, or what is older than the last row.
fn below(page: Page) -> Id {
    Id(page.after.unwrap_or(u128::MAX))
}

/// The bound of a page that goes up.
fn above(page: Page) -> Id {
    Id(page.after.unwrap_or(0))
}

fn limit(page: Page) -> i64 {
    i64::from(page.limit)
}

fn delivery_row(row: &Row) -> Result<DeliveryRow, Error> {
    Ok(DeliveryRow { delivery: rows::delivery(row)?, event_name: rows::column(row, 12)? })
}

#[async_trait]
impl Views for Readers {
    async fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.all(sql::account_list, &[], |row| {
            let seed = self.shared.master.open(SEAL_ACCOUNT, rows::column(row, 2)?);
            Ok(Account {
                id: AccountId::new(rows::bits(row, 0)?),
                name: rows::column(row, 1)?,
                signing_seed: Secret::new(seed.ok_or_else(|| Error::Unusable {
                    detail: "the key of an account does not open: the master key is not the one it was sealed with"
                        .to_owned(),
                    source: None,
                })?),
                created_at: rows::moment(row, 3)?,
            })
        })
        .await
    }

    async fn key_by_hash(&self, hash: Hash) -> Result<Option<Key>, Error> {
        self.first(sql::key_by_hash, &[&hash.0.as_slice()], body("keys")).await
    }

    async fn key(&self, account: AccountId, id: KeyId) -> Result<Option<Key>, Error> {
        self.first(sql::key_read, &[&Id(account.bits()), &Id(id.bits())], body("keys")).await
    }

    async fn keys(&self, account: AccountId) -> Result<Vec<Key>, Error> {
        self.all(sql::key_list, &[&Id(account.bits())], body("keys")).await
    }

    async fn request(
        &self,
        account: AccountId,
        id: RequestId,
    ) -> Result<Option<(Request, Version)>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        self.first(sql::request_read, arguments, versioned("requests")).await
    }

    async fn requests(
        &self,
        account: AccountId,
        filter: RequestFilter,
        page: Page,
    ) -> Result<Vec<Request>, Error> {
        let RequestFilter { status, archived } = filter;
        let (of, bound, limit) = (Id(account.bits()), below(page), limit(page));
        if let Some(status) = status {
            let arguments: Arguments<'_> = &[&of, &bound, &status, &archived, &limit];
            self.all(sql::request_list_of_status, arguments, body("requests")).await
        } else {
            let arguments: Arguments<'_> = &[&of, &bound, &archived, &limit];
            self.all(sql::request_list, arguments, body("requests")).await
        }
    }

    async fn open_requests(&self, account: AccountId, looked_at: u32) -> Result<u32, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &i64::from(looked_at)];
        let count =
            self.first(sql::request_count_open, arguments, |row| rows::column::<i64>(row, 0));
        Ok(count.await?.and_then(|count| u32::try_from(count).ok()).unwrap_or(0))
    }

    async fn link(&self, hash: [u8; 32]) -> Result<Option<(AccountId, SignerLink)>, Error> {
        self.first(sql::link_read, &[&hash.as_slice()], |row| {
            let (request, signer) =
                (RequestId::new(rows::bits(row, 1)?), SignerId::new(rows::bits(row, 2)?));
            Ok((AccountId::new(rows::bits(row, 0)?), SignerLink { hash, request, signer }))
        })
        .await
    }

    async fn contact(
        &self,
        account: AccountId,
        id: ContactId,
    ) -> Result<Option<(Contact, Version)>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        self.first(sql::contact_read, arguments, versioned("contacts")).await
    }

    async fn contacts(&self, account: AccountId, page: Page) -> Result<Vec<Contact>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &below(page), &limit(page)];
        self.all(sql::contact_list, arguments, body("contacts")).await
    }

    async fn endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
    ) -> Result<Option<EndpointRow>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        let read = |row: &Row| rows::endpoint(row, &self.shared.master);
        self.first(sql::endpoint_read, arguments, read).await
    }

    async fn endpoints(&self, account: AccountId, page: Page) -> Result<Vec<EndpointRow>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &below(page), &limit(page)];
        let read = |row: &Row| rows::endpoint(row, &self.shared.master);
        self.all(sql::endpoint_list, arguments, read).await
    }

    async fn callback_endpoint(
        &self,
        account: AccountId,
        dialect: Dialect,
        origin: String,
    ) -> Result<Option<EndpointRow>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &dialect.as_str(), &origin];
        let read = |row: &Row| rows::endpoint(row, &self.shared.master);
        self.first(sql::endpoint_by_origin, arguments, read).await
    }

    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        self.first(sql::event_read, arguments, |row| rows::event(row, 0, account)).await
    }

    async fn events(
        &self,
        account: AccountId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Vec<Event>, Error> {
        let names = Some(filter.names).filter(|names| !names.is_empty());
        let (of, limit) = (Id(account.bits()), limit(page));
        let read = |row: &Row| rows::event(row, 0, account);
        let request = filter.request.map(|request| Id(request.bits()));
        let base = self.shared.log_base;
        match (request, filter.ascending) {
            (None, false) => {
                let arguments: Arguments<'_> = &[&of, &below(page), &names, &limit];
                self.all(sql::event_list_newest, arguments, read).await
            }
            (None, true) => {
                let arguments: Arguments<'_> = &[&of, &above(page), &names, &limit, &base];
                self.follow(sql::event_list_oldest, arguments, read).await
            }
            (Some(request), false) => {
                let arguments: Arguments<'_> = &[&of, &request, &below(page), &names, &limit];
                self.all(sql::event_list_of_request, arguments, read).await
            }
            (Some(request), true) => {
                let arguments: Arguments<'_> =
                    &[&of, &above(page), &names, &limit, &base, &request];
                self.follow(sql::event_list_of_request_oldest, arguments, read).await
            }
        }
    }

    async fn delivery(
        &self,
        account: AccountId,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        let Some(row) = self.first(sql::delivery_read, arguments, delivery_row).await? else {
            return Ok(None);
        };
        let read = |row: &Row| rows::attempt(row, id);
        let attempts = self.all(sql::attempt_list, arguments, read).await?;
        Ok(Some((row, attempts)))
    }

    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let (of, bound, limit) = (Id(account.bits()), below(page), limit(page));
        let endpoint = filter.endpoint.map(|id| Id(id.bits()));
        let event = filter.event.map(|id| Id(id.bits()));
        let failed = matches!(filter.state.as_deref(), Some("exhausted" | "cancelled"));
        let arguments: Arguments<'_> = &[&of, &bound, &endpoint, &filter.state, &limit];
        match (&event, &endpoint, failed) {
            (Some(event), ..) => {
                let arguments: Arguments<'_> =
                    &[&of, &bound, &endpoint, &filter.state, &limit, event];
                self.all(sql::delivery_list_of_event, arguments, delivery_row).await
            }
            (None, Some(_), true) => {
                self.all(sql::delivery_list_failed, arguments, delivery_row).await
            }
            (None, ..) => self.all(sql::delivery_list, arguments, delivery_row).await,
        }
    }

    async fn timeline(
        &self,
        account: AccountId,
        request: RequestId,
        page: Page,
    ) -> Result<Vec<TimelineEntry>, Error> {
        let after = i64::try_from(page.after.unwrap_or(0)).unwrap_or(i64::MAX);
        let arguments: Arguments<'_> =
            &[&Id(account.bits()), &Id(request.bits()), &after, &limit(page)];
        let link = self.lend().await?;
        let mut entries = Vec::new();
        for row in link.ask(sql::timeline_list, arguments).await? {
            entries.push(timeline_entry(&link, account, &row).await?);
        }
        Ok(entries)
    }

    async fn replay(&self, account: AccountId, id: ReplayId) -> Result<Option<Replay>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        self.first(sql::replay_read, arguments, body("replays")).await
    }

    async fn replays(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        page: Page,
    ) -> Result<Vec<Replay>, Error> {
        let arguments: Arguments<'_> =
            &[&Id(account.bits()), &Id(endpoint.bits()), &below(page), &limit(page)];
        self.all(sql::replay_list, arguments, body("replays")).await
    }

    async fn replay_page(&self, replay: Replay, limit: u32) -> Result<Vec<ReplayRow>, Error> {
        let of = Id(replay.account.bits());
        let from = replay.cursor.map_or(lowest(replay.since).saturating_sub(1), EventId::bits);
        let arguments: Arguments<'_> =
            &[&of, &Id(from), &Id(lowest(replay.until)), &i64::from(limit)];
        let link = self.lend().await?;
        let mut page = Vec::new();
        for row in link.ask(sql::replay_events, arguments).await? {
            let event = rows::event(&row, 0, replay.account)?;
            let endpoint = Id(replay.endpoint.bits());
            let arguments: Arguments<'_> =
                &[&of, &Id(event.id.bits()), &endpoint, &Id(replay.id.bits())];
            let last = link.ask(sql::delivery_last_of, arguments).await?;
            let last = last.first().map(rows::delivery).transpose()?;
            let forgotten = rows::column(&row, 10)?;
            page.push(ReplayRow { event, forgotten, last });
        }
        Ok(page)
    }

    async fn reply(
        &self,
        account: AccountId,
        key: String,
        now: Timestamp,
    ) -> Result<Option<Reply>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &key.as_bytes(), &now.as_millis()];
        let read = |row: &Row| rows::reply(row, 0, &key, &self.shared.master);
        self.first(sql::reply_read, arguments, read).await
    }

    async fn setting(
        &self,
        account: AccountId,
        kind: SettingKind,
        name: String,
    ) -> Result<Option<SettingRow>, Error> {
        let word = kind.as_str();
        let arguments: Arguments<'_> = &[&Id(account.bits()), &word, &name];
        let master = &self.shared.master;
        self.first(sql::setting_read, arguments, |row| rows::setting(row, kind, master)).await
    }

    async fn settings(
        &self,
        account: AccountId,
        kind: SettingKind,
        after: String,
        limit: u32,
    ) -> Result<Vec<SettingRow>, Error> {
        let (word, limit) = (kind.as_str(), i64::from(limit));
        let arguments: Arguments<'_> = &[&Id(account.bits()), &word, &after, &limit];
        let master = &self.shared.master;
        self.all(sql::setting_list, arguments, |row| rows::setting(row, kind, master)).await
    }

    async fn notice(
        &self,
        account: AccountId,
        id: NoticeId,
    ) -> Result<Option<(Notice, Version)>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        self.first(sql::notice_read, arguments, versioned("notices")).await
    }

    async fn notice_of_anybody(&self, id: NoticeId) -> Result<Option<(Notice, Version)>, Error> {
        self.first(sql::notice_find, &[&Id(id.bits())], versioned("notices")).await
    }

    async fn notice_by_message(
        &self,
        account: AccountId,
        message_id: String,
    ) -> Result<Option<(Notice, Version)>, Error> {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &message_id];
        self.first(sql::notice_by_message, arguments, versioned("notices")).await
    }

    async fn notices(
        &self,
        account: AccountId,
        request: Option<RequestId>,
        page: Page,
    ) -> Result<Vec<Notice>, Error> {
        let (of, bound, limit) = (Id(account.bits()), below(page), limit(page));
        match request.map(|id| Id(id.bits())) {
            None => self.all(sql::notice_list, &[&of, &bound, &limit], body("notices")).await,
            Some(request) => {
                let arguments: Arguments<'_> = &[&of, &request, &bound, &limit];
                self.all(sql::notice_list_of_request, arguments, body("notices")).await
            }
        }
    }

    async fn notice_delivery(
        &self,
        notice: Notice,
        endpoint: EndpointId,
    ) -> Result<Option<DeliveryId>, Error> {
        let (account, event) = (Id(notice.account.bits()), Id(notice.event.bits()));
        let (endpoint, id) = (Id(endpoint.bits()), Id(notice.id.bits()));
        let arguments: Arguments<'_> = &[&account, &event, &endpoint, &id];
        self.first(sql::delivery_of_cause, arguments, |row| {
            Ok(DeliveryId::new(rows::bits(row, 0)?))
        })
        .await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let stats = self
            .first(sql::stats, &[], |row| {
                Ok(Stats {
                    pending: rows::column::<i64>(row, 0)?.unsigned_abs(),
                    events: rows::column::<i64>(row, 1)?.unsigned_abs(),
                    bytes: rows::column::<i64>(row, 2)?.unsigned_abs(),
                    ..Stats::default()
                })
            })
            .await?;
        let oldest = self.first(sql::oldest, &[], |row| {
            let moment = |at| {
                let millis: Option<i64> = rows::column(row, at)?;
                Ok::<_, Error>(millis.map(Timestamp::from_millis))
            };
            Ok((moment(0)?, moment(1)?))
        });
        let (oldest_event, oldest_delivery) = oldest.await?.unwrap_or_default();
        Ok(Stats { oldest_event, oldest_delivery, ..stats.unwrap_or_default() })
    }

    async fn lags(&self, now: Timestamp) -> Result<Vec<Lag>, Error> {
        let read = |row: &Row| {
            let endpoint = EndpointId::new(rows::bits(row, 0)?);
            Ok(Lag { endpoint, due_at: rows::moment(row, 1)? })
        };
        let ours = self.shared.node().ids();
        self.all(sql::queue_lags, &[&now.as_millis(), &ours], read).await
    }
}

/// Reads an entry of a timeline together with what it points to.
async fn timeline_entry(
    link: &Link,
    account: AccountId,
    row: &Row,
) -> Result<TimelineEntry, Error> {
    let of = Id(account.bits());
    let id = rows::bits(row, 3)?;
    let delivery = rows::bits_or_none(row, 4)?.map(DeliveryId::new);
    let number: Option<i32> = rows::column(row, 5)?;
    let (what, event, attempt) = match delivery.zip(number) {
        None => {
            let found = link.ask(sql::event_read, &[&of, &Id(id)]).await?;
            let event = found.first().map(|row| rows::event(row, 0, account)).transpose()?;
            (What::Event, event, None)
        }
        Some((delivery, number)) => {
            let which = Id(delivery.bits());
            let found = link.ask(sql::attempt_read, &[&of, &which, &number]).await?;
            let attempt = found.first().map(|row| rows::attempt(row, delivery)).transpose()?;
            let found = link.ask(sql::delivery_read, &[&of, &which]).await?;
            let delivery = found.first().map(rows::delivery).transpose()?;
            (What::Attempt, None, delivery.zip(attempt))
        }
    };
    let seq = rows::column::<i64>(row, 0)?.unsigned_abs();
    let link = Place { seq, hash: rows::hash(row, 1)? };
    let (at, digest) = (rows::moment(row, 6)?, rows::hash(row, 7)?);
    Ok(TimelineEntry { link, what, id, at, digest, event, attempt })
}
