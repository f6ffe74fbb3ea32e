//! What commits touch of states that come by the thousand, which of them can be carried out together, and whom what
//! stands in the database refuses.
//!
//! Invariant: no two commits that are carried out together touch the same.
//! Left to others: writing the states, which looks again (`states`).

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{AccountId, ContactId, RequestId};

use super::link::{Arguments, Link};
use super::rows::{self, Id, Trouble};
use super::sql;
use super::state::Shared;
use crate::commit::{Audience, Commit, Fault, Guarded, Reply, TimerKind, Version, Write};

/// What a commit touches that another one might touch too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Request(AccountId, RequestId),
    Contact(AccountId, ContactId),
    Timer(AccountId, TimerKind, u128),
    Reply(AccountId, String),
}

impl Subject {
    const fn noun(&self) -> &'static str {
        match self {
            Self::Request(..) => "request",
            Self::Contact(..) => "contact",
            Self::Timer(..) => "timer",
            Self::Reply(..) => "reply",
        }
    }
}

/// Gives what a write touches, and the version it was made from, if it is one of these; 0 for what is new or has none.
fn touched(account: AccountId, write: &Write) -> Option<(Subject, Version)> {
    match write {
        Write::Request(request, _) => {
            Some((Subject::Request(account, request.value.id), request.version))
        }
        Write::Contact(Guarded { version, value }) => {
            Some((Subject::Contact(account, value.id), *version))
        }
        Write::Timer(kind, subject, _) => Some((Subject::Timer(account, *kind, *subject), 0)),
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
        | Write::CancelPending { .. } => None,
    }
}

/// Gives the requests that a commit makes.
pub(super) fn requests_new(commit: &Commit) -> impl Iterator<Item = (AccountId, RequestId)> {
    commit.writes.iter().filter_map(|write| match touched(commit.account, write)? {
        (Subject::Request(account, id), 0) => Some((account, id)),
        (
            Subject::Request(..) | Subject::Contact(..) | Subject::Timer(..) | Subject::Reply(..),
            _,
        ) => None,
    })
}

/// Gives what a commit touches, if it consists of such states and of events for subscribers alone.
fn subjects(commit: &Commit) -> Option<Vec<Subject>> {
    let is_told = commit.events.iter().all(|said| matches!(said.audience, Audience::Subscribers));
    if !is_told || !commit.deliveries.is_empty() {
        return None;
    }
    let subjects = commit.writes.iter().map(|write| Some(touched(commit.account, write)?.0));
    let mut subjects = subjects.collect::<Option<Vec<_>>>()?;
    let reply = commit.reply.as_ref();
    subjects.extend(reply.map(|reply| Subject::Reply(commit.account, reply.key.clone())));
    Some(subjects)
}

/// Chooses those commits of a batch that are carried out together: no two of them touch the same.
pub(super) fn together(commits: &[&Commit]) -> Vec<bool> {
    let mut all = BTreeSet::new();
    let apart = |subjects: Vec<Subject>, all: &mut BTreeSet<Subject>| {
        subjects.into_iter().all(|subject| all.insert(subject))
    };
    commits
        .iter()
        .map(|commit| subjects(commit).is_some_and(|subjects| apart(subjects, &mut all)))
        .collect()
}

/// What stands in the database of what commits touch.
#[derive(Debug, Default)]
pub(super) struct Standings {
    versions: BTreeMap<Subject, Version>,
    replies: BTreeMap<Subject, Reply>,
}

impl Standings {
    /// Looks at what commits touch that is there already.
    pub(super) async fn look(
        link: &Link,
        shared: &Shared,
        commits: &[&Commit],
    ) -> Result<Self, Trouble> {
        let (mut requests, mut contacts) = (Vec::new(), Vec::new());
        let (mut of, mut keys, mut now) = (Vec::new(), Vec::new(), Vec::new());
        for commit in commits {
            let account = Id(commit.account.bits());
            let guarded = commit.writes.iter().filter_map(|write| touched(commit.account, write));
            for (subject, _) in guarded.filter(|(_, version)| *version > 0) {
                match subject {
                    Subject::Request(_, id) => requests.push((account, Id(id.bits()))),
                    Subject::Contact(_, id) => contacts.push((account, Id(id.bits()))),
                    Subject::Timer(..) | Subject::Reply(..) => {}
                }
            }
            if let Some(reply) = &commit.reply {
                of.push(account);
                keys.push(reply.key.as_bytes());
                now.push(commit.at.as_millis());
            }
        }
        let ask = async |text, arguments: Arguments<'_>, count: usize| match count {
            0 => Ok(Vec::new()),
            _ => link.rows(text, arguments).await,
        };
        let requests: (Vec<Id>, Vec<Id>) = requests.into_iter().unzip();
        let contacts: (Vec<Id>, Vec<Id>) = contacts.into_iter().unzip();
        let which_requests: Arguments<'_> = &[&requests.0, &requests.1];
        let which_contacts: Arguments<'_> = &[&contacts.0, &contacts.1];
        let which_replies: Arguments<'_> = &[&of, &keys, &now];
        let (requests, contacts, replies) = tokio::join!(
            biased;
            ask(sql::request_standing, which_requests, requests.0.len()),
            ask(sql::contact_standing, which_contacts, contacts.0.len()),
            ask(sql::reply_standing, which_replies, keys.len()),
        );
        let mut standings = Self::default();
        for row in requests? {
            let id = RequestId::new(rows::bits(&row, 1)?);
            let subject = Subject::Request(AccountId::new(rows::bits(&row, 0)?), id);
            standings.versions.insert(subject, rows::column::<i64>(&row, 2)?.unsigned_abs());
        }
        for row in contacts? {
            let id = ContactId::new(rows::bits(&row, 1)?);
            let subject = Subject::Contact(AccountId::new(rows::bits(&row, 0)?), id);
            standings.versions.insert(subject, rows::column::<i64>(&row, 2)?.unsigned_abs());
        }
        for row in replies? {
            let key: Vec<u8> = rows::column(&row, 1)?;
            let key = String::from_utf8_lossy(&key).into_owned();
            let reply = rows::reply(&row, 2, &key, &shared.master)?;
            let account = AccountId::new(rows::bits(&row, 0)?);
            standings.replies.insert(Subject::Reply(account, key), reply);
        }
        Ok(standings)
    }

    /// Says why a commit cannot be carried out, if so. What is new is taken to be so.
    pub(super) fn refusal(&self, commit: &Commit) -> Option<Fault> {
        let account = commit.account;
        if let Some(reply) = &commit.reply {
            let kept = self.replies.get(&Subject::Reply(account, reply.key.clone()));
            if let Some(kept) = kept {
                return Some(Fault::Repeated(kept.clone()));
            }
        }
        commit.writes.iter().find_map(|write| {
            let (subject, version) = touched(account, write)?;
            let is_stale = version > 0 && self.versions.get(&subject) != Some(&version);
            is_stale.then(|| Fault::Conflict { what: subject.noun() })
        })
    }
}
