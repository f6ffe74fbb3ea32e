//! Documents that are signed: kept in pieces, listed, handed out, and gone when nobody has them.
//!
//! Invariants: a document and the requests that have it change in one commit; bytes lie in pieces, each sealed and written
//! by itself, and never more than a few of them are in memory; a timer stands for every document that no request has, and
//! for every upload that has not come to its end, so that neither stays for ever.
//! Left to others: what a document is (`domain::document`), keeping rows (`store`), bodies of calls (`web`).

mod pieces;
mod upload;

use std::collections::BTreeSet;

use domain::document::{Brief, Document, OF_REQUEST_MAX};
use domain::id::{AccountId, DocumentId, RequestId};
use domain::request::{Request, State};
use domain::time::Timestamp;
use store::{Commit, Guarded, SettingKind, Timer, TimerKind, Version, Write};

use crate::Engine;
use crate::check::Flaws;
use crate::command::{Flaw, Once, Refusal, insist};
use crate::settings;
use crate::timers::written;

pub use self::pieces::Pieces;
pub use self::upload::{Upload, file_name};

/// The most documents of a page.
const LIST_MAX: u32 = 1_000;
/// Pieces that are written at the same moment: they share a transaction, and others wait behind it.
pub(crate) const PIECES_AT_ONCE_MAX: usize = 4;
/// Pieces that go in one commit, so that nobody waits long behind it.
const PIECES_GONE_AT_ONCE: u32 = 8;

impl Engine {
    /// Finds a document.
    pub async fn document(&self, account: AccountId, id: DocumentId) -> Result<Document, Refusal> {
        let found = self.load_document(account, id).await?;
        found.map(|(document, _)| document).ok_or(Refusal::NotFound { what: "document" })
    }

    /// Lists documents, oldest first, those whose id is behind one; all if that is empty. At most 1,000.
    pub async fn documents(
        &self,
        account: AccountId,
        after: String,
        limit: u32,
    ) -> Result<Vec<Document>, Refusal> {
        let limit = limit.min(LIST_MAX);
        let rows = self.views().settings(account, SettingKind::Document, after, limit).await?;
        let read: Result<Vec<_>, _> = rows.iter().map(settings::read).collect();
        Ok(read?)
    }

    /// Finds a document, and the pieces of its bytes.
    pub async fn document_content(
        &self,
        account: AccountId,
        id: DocumentId,
    ) -> Result<(Document, Pieces), Refusal> {
        let document = self.document(account, id).await?;
        let pieces = Pieces::of(self.clone(), &document);
        Ok((document, pieces))
    }

    /// Deletes a document that no request has which is not over; requests that are over keep its name and digest.
    pub async fn delete_document(&self, account: AccountId, id: DocumentId) -> Result<(), Refusal> {
        insist(|| async move {
            let found = self.load_document(account, id).await?;
            let (document, version) = found.ok_or(Refusal::NotFound { what: "document" })?;
            for request in &document.requests {
                self.must_be_over(account, *request).await?;
            }
            let now = self.now();
            let mut commit = Commit::new(account, now);
            commit.writes.extend(gone(&document, version, now));
            self.commit(commit).await.map_err(|fault| Once::<()>::unkept().refusal(fault))?;
            Ok(())
        })
        .await
    }

    async fn must_be_over(&self, account: AccountId, id: RequestId) -> Result<(), Refusal> {
        let Some((request, _version)) = self.views().request(account, id).await? else {
            return Ok(());
        };
        match request.state {
            State::Draft | State::Sent { .. } => {
                let status = request.state.as_str();
                let message = format!(
                    "{id}, which is {status}, has the document; take it from the draft, or cancel the request, first"
                );
                Err(Refusal::Impossible { message, possible: Vec::new() })
            }
            State::Completed { .. }
            | State::Declined { .. }
            | State::Expired { .. }
            | State::Cancelled { .. } => Ok(()),
        }
    }

    /// Finds what is to be said of documents that a request is to have; at most [`OF_REQUEST_MAX`], each once.
    pub(crate) async fn briefs(
        &self,
        account: AccountId,
        ids: &[DocumentId],
    ) -> Result<Vec<Brief>, Refusal> {
        if ids.len() > OF_REQUEST_MAX {
            let message = format!("expected at most {OF_REQUEST_MAX} documents");
            return Err(Refusal::Invalid(vec![Flaw::new("documents", message)]));
        }
        let mut flaws = Flaws::default();
        let mut briefs: Vec<Brief> = Vec::with_capacity(ids.len());
        for (index, id) in ids.iter().enumerate() {
            let path = format!("documents[{index}]");
            match self.load_document(account, *id).await? {
                Some((document, _)) if briefs.contains(&document.brief) => {
                    flaws.note(path, "expected each document once");
                }
                Some((document, _)) => briefs.push(document.brief),
                None => flaws.note(path, NO_SUCH),
            }
        }
        flaws.none()?;
        Ok(briefs)
    }

    /// Gives what is written beside a request when the documents that it has are others than before: `before` is absent for
    /// a new one, `after` for one that is deleted.
    pub(crate) async fn document_writes(
        &self,
        before: Option<&Request>,
        after: Option<&Request>,
        now: Timestamp,
    ) -> Result<Vec<Write>, Refusal> {
        let (had, has) = (ids(before), ids(after));
        let Some(request) = after.or(before) else { return Ok(Vec::new()) };
        let mut writes = Vec::new();
        for id in had.symmetric_difference(&has) {
            let Some((document, version)) = self.load_document(request.account, *id).await? else {
                if had.contains(id) {
                    // It was deleted; the request has its name and digest alone.
                    continue;
                }
                return Err(Refusal::Invalid(vec![Flaw::new("documents", NO_SUCH)]));
            };
            let document = if has.contains(id) {
                document.attach(request.id)?
            } else {
                document.detach(request.id, now)
            };
            if after.is_none() && document.requests.is_empty() {
                writes.extend(gone(&document, version, now));
                continue;
            }
            let value = settings::written(SettingKind::Document, &id.to_string(), &document)?;
            writes.push(Write::Setting(Guarded { version, value }));
            writes.push(Write::Timer(TimerKind::Document, id.bits(), document.expires_at));
        }
        Ok(writes)
    }

    /// Acts on the timer of a document: one that nobody has goes, an upload that did not come to its end goes, and of what
    /// has gone a few pieces go; the timer stands until nothing is left.
    pub(crate) async fn step_document(&self, timer: Timer) -> Result<(), store::Error> {
        let (account, now) = (timer.account, self.now());
        let id = DocumentId::new(timer.subject);
        let mut commit = Commit::new(account, now);
        // The upload first: it ends in the commit that makes the document, which is then seen.
        let name = id.to_string();
        let upload =
            self.views().setting(account, SettingKind::DocumentUpload, name.clone()).await?;
        let row = self.views().setting(account, SettingKind::Document, name.clone()).await?;
        if let Some(row) = row {
            let document: Document = settings::read(&row)?;
            if !document.is_over(now) {
                commit.writes.push(Write::TimerDone(timer, document.expires_at));
                return written(self.commit(commit).await.map(|_committed| ()));
            }
            commit.writes.push(Write::SettingGone(
                SettingKind::Document,
                name.clone(),
                row.version,
            ));
        }
        if let Some(row) = upload {
            commit.writes.push(Write::SettingGone(SettingKind::DocumentUpload, name, row.version));
        }
        let pieces = pieces::first(self, account, id, PIECES_GONE_AT_ONCE).await?;
        let is_last = pieces.is_empty();
        for (name, version) in pieces {
            commit.writes.push(Write::SettingGone(SettingKind::DocumentPiece, name, version));
        }
        commit.writes.push(Write::TimerDone(timer, (!is_last).then_some(now)));
        written(self.commit(commit).await.map(|_committed| ()))
    }

    async fn load_document(
        &self,
        account: AccountId,
        id: DocumentId,
    ) -> Result<Option<(Document, Version)>, Refusal> {
        let row = self.views().setting(account, SettingKind::Document, id.to_string()).await?;
        let read = |row: store::SettingRow| Ok((settings::read(&row)?, row.version));
        row.map(read).transpose()
    }
}

const NO_SUCH: &str = "there is no such document; upload it, and attach it within a day";

/// Lets a document go at once; its pieces follow by its timer.
fn gone(document: &Document, version: Version, now: Timestamp) -> [Write; 2] {
    let id = document.brief.id;
    [
        Write::SettingGone(SettingKind::Document, id.to_string(), version),
        Write::Timer(TimerKind::Document, id.bits(), Some(now)),
    ]
}

fn ids(request: Option<&Request>) -> BTreeSet<DocumentId> {
    request.iter().flat_map(|request| &request.documents).map(|brief| brief.id).collect()
}
