//! Rust source cut into code, comments and string literals, just well enough for the rules of `tidy`.
//!
//! Invariant: the pieces, put together, are the text again; no input panics.
//! Left to others: everything else about the language.

/// A stretch of source of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: Kind,
    /// The line it begins on, counted from one.
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// What a piece is. A literal includes its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Code,
    Comment,
    Literal,
}

impl<'a> Piece<'a> {
    /// The lines of the piece, with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        (self.line..).zip(self.text.split('\n'))
    }

    /// What stands between the quotes of a literal.
    pub(crate) fn inner(&self) -> &'a str {
        self.text.trim_start_matches(['r', '#']).trim_end_matches('#').trim_matches('"')
    }
}

/// Cuts a text into its pieces.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let code_bytes = code_bytes(rest);
        let (kind, bytes) = match code_bytes {
            0 => special(rest).unwrap_or((Kind::Code, rest.len())),
            _ => (Kind::Code, code_bytes),
        };
        let (piece, after) = rest.split_at_checked(bytes).unwrap_or((rest, ""));
        pieces.push(Piece { kind, line, text: piece });
        line += piece.matches('\n').count();
        rest = after;
    }
    pieces
}

/// How far the code goes before a comment or a literal begins.
fn code_bytes(text: &str) -> usize {
    let mut rest = text;
    let mut in_word = false;
    while let Some(char) = rest.chars().next() {
        let starts_raw = !in_word && char == 'r' && special(rest).is_some();
        if starts_raw || (char != 'r' && special(rest).is_some()) {
            break;
        }
        // A word may not begin with `b` or `c` here: they may stand right before a raw literal.
        in_word =
            (char.is_alphanumeric() || char == '_') && (in_word || !matches!(char, 'b' | 'c'));
        let bytes = if char == '\'' { char_literal_bytes(rest) } else { char.len_utf8() };
        rest = rest.get(bytes..).unwrap_or("");
    }
    text.len() - rest.len()
}

/// The comment or literal that the text begins with, and its length.
fn special(text: &str) -> Option<(Kind, usize)> {
    if text.starts_with("//") {
        return Some((Kind::Comment, text.find('\n').unwrap_or(text.len())));
    }
    if text.starts_with("/*") {
        return Some((Kind::Comment, block_comment_bytes(text)));
    }
    if text.starts_with('"') {
        return Some((Kind::Literal, quoted_bytes(text, '"')));
    }
    let hashes = text.strip_prefix('r')?;
    let body = hashes.trim_start_matches('#');
    let fence = hashes.strip_suffix(body)?;
    let inner = body.strip_prefix('"')?;
    let end = format!("\"{fence}");
    let inner_bytes = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some((Kind::Literal, text.len() - inner.len() + inner_bytes))
}

fn block_comment_bytes(text: &str) -> usize {
    let (mut depth, mut rest) = (0_usize, text);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
            if depth == 0 {
                break;
            }
        } else {
            rest = after_first_char(rest);
        }
    }
    text.len() - rest.len()
}

/// The length of what stands between two equal quotes, both included.
fn quoted_bytes(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if char == quote && !escaped {
            return at + char.len_utf8();
        }
        escaped = char == '\\' && !escaped;
    }
    text.len()
}

/// The length of `'x'`, or of the quote alone where it begins a lifetime.
fn char_literal_bytes(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_bytes(text, '\''),
        (Some(_) | None, Some(_) | None) => 1,
    }
}

fn after_first_char(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Kind, &str)]) {
        let found = pieces(text);
        assert_eq!(found.iter().map(|piece| piece.text).collect::<String>(), text);
        let found: Vec<_> = found.iter().map(|piece| (piece.kind, piece.text)).collect();
        assert_eq!(found, expected, "{text}");
    }

    use Kind::{Code, Comment, Literal};

    #[test]
    fn a_comment_ends_with_its_line() {
        check("a // b \"c\"\nd", &[(Code, "a "), (Comment, "// b \"c\""), (Code, "\nd")]);
    }

    #[test]
    fn block_comments_nest() {
        check("a/* b /* c */ d */e", &[(Code, "a"), (Comment, "/* b /* c */ d */"), (Code, "e")]);
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_literal() {
        check(r#"f("a\"b\\")"#, &[(Code, "f("), (Literal, r#""a\"b\\""#), (Code, ")")]);
    }

    #[test]
    fn a_raw_literal_ends_at_its_own_fence() {
        check(r##"r#"a"b"# c"##, &[(Literal, r##"r#"a"b"#"##), (Code, " c")]);
        check(r##"br#"a"#"##, &[(Code, "b"), (Literal, r##"r#"a"#"##)]);
    }

    #[test]
    fn a_name_that_ends_in_r_does_not_begin_a_raw_literal() {
        check(r#"bar"a""#, &[(Code, "bar"), (Literal, r#""a""#)]);
        check("r#type", &[(Code, "r#type")]);
    }

    #[test]
    fn quotes_as_characters_and_lifetimes_are_code() {
        check("'\"' // a", &[(Code, "'\"' "), (Comment, "// a")]);
        check("'\\'' // a", &[(Code, "'\\'' "), (Comment, "// a")]);
        check("&'a str // b", &[(Code, "&'a str "), (Comment, "// b")]);
    }

    #[test]
    fn what_is_cut_off_is_still_cut_up() {
        for text in ["\"a", "/* a", "r#\"a", "'", "'\\", "/*/", "r", "é'"] {
            let found = pieces(text);
            assert_eq!(found.iter().map(|piece| piece.text).collect::<String>(), text);
        }
    }

    #[test]
    fn a_piece_knows_its_lines_and_its_inside() {
        let found = pieces("a\nb \"c\nd\"");
        let last = found.last().unwrap();
        assert_eq!((last.line, last.inner()), (2, "c\nd"));
        assert_eq!(last.lines().last(), Some((3, "d\"")));
    }
}
