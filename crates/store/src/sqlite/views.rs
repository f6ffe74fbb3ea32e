//! The questions that `web` and `engine` ask.

use std::fs;

use async_trait::async_trait;
use domain::chain::{Hash, Link, What};
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
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql, params};
use serde::de::DeserializeOwned;

use super::lease::next_endpoint;
use super::reader::Readers;
use super::rows::{self, SEAL_ACCOUNT, blob, parsed, trouble};
use super::sql;
use crate::commit::{Account, Reply, SettingKind, SignerLink, Version};
use crate::error::Error;
use crate::views::{
    DeliveryFilter, DeliveryRow, EndpointRow, EventFilter, Lag, Page, ReplayRow, RequestFilter,
    SettingRow, Stats, TimelineEntry, Views,
};

/// Reads every row of a statement.
fn all<T>(
    db: &Connection,
    text: &str,
    arguments: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let mut found = statement.query(arguments).map_err(trouble)?;
    let mut out = Vec::new();
    while let Some(row) = found.next().map_err(trouble)? {
        out.push(read(row)?);
    }
    Ok(out)
}

/// Reads the first row of a statement, if there is one.
fn first<T>(
    db: &Connection,
    text: &str,
    arguments: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let mut found = statement.query(arguments).map_err(trouble)?;
    found.next().map_err(trouble)?.map(read).transpose()
}

fn body<T: DeserializeOwned>(table: &'static str) -> impl Fn(&Row<'_>) -> Result<T, Error> {
    move |row| parsed(table, &rows::column::<String>(row, 0)?)
}

fn versioned<T: DeserializeOwned>(
    table: &'static str,
) -> impl Fn(&Row<'_>) -> Result<(T, Version), Error> {
    move |row| Ok((body(table)(row)?, rows::column::<i64>(row, 1)?.unsigned_abs()))
}

/// The bound of a page that goes down: everything, or what is older than the last row.
fn below(page: Page) -> [u8; 16] {
    blob(page.after.unwrap_or(u128::MAX))
}

/// The bound of a page that goes up.
fn above(page: Page) -> [u8; 16] {
    blob(page.after.unwrap_or(0))
}

fn delivery_row(row: &Row<'_>) -> Result<DeliveryRow, Error> {
    Ok(DeliveryRow { delivery: rows::delivery(row)?, event_name: rows::column(row, 12)? })
}

#[async_trait]
impl Views for Readers {
    async fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.ask(|db, master| {
            all(db, sql::account_list, [], |row| {
                let seed = master.open(SEAL_ACCOUNT, &rows::column::<Vec<u8>>(row, 2)?);
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
        })
        .await
    }

    async fn key_by_hash(&self, hash: Hash) -> Result<Option<Key>, Error> {
        self.ask(move |db, _| first(db, sql::key_by_hash, [hash.0], body("keys"))).await
    }

    async fn key(&self, account: AccountId, id: KeyId) -> Result<Option<Key>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask(move |db, _| first(db, sql::key_read, arguments, body("keys"))).await
    }

    async fn keys(&self, account: AccountId) -> Result<Vec<Key>, Error> {
        self.ask(move |db, _| all(db, sql::key_list, [blob(account.bits())], body("keys"))).await
    }

    async fn request(
        &self,
        account: AccountId,
        id: RequestId,
    ) -> Result<Option<(Request, Version)>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask(move |db, _| first(db, sql::request_read, arguments, versioned("requests"))).await
    }

    async fn requests(
        &self,
        account: AccountId,
        filter: RequestFilter,
        page: Page,
    ) -> Result<Vec<Request>, Error> {
        self.ask(move |db, _| {
            let RequestFilter { status, archived } = filter;
            let (of, bound) = (blob(account.bits()), below(page));
            if let Some(status) = status {
                let arguments = params![of, bound, status, archived, page.limit];
                all(db, sql::request_list_of_status, arguments, body("requests"))
            } else {
                let arguments = params![of, bound, archived, page.limit];
                all(db, sql::request_list, arguments, body("requests"))
            }
        })
        .await
    }

    async fn open_requests(&self, account: AccountId, looked_at: u32) -> Result<u32, Error> {
        self.ask(move |db, _| {
            let arguments = params![blob(account.bits()), looked_at];
            let count = first(db, sql::request_count_open, arguments, |row| rows::column(row, 0))?;
            Ok(count.unwrap_or(0))
        })
        .await
    }

    async fn link(&self, hash: [u8; 32]) -> Result<Option<(AccountId, SignerLink)>, Error> {
        self.ask(move |db, _| {
            first(db, sql::link_read, [hash], |row| {
                let (request, signer) =
                    (RequestId::new(rows::bits(row, 1)?), SignerId::new(rows::bits(row, 2)?));
                Ok((AccountId::new(rows::bits(row, 0)?), SignerLink { hash, request, signer }))
            })
        })
        .await
    }

    async fn contact(
        &self,
        account: AccountId,
        id: ContactId,
    ) -> Result<Option<(Contact, Version)>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask(move |db, _| first(db, sql::contact_read, arguments, versioned("contacts"))).await
    }

    async fn contacts(&self, account: AccountId, page: Page) -> Result<Vec<Contact>, Error> {
        self.ask(move |db, _| {
            let arguments = params![blob(account.bits()), below(page), page.limit];
            all(db, sql::contact_list, arguments, body("contacts"))
        })
        .await
    }

    async fn endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
    ) -> Result<Option<EndpointRow>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask(move |db, master| {
            first(db, sql::endpoint_read, arguments, |row| rows::endpoint(row, master))
        })
        .await
    }

    async fn endpoints(&self, account: AccountId, page: Page) -> Result<Vec<EndpointRow>, Error> {
        self.ask(move |db, master| {
            let arguments = params![blob(account.bits()), below(page), page.limit];
            all(db, sql::endpoint_list, arguments, |row| rows::endpoint(row, master))
        })
        .await
    }

    async fn callback_endpoint(
        &self,
        account: AccountId,
        dialect: Dialect,
        origin: String,
    ) -> Result<Option<EndpointRow>, Error> {
        self.ask(move |db, master| {
            let arguments = params![blob(account.bits()), dialect.as_str(), origin];
            first(db, sql::endpoint_by_origin, arguments, |row| rows::endpoint(row, master))
        })
        .await
    }

    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask_latest(move |db, _| {
            first(db, sql::event_read, arguments, |row| rows::event(row, 0, account))
        })
        .await
    }

    async fn events(
        &self,
        account: AccountId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Vec<Event>, Error> {
        let names = serde_json::to_string(&filter.names).ok().filter(|_| !filter.names.is_empty());
        let (of, limit) = (blob(account.bits()), page.limit);
        let request = filter.request.map(|request| blob(request.bits()));
        let read = move |row: &Row<'_>| rows::event(row, 0, account);
        if filter.ascending {
            let after = above(page);
            return self
                .ask_log(move |db, end| {
                    let arguments = params![of, after, names, limit, end];
                    let Some(request) = request else {
                        return all(db, sql::event_list_oldest, arguments, read);
                    };
                    let arguments = params![of, after, names, limit, end, request];
                    all(db, sql::event_list_of_request_oldest, arguments, read)
                })
                .await;
        }
        let before = below(page);
        self.ask_latest(move |db, _| match request {
            None => all(db, sql::event_list_newest, params![of, before, names, limit], read),
            Some(request) => {
                let arguments = params![of, request, before, names, limit];
                all(db, sql::event_list_of_request, arguments, read)
            }
        })
        .await
    }

    async fn delivery(
        &self,
        account: AccountId,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask_latest(move |db, _| {
            let Some(row) = first(db, sql::delivery_read, arguments, delivery_row)? else {
                return Ok(None);
            };
            let attempts = all(db, sql::attempt_list, arguments, |row| rows::attempt(row, id))?;
            Ok(Some((row, attempts)))
        })
        .await
    }

    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Vec<DeliveryRow>, Error> {
        self.ask_latest(move |db, _| {
            let of = blob(account.bits());
            let endpoint = filter.endpoint.map(|id| blob(id.bits()));
            let event = filter.event.map(|id| blob(id.bits()));
            let bound = below(page);
            let failed = matches!(filter.state.as_deref(), Some("exhausted" | "cancelled"));
            let mut arguments: Vec<&dyn ToSql> =
                vec![&of, &bound, &endpoint, &filter.state, &page.limit];
            let text = match (&event, &endpoint, failed) {
                (Some(event), ..) => {
                    arguments.push(event);
                    sql::delivery_list_of_event
                }
                (None, Some(_), true) => sql::delivery_list_failed,
                (None, ..) => sql::delivery_list,
            };
            all(db, text, arguments.as_slice(), delivery_row)
        })
        .await
    }

    async fn timeline(
        &self,
        account: AccountId,
        request: RequestId,
        page: Page,
    ) -> Result<Vec<TimelineEntry>, Error> {
        self.ask_latest(move |db, _| {
            let after = i64::try_from(page.after.unwrap_or(0)).unwrap_or(i64::MAX);
            let arguments = params![blob(account.bits()), blob(request.bits()), after, page.limit];
            all(db, sql::timeline_list, arguments, |row| timeline_entry(db, account, row))
        })
        .await
    }

    async fn replay(&self, account: AccountId, id: ReplayId) -> Result<Option<Replay>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask(move |db, _| first(db, sql::replay_read, arguments, body("replays"))).await
    }

    async fn replays(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        page: Page,
    ) -> Result<Vec<Replay>, Error> {
        self.ask(move |db, _| {
            let of = (blob(account.bits()), blob(endpoint.bits()));
            let arguments = params![of.0, of.1, below(page), page.limit];
            all(db, sql::replay_list, arguments, body("replays"))
        })
        .await
    }

    async fn replay_page(&self, replay: Replay, limit: u32) -> Result<Vec<ReplayRow>, Error> {
        self.ask_latest(move |db, _| {
            let of = blob(replay.account.bits());
            let from = replay.cursor.map_or(lowest(replay.since).saturating_sub(1), EventId::bits);
            let arguments = params![of, blob(from), blob(lowest(replay.until)), limit];
            all(db, sql::replay_events, arguments, |row| {
                let event = rows::event(row, 0, replay.account)?;
                let (id, endpoint) = (blob(event.id.bits()), blob(replay.endpoint.bits()));
                let arguments = params![of, id, endpoint, blob(replay.id.bits())];
                let last = first(db, sql::delivery_last_of, arguments, rows::delivery)?;
                let forgotten = rows::column(row, 10)?;
                Ok(ReplayRow { event, forgotten, last })
            })
        })
        .await
    }

    async fn reply(
        &self,
        account: AccountId,
        key: String,
        now: Timestamp,
    ) -> Result<Option<Reply>, Error> {
        self.ask(move |db, master| {
            let arguments = params![blob(account.bits()), key, now.as_millis()];
            first(db, sql::reply_read, arguments, |row| rows::reply(row, &key, master))
        })
        .await
    }

    async fn setting(
        &self,
        account: AccountId,
        kind: SettingKind,
        name: String,
    ) -> Result<Option<SettingRow>, Error> {
        self.ask(move |db, master| {
            let arguments = params![blob(account.bits()), kind.as_str(), name];
            first(db, sql::setting_read, arguments, |row| rows::setting(row, kind, master))
        })
        .await
    }

    async fn settings(
        &self,
        account: AccountId,
        kind: SettingKind,
        after: String,
        limit: u32,
    ) -> Result<Vec<SettingRow>, Error> {
        self.ask(move |db, master| {
            let arguments = params![blob(account.bits()), kind.as_str(), after, limit];
            all(db, sql::setting_list, arguments, |row| rows::setting(row, kind, master))
        })
        .await
    }

    async fn notice(
        &self,
        account: AccountId,
        id: NoticeId,
    ) -> Result<Option<(Notice, Version)>, Error> {
        let arguments = [blob(account.bits()), blob(id.bits())];
        self.ask(move |db, _| first(db, sql::notice_read, arguments, versioned("notices"))).await
    }

    async fn notice_of_anybody(&self, id: NoticeId) -> Result<Option<(Notice, Version)>, Error> {
        let arguments = [blob(id.bits())];
        self.ask(move |db, _| first(db, sql::notice_find, arguments, versioned("notices"))).await
    }

    async fn notice_by_message(
        &self,
        account: AccountId,
        message_id: String,
    ) -> Result<Option<(Notice, Version)>, Error> {
        self.ask(move |db, _| {
            let arguments = params![blob(account.bits()), message_id];
            first(db, sql::notice_by_message, arguments, versioned("notices"))
        })
        .await
    }

    async fn notices(
        &self,
        account: AccountId,
        request: Option<RequestId>,
        page: Page,
    ) -> Result<Vec<Notice>, Error> {
        self.ask(move |db, _| {
            let (of, bound) = (blob(account.bits()), below(page));
            match request.map(|id| blob(id.bits())) {
                None => {
                    let arguments = params![of, bound, page.limit];
                    all(db, sql::notice_list, arguments, body("notices"))
                }
                Some(request) => {
                    let arguments = params![of, request, bound, page.limit];
                    all(db, sql::notice_list_of_request, arguments, body("notices"))
                }
            }
        })
        .await
    }

    async fn notice_delivery(
        &self,
        notice: Notice,
        endpoint: EndpointId,
    ) -> Result<Option<DeliveryId>, Error> {
        let arguments = [
            blob(notice.account.bits()),
            blob(notice.event.bits()),
            blob(endpoint.bits()),
            blob(notice.id.bits()),
        ];
        self.ask(move |db, _| {
            first(db, sql::delivery_of_cause, arguments, |row| {
                Ok(DeliveryId::new(rows::bits(row, 0)?))
            })
        })
        .await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.ask_latest(|db, _| {
            let stats = first(db, sql::stats, [], |row| {
                let (pending, events): (i64, i64) = (rows::column(row, 0)?, rows::column(row, 1)?);
                Ok(Stats {
                    pending: pending.unsigned_abs(),
                    events: events.unsigned_abs(),
                    ..Stats::default()
                })
            })?;
            let oldest = first(db, sql::oldest, [], |row| {
                let moment = |at| {
                    let millis: Option<i64> = rows::column(row, at)?;
                    Ok::<_, Error>(millis.map(Timestamp::from_millis))
                };
                Ok((moment(0)?, moment(1)?))
            })?;
            let (oldest_event, oldest_delivery) = oldest.unwrap_or_default();
            let path = db.path().unwrap_or_default().to_owned();
            let size = |suffix: &str| {
                fs::metadata(format!("{path}{suffix}")).map_or(0, |metadata| metadata.len())
            };
            let bytes = size("") + size("-wal");
            Ok(Stats { bytes, oldest_event, oldest_delivery, ..stats.unwrap_or_default() })
        })
        .await
    }

    async fn lags(&self, now: Timestamp) -> Result<Vec<Lag>, Error> {
        self.ask_latest(move |db, _| {
            let mut lags = Vec::new();
            let mut after = [0_u8; 16];
            while let Some((endpoint, account)) = next_endpoint(db, after)? {
                after = blob(endpoint.bits());
                let arguments = [blob(account.bits()), after];
                let is_told = first(db, sql::endpoint_enabled, arguments, |_| Ok(()))?.is_some();
                if is_told && let Some(due_at) = oldest_due(db, endpoint, now)? {
                    lags.push(Lag { endpoint, due_at });
                }
            }
            Ok(lags)
        })
        .await
    }
}

fn oldest_due(
    db: &Connection,
    endpoint: EndpointId,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let arguments = params![blob(endpoint.bits()), now.as_millis()];
    let mut statement = db.prepare_cached(sql::delivery_oldest_due).map_err(trouble)?;
    let due: Option<Option<i64>> =
        statement.query_row(arguments, |row| row.get(0)).optional().map_err(trouble)?;
    Ok(due.flatten().map(Timestamp::from_millis))
}

/// Reads an entry of a timeline together with what it points to.
fn timeline_entry(
    db: &Connection,
    account: AccountId,
    row: &Row<'_>,
) -> Result<TimelineEntry, Error> {
    let of = blob(account.bits());
    let id = rows::bits(row, 3)?;
    let delivery = rows::bits_or_none(row, 4)?.map(DeliveryId::new);
    let number: Option<u32> = rows::column(row, 5)?;
    let (what, event, attempt) = match delivery.zip(number) {
        None => {
            let arguments = [of, blob(id)];
            let event = first(db, sql::event_read, arguments, |row| rows::event(row, 0, account))?;
            (What::Event, event, None)
        }
        Some((delivery, number)) => {
            let arguments = params![of, blob(delivery.bits()), number];
            let attempt =
                first(db, sql::attempt_read, arguments, |row| rows::attempt(row, delivery))?;
            let arguments = [of, blob(delivery.bits())];
            let delivery = first(db, sql::delivery_read, arguments, rows::delivery)?;
            (What::Attempt, None, delivery.zip(attempt))
        }
    };
    let seq = rows::column::<i64>(row, 0)?.unsigned_abs();
    let link = Link { seq, hash: Hash(rows::column(row, 1)?) };
    let (at, digest) = (rows::moment(row, 6)?, Hash(rows::column(row, 7)?));
    Ok(TimelineEntry { link, what, id, at, digest, event, attempt })
}
