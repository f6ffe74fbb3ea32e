//! Mail addresses and the names beside them, as texts.
//!
//! Invariant: what is plausible can be said to any server without breaking its line.

/// Tells whether a text can be a mail address: something, an `@`, a domain, and nothing that would break a line.
pub(crate) fn is_plausible(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let breaks = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || matches!(char, '<' | '>' | ',' | ';' | '"' | '@')
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|char| char.is_alphanumeric() || char == '-')
    };
    text.len() <= ADDRESS_BYTES_MAX
        && !local.is_empty()
        && !local.chars().any(breaks)
        && domain.split('.').all(is_label)
}

/// The longest path of RFC 5321, without its brackets.
const ADDRESS_BYTES_MAX: usize = 254;

/// Tells whether a text can be one of our keys.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

const KEY_BYTES_MAX: usize = 64;

/// Writes a name as a phrase: in quotes, if it holds what means something else without them.
pub(crate) fn phrase(name: &str) -> String {
    let name: String = name.chars().filter(|char| !char.is_control()).collect();
    let is_plain =
        name.chars().all(|char| char.is_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(char));
    if is_plain {
        return name;
    }
    let quoted: String = name
        .chars()
        .flat_map(|char| matches!(char, '"' | '\\').then_some('\\').into_iter().chain([char]))
        .collect();
    format!("\"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_break_a_line() {
        for (text, plausible) in [
            ("ana.pop@example.net", true),
            ("o'neil+a=b@xn--bcher-kva.example", true),
            ("jürgen@bücher.example", true),
            ("a@localhost", true),
            ("ana", false),
            ("@example.net", false),
            ("ana@", false),
            ("ana@example..net", false),
            ("a b@example.net", false),
            ("ana@example.net>\r\nDATA", false),
            ("ana\r\n@example.net", false),
            ("a@b@example.net", false),
            ("a,b@example.net", false),
        ] {
            assert_eq!(is_plausible(text), plausible, "{text}");
        }
        assert!(!is_plausible(&format!("{}@example.net", "a".repeat(300))));
    }

    #[test]
    fn a_name_is_quoted_where_it_must_be() {
        for (name, written) in [
            ("Ana Pop", "Ana Pop"),
            ("Pop, Ana", "\"Pop, Ana\""),
            ("A \"B\" \\", "\"A \\\"B\\\" \\\\\""),
            ("Jürgen", "Jürgen"),
            ("a\r\nb", "ab"),
        ] {
            assert_eq!(phrase(name), written);
        }
    }
}
