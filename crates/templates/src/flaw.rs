//! What is wrong in a template, and where.

use std::fmt;

/// One thing that is wrong in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Line and column, from one, where they are known.
    place: Option<(usize, usize)>,
    what: String,
}

impl Flaw {
    /// Says what is wrong at a byte of a text.
    pub(crate) fn at(source: &str, byte: usize, what: impl Into<String>) -> Self {
        let before = source.get(..byte).unwrap_or(source);
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or_default();
        Self { place: Some((line, last.chars().count() + 1)), what: what.into() }
    }

    /// Says what is wrong with a text as a whole.
    pub(crate) fn whole(what: impl Into<String>) -> Self {
        Self { place: None, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
