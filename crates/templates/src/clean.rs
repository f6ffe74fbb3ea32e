//! Texts from outside, made fit to stand in a message.
//!
//! Invariant: what comes out holds no control character but line ends where they are wanted, and nothing that turns
//! the direction of what follows it.

/// Gives a text as one line of at most that many characters, with an ellipsis where it was cut.
pub(crate) fn line(text: &str, chars_max: usize) -> String {
    // Blanks that hold words together, as French has them before a colon, stay as they are.
    let parts = |char: char| char.is_whitespace() && !matches!(char, '\u{a0}' | '\u{202f}');
    let words = text.split(|char: char| parts(char) || is_harmful(char));
    let line: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    cut(line.join(" "), chars_max)
}

/// Gives a text as lines without blanks at their ends, at most that many characters in all, and no more than one
/// empty line in a row.
pub(crate) fn lines(text: &str, chars_max: usize) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let mut out = String::with_capacity(text.len());
    let mut empty_before = true;
    for line in text.lines() {
        let line: String = line
            .chars()
            .map(|char| if char == '\t' { ' ' } else { char })
            .filter(|char| !is_harmful(*char))
            .collect();
        let line = line.trim_end();
        if !(line.is_empty() && empty_before) {
            out.push_str(line);
            out.push('\n');
        }
        empty_before = line.is_empty();
    }
    out.truncate(out.trim_end().len());
    cut(out, chars_max)
}

fn cut(text: String, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text,
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Control characters, and those that turn the direction of writing: a title must not make a sentence read otherwise.
fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_ends_no_controls_and_no_turns() {
        assert_eq!(line(" a\r\nBcc: b\u{0}\u{1b}[31m\tc\u{202e}d ", 99), "a Bcc: b [31m c d");
        assert_eq!(line("👩‍💻 läuft", 99), "👩‍💻 läuft");
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
    }

    #[test]
    fn lines_keep_their_ends_and_nothing_else() {
        assert_eq!(lines("\r\n a\rb \r\n\n\n\nc\u{7}\u{202e}\t|\n\n", 99), " a\nb\n\nc |");
    }
}
