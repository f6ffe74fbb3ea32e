//! What an operator's template may say: values, filters, comparisons and `if`.
//!
//! Invariant: nothing here gives a value a second name or makes a text longer, so what a template costs grows with
//! its length alone: doubling a text forty times takes forty lines elsewhere, and cannot be written here.
//! Left to others: whether the template can be parsed, and which names it may use (`fill`).

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use crate::fill;
use crate::flaw::Flaw;

/// Refuses statements other than `if`, and operators that make texts.
pub(crate) fn check(source: &str) -> Result<(), Flaw> {
    let mut begins = false;
    for token in tokenize(source, false, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| fill::flaw(source, &error))?;
        let at = usize::try_from(span.start_offset).unwrap_or(usize::MAX);
        if let (true, Token::Ident(word)) = (begins, &token)
            && !STATEMENTS.contains(word)
        {
            let what =
                format!("`{word}` is not known; a template has `if`, `elif`, `else` and `endif`");
            return Err(Flaw::at(source, at, what));
        }
        if matches!(token, Token::Tilde | Token::Plus | Token::Mul | Token::Pow) {
            let what = format!(
                "{token} is not known; write values one after the other, as in `{{{{ a }}}} {{{{ b }}}}`"
            );
            return Err(Flaw::at(source, at, what));
        }
        begins = matches!(token, Token::BlockStart);
    }
    Ok(())
}

const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
