//! Bodies of several parts (`multipart/form-data`, RFC 7578), taken apart.
//!
//! Invariants: pure; nothing here panics, whatever the bytes; a part is a piece of the body, not a copy.
//! Left to others: how long a body may be (`input`), what a part means.

use bytes::Bytes;
use memchr::memmem::find;

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// What it is called in the form.
    pub(crate) name: String,
    /// What the file is called, if it is one.
    pub(crate) file_name: Option<String>,
    /// What it says that it is.
    pub(crate) media_type: Option<String>,
    /// The part itself.
    pub(crate) body: Bytes,
}

/// The most parts of a body.
const PARTS_MAX: usize = 64;
/// The most bytes of the headers of a part.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most characters of a boundary (RFC 2046, 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;

/// Tells whether a `Content-Type` announces several parts.
pub(crate) fn is_multipart(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("multipart/form-data")
}

/// Takes a body apart; the error says what is expected.
pub(crate) fn parts(content_type: &str, body: &Bytes) -> Result<Vec<Part>, &'static str> {
    let boundary = parameter(content_type, "boundary");
    let is_fine = |boundary: &String| (1..=BOUNDARY_CHARS_MAX).contains(&boundary.chars().count());
    let boundary = boundary.filter(is_fine).ok_or("expected a boundary in the content-type")?;
    let (first, delimiter) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut rest = body.clone();
    // What stands before the first boundary is for nobody.
    let start = if rest.starts_with(first.as_bytes()) {
        first.len()
    } else {
        find(&rest, delimiter.as_bytes()).ok_or(NO_BOUNDARY)? + delimiter.len()
    };
    rest = rest.slice(start..);
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let head_from = find(&rest, b"\r\n").filter(|at| *at <= BOUNDARY_CHARS_MAX);
        rest = rest.slice(head_from.ok_or(NO_BOUNDARY)?..);
        let head_bytes = find(&rest, b"\r\n\r\n").filter(|at| *at <= HEAD_BYTES_MAX);
        let head_bytes =
            head_bytes.ok_or("expected each part to have headers, and a line between")?;
        let head = String::from_utf8_lossy(&rest.slice(..head_bytes)).into_owned();
        rest = rest.slice(head_bytes + 4..);
        // A part without a byte ends where its headers do.
        let end = find(&rest, delimiter.as_bytes());
        let end = end.ok_or("expected the body to end with its boundary and two hyphens")?;
        parts.push(part(&head, rest.slice(..end))?);
        rest = rest.slice(end + delimiter.len()..);
        if parts.len() > PARTS_MAX {
            return Err("expected at most 64 parts");
        }
    }
    Ok(parts)
}

const NO_BOUNDARY: &str = "expected the body to begin with its boundary";

fn part(head: &str, body: Bytes) -> Result<Part, &'static str> {
    let header = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines
            .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let name = parameter(disposition, "name").ok_or("expected each part to have a name")?;
    Ok(Part {
        name,
        file_name: parameter(disposition, "filename").filter(|name| !name.is_empty()),
        media_type: header("content-type").map(str::to_owned),
        body,
    })
}

/// Takes a parameter of a header; in quotes, a backslash stands before a quote (WHATWG writes `%22` instead).
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (known, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, after) = if let Some(quoted) = value.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let (value, after) = value.split_once(';').unwrap_or((value, ""));
            (value.trim().to_owned(), after)
        };
        if known.trim().eq_ignore_ascii_case(name) {
            return Some(value.replace("%22", "\"").replace("%0D%0A", " "));
        }
        rest = after.trim_start().trim_start_matches(';');
    }
}

fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((text, quoted.get(at + 1..)?)),
            '\\' => match chars.next()? {
                (_, escaped @ ('"' | '\\')) => text.push(escaped),
                (_, other) => text.extend(['\\', other]),
            },
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(body: &str) -> Result<Vec<Part>, &'static str> {
        parts("multipart/form-data; boundary=\"x y\"", &Bytes::from(body.to_owned()))
    }

    #[test]
    fn a_body_is_taken_apart() {
        let body = "before\r\n--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--x\r\n--x y  \r\n\
            content-type: text/plain\r\ncontent-disposition: form-data; filename=\"b\\\"%22;é.txt\"; name=b\r\n\r\n\r\n--x y--\r\nafter";
        let parts = of(body).unwrap();
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((&parts[0].body[..], &parts[1].body[..]), (&b"one\r\n--x"[..], &b""[..]));
        assert_eq!(parts[1].file_name.as_deref(), Some("b\"\";é.txt"));
        assert_eq!(parts[1].media_type.as_deref(), Some("text/plain"));
        assert_eq!(parts[0].file_name, None);
    }

    #[test]
    fn a_body_that_is_cut_off_is_refused() {
        let whole = "--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--x y--";
        assert_eq!(of(whole).unwrap().len(), 1);
        for end in 0..whole.len() - 2 {
            assert!(whole.get(..end).is_some_and(|cut| of(cut).is_err()), "{end}");
        }
        assert!(parts("multipart/form-data", &Bytes::new()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in ".*", body: Vec<u8>, tail in "(--x|\r\n|;|=|\"|name|form-data|:| )*") {
            let body = Bytes::from([body, tail.clone().into_bytes()].concat());
            drop(parts(&kind, &body));
            drop(parts("multipart/form-data; boundary=x", &body));
            drop(parameter(&tail, "name"));
        }

        #[test]
        fn what_is_put_together_comes_apart(bodies in vec(any::<Vec<u8>>(), 1..5)) {
            let boundary = "b0undary-that-no-chance-makes";
            let mut body = Vec::new();
            for (at, part) in bodies.iter().enumerate() {
                body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"p{at}\"\r\n\r\n").bytes());
                body.extend(part);
                body.extend(b"\r\n");
            }
            body.extend(format!("--{boundary}--\r\n").bytes());
            let kind = format!("multipart/form-data; boundary={boundary}");
            let parts = parts(&kind, &Bytes::from(body)).unwrap();
            prop_assert!(parts.iter().map(|part| part.body.to_vec()).eq(bodies));
        }
    }
}
