//! Where the body of an answer ends, and what of the bytes that came belongs to it.
//!
//! Invariant: nothing is kept here but where we are; of what frames a chunk no more than [`FRAME_BYTES_MAX`] are
//! accepted.
//! Source: RFC 9112, sections 6 and 7.

use httparse::{Status, parse_chunk_size};

use crate::http::answer::Body;

/// How the end of a body is found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes more.
    Length(u64),
    /// With the chunk that has none.
    Chunked(Chunks),
    /// With the connection.
    UntilClose,
}

/// Where in a chunked body we are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    at: At,
    /// What the trailer had until now.
    trailer_bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum At {
    /// Before the line with a chunk's size.
    Size,
    /// Within a chunk, so many bytes before its end.
    Data(u64),
    /// Before the line break after a chunk.
    DataEnd,
    /// After the last chunk, before a line of the trailer.
    Trailer,
    /// After it all.
    End,
}

/// Bytes that are not what they should be: why not, without a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Nonsense(pub(crate) String);

impl Framing {
    /// A chunked body of which nothing was read.
    pub(crate) const fn chunked() -> Self {
        Self::Chunked(Chunks { at: At::Size, trailer_bytes: 0 })
    }

    /// Hands on what belongs to the body, and gives how many bytes are done with. More must come before the rest can
    /// be understood.
    pub(crate) fn take(&mut self, bytes: &[u8], body: &mut Body) -> Result<usize, Nonsense> {
        match self {
            Self::Length(left) => Ok(take_data(left, bytes, body)),
            Self::Chunked(chunks) => chunks.take(bytes, body),
            Self::UntilClose => {
                body.push(bytes);
                Ok(bytes.len())
            }
        }
    }

    /// Tells whether the body is over without the connection's being closed.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks { at: At::End, .. }))
    }
}

impl Chunks {
    fn take(&mut self, bytes: &[u8], body: &mut Body) -> Result<usize, Nonsense> {
        let mut rest = bytes;
        while let Some(used) = self.step(rest, body)? {
            rest = rest.get(used..).unwrap_or_default();
        }
        if self.at != At::End && rest.len() > FRAME_BYTES_MAX {
            return Err(Nonsense("a line between its chunks has no end".to_owned()));
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    /// Gives how many bytes took us further; nothing when there are too few, or at the end.
    fn step(&mut self, bytes: &[u8], body: &mut Body) -> Result<Option<usize>, Nonsense> {
        Ok(match &mut self.at {
            // The parser takes a line without a digit for the last chunk.
            At::Size if bytes.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                return Err(Nonsense("a chunk has no size".to_owned()));
            }
            At::Size => match parse_chunk_size(bytes) {
                Ok(Status::Complete((length, size))) if length <= FRAME_BYTES_MAX => {
                    self.at = if size == 0 { At::Trailer } else { At::Data(size) };
                    Some(length)
                }
                Ok(Status::Complete(_)) => {
                    return Err(Nonsense("a chunk says too much".to_owned()));
                }
                Ok(Status::Partial) => None,
                Err(_) => return Err(Nonsense("a chunk has no size".to_owned())),
            },
            At::Data(left) => {
                let used = take_data(left, bytes, body);
                if *left == 0 {
                    self.at = At::DataEnd;
                }
                (used > 0).then_some(used)
            }
            At::DataEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    self.at = At::Size;
                    Some(2)
                }
                [] | [b'\r'] => None,
                [_, ..] => return Err(Nonsense("a chunk is longer than its size".to_owned())),
            },
            At::Trailer => {
                let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                    return Ok(None);
                };
                self.trailer_bytes = self.trailer_bytes.saturating_add(end);
                if self.trailer_bytes > FRAME_BYTES_MAX {
                    return Err(Nonsense("what follows its chunks has no end".to_owned()));
                }
                if matches!(bytes, [b'\r', b'\n', ..] | [b'\n', ..]) {
                    self.at = At::End;
                }
                Some(end + 1)
            }
            At::End => None,
        })
    }
}

/// Hands on as much as is left of a stretch of data.
fn take_data(left: &mut u64, bytes: &[u8], body: &mut Body) -> usize {
    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    body.push(bytes.get(..used).unwrap_or_default());
    *left = left.saturating_sub(used as u64);
    used
}

/// The most bytes of a line with a chunk's size, and of all that follows the last chunk.
const FRAME_BYTES_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// Reads bytes that come in pieces, as a connection does; gives the text and what was left over.
    fn read(
        mut framing: Framing,
        bytes: &[u8],
        piece_bytes: &[usize],
    ) -> Result<(Option<String>, usize), Nonsense> {
        let mut body = Body::of(1 << 20);
        let mut ahead: Vec<u8> = Vec::new();
        let mut rest = bytes;
        let mut sizes = piece_bytes.iter().copied().cycle();
        while !framing.is_over() && !rest.is_empty() {
            let size = sizes.next().unwrap().min(rest.len());
            ahead.extend(&rest[..size]);
            rest = &rest[size..];
            let used = framing.take(&ahead, &mut body)?;
            ahead.drain(..used);
        }
        let text = framing.is_over().then(|| body.into_text().0);
        Ok((text, ahead.len() + rest.len()))
    }

    fn chunked(pieces: &[String]) -> String {
        let mut text = String::new();
        for (number, piece) in pieces.iter().enumerate() {
            let extension = if number % 2 == 0 { "" } else { ";name=value" };
            write!(text, "{:x}{extension}\r\n{piece}\r\n", piece.len()).unwrap();
        }
        text + "0\r\nx-trailer: a\r\n\r\n"
    }

    proptest! {
        #[test]
        fn a_chunked_body_is_the_same_however_it_is_cut(
            pieces in prop::collection::vec("[a-z\r\n]{1,40}", 0..12),
            cuts in prop::collection::vec(1_usize..50, 1..20),
            after in "[a-z]{0,5}",
        ) {
            let bytes = chunked(&pieces) + &after;
            let read = read(Framing::chunked(), bytes.as_bytes(), &cuts).unwrap();
            prop_assert_eq!(read, (Some(pieces.concat()), after.len()));
        }

        #[test]
        fn a_chunked_body_that_is_cut_off_has_no_end(
            pieces in prop::collection::vec("[a-z]{1,40}", 0..12),
            missing in 1_usize..20,
        ) {
            let bytes = chunked(&pieces);
            let end = bytes.len() - missing.min(bytes.len());
            let read = read(Framing::chunked(), &bytes.as_bytes()[..end], &[7]).unwrap();
            prop_assert_eq!(read.0, None);
        }

        #[test]
        fn no_bytes_do_harm(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(1_usize..50, 1..20),
        ) {
            // Whether they are refused or not: nothing panics, and nothing hangs.
            let start = [b"5\r\nabcde\r\n".as_slice(), &bytes].concat();
            drop(read(Framing::chunked(), &bytes, &cuts));
            drop(read(Framing::chunked(), &start, &cuts));
        }
    }

    #[test]
    fn a_length_counts_every_byte_and_no_more() {
        for cuts in [&[1_usize][..], &[3], &[100]] {
            let read = read(Framing::Length(5), b"abcdefg", cuts).unwrap();
            assert_eq!(read, (Some("abcde".to_owned()), 2), "{cuts:?}");
        }
    }

    #[test]
    fn what_frames_a_chunk_is_bounded() {
        let long = "x".repeat(FRAME_BYTES_MAX);
        let lines = "x: y\r\n".repeat(FRAME_BYTES_MAX / 4);
        for bytes in [
            format!("3;{long}\r\nabc\r\n0\r\n\r\n"),
            format!("3;{long}{long}"),
            format!("0\r\n{long}x: y\r\n\r\n"),
            format!("0\r\n{lines}\r\n"),
        ] {
            for cuts in [100, 100_000] {
                assert!(read(Framing::chunked(), bytes.as_bytes(), &[cuts]).is_err());
            }
        }
    }

    #[test]
    fn a_chunk_that_is_none_is_refused() {
        for bytes in
            ["xyz\r\n", "-1\r\n", "\r\n", "3\r\nabcd\r\n", "3\nabc", "11111111111111111\r\n"]
        {
            assert!(read(Framing::chunked(), bytes.as_bytes(), &[100]).is_err(), "{bytes:?}");
        }
    }
}
