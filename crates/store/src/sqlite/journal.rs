//! The journal: what was promised and does not stand in the database yet.
//!
//! The hot verbs are made durable here, by one write and one flush for all that wait together; the database catches up
//! in larger steps, when most of it has ended already. Two files take turns. A file is written over only once the
//! database holds, on the disk, everything that is in it.
//!
//! Invariants: a record is whole or not there; records are numbered without gaps, and what is numbered up to the
//! database's own mark is in the database; a file has its
//! size before anything is written into it, so that a flush writes nothing but data.
//! Left to others: flushing (`flusher`), what a record says (`journal/codec.rs`), catching up (`unwritten.rs`).

mod codec;
mod half;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::error::Error;

use half::Half;

pub(super) use codec::{Item, decode, encode_ended, encode_told};

/// The two files.
pub(super) const FILES: [&str; 2] = ["countersign.journal-a", "countersign.journal-b"];
/// The size of each from the opening on.
pub(super) const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// The size of each from the first flood on, or from the first time on that it was full.
const GROWN_BYTES: u64 = 32 * 1024 * 1024;
/// Length of the payload, checksum, number.
pub(super) const HEAD_BYTES: usize = 4 + 4 + 8;

/// The journal's files, and where the next record goes.
#[derive(Debug)]
pub(super) struct Journal {
    files: [Half; 2],
    current: usize,
    at: u64,
    number: u64,
    /// Both files have their size.
    is_open: bool,
    /// The disk has not refused the room for a flood.
    may_grow: Arc<AtomicBool>,
    /// Grows the file that is not written into.
    grower: Option<Grower>,
}

/// The thread that grows a file, for as long as it goes on.
#[derive(Debug)]
struct Grower {
    thread: JoinHandle<()>,
    goes_on: Arc<AtomicBool>,
}

/// A record that was found at the opening.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) payload: Vec<u8>,
}

impl Journal {
    /// Opens the files, made when absent, and reads what they hold beyond the database's mark, in order.
    pub(super) fn open(folder: &Path, mark: u64) -> Result<(Self, Vec<Record>), Error> {
        let mut records = Vec::new();
        let mut files = Vec::new();
        for name in FILES {
            let path = folder.join(name);
            let unusable = |error: io::Error| Error::Unusable {
                detail: format!("cannot use the journal {}", path.display()),
                source: Some(Box::new(error)),
            };
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path).map_err(unusable)?;
            records.extend(read(&file).map_err(unusable)?);
            files.push(Half::of(file).map_err(unusable)?);
        }
        let records = beyond(records, mark);
        let number = records.last().map_or(mark, |record| record.number);
        let files = <[Half; 2]>::try_from(files).map_err(|_too_few| Error::Closed)?;
        let may_grow = Arc::new(AtomicBool::new(true));
        let (is_open, grower) = (false, None);
        Ok((Self { files, current: 0, at: 0, number, is_open, may_grow, grower }, records))
    }

    /// Gives the files their size, without which nothing is written into them. On a disk without that room the journal
    /// takes nothing, and leaves nothing behind.
    pub(super) fn allocate(&mut self) {
        let goes_on = AtomicBool::new(true);
        let allocate = |half: &Half| half.allocate(FILE_BYTES, &goes_on).is_ok();
        self.is_open = self.files.iter().all(allocate);
        if !self.is_open {
            for half in &self.files {
                // The room belongs to the database then; what keeps it is told by whatever fails next.
                half.cut(0);
            }
        }
    }

    /// Gives the number of the last record.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Tells whether it takes anything at all.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Gives the bytes that there is room for before the database must have caught up with the older file.
    pub(super) fn room(&self) -> u64 {
        let other = Some(self.other()).filter(|half| half.free.load(Ordering::Acquire));
        self.half().bytes().saturating_sub(self.at) + other.map_or(0, Half::bytes)
    }

    /// Tells whether the current file has grown: on a disk without the room for that, it has not.
    pub(super) fn is_grown(&self) -> bool {
        self.half().bytes() >= GROWN_BYTES
    }

    /// Tells whether a record of so many bytes, head included, has room in the current file.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.at + bytes as u64 <= self.half().bytes()
    }

    /// Writes a record, whose bytes begin with room for its head. It is durable after [`Journal::sync`].
    pub(super) fn append(&mut self, number: u64, record: &mut [u8]) -> io::Result<()> {
        let bytes = record.len().saturating_sub(HEAD_BYTES);
        let length = u32::try_from(bytes).map_err(io::Error::other)?;
        if !self.has_room(record.len()) || record.len() < HEAD_BYTES {
            return Err(ErrorKind::StorageFull.into());
        }
        let (head, payload) = record.split_at_mut(HEAD_BYTES);
        let checksum = checksum(number, payload);
        let fields = [&length.to_le_bytes()[..], &checksum.to_le_bytes(), &number.to_le_bytes()];
        head.iter_mut().zip(fields.concat()).for_each(|(to, byte)| *to = byte);
        let half = self.half();
        half.free.store(false, Ordering::Release);
        half.file.write_all_at(record, self.at)?;
        self.number = number;
        self.at += record.len() as u64;
        Ok(())
    }

    /// Forces onto the disk what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(feature = "conformance")]
        super::spent::flushed(1);
        self.half().file.sync_data()
    }

    /// Goes on in the other file, if that one is free; gives the flag to raise once the database holds, on the disk, what
    /// is in the one that was left.
    pub(super) fn turn_over(&mut self) -> Option<Arc<AtomicBool>> {
        if !self.other().free.load(Ordering::Acquire) {
            return None;
        }
        self.stop_growing();
        let left = Arc::clone(&self.half().free);
        (self.current, self.at) = (1 - self.current.min(1), 0);
        self.grow();
        Some(left)
    }

    /// Has the file that is not written into grow to hold a flood, unless it has, or the disk has refused that before. It
    /// goes on beside whatever is written, until that file's turn comes.
    pub(super) fn grow(&mut self) {
        let half = self.other();
        let grows = self.grower.as_ref().is_some_and(|grower| !grower.thread.is_finished());
        if grows || half.bytes() >= GROWN_BYTES || !self.may_grow.load(Ordering::Acquire) {
            return;
        }
        let (half, may_grow) = (half.clone(), Arc::clone(&self.may_grow));
        let goes_on = Arc::new(AtomicBool::new(true));
        let shall = Arc::clone(&goes_on);
        let grow = move || {
            if half.allocate(GROWN_BYTES, &shall).is_err() {
                // What room it had is enough to go on. Tried again and again, it would take the database's last room.
                half.cut(half.bytes());
                may_grow.store(false, Ordering::Release);
            }
        };
        let thread = thread::Builder::new().name("store-grower".to_owned()).spawn(grow);
        // Without the thread it stays as it is, and is tried again.
        self.grower = thread.ok().map(|thread| Grower { thread, goes_on });
    }

    /// Stops the growing, which keeps what it has; waits for the piece under way.
    fn stop_growing(&mut self) {
        if let Some(Grower { thread, goes_on }) = self.grower.take() {
            goes_on.store(false, Ordering::Release);
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }

    const fn half(&self) -> &Half {
        let [first, second] = &self.files;
        if self.current == 0 { first } else { second }
    }

    const fn other(&self) -> &Half {
        let [first, second] = &self.files;
        if self.current == 0 { second } else { first }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop_growing();
    }
}

/// Copies the files of a folder, as far as they are there, into another one.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for name in FILES {
        match fs::copy(from.join(name), to.join(name)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the records of a folder whose files somebody else may be writing.
pub(super) fn look(folder: &Path) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for name in FILES {
        match File::open(folder.join(name)) {
            Ok(file) => records.extend(read(&file)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

/// Empties the files of a folder whose database holds all that is in them, so that they say nothing beside any database.
pub(super) fn empty(folder: &Path) -> io::Result<()> {
    for name in FILES {
        File::create(folder.join(name))?.sync_all()?;
    }
    Ok(())
}

/// Gives what lies beyond the mark, in order.
pub(super) fn beyond(mut records: Vec<Record>, mark: u64) -> Vec<Record> {
    records.retain(|record| record.number > mark);
    records.sort_by_key(|record| record.number);
    // What follows a gap was never promised: the record before it was not on the disk.
    let whole =
        records.iter().zip(mark + 1..).take_while(|(record, number)| record.number == *number);
    let whole = whole.count();
    records.truncate(whole);
    records
}

fn checksum(number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Reads the records of a file, up to the first that is not whole or belongs to an earlier turn of the file.
fn read(file: &File) -> io::Result<Vec<Record>> {
    let length = file.metadata()?.len();
    let mut records: Vec<Record> = Vec::new();
    let mut at = 0;
    let mut head = [0; HEAD_BYTES];
    while at + HEAD_BYTES as u64 <= length {
        file.read_exact_at(&mut head, at)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, number @ ..] = head;
        let (bytes, found) =
            (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
        let number = u64::from_le_bytes(number);
        let end = at + HEAD_BYTES as u64 + u64::from(bytes);
        let follows = records.last().is_none_or(|last| last.number + 1 == number);
        if number == 0 || !follows || end > length {
            break;
        }
        let mut payload = vec![0; bytes as usize];
        file.read_exact_at(&mut payload, at + HEAD_BYTES as u64)?;
        if checksum(number, &payload) != found {
            break;
        }
        records.push(Record { number, payload });
        at = end;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, mem, process};

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("journal-{name}-{}", process::id()));
            drop(fs::remove_dir_all(&path));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn opened(folder: &Path) -> Journal {
        let (mut journal, _) = Journal::open(folder, 0).unwrap();
        journal.allocate();
        journal
    }

    fn say(journal: &mut Journal, text: &str) {
        let mut record = vec![0; HEAD_BYTES];
        record.extend(text.as_bytes());
        journal.append(journal.number() + 1, &mut record).unwrap();
        journal.sync().unwrap();
    }

    fn texts(folder: &Path, mark: u64) -> Vec<String> {
        let (_, records) = Journal::open(folder, mark).unwrap();
        records.into_iter().map(|record| String::from_utf8(record.payload).unwrap()).collect()
    }

    #[test]
    fn what_was_written_is_read_beyond_the_mark() {
        let folder = Scratch::new("mark");
        let mut journal = opened(&folder.0);
        assert_eq!(fs::metadata(folder.0.join(FILES[1])).unwrap().len(), FILE_BYTES);
        for text in ["one", "two", "three"] {
            say(&mut journal, text);
        }
        assert_eq!(texts(&folder.0, 0), ["one", "two", "three"]);
        assert_eq!(texts(&folder.0, 2), ["three"]);
        assert!(texts(&folder.0, 3).is_empty());
    }

    #[test]
    fn a_file_that_is_written_over_gives_only_what_is_new() {
        let folder = Scratch::new("over");
        let mut journal = opened(&folder.0);
        for text in ["one", "two", "three"] {
            say(&mut journal, text);
        }
        let left = journal.turn_over().unwrap();
        say(&mut journal, "four");
        assert!(journal.turn_over().is_none(), "the database may not hold the first file yet");
        left.store(true, Ordering::Release);
        journal.turn_over().unwrap();
        say(&mut journal, "five");
        assert_eq!(texts(&folder.0, 3), ["four", "five"]);
        // Before the mark has moved, what was written over is a gap, and nothing behind it counts.
        assert!(texts(&folder.0, 0).is_empty());
    }

    #[test]
    fn room_that_the_disk_refused_is_not_asked_for_again() {
        let folder = Scratch::new("refused");
        let mut journal = opened(&folder.0);
        let second = folder.0.join(FILES[1]);
        // A file that cannot be written refuses as a full disk does.
        let refusing = Arc::new(File::open(&second).unwrap());
        let whole = mem::replace(&mut journal.files[1].file, refusing);
        journal.grow();
        journal.grower.take().unwrap().thread.join().unwrap();
        journal.files[1].file = whole;
        for text in ["one", "two"] {
            say(&mut journal, text);
            journal.turn_over().unwrap().store(true, Ordering::Release);
            assert!(journal.grower.is_none());
        }
        let sizes = FILES.map(|name| fs::metadata(folder.0.join(name)).unwrap().len());
        assert_eq!(sizes, [FILE_BYTES; 2]);
    }

    #[test]
    fn a_file_whose_turn_comes_grows_no_more_and_keeps_what_it_has() {
        let folder = Scratch::new("grown");
        let mut journal = opened(&folder.0);
        say(&mut journal, "one");
        journal.grow();
        let left = journal.turn_over().unwrap();
        let reached = journal.half().bytes();
        say(&mut journal, "two");
        // The other one grows now.
        journal.grower.take().unwrap().thread.join().unwrap();
        let size = |name| fs::metadata(folder.0.join(name)).unwrap().len();
        assert_eq!(FILES.map(size), [GROWN_BYTES, reached]);
        assert_eq!(journal.room(), reached - journal.at, "what is not free is no room");
        left.store(true, Ordering::Release);
        journal.turn_over().unwrap();
        say(&mut journal, "three");
        assert!(journal.is_grown());
        drop(journal);
        assert_eq!(texts(&folder.0, 1), ["two", "three"]);
    }

    #[test]
    fn a_torn_record_ends_the_journal() {
        let folder = Scratch::new("torn");
        let mut journal = opened(&folder.0);
        for text in ["one", "two", "three"] {
            say(&mut journal, text);
        }
        let path = folder.0.join(FILES[0]);
        let mut whole = fs::read(&path).unwrap();
        whole.truncate(usize::try_from(journal.at).unwrap());
        for cut in 0..whole.len() {
            let mut torn = whole.clone();
            torn[cut] ^= 0x40;
            fs::write(&path, &torn).unwrap();
            let expected = cut / (HEAD_BYTES + 3);
            assert_eq!(texts(&folder.0, 0).len(), expected.min(2), "byte {cut}");
            fs::write(&path, whole.get(..cut).unwrap()).unwrap();
            assert!(texts(&folder.0, 0).len() <= 2);
        }
    }
}
