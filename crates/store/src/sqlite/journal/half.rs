//! One of the journal's two files: its size, and how it grows.
//!
//! Invariants: its size is on the disk before anybody hears of it; growing touches nothing of what was there before, and
//! nobody writes into a file while it grows, so that what the disk has to say is heard by whom it concerns.
//! Left to others: what is written into it, and when it grows (`journal`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// So much is forced onto the disk at once: whoever flushes meanwhile, or stops it, waits for no more than that.
const PIECE_BYTES: u64 = 1024 * 1024;

/// One of the files. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Half {
    pub(super) file: Arc<File>,
    bytes: Arc<AtomicU64>,
    /// Everything in it stands in the database, on the disk.
    pub(super) free: Arc<AtomicBool>,
}

impl Half {
    /// Takes a file as it is. What is in it, if anything, is known to the caller.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let bytes = Arc::new(AtomicU64::new(file.metadata()?.len()));
        Ok(Self { file: Arc::new(file), bytes, free: Arc::new(AtomicBool::new(true)) })
    }

    /// Gives its size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Gives it at least that size, on the disk, piece by piece for as long as it goes on.
    pub(super) fn allocate(&self, size: u64, goes_on: &AtomicBool) -> io::Result<()> {
        let zeros = [0; 16 * 1024];
        let mut at = self.bytes();
        while at < size && goes_on.load(Ordering::Acquire) {
            let end = size.min(at + PIECE_BYTES);
            while at < end {
                let bytes = zeros.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
                self.file.write_all_at(zeros.get(..bytes).unwrap_or(&zeros), at)?;
                at += bytes as u64;
            }
            self.file.sync_all()?;
            self.bytes.store(end, Ordering::Release);
        }
        Ok(())
    }

    /// Takes it back to a size that it had.
    pub(super) fn cut(&self, size: u64) {
        drop(self.file.set_len(size));
        self.bytes.store(size, Ordering::Release);
    }
}
