//! What a part of a form says of itself.
//!
//! Invariant: pure; nothing here panics, whatever the text.

use std::iter::{self, Peekable};
use std::str::Chars;

/// The head of a part. Bytes that are no UTF-8 become `U+FFFD`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The field of the form.
    pub(crate) name: Option<String>,
    /// The name of the file, if it is one; a field for files that nobody chose one for has an empty one.
    pub(crate) file_name: Option<String>,
    /// What it says that it is.
    pub(crate) media_type: Option<String>,
}

impl Head {
    /// Reads the headers that count (RFC 7578, 4.2 and 4.4), `filename*` before `filename`; of two alike the first counts.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let header = |name: &str| {
            let mut lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
            let line = lines.find(|(known, _)| known.trim().eq_ignore_ascii_case(name));
            line.map(|(_, value)| value.trim())
        };
        let disposition = header("content-disposition").unwrap_or_default();
        let plain = |name| parameter(disposition, name).map(|value| unescaped(&value));
        let extended = parameter(disposition, "filename*").and_then(|value| decoded(&value));
        Self {
            name: plain("name"),
            file_name: extended.or_else(|| plain("filename")),
            media_type: header("content-type").map(str::to_owned),
        }
    }

    /// Tells whether the part has parts of its own, which is not done any more (RFC 7578, 4.3).
    pub(super) fn is_multipart(&self) -> bool {
        let kind = self.media_type.as_deref().and_then(|kind| kind.split_once('/'));
        kind.is_some_and(|(kind, _)| kind.trim().eq_ignore_ascii_case("multipart"))
    }
}

/// Takes a parameter of a header's value, without its quotes; `name` is in small letters.
pub(super) fn parameter(value: &str, name: &str) -> Option<String> {
    let (_, rest) = value.split_once(';')?;
    parameters(rest).find(|(known, value)| known == name && value.is_some())?.1
}

/// Reads parameters: names in small letters, values without quotes.
fn parameters(text: &str) -> impl Iterator<Item = (String, Option<String>)> {
    let mut rest = text.chars().peekable();
    iter::from_fn(move || {
        while rest.next_if(|c| *c == ';' || c.is_whitespace()).is_some() {}
        rest.peek()?;
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| !matches!(c, '=' | ';')) {
            name.push(c);
        }
        let value = rest.next_if_eq(&'=').map(|_| value(&mut rest));
        Some((name.trim().to_ascii_lowercase(), value))
    })
}

/// Reads the value of a parameter up to the next one. In quotes, a backslash before anything but a quote or another one is
/// a backslash, as in the names of Windows.
fn value(rest: &mut Peekable<Chars<'_>>) -> String {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
    let mut value = String::new();
    let is_quoted = rest.next_if_eq(&'"').is_some();
    if is_quoted {
        while let Some(c) = rest.next().filter(|c| *c != '"') {
            let escaped = (c == '\\').then(|| rest.next_if(|c| matches!(c, '"' | '\\')));
            value.push(escaped.flatten().unwrap_or(c));
        }
    }
    while let Some(c) = rest.next_if(|c| *c != ';') {
        if !is_quoted {
            value.push(c);
        }
    }
    if is_quoted { value } else { value.trim_end().to_owned() }
}

/// Reads what browsers write for quotes and line breaks (WHATWG, "multipart form data").
fn unescaped(value: &str) -> String {
    value.replace("%22", "\"").replace("%0D%0A", " ")
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
    use super::*;

    #[test]
    fn a_head_names_the_field_and_the_file() {
        let cases = [
            ("form-data; name=file", "file", None),
            (r#"form-data; name="file"; filename="a;\"b.pdf""#, "file", Some("a;\"b.pdf")),
            (r#"form-data; name="f"; filename="C:\docs\a.pdf""#, "f", Some(r"C:\docs\a.pdf")),
            (r#"form-data; name="f"; filename="C:\\docs\\""#, "f", Some(r"C:\docs\")),
            (r#"form-data; filename="%22é%0D%0A.pdf"; name="%22f""#, "\"f", Some("\"é .pdf")),
            ("form-data; Name = f ; filename=x; filename*=utf-8''na%C3%AFve", "f", Some("naïve")),
            ("form-data; name=f; filename=x; filename*=utf-8''%ff", "f", Some("x")),
            (r#"form-data; name=f; filename="""#, "f", Some("")),
            (r#"form-data; title="; name=evil"; name="good"; name="late""#, "good", None),
            ("form-data; name; =x; ;name=f; filename", "f", None),
        ];
        for (value, name, file_name) in cases {
            let head = format!("\r\nContent-Type: a/b\r\ncontent-Disposition : {value}");
            let expected = Head {
                name: Some(name.to_owned()),
                file_name: file_name.map(str::to_owned),
                media_type: Some("a/b".to_owned()),
            };
            assert_eq!(Head::of(head.as_bytes()), expected, "{value}");
        }
        assert_eq!(Head::of(b"X: y"), Head::default());
        let latin = Head::of(b"Content-Disposition: form-data; name=f; filename=\"b\xfc.pdf\"");
        assert_eq!(latin.file_name.as_deref(), Some("b\u{fffd}.pdf"));
    }
}
