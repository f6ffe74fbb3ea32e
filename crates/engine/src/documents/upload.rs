//! An upload: bytes come in, whole pieces go to the disk, and the last commit makes a document of them.
//!
//! Invariants: a document is there when all its pieces are, or not at all; what an upload leaves when it breaks off, in
//! whatever way, goes by its timer; of what has come in, less than a piece is in memory.

use std::fmt;

use domain::chain::Hash;
use domain::document::{BYTES_MAX, Brief, Document, MediaType, PIECE_BYTES};
use domain::id::{AccountId, DocumentId};
use domain::time::HOUR_MS;
use ring::digest::{Context, SHA256};
use store::{Commit, Committed, Fault, Guarded, Setting, SettingKind, TimerKind, Write};

use super::pieces;
use crate::Engine;
use crate::check;
use crate::command::{Once, Refusal};
use crate::settings;

/// When an upload that has not come to its end is given up. Whoever takes bodies gives them far less time.
const UPLOAD_MS: i64 = HOUR_MS;

/// Bytes of a document that come in.
pub struct Upload {
    engine: Engine,
    account: AccountId,
    id: DocumentId,
    /// What has come in and was not written, less than a piece.
    rest: Vec<u8>,
    size_bytes: u64,
    digest: Context,
    written: u64,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins an upload. Nothing is written before a whole piece is there.
    pub fn begin_upload(&self, account: AccountId) -> Upload {
        Upload {
            engine: self.clone(),
            account,
            id: DocumentId::new(self.mint(self.now())),
            rest: Vec::new(),
            size_bytes: 0,
            digest: Context::new(&SHA256),
            written: 0,
        }
    }
}

/// Checks what a file is called: 1 to 200 characters on one line.
pub fn file_name(text: &str) -> Result<String, Refusal> {
    check::sole("name", check::line(text, check::LINE_CHARS_MAX))
}

impl Upload {
    /// Takes what comes next. More than [`BYTES_MAX`] in all is refused, and so is what begins as nothing that is taken.
    pub async fn add(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.size_bytes += bytes.len() as u64;
        if self.size_bytes > BYTES_MAX {
            return Err(Refusal::TooLarge { bytes_max: BYTES_MAX });
        }
        self.digest.update(bytes);
        while !bytes.is_empty() {
            let room = PIECE_BYTES - self.rest.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.written == 0 && self.rest.len() >= MediaType::HEAD_BYTES {
                self.media_type()?;
            }
            if self.rest.len() == PIECE_BYTES {
                self.write_piece().await?;
            }
        }
        Ok(())
    }

    /// Gives the SHA-256 of what has come in so far.
    pub fn sha256(&self) -> Hash {
        let mut sha256 = Hash::default();
        sha256.0.copy_from_slice(self.digest.clone().finish().as_ref());
        sha256
    }

    /// Makes a document of what has come in, under a name of [`file_name`]; no request has it yet.
    pub async fn finish(
        self,
        name: String,
        once: &Once<'_, Document>,
    ) -> Result<Document, Refusal> {
        let (engine, now) = (self.engine.clone(), self.engine.now());
        let sha256 = self.sha256();
        let kind = if self.written == 0 { self.media_type()? } else { MediaType::Pdf };
        let brief = Brief { id: self.id, name, size_bytes: self.size_bytes, sha256 };
        let document = Document::new(brief, self.account, kind, now);
        let mut commit = Commit::new(self.account, now);
        if !self.rest.is_empty() {
            commit.writes.push(pieces::write(self.id, self.written, &self.rest));
        }
        let name = self.id.to_string();
        if self.written > 0 {
            // Given up meanwhile, it is not there any more, and nothing of this is written.
            let upload = SettingKind::DocumentUpload;
            commit.writes.push(Write::SettingGone(upload, name.clone(), self.written));
        }
        let value = settings::written(SettingKind::Document, &name, &document)?;
        commit.writes.push(Write::Setting(Guarded { version: 0, value }));
        let timer = TimerKind::Document;
        commit.writes.push(Write::Timer(timer, self.id.bits(), document.expires_at));
        commit.reply = once.reply(&document);
        commit_in_turn(&engine, commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(document)
    }

    /// Gives the upload up; what was written of it goes at once. Not a must: its timer sees to it later.
    pub async fn give_up(self) -> Result<(), Refusal> {
        if self.written == 0 {
            return Ok(());
        }
        let now = self.engine.now();
        let mut commit = Commit::new(self.account, now);
        commit.writes.push(Write::Timer(TimerKind::Document, self.id.bits(), Some(now)));
        let committed = self.engine.commit(commit).await;
        committed.map_err(|fault| Once::<()>::unkept().refusal(fault))?;
        Ok(())
    }

    fn media_type(&self) -> Result<MediaType, Refusal> {
        MediaType::of(&self.rest).ok_or(Refusal::NotADocument)
    }

    async fn write_piece(&mut self) -> Result<(), Refusal> {
        let now = self.engine.now();
        let mut commit = Commit::new(self.account, now);
        if self.written == 0 {
            let due = now.plus_millis(UPLOAD_MS);
            commit.writes.push(Write::Timer(TimerKind::Document, self.id.bits(), Some(due)));
        }
        // Written with each piece: once the upload is given up, no piece is left behind its timer.
        let value = Setting {
            kind: SettingKind::DocumentUpload,
            name: self.id.to_string(),
            body: "{}".to_owned(),
            secrets: None,
        };
        commit.writes.push(Write::Setting(Guarded { version: self.written, value }));
        commit.writes.push(pieces::write(self.id, self.written, &self.rest));
        let committed = commit_in_turn(&self.engine, commit).await;
        committed.map_err(|fault| Once::<()>::unkept().refusal(fault))?;
        self.rest.clear();
        self.written += 1;
        Ok(())
    }
}

/// Commits when few others do, so that a crowd of uploads does not fill one transaction.
async fn commit_in_turn(engine: &Engine, commit: Commit) -> Result<Committed, Fault> {
    // Nobody closes the turns; without one the commit is as right.
    let _turn = engine.inner.piece_turns.acquire().await.ok();
    engine.commit(commit).await
}
