//! States that come by the thousand: requests with their links and timers, contacts, and answers kept for idempotency
//! keys. Those of many commits are written by one statement a table.
//!
//! Invariant: each statement says whether all of its rows stood where they were taken to stand; written together, it
//! fails when not.
//! Left to others: who may write them together (`standings`), states that come one by one (`apply`).

use domain::contact::Contact;
use domain::id::{AccountId, RequestId, SignerId};
use domain::request::Request;
use domain::time::Timestamp;

use super::link::{Argument, Arguments, Link};
use super::rows::{Id, SEAL_REPLY, written};
use super::sql;
use super::state::Shared;
use crate::commit::{Commit, Guarded, REPLY_KEPT, Reply, TimerKind, Version, Write};
use crate::error::Error;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct States {
    requests_new: Vec<Stated>,
    requests: Vec<Stated>,
    links: Vec<(AccountId, RequestId, SignerId, [u8; 32])>,
    contacts_new: Vec<Stated>,
    contacts: Vec<Stated>,
    timers: Vec<(AccountId, TimerKind, u128, Timestamp)>,
    timers_gone: Vec<(AccountId, TimerKind, u128)>,
    replies: Vec<Kept>,
}

/// A state, with what stands beside it.
#[derive(Debug)]
struct Stated {
    account: AccountId,
    id: u128,
    version: Version,
    status: &'static str,
    archived: bool,
    body: String,
}

/// An answer for an idempotency key.
#[derive(Debug)]
struct Kept {
    account: AccountId,
    key: Vec<u8>,
    fingerprint: [u8; 32],
    status: u16,
    sealed: Vec<u8>,
    at: Timestamp,
}

/// Whether all rows are expected to stand where they were taken to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// They are: the transaction fails when one does not.
    All,
    /// They may not be, which is told.
    Unknown,
}

impl States {
    /// Adds everything of a commit that belongs here.
    pub(super) fn add(&mut self, shared: &Shared, commit: &Commit) -> Result<(), Error> {
        for write in &commit.writes {
            self.add_write(commit.account, write)?;
        }
        commit.reply.iter().try_for_each(|reply| self.add_reply(shared, commit, reply))
    }

    /// Tells whether there is nothing to write.
    pub(super) const fn is_empty(&self) -> bool {
        self.requests_new.is_empty()
            && self.requests.is_empty()
            && self.links.is_empty()
            && self.contacts_new.is_empty()
            && self.contacts.is_empty()
            && self.timers.is_empty()
            && self.timers_gone.is_empty()
            && self.replies.is_empty()
    }

    fn add_write(&mut self, account: AccountId, write: &Write) -> Result<bool, Error> {
        match write {
            Write::Request(request, links) => {
                self.add_request(account, request)?;
                let links = links.iter();
                self.links.extend(links.map(|new| (account, new.request, new.signer, new.hash)));
            }
            Write::Contact(contact) => self.add_contact(account, contact)?,
            Write::Timer(kind, subject, due) => self.add_timer(account, (*kind, *subject), *due),
            Write::Account(_)
            | Write::Key(_)
            | Write::RequestGone(..)
            | Write::ContactGone(..)
            | Write::Endpoint(_)
            | Write::Setting(_)
            | Write::SettingGone(..)
            | Write::Notice(_)
            | Write::Warned(..)
            | Write::TimerDone(..)
            | Write::Replay(_)
            | Write::Delivery(..)
            | Write::CancelPending { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// Gives a single write, if it belongs here.
    pub(super) fn of(account: AccountId, write: &Write) -> Result<Option<Self>, Error> {
        let mut states = Self::default();
        Ok(states.add_write(account, write)?.then_some(states))
    }

    fn add_request(&mut self, account: AccountId, new: &Guarded<Request>) -> Result<(), Error> {
        let Guarded { version, value } = new;
        let stated = Stated {
            account,
            id: value.id.bits(),
            version: *version,
            status: value.state.as_str(),
            archived: value.archived_at.is_some(),
            body: written("requests", value)?,
        };
        let to = if *version == 0 { &mut self.requests_new } else { &mut self.requests };
        to.push(stated);
        Ok(())
    }

    fn add_contact(&mut self, account: AccountId, new: &Guarded<Contact>) -> Result<(), Error> {
        let Guarded { version, value } = new;
        let (id, body) = (value.id.bits(), written("contacts", value)?);
        let stated = Stated { account, id, version: *version, status: "", archived: false, body };
        let to = if *version == 0 { &mut self.contacts_new } else { &mut self.contacts };
        to.push(stated);
        Ok(())
    }

    fn add_timer(&mut self, account: AccountId, which: (TimerKind, u128), due: Option<Timestamp>) {
        match due {
            Some(due) => self.timers.push((account, which.0, which.1, due)),
            None => self.timers_gone.push((account, which.0, which.1)),
        }
    }

    /// Adds an answer for a commit's idempotency key.
    pub(super) fn add_reply(
        &mut self,
        shared: &Shared,
        commit: &Commit,
        reply: &Reply,
    ) -> Result<(), Error> {
        self.replies.push(Kept {
            account: commit.account,
            key: reply.key.as_bytes().to_vec(),
            fingerprint: reply.fingerprint,
            status: reply.status,
            sealed: shared.seal(SEAL_REPLY, &reply.body)?,
            at: commit.at,
        });
        Ok(())
    }

    /// Writes everything; tells whether all of it stood where it was taken to stand. Rows are locked in one order,
    /// whoever writes them.
    pub(super) async fn write(
        &mut self,
        link: &Link,
        expected: Expected,
    ) -> Result<bool, tokio_postgres::Error> {
        for stated in [&mut self.requests, &mut self.contacts] {
            stated.sort_unstable_by_key(|stated| (stated.account, stated.id));
        }
        self.timers.sort_unstable();
        self.timers_gone.sort_unstable();
        self.replies
            .sort_unstable_by(|one, two| (one.account, &one.key).cmp(&(two.account, &two.key)));
        let (requests_new, requests, contacts_new, contacts, replies, links, timers, gone) = tokio::join!(
            biased;
            write_requests(link, (sql::request_insert, &self.requests_new), expected),
            write_requests(link, (sql::request_update, &self.requests), expected),
            write_contacts(link, (sql::contact_insert, &self.contacts_new), expected),
            write_contacts(link, (sql::contact_update, &self.contacts), expected),
            self.write_replies(link, expected),
            self.write_links(link),
            self.write_timers(link),
            self.clear_timers(link),
        );
        // What failed first tells why the others failed.
        let stood = requests_new? & requests? & contacts_new? & contacts? & replies?;
        links?;
        timers?;
        gone?;
        Ok(stood)
    }

    async fn write_replies(
        &self,
        link: &Link,
        expected: Expected,
    ) -> Result<bool, tokio_postgres::Error> {
        let rows = &self.replies;
        let Some(now) = rows.iter().map(|kept| kept.at).min() else { return Ok(true) };
        let kept_ms = i64::try_from(REPLY_KEPT.as_millis()).unwrap_or(i64::MAX);
        let accounts: Vec<Id> = rows.iter().map(|kept| Id(kept.account.bits())).collect();
        let keys: Vec<&[u8]> = rows.iter().map(|kept| kept.key.as_slice()).collect();
        let prints: Vec<&[u8]> = rows.iter().map(|kept| kept.fingerprint.as_slice()).collect();
        let statuses: Vec<i32> = rows.iter().map(|kept| i32::from(kept.status)).collect();
        let sealed: Vec<&[u8]> = rows.iter().map(|kept| kept.sealed.as_slice()).collect();
        let expires: Vec<i64> =
            rows.iter().map(|kept| kept.at.plus_millis(kept_ms).as_millis()).collect();
        let (now, count) = (now.as_millis(), expected.count(rows.len()));
        let arguments: Arguments<'_> =
            &[&accounts, &keys, &prints, &statuses, &sealed, &expires, &now, &count];
        all(link, (sql::reply_insert, arguments), rows.len()).await
    }

    async fn write_links(&self, link: &Link) -> Result<(), tokio_postgres::Error> {
        let rows = &self.links;
        if rows.is_empty() {
            return Ok(());
        }
        let accounts: Vec<Id> = rows.iter().map(|(account, ..)| Id(account.bits())).collect();
        let requests: Vec<Id> = rows.iter().map(|(_, request, ..)| Id(request.bits())).collect();
        let signers: Vec<Id> = rows.iter().map(|(_, _, signer, _)| Id(signer.bits())).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|(.., hash)| hash.as_slice()).collect();
        link.run(sql::link_insert, &[&accounts, &requests, &signers, &hashes]).await.map(drop)
    }

    async fn write_timers(&self, link: &Link) -> Result<(), tokio_postgres::Error> {
        let rows = &self.timers;
        if rows.is_empty() {
            return Ok(());
        }
        let accounts: Vec<Id> = rows.iter().map(|(account, ..)| Id(account.bits())).collect();
        let kinds: Vec<&str> = rows.iter().map(|(_, kind, ..)| kind.as_str()).collect();
        let subjects: Vec<Id> = rows.iter().map(|(_, _, subject, _)| Id(*subject)).collect();
        let due: Vec<i64> = rows.iter().map(|(.., due)| due.as_millis()).collect();
        link.run(sql::timer_upsert, &[&accounts, &kinds, &subjects, &due]).await.map(drop)
    }

    async fn clear_timers(&self, link: &Link) -> Result<(), tokio_postgres::Error> {
        let rows = &self.timers_gone;
        if rows.is_empty() {
            return Ok(());
        }
        let accounts: Vec<Id> = rows.iter().map(|(account, ..)| Id(account.bits())).collect();
        let kinds: Vec<&str> = rows.iter().map(|(_, kind, _)| kind.as_str()).collect();
        let subjects: Vec<Id> = rows.iter().map(|(.., subject)| Id(*subject)).collect();
        link.run(sql::timer_delete, &[&accounts, &kinds, &subjects]).await.map(drop)
    }
}

impl Expected {
    /// Gives how many rows a statement must write.
    fn count(self, rows: usize) -> Option<i64> {
        (self == Self::All).then(|| i64::try_from(rows).unwrap_or(i64::MAX))
    }
}

async fn write_requests(
    link: &Link,
    what: (&'static str, &[Stated]),
    expected: Expected,
) -> Result<bool, tokio_postgres::Error> {
    let (text, rows) = what;
    if rows.is_empty() {
        return Ok(true);
    }
    let (accounts, ids, bodies, versions) = columns(rows);
    let statuses: Vec<&str> = rows.iter().map(|stated| stated.status).collect();
    let archived: Vec<bool> = rows.iter().map(|stated| stated.archived).collect();
    let count = expected.count(rows.len());
    let mut arguments: Vec<Argument<'_>> = vec![&accounts, &ids, &statuses, &archived, &bodies];
    if rows.iter().any(|stated| stated.version > 0) {
        arguments.push(&versions);
    }
    arguments.push(&count);
    all(link, (text, &arguments), rows.len()).await
}

async fn write_contacts(
    link: &Link,
    what: (&'static str, &[Stated]),
    expected: Expected,
) -> Result<bool, tokio_postgres::Error> {
    let (text, rows) = what;
    if rows.is_empty() {
        return Ok(true);
    }
    let (accounts, ids, bodies, versions) = columns(rows);
    let count = expected.count(rows.len());
    let mut arguments: Vec<Argument<'_>> = vec![&accounts, &ids, &bodies];
    if rows.iter().any(|stated| stated.version > 0) {
        arguments.push(&versions);
    }
    arguments.push(&count);
    all(link, (text, &arguments), rows.len()).await
}

type Columns<'a> = (Vec<Id>, Vec<Id>, Vec<&'a str>, Vec<i64>);

fn columns(rows: &[Stated]) -> Columns<'_> {
    let accounts = rows.iter().map(|stated| Id(stated.account.bits())).collect();
    let ids = rows.iter().map(|stated| Id(stated.id)).collect();
    let bodies = rows.iter().map(|stated| stated.body.as_str()).collect();
    let versions = rows.iter().map(|stated| stated.version.cast_signed()).collect();
    (accounts, ids, bodies, versions)
}

/// Runs a statement that counts the rows it has written; tells whether these are all.
async fn all(
    link: &Link,
    what: (&'static str, Arguments<'_>),
    rows: usize,
) -> Result<bool, tokio_postgres::Error> {
    let found = link.first(what.0, what.1).await?;
    let count: i64 = found.map_or(Ok(0), |row| row.try_get(0))?;
    Ok(usize::try_from(count) == Ok(rows))
}
