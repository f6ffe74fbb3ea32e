//! The text of a mail as it comes over the wire, until the dot that ends it.
//!
//! Invariants: nothing ends a mail but a dot between two whole line ends, so that no two servers see different ends; a
//! mail with a CR or LF that stands alone is none; memory is bounded, and a mail that is refused has none.

/// The most bytes of a mail.
pub(super) const MAIL_BYTES_MAX: usize = 1024 * 1024;

/// A mail that comes in.
#[derive(Debug)]
pub(super) struct Data {
    text: Vec<u8>,
    flaw: Option<Flaw>,
    at: At,
}

/// Why a mail is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It has a CR or an LF that stands alone.
    Bare,
    /// It is longer than [`MAIL_BYTES_MAX`].
    TooLarge,
}

/// What came last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The end of a line, or nothing yet.
    LineStart,
    /// A dot at the start of a line.
    Dot,
    /// A dot at the start of a line, and a CR.
    DotReturn,
    /// A CR.
    Return,
    /// Anything else.
    Inside,
}

impl Data {
    pub(super) const fn new() -> Self {
        Self { text: Vec::new(), flaw: None, at: At::LineStart }
    }

    /// Takes a byte; tells whether the mail is whole now.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.at = match (self.at, byte) {
            (At::DotReturn, b'\n') => return true,
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotReturn,
            (At::Return, b'\n') => {
                self.keep(b"\r\n");
                At::LineStart
            }
            (At::LineStart | At::Inside, b'\r') => At::Return,
            (At::Return | At::DotReturn, b'\r') => {
                self.refuse(Flaw::Bare);
                At::Return
            }
            (At::LineStart | At::Dot | At::Inside, b'\n') | (At::Return | At::DotReturn, _) => {
                self.refuse(Flaw::Bare);
                At::Inside
            }
            // A dot before it was the other server's, and is gone.
            (At::LineStart | At::Dot | At::Inside, byte) => {
                self.keep(&[byte]);
                At::Inside
            }
        };
        false
    }

    /// Gives the text of a mail that is whole, or why it is not taken.
    pub(super) fn end(self) -> Result<Vec<u8>, Flaw> {
        match self.flaw {
            None => Ok(self.text),
            Some(flaw) => Err(flaw),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.flaw.is_some() {
            return;
        }
        if self.text.len() + bytes.len() > MAIL_BYTES_MAX {
            self.refuse(Flaw::TooLarge);
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    fn refuse(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
        self.text = Vec::new();
    }

    #[cfg(test)]
    pub(super) const fn held_bytes(&self) -> usize {
        self.text.capacity()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives what a mail is, and how many bytes it took; `None` where it has no end.
    fn read(bytes: &[u8]) -> Option<(Result<Vec<u8>, Flaw>, usize)> {
        let mut data = Data::new();
        let end = bytes.iter().position(|byte| data.take(*byte))?;
        Some((data.end(), end + 1))
    }

    #[test]
    fn a_mail_comes_without_the_dots_that_were_added() {
        let mail = b"a\r\n..\r\n...b\r\n\r\n.\r\nQUIT\r\n";
        let text = b"a\r\n.\r\n..b\r\n\r\n".to_vec();
        assert_eq!(read(mail), Some((Ok(text), mail.len() - 6)));
        assert_eq!(read(b".\r\n"), Some((Ok(Vec::new()), 3)));
    }

    #[test]
    fn nothing_else_than_a_dot_between_line_ends_is_an_end() {
        let ends =
            ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n", "\r\n.\r\r\n"];
        for end in ends {
            let smuggled = format!("a{end}MAIL FROM:<>\r\n");
            assert_eq!(read(smuggled.as_bytes()), None, "{end:?}");
            let whole = format!("{smuggled}\r\n.\r\n");
            let (ended, taken) = read(whole.as_bytes()).unwrap();
            assert_eq!(taken, whole.len(), "{end:?}");
            let is_plain = end == "\r\n\0.\r\n";
            assert_eq!(ended.err(), (!is_plain).then_some(Flaw::Bare), "{end:?}");
        }
    }

    #[test]
    fn a_mail_that_is_too_large_is_read_to_its_end_and_not_held() {
        let mut mail = vec![b'a'; MAIL_BYTES_MAX - 2];
        mail.extend(b"\r\n.\r\n");
        assert_eq!(read(&mail).unwrap().0.unwrap().len(), MAIL_BYTES_MAX);
        mail.insert(0, b'a');
        assert_eq!(read(&mail), Some((Err(Flaw::TooLarge), mail.len())));
    }

    proptest! {
        #[test]
        fn lines_come_as_they_were_written(lines in prop::collection::vec("[.a]{0,4}", 1..8)) {
            let text = format!("{}\r\n", lines.join("\r\n"));
            let stuffed = |line: &String| {
                let dot = if line.starts_with('.') { "." } else { "" };
                format!("{dot}{line}\r\n")
            };
            let wire = lines.iter().map(stuffed).chain([".\r\n".to_owned()]).collect::<String>();
            prop_assert_eq!(read(wire.as_bytes()), Some((Ok(text.into_bytes()), wire.len())));
        }

        #[test]
        fn a_mail_ends_where_its_dot_is_and_is_taken_where_every_line_end_is_whole(
            parts in prop::collection::vec(prop::sample::select(vec!["\r", "\n", "\r\n", ".", "a"]), 0..16),
        ) {
            let wire = parts.concat();
            // The line end before the mail is that of the command.
            let lead = format!("\r\n{wire}");
            let end = lead.find("\r\n.\r\n");
            prop_assert_eq!(read(wire.as_bytes()).map(|(_, taken)| taken), end.map(|at| at + 3));
            if let (Some(at), Some((ended, _))) = (end, read(wire.as_bytes())) {
                let is_whole = !lead.split_at(at).0.replace("\r\n", "").contains(['\r', '\n']);
                prop_assert_eq!(ended.is_ok(), is_whole);
            }
        }
    }
}
