//! What an operator's template may say: values, filters, comparisons and `if`.
//!
//! Invariants: nothing here gives a value a second name or makes a text longer, so what a template costs grows with
//! its length alone: what doubles a text forty times over elsewhere cannot be written here. No block is long enough,
//! and no choice has branches enough, that working through it could use up the stack.
//! Left to others: whether the template can be parsed, and which names it may use (`fill`).

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use crate::fill;
use crate::flaw::Flaw;

/// The most words and signs between `{{` and `}}`, or `{%` and `%}`.
const BLOCK_TOKENS_MAX: usize = 100;
/// The most `elif` in a template: each stands inside the one before it.
const ELIFS_MAX: usize = 100;

/// Refuses statements other than `if`, operators that make texts, and what is too long.
pub(crate) fn check(source: &str) -> Result<(), Flaw> {
    let (mut in_block, mut elifs) = (0, 0);
    let mut begins = false;
    for token in tokenize(source, false, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| fill::flaw(source, &error))?;
        let refuse = |what: String| {
            Err(Flaw::at(source, usize::try_from(span.start_offset).unwrap_or(usize::MAX), what))
        };
        if let (true, Token::Ident(word)) = (begins, &token) {
            if !STATEMENTS.contains(word) {
                return refuse(format!(
                    "`{word}` is not known; a template has `if`, `elif`, `else` and `endif`"
                ));
            }
            elifs += usize::from(*word == "elif");
        }
        if matches!(token, Token::Tilde | Token::Plus | Token::Mul | Token::Pow) {
            return refuse(format!(
                "{token} is not known; write values one after the other, as in `{{{{ a }}}} {{{{ b }}}}`"
            ));
        }
        begins = matches!(token, Token::BlockStart);
        in_block = if matches!(token, Token::TemplateData(_) | Token::VariableStart) || begins {
            0
        } else {
            in_block + 1
        };
        if in_block > BLOCK_TOKENS_MAX {
            return refuse(format!("more than {BLOCK_TOKENS_MAX} words and signs in one block"));
        }
        if elifs > ELIFS_MAX {
            return refuse(format!("more than {ELIFS_MAX} `elif`"));
        }
    }
    Ok(())
}

const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
