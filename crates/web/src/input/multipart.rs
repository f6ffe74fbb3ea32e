//! `multipart/form-data` (RFC 7578), taken apart while it comes in.
//!
//! Invariants: whatever the bytes, and however they are cut, nothing panics, and less than a chunk, a head and a boundary is
//! kept; the same bytes give the same parts however they are cut.
//! Left to others: what a part is for, how long it may be (`uploads`).

use std::{iter, mem};

use memchr::memmem;

/// The most characters of a boundary (RFC 2046, 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;
/// The most bytes of the head of a part, and of what may stand before the first one.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A body that is taken apart.
#[derive(Debug)]
pub(crate) struct Multipart {
    /// What leads every part but the first: a line break, two dashes, the boundary.
    delimiter: Vec<u8>,
    kept: Vec<u8>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Boundary,
    Head,
    Inside,
    End,
}

/// What comes next in a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A part begins.
    Part(Head),
    /// Bytes of the part.
    Bytes(Vec<u8>),
    /// There is nothing more; what follows is passed over.
    End,
    /// More must come in first.
    More,
}

/// What a part says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The field of the form.
    pub(crate) field: String,
    /// The name of the file, if it is one.
    pub(crate) file: Option<String>,
}

/// Why a body cannot be taken apart.
pub(crate) type Malformed = &'static str;

impl Multipart {
    /// Takes the boundary from the content type; `None` when there is none that may be one.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let mut parts = content_type.splitn(2, ';');
        let essence = parts.next()?.trim();
        let boundary = parameters(parts.next()?).find(|(name, _)| name == "boundary")?.1;
        let fits = (1..=BOUNDARY_CHARS_MAX).contains(&boundary.len())
            && boundary.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let is_form = essence.eq_ignore_ascii_case("multipart/form-data") && fits;
        is_form.then(|| Self {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // As if a line had ended before the first boundary.
            kept: b"\r\n".to_vec(),
            place: Place::Before,
        })
    }

    /// Takes what came in.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.place != Place::End {
            self.kept.extend_from_slice(bytes);
        }
    }

    /// Gives what comes next.
    pub(crate) fn next(&mut self) -> Result<Next, Malformed> {
        loop {
            match self.place {
                Place::Before => match memmem::find(&self.kept, &self.delimiter) {
                    Some(at) => self.skip(at + self.delimiter.len(), Place::Boundary),
                    None if self.kept.len() > HEAD_BYTES_MAX => {
                        return Err("the boundary of the content-type does not lead the body");
                    }
                    None => return Ok(Next::More),
                },
                Place::Boundary => match self.kept.get(..2) {
                    Some(b"\r\n") => self.skip(0, Place::Head),
                    Some(b"--") => self.skip(self.kept.len(), Place::End),
                    Some(_) => return Err("a boundary is followed by something else"),
                    None => return Ok(Next::More),
                },
                // The line break behind the boundary is still there, so that a part without a head ends it too.
                Place::Head => match memmem::find(&self.kept, b"\r\n\r\n") {
                    Some(at) if at <= HEAD_BYTES_MAX => {
                        let head = head(self.kept.get(..at).unwrap_or_default());
                        self.skip(at + 4, Place::Inside);
                        return Ok(Next::Part(head));
                    }
                    None if self.kept.len() <= HEAD_BYTES_MAX => return Ok(Next::More),
                    Some(_) | None => return Err("the head of a part is too long"),
                },
                Place::Inside => match memmem::find(&self.kept, &self.delimiter) {
                    Some(0) => self.skip(self.delimiter.len(), Place::Boundary),
                    Some(at) => return Ok(Next::Bytes(self.take(at))),
                    None => {
                        // The last bytes may be the beginning of a boundary.
                        let sure = self.kept.len().saturating_sub(self.delimiter.len() - 1);
                        let bytes = self.take(sure);
                        return Ok(if bytes.is_empty() { Next::More } else { Next::Bytes(bytes) });
                    }
                },
                Place::End => return Ok(Next::End),
            }
        }
    }

    /// Tells whether the last boundary has come.
    pub(crate) fn is_over(&self) -> bool {
        self.place == Place::End
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.kept.split_off(bytes);
        mem::replace(&mut self.kept, rest)
    }

    fn skip(&mut self, bytes: usize, place: Place) {
        self.kept.drain(..bytes.min(self.kept.len()));
        self.place = place;
    }
}

/// Reads the head of a part: its `content-disposition` alone (RFC 7578, 4.2), `filename*` before `filename`.
fn head(bytes: &[u8]) -> Head {
    let text = String::from_utf8_lossy(bytes);
    let mut head = Head::default();
    let mut extended = None;
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        if !name.trim().eq_ignore_ascii_case("content-disposition") {
            continue;
        }
        let (_, rest) = value.split_once(';').unwrap_or((value, ""));
        for (name, value) in parameters(rest) {
            match name.as_str() {
                "name" => head.field = value,
                "filename" => head.file = Some(value),
                "filename*" => extended = decoded(&value),
                _ => {}
            }
        }
    }
    head.file = extended.or(head.file);
    head
}

/// Reads the parameters of a header: names in small letters, values without quotes.
fn parameters(text: &str) -> impl Iterator<Item = (String, String)> {
    let mut rest = text.chars().peekable();
    iter::from_fn(move || {
        while rest.next_if(|c| *c == ';' || c.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| !matches!(c, '=' | ';')) {
            name.push(c);
        }
        let mut value = String::new();
        if rest.next_if_eq(&'=').is_some() {
            if rest.next_if_eq(&'"').is_some() {
                while let Some(c) = rest.next().filter(|c| *c != '"') {
                    // Some write a quote as `\"`; a backslash before anything else is one, as in the names of Windows.
                    let quote = (c == '\\').then(|| rest.next_if_eq(&'"')).flatten();
                    value.push(quote.unwrap_or(c));
                }
            } else {
                while let Some(c) = rest.next_if(|c| *c != ';') {
                    value.push(c);
                }
            }
        }
        let name = name.trim().to_ascii_lowercase();
        (!name.is_empty()).then(|| (name, value.trim().to_owned()))
    })
}

/// Reads a value that names its characters: `UTF-8''%e2%82%ac` (RFC 8187).
fn decoded(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
            digit(rest.next()?)? << 4 | digit(rest.next()?)?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"a b\"";

    /// The parts of a body, and whether it came to its end.
    type Parts = (Vec<(Head, Vec<u8>)>, bool);

    /// Takes a body apart that comes in pieces of some length.
    fn parts(body: &[u8], step: usize) -> Result<Parts, Malformed> {
        let mut multipart = Multipart::of(TYPE).unwrap();
        let mut parts: Vec<(Head, Vec<u8>)> = Vec::new();
        for chunk in body.chunks(step) {
            multipart.push(chunk);
            loop {
                match multipart.next()? {
                    Next::Part(head) => parts.push((head, Vec::new())),
                    Next::Bytes(bytes) => parts.last_mut().unwrap().1.extend(bytes),
                    Next::End | Next::More => break,
                }
            }
        }
        Ok((parts, multipart.is_over()))
    }

    fn named(field: &str, file: Option<&str>) -> Head {
        Head { field: field.to_owned(), file: file.map(str::to_owned) }
    }

    proptest! {
        #[test]
        fn parts_are_the_same_however_a_body_is_cut(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4),
            step in 1_usize..300,
        ) {
            let mut body = Vec::new();
            for (n, content) in contents.iter().enumerate() {
                let head = format!(
                    "--a b\r\nContent-Disposition: form-data; name=\"f{n}\"; filename=\"{n}.pdf\"\r\n\r\n"
                );
                body.extend([head.as_bytes(), content, b"\r\n"].concat());
            }
            body.extend(b"--a b--\r\nwhat follows");
            let expected: Vec<(Head, Vec<u8>)> = contents
                .into_iter()
                .enumerate()
                .map(|(n, content)| (named(&format!("f{n}"), Some(&format!("{n}.pdf"))), content))
                .collect();
            prop_assert_eq!(parts(&body, step), Ok((expected, true)));
        }

        #[test]
        fn no_bytes_panic(
            bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'a'), Just(b' '), Just(b'b'), any::<u8>()], 0..300),
            kind: String,
        ) {
            drop(parts(&[b"--a b\r\n\r\n", bytes.as_slice()].concat(), 7));
            drop(parts(&bytes, 1));
            drop(Multipart::of(&kind));
            drop(head(&bytes));
        }
    }

    #[test]
    fn what_leads_to_no_part_is_refused_and_what_does_not_end_is_not_over() {
        assert!(parts(b"--other\r\n\r\nx", 3).is_ok_and(|(parts, over)| parts.is_empty() && !over));
        assert!(parts(&[b'x'; 9_000], 100).is_err());
        assert!(parts(b"--a bc\r\n\r\nx", 100).is_err());
        assert!(parts(&[b"--a b\r\nX: ", [b'y'; 9_000].as_slice()].concat(), 100).is_err());
        let cut = parts(b"--a b\r\n\r\nhalf\r\n--a ", 100).unwrap();
        assert_eq!(cut, (vec![(Head::default(), b"half".to_vec())], false));
    }

    #[test]
    fn a_head_names_the_field_and_the_file() {
        let of = |line: &str| head(format!("\r\nContent-Type: a/b\r\n{line}").as_bytes());
        let cases = [
            ("content-disposition: form-data; name=file", named("file", None)),
            (
                r#"Content-Disposition: form-data; name="file"; filename="a;\"b.pdf""#,
                named("file", Some("a;\"b.pdf")),
            ),
            (
                r#"Content-Disposition: form-data; name="f"; filename="C:\docs\a.pdf""#,
                named("f", Some("C:\\docs\\a.pdf")),
            ),
            (
                "Content-Disposition: form-data; name=f; filename=x; filename*=utf-8''na%C3%AFve.pdf",
                named("f", Some("naïve.pdf")),
            ),
            (
                "Content-Disposition: form-data; name=f; filename=x; filename*=utf-8''%ff",
                named("f", Some("x")),
            ),
            ("X: y", Head::default()),
        ];
        for (line, expected) in cases {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn a_form_needs_a_boundary() {
        for kind in [
            "multipart/form-data; boundary=x",
            "Multipart/Form-Data; charset=utf-8; Boundary=\"x\"",
        ] {
            assert!(Multipart::of(kind).is_some(), "{kind}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for kind in [
            "multipart/form-data",
            "multipart/mixed; boundary=x",
            "multipart/form-data; boundary=",
            &long,
        ] {
            assert!(Multipart::of(kind).is_none(), "{kind}");
        }
    }
}
