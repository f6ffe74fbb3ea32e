//! A body of several parts, as forms with files send it (RFC 7578), taken apart.
//!
//! Invariants: never panics, whatever the bytes; a body holds at most [`PARTS_MAX`] parts; a file's name is its last part, and
//! leads nowhere.
//! Left to others: how long a body may be (`web`), what its parts mean.

use std::str::from_utf8;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The name of the field.
    pub name: String,
    /// The name of the file, if it is one.
    pub file_name: Option<String>,
    /// What kind of file it is, if that is said.
    pub media_type: Option<String>,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// The most parts of a body.
pub const PARTS_MAX: usize = 32;
/// The most bytes of a part's head.
const HEAD_BYTES_MAX: usize = 4 * 1024;
/// The longest boundary, by RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;

/// Takes a body apart; `None` where it is not what its content type says.
pub fn pieces<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Piece<'a>>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return None;
    }
    let opening = format!("--{boundary}");
    let closing = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(opening.as_bytes()).or_else(|| {
        let (_preamble, rest) = split_at(body, closing.as_bytes())?;
        Some(rest)
    })?;
    let mut pieces = Vec::new();
    while !rest.starts_with(b"--") {
        if pieces.len() >= PARTS_MAX {
            return None;
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let (part, behind) = split_at(part, closing.as_bytes())?;
        pieces.push(piece(part)?);
        rest = behind;
    }
    Some(pieces)
}

fn piece(part: &[u8]) -> Option<Piece<'_>> {
    let (head, bytes) = split_at(part, b"\r\n\r\n")?;
    let head = from_utf8(head).ok().filter(|head| head.len() <= HEAD_BYTES_MAX)?;
    let header = |wanted: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let found = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    let (kind, parameters) = header("content-disposition")?.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let file_name = parameter(parameters, "filename");
    let last = |name: String| name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    Some(Piece {
        name: parameter(parameters, "name")?,
        file_name: file_name.map(last).filter(|name| !name.is_empty()),
        media_type: header("content-type").map(str::to_owned),
        bytes,
    })
}

/// Finds a parameter such as `name="a; b"`; inside quotes, `\"` and `%22` stand for a quote.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters.trim_start_matches([';', ' ', '\t']);
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = value(behind.trim_start())?;
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind.trim_start_matches([';', ' ', '\t']);
    }
    None
}

/// Takes a value, quoted or not; gives what stands behind it too.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value.replace("%22", "\""), quoted.get(at + 1..)?)),
            '\\' if quoted.get(at + 1..).is_some_and(|rest| rest.starts_with('"')) => {
                value.push('"');
                characters.next();
            }
            _ => value.push(character),
        }
    }
    None
}

/// Splits bytes around the first place where some others stand.
fn split_at<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = bytes.windows(at.len()).position(|window| window == at)?;
    Some((bytes.get(..found)?, bytes.get(found + at.len()..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x y\"";

    #[test]
    fn a_form_with_a_file_is_taken_apart() {
        let body = b"--x y\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{}\r\n--x y\r\n\
            content-type: application/pdf\r\ncontent-disposition: form-data; filename=\"C:\\dir\\a; \\\"b\\\".pdf\"; name=attachment\r\n\r\n\
            %PDF\r\n--x\r\n\r\n--x y--\r\n";
        let pieces = pieces(TYPE, body).unwrap();
        let expected = [
            ("metadata", None, None, &b"{}"[..]),
            ("attachment", Some("a; \"b\".pdf"), Some("application/pdf"), b"%PDF\r\n--x\r\n"),
        ];
        let found = pieces.iter().map(|piece| {
            let Piece { name, file_name, media_type, bytes } = piece;
            (name.as_str(), file_name.as_deref(), media_type.as_deref(), *bytes)
        });
        assert!(found.eq(expected), "{pieces:?}");
    }

    #[test]
    fn what_breaks_off_is_no_form() {
        let whole = b"--x y\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x y--";
        assert!(pieces(TYPE, whole).is_some());
        for end in 0..whole.len() {
            assert_eq!(pieces(TYPE, &whole[..end]), None, "{end}");
        }
        for wrong in ["multipart/mixed; boundary=x", "multipart/form-data", "application/json", ""]
        {
            assert_eq!(pieces(wrong, whole), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_nothing_panics(kind in ".*", body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _nothing = pieces(&kind, &body);
            let mut framed = b"--x y\r\n".to_vec();
            framed.extend(body);
            framed.extend(b"\r\n--x y--");
            let _nothing = pieces(TYPE, &framed);
        }
    }
}
