//! Forms with parts (`multipart/form-data`, RFC 7578), taken apart while they come in.
//!
//! Invariants: whatever the bytes, nothing panics; less than a chunk, a head and a boundary is kept; the same bytes give the
//! same parts, or are refused for the same reason, however they are cut; a part of a whole body is a piece of it, not a copy.
//! Left to others: how long a body may be (`input`, `uploads`), what a part is for.
//!
//! Our own, since `multer` (3.1) takes in all that is ready before it gives the first piece, and bounds neither the head of a
//! part nor what stands before the first boundary.

mod head;

use bytes::Bytes;
use memchr::memmem;
use thiserror::Error;

pub(crate) use self::head::Head;
use self::head::parameter;

/// The most characters of a boundary (RFC 2046, 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;
/// The most bytes of the head of a part, and of what may stand before the first one.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most spaces behind a boundary.
const PADDING_BYTES_MAX: usize = 70;
/// The most parts of a form.
const PARTS_MAX: usize = 64;

/// A form that is taken apart.
#[derive(Debug)]
pub(crate) struct Form {
    /// What leads every part but the first: a line break, two hyphens, the boundary.
    delimiter: Vec<u8>,
    kept: Bytes,
    place: Place,
    /// Parts that have begun.
    begun: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Boundary,
    Head,
    Inside,
    End,
}

/// What comes next in a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A part begins.
    Part(Head),
    /// Bytes of the part.
    Bytes(Bytes),
    /// There is nothing more; what follows is passed over.
    End,
    /// More must come in first.
    More,
}

/// A part of a form that has come in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// What the file is called, if it is one.
    pub(crate) file_name: Option<String>,
    /// What it says that it is.
    pub(crate) media_type: Option<String>,
    pub(crate) body: Bytes,
}

/// Why a form cannot be taken apart. Parts count from 1.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error(
        "expected the content-type to be multipart/form-data with a boundary of 1 to {BOUNDARY_CHARS_MAX} characters"
    )]
    NoBoundary,
    #[error("expected the body to begin with the boundary of the content-type")]
    NotLed,
    #[error("expected at most {PARTS_MAX} parts")]
    TooManyParts,
    #[error("expected a line break behind the boundary that leads part {part}")]
    NoLine { part: usize },
    #[error("expected the headers of part {part} to end within {HEAD_BYTES_MAX} bytes")]
    HeadTooLong { part: usize },
    #[error("expected part {part} to have a name")]
    Nameless { part: usize },
    #[error("expected part {part} to have a name that no part before it has")]
    Twice { part: usize },
    #[error("expected part {part} to be one thing by itself, and not several in another multipart")]
    Nested { part: usize },
    #[error("the body ends in part {part}; expected its boundary and two hyphens at the end")]
    CutOff { part: usize },
}

/// Tells whether a `Content-Type` announces a form with parts.
pub(crate) fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("multipart/form-data")
}

/// Takes a whole body apart. Each part has a name of its own.
pub(crate) fn parts(content_type: &str, body: Bytes) -> Result<Vec<Part>, Malformed> {
    let mut form = Form::of(content_type)?;
    form.push(body);
    let mut parts: Vec<Part> = Vec::new();
    loop {
        match form.next()? {
            Next::Part(Head { name, file_name, media_type }) => {
                let part = form.begun;
                let name = name.ok_or(Malformed::Nameless { part })?;
                if parts.iter().any(|known| known.name == name) {
                    return Err(Malformed::Twice { part });
                }
                let file_name = file_name.filter(|name| !name.is_empty());
                parts.push(Part { name, file_name, media_type, body: Bytes::new() });
            }
            // Of a whole body, all of a part comes at once.
            Next::Bytes(bytes) => {
                if let Some(part) = parts.last_mut() {
                    part.body = bytes;
                }
            }
            Next::End | Next::More => break,
        }
    }
    form.end()?;
    Ok(parts)
}

impl Form {
    /// Takes the boundary from a `Content-Type`.
    pub(crate) fn of(content_type: &str) -> Result<Self, Malformed> {
        let boundary = parameter(content_type, "boundary").filter(|boundary| {
            (1..=BOUNDARY_CHARS_MAX).contains(&boundary.len())
                && boundary.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        });
        let boundary = boundary.filter(|_| is_form(content_type)).ok_or(Malformed::NoBoundary)?;
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        Ok(Self { delimiter, kept: Bytes::new(), place: Place::Before, begun: 0 })
    }

    /// Takes what came in.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.kept.is_empty() {
            self.kept = bytes;
        } else if self.place != Place::End {
            self.kept = [self.kept.as_ref(), &bytes].concat().into();
        }
    }

    /// Gives what comes next.
    pub(crate) fn next(&mut self) -> Result<Next, Malformed> {
        loop {
            let next = match self.place {
                Place::Before => self.before()?,
                Place::Boundary => self.boundary()?,
                Place::Head => self.head()?,
                Place::Inside => self.inside(),
                Place::End => Some(Next::End),
            };
            if let Some(next) = next {
                return Ok(next);
            }
        }
    }

    /// Refuses a form whose last boundary has not come.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        match self.place {
            Place::End => Ok(()),
            Place::Before => Err(Malformed::NotLed),
            Place::Boundary | Place::Head | Place::Inside => {
                Err(Malformed::CutOff { part: self.begun })
            }
        }
    }

    fn before(&mut self) -> Result<Option<Next>, Malformed> {
        let first = self.delimiter.get(2..).unwrap_or_default();
        let end = if self.kept.starts_with(first) {
            Some(first.len())
        } else {
            let at = memmem::find(&self.kept, &self.delimiter).filter(|at| *at <= HEAD_BYTES_MAX);
            at.map(|at| at + self.delimiter.len())
        };
        match end {
            Some(end) => Ok(self.pass(end, Place::Boundary)),
            None if self.kept.len() < HEAD_BYTES_MAX + self.delimiter.len() => Ok(Some(Next::More)),
            None => Err(Malformed::NotLed),
        }
    }

    fn boundary(&mut self) -> Result<Option<Next>, Malformed> {
        if self.kept.starts_with(b"--") {
            return Ok(self.pass(self.kept.len(), Place::End));
        }
        let part = self.begun + 1;
        let is_padding = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let padding = self.kept.iter().take_while(is_padding).count();
        let rest = self.kept.get(padding..).unwrap_or_default();
        if padding > PADDING_BYTES_MAX {
            Err(Malformed::NoLine { part })
        } else if rest.starts_with(b"\r\n") {
            if part > PARTS_MAX {
                return Err(Malformed::TooManyParts);
            }
            self.begun = part;
            Ok(self.pass(padding, Place::Head))
        } else if b"\r\n".starts_with(rest) || (padding == 0 && rest == b"-") {
            Ok(Some(Next::More))
        } else {
            Err(Malformed::NoLine { part })
        }
    }

    /// Reads a head; the line break behind the boundary is still there, so that a part without one ends it too.
    fn head(&mut self) -> Result<Option<Next>, Malformed> {
        const END: &[u8] = b"\r\n\r\n";
        match memmem::find(&self.kept, END).filter(|at| *at <= HEAD_BYTES_MAX) {
            Some(at) => {
                let head = Head::of(&self.kept.split_to(at));
                if head.is_multipart() {
                    return Err(Malformed::Nested { part: self.begun });
                }
                self.pass(END.len(), Place::Inside);
                Ok(Some(Next::Part(head)))
            }
            None if self.kept.len() < HEAD_BYTES_MAX + END.len() => Ok(Some(Next::More)),
            None => Err(Malformed::HeadTooLong { part: self.begun }),
        }
    }

    fn inside(&mut self) -> Option<Next> {
        match memmem::find(&self.kept, &self.delimiter) {
            Some(0) => self.pass(self.delimiter.len(), Place::Boundary),
            Some(at) => Some(Next::Bytes(self.kept.split_to(at))),
            None => {
                // The last bytes may be the beginning of a boundary.
                let sure = (self.kept.len() + 1).saturating_sub(self.delimiter.len());
                let bytes = self.kept.split_to(sure);
                Some(if bytes.is_empty() { Next::More } else { Next::Bytes(bytes) })
            }
        }
    }

    /// Goes on to a place; nothing comes of it yet.
    fn pass(&mut self, bytes: usize, place: Place) -> Option<Next> {
        drop(self.kept.split_to(bytes));
        self.place = place;
        None
    }
}

#[cfg(test)]
mod tests;
