//! Pieces of a document's bytes: how they are named, written, read one after the other, and found to be taken away.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::document::{Document, PIECE_BYTES};
use domain::id::{AccountId, DocumentId};
use domain::secret::Secret;
use store::{Guarded, Setting, SettingKind, Version, Write};

use crate::Engine;
use crate::command::Refusal;
use crate::settings;

/// The bytes of a document, piece by piece. Only one of them is in memory.
#[derive(Debug)]
pub struct Pieces {
    engine: Engine,
    account: AccountId,
    document: DocumentId,
    next: u64,
    count: u64,
    left: u64,
}

impl Pieces {
    pub(super) fn of(engine: Engine, document: &Document) -> Self {
        let (account, id) = (document.account, document.brief.id);
        let (count, left) = (document.pieces(), document.brief.size_bytes);
        Self { engine, account, document: id, next: 0, count, left }
    }

    /// Tells how many bytes are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Reads the next piece; `None` behind the last. A document that was deleted meanwhile breaks off with an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.next == self.count {
            return Ok(None);
        }
        let (kind, name) = (SettingKind::DocumentPiece, name(self.document, self.next));
        let row = self.engine.views().setting(self.account, kind, name.clone()).await?;
        let row = row.ok_or(Refusal::NotFound { what: "document" })?;
        let bytes = row.setting.secrets.and_then(|text| BASE64_STANDARD.decode(text.expose()).ok());
        let expected = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let bytes = bytes.filter(|bytes| bytes.len() == expected);
        let bytes = bytes.ok_or_else(|| settings::corrupt(kind, &name, "it is not whole"))?;
        self.next += 1;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(Some(bytes.into()))
    }
}

/// Writes a piece, whose number is below 10,000.
pub(super) fn write(document: DocumentId, number: u64, bytes: &[u8]) -> Write {
    Write::Setting(Guarded {
        version: 0,
        value: Setting {
            kind: SettingKind::DocumentPiece,
            name: name(document, number),
            body: "{}".to_owned(),
            secrets: Some(Secret::new(BASE64_STANDARD.encode(bytes))),
        },
    })
}

/// Finds the first pieces of a document that are there: name and version.
pub(super) async fn first(
    engine: &Engine,
    account: AccountId,
    document: DocumentId,
    limit: u32,
) -> Result<Vec<(String, Version)>, store::Error> {
    let prefix = format!("{document}:");
    let kind = SettingKind::DocumentPiece;
    let rows = engine.views().settings(account, kind, prefix.clone(), limit).await?;
    let of_it = rows.into_iter().filter(|row| row.setting.name.starts_with(&prefix));
    Ok(of_it.map(|row| (row.setting.name, row.version)).collect())
}

fn name(document: DocumentId, number: u64) -> String {
    format!("{document}:{number:04}")
}
