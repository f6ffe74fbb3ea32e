//! What a mail server replies.
//!
//! Invariant: a reply has a bound in lines and bytes, whatever the server sends.

use crate::reception::one_line;

/// A reply, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200 to 599.
    pub(super) code: u16,
    /// What stands behind the code, a line each.
    pub(super) lines: Vec<String>,
}

/// A line of a reply.
pub(super) struct Line<'a> {
    pub(super) code: u16,
    pub(super) is_last: bool,
    pub(super) text: &'a str,
}

impl Reply {
    /// Tells whether the command was carried out.
    pub(super) fn is_positive(&self) -> bool {
        (200..=299).contains(&self.code)
    }

    /// Tells whether a later try may fare better.
    pub(super) fn is_transient(&self) -> bool {
        (400..=499).contains(&self.code)
    }

    /// Gives the reply in one line.
    pub(super) fn said(&self) -> String {
        one_line(&format!("{} {}", self.code, self.lines.join(" ")))
    }
}

/// Reads a line without its end; `None` when it is none of a reply.
pub(super) fn line(text: &str) -> Option<Line<'_>> {
    let (code, rest) = text.split_at_checked(3)?;
    let code = code.bytes().all(|byte| byte.is_ascii_digit()).then(|| code.parse().ok())??;
    let is_last = !rest.starts_with('-');
    if !(200..=599).contains(&code) || !(rest.is_empty() || rest.starts_with(['-', ' '])) {
        return None;
    }
    Some(Line { code, is_last, text: rest.get(1..).unwrap_or_default() })
}

/// What a server says it can do.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, whatever the others")]
pub(super) struct Extensions {
    pub(super) starttls: bool,
    pub(super) dsn: bool,
    pub(super) plain: bool,
    pub(super) login: bool,
    pub(super) xoauth2: bool,
}

impl Extensions {
    /// Reads the reply to `EHLO`.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut known = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => known.starttls = true,
                Some("DSN") => known.dsn = true,
                Some("AUTH") => {
                    for word in words {
                        match word {
                            "PLAIN" => known.plain = true,
                            "LOGIN" => known.login = true,
                            "XOAUTH2" => known.xoauth2 = true,
                            _ => {}
                        }
                    }
                }
                Some(_) | None => {}
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_code_and_says_whether_more_follow() {
        for (text, read) in [
            ("250 OK", Some((250, true, "OK"))),
            ("250-SIZE 10", Some((250, false, "SIZE 10"))),
            ("354", Some((354, true, ""))),
            ("250", Some((250, true, ""))),
            ("25", None),
            ("2500 x", None),
            ("+50 x", None),
            ("150 x", None),
            ("999 x", None),
            ("HTTP/1.1 400", None),
            ("25é", None),
        ] {
            let line = line(text).map(|line| (line.code, line.is_last, line.text));
            assert_eq!(line, read, "{text}");
        }
    }

    #[test]
    fn extensions_are_read_in_any_case() {
        let lines = ["mx.example", "starttls", "AUTH PLAIN login", "AUTH=XOAUTH2", "dsn"];
        let reply = Reply { code: 250, lines: lines.map(ToOwned::to_owned).to_vec() };
        let known = Extensions::of(&reply);
        assert!(known.starttls && known.dsn && known.plain && known.login && known.xoauth2);
    }
}
