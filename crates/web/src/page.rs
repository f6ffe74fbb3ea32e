//! Pages of lists, and what may be asked of them in the query.
//!
//! Invariants: a cursor is opaque, and means the place right behind the last row that was shown; an unknown parameter
//! is refused, since a misspelt filter would otherwise show too much.

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engine::Flaw;
use http::Uri;
use serde::Serialize;
use store::Page;
use url::form_urlencoded;

use crate::problem::{Halt, Problem};

/// Rows of a page, unless the call says otherwise.
const LIMIT_DEFAULT: u32 = 20;
/// The most rows of a page.
const LIMIT_MAX: u32 = 100;
/// The most bytes of a name that a list goes on behind.
const NAME_BYTES_MAX: usize = 400;
const CURSOR_EXPECTED: &str = "expected the `next_cursor` of an earlier answer";

/// The parameters of a query, each taken once.
#[derive(Debug)]
pub(crate) struct Query {
    given: BTreeMap<String, String>,
    flaws: Vec<Flaw>,
}

impl Query {
    /// Reads the query of a URL.
    pub(crate) fn of(uri: &Uri) -> Self {
        Self::with_lists(uri, &[])
    }

    /// Reads the query of a URL in which some parameters may be given several times, which is the same as once with commas.
    pub(crate) fn with_lists(uri: &Uri, lists: &[&str]) -> Self {
        let mut query = Self { given: BTreeMap::new(), flaws: Vec::new() };
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()) {
            if lists.contains(&&*name) {
                let list = query.given.entry(name.into_owned()).or_default();
                list.extend((!list.is_empty()).then_some(','));
                list.push_str(&value);
            } else if query.given.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                query
                    .flaws
                    .push(Flaw::new(name, "given twice; give several values as one, with commas"));
            }
        }
        query
    }

    /// Takes a parameter as text; empty is absent.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.given.remove(name).filter(|text| !text.is_empty())
    }

    /// Takes a parameter that can be read as something.
    pub(crate) fn take<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.flaws.push(Flaw::new(name, format!("expected {expected}")));
        }
        value
    }

    /// Takes a number that lies between two others, or is one of them.
    pub(crate) fn within(&mut self, name: &str, (least, most): (u32, u32)) -> Option<u32> {
        let expected = format!("a number from {least} to {most}");
        let number = self.take(name, &expected)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        self.flaws.push(Flaw::new(name, format!("expected {expected}")));
        None
    }

    /// Takes a parameter that is one of a few words.
    pub(crate) fn one_of(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let text = self.text(name)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        self.flaws.push(Flaw::new(name, format!("expected one of {}", words.join(", "))));
        None
    }

    /// Takes which part of a list is wanted.
    pub(crate) fn window(&mut self) -> Window {
        Window { after: self.cursor(), ..self.limited() }
    }

    fn limited(&mut self) -> Window {
        let limit = self.take("limit", "a number from 1 to 100").unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            self.flaws.push(Flaw::new("limit", "expected a number from 1 to 100"));
        }
        Window { limit, after: None }
    }

    /// Takes which part of a list in the order of names is wanted.
    pub(crate) fn names(&mut self) -> Names {
        let Window { limit, .. } = self.limited();
        let Some(text) = self.text("cursor") else { return Names { limit, after: String::new() } };
        let after = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|name| {
            String::from_utf8(name).ok().filter(|name| name.len() <= NAME_BYTES_MAX)
        });
        if after.is_none() {
            self.flaws.push(Flaw::new("cursor", CURSOR_EXPECTED));
        }
        Names { limit, after: after.unwrap_or_default() }
    }

    /// Takes the cursor.
    pub(crate) fn cursor(&mut self) -> Option<u128> {
        let text = self.text("cursor")?;
        let after = read(&text);
        if after.is_none() {
            self.flaws.push(Flaw::new("cursor", CURSOR_EXPECTED));
        }
        after
    }

    /// Refuses what was wrong, and what nobody took.
    pub(crate) fn done(mut self) -> Result<(), Halt> {
        for name in self.given.into_keys() {
            self.flaws.push(Flaw::new(name, "there is no such parameter"));
        }
        if self.flaws.is_empty() { Ok(()) } else { Err(Problem::invalid(self.flaws).into()) }
    }
}

/// A page of a list, to be written.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    data: Vec<T>,
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Makes a list that has one page only.
    pub(crate) const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    limit: u32,
    after: Option<u128>,
}

impl Window {
    /// Gives what to ask the store for: one row more than is shown tells whether there is a next page.
    pub(crate) const fn page(self) -> Page {
        Page { limit: self.limit + 1, after: self.after }
    }

    /// Makes the page of a log that grows: behind its last row there may be more another time, so that only an empty page
    /// has no cursor.
    pub(crate) fn follow<R, T>(
        self,
        rows: &[R],
        id: impl Fn(&R) -> u128,
        show: impl Fn(&R) -> T,
    ) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let next_cursor = rows.iter().take(limit).next_back().map(|row| write(id(row)));
        List { data: rows.iter().take(limit).map(show).collect(), next_cursor }
    }

    /// Makes the page of the rows that the store gave.
    pub(crate) fn list<R, T>(
        self,
        rows: &[R],
        id: impl Fn(&R) -> u128,
        show: impl Fn(&R) -> T,
    ) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let last = limit.checked_sub(1).and_then(|at| rows.get(at));
        let next_cursor = last.filter(|_| rows.len() > limit).map(|row| write(id(row)));
        List { data: rows.iter().take(limit).map(show).collect(), next_cursor }
    }
}

/// Which part of a list in the order of names is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    limit: u32,
    after: String,
}

impl Names {
    /// Gives what to ask for: names behind this one, and one row more than is shown.
    pub(crate) fn page(&self) -> (String, u32) {
        (self.after.clone(), self.limit + 1)
    }

    /// Makes the page of the rows that came.
    pub(crate) fn list<R, T>(
        &self,
        rows: &[R],
        name: impl Fn(&R) -> &str,
        show: impl Fn(&R) -> T,
    ) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let last = limit.checked_sub(1).and_then(|at| rows.get(at));
        let next_cursor =
            last.filter(|_| rows.len() > limit).map(|row| BASE64_URL_SAFE_NO_PAD.encode(name(row)));
        List { data: rows.iter().take(limit).map(show).collect(), next_cursor }
    }
}

/// Writes a cursor.
pub(crate) fn write(after: u128) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(after.to_be_bytes())
}

fn read(text: &str) -> Option<u128> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(u128::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(query: &str) -> Result<Window, String> {
        let mut query = Query::of(&format!("/x?{query}").parse().unwrap());
        let window = query.window();
        query.done().map(|()| window).map_err(|halt| format!("{halt:?}"))
    }

    #[test]
    fn a_cursor_comes_back() {
        for after in [0, 7, u128::MAX] {
            assert_eq!(read(&write(after)), Some(after));
        }
        assert_eq!(read("AAAA"), None);
        assert_eq!(read("!"), None);
    }

    #[test]
    fn a_page_has_20_rows_and_at_most_100() {
        assert_eq!(window(""), Ok(Window { limit: 20, after: None }));
        assert_eq!(window("limit=100"), Ok(Window { limit: 100, after: None }));
        for bad in
            ["limit=0", "limit=101", "limit=-1", "limit=x", "cursor=x", "limt=5", "limit=1&limit=2"]
        {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_ends_the_list_when_nothing_is_behind_it() {
        let at = |count: u128| {
            let rows: Vec<u128> = (0..count).collect();
            Window { limit: 2, after: None }.list(&rows, |id| *id, |id| *id)
        };
        assert_eq!((at(2).data, at(2).next_cursor), (vec![0, 1], None));
        assert_eq!((at(3).data, at(3).next_cursor), (vec![0, 1], Some(write(1))));
    }

    #[test]
    fn a_log_is_followed_beyond_its_end() {
        let at = |count: u128| {
            let rows: Vec<u128> = (0..count).collect();
            Window { limit: 2, after: None }.follow(&rows, |id| *id, |id| *id)
        };
        assert_eq!((at(3).data, at(3).next_cursor), (vec![0, 1], Some(write(1))));
        assert_eq!((at(1).data, at(1).next_cursor), (vec![0], Some(write(0))));
        assert_eq!((at(0).data, at(0).next_cursor), (vec![], None));
    }
}
