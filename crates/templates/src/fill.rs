//! Templates filled in.
//!
//! Invariants: a name that is not known fails; in HTML every value is escaped, and no filter turns that off; work and
//! length are bounded.
//! Left to others: which values there are (`names`), what an operator's template may say (`grammar`).

use std::io;
use std::sync::LazyLock;

use minijinja::value::{Value, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters,
    tests as questions,
};

use crate::flaw::Flaw;
use crate::names::Loose;

/// What a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Plain text.
    Plain,
    /// HTML, in which values are escaped.
    Html,
}

/// The longest text that a template may make.
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// The most instructions that a template may run.
const FUEL: u64 = 100_000;

/// Fills a template in.
pub(crate) fn fill(source: &str, form: Form, names: &Value) -> Result<String, Flaw> {
    let name = match form {
        Form::Plain => PLAIN,
        Form::Html => HTML,
    };
    let template =
        ENVIRONMENT.template_from_named_str(name, source).map_err(|error| flaw(source, &error))?;
    let mut page = Page(Vec::new());
    template.render_captured_to(names.clone(), &mut page).map_err(|error| flaw(source, &error))?;
    String::from_utf8(page.0).map_err(|error| Flaw::whole(error.to_string()))
}

/// Says in one line what is wrong, and where.
pub(crate) fn flaw(source: &str, error: &Error) -> Flaw {
    let range = error.range().filter(|range| range.end <= source.len());
    let quoted = range.clone().and_then(|range| source.get(range)).unwrap_or("a value");
    let kind = error.kind();
    let what = if kind == ErrorKind::UndefinedError {
        format!("`{quoted}` is not known; known are {}", NAMES.join(", "))
    } else if kind == ErrorKind::OutOfFuel {
        "the template has too many parts".to_owned()
    } else if kind == ErrorKind::WriteFailure {
        format!("the text is longer than {OUTPUT_BYTES_MAX} bytes")
    } else {
        error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}"))
    };
    match (range, error.line()) {
        (Some(range), _) => Flaw::at(source, range.start, what),
        (None, Some(line)) => {
            let before = source.split_inclusive('\n').take(line.saturating_sub(1));
            Flaw::at(source, before.map(str::len).sum(), what)
        }
        (None, None) => Flaw::whole(what),
    }
}

/// What a template may speak of.
const NAMES: [&str; 18] = [
    "title",
    "message",
    "sender",
    "recipient",
    "actor",
    "reason",
    "remaining",
    "total",
    "signed",
    "still_needed",
    "link",
    "expires",
    "request_id",
    "metadata",
    "occasion",
    "locale",
    "branding",
    "test",
];

const PLAIN: &str = "text";
const HTML: &str = "html";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name {
        HTML => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    environment.set_formatter(write);
    environment.set_debug(true);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("length", filters::length);
    environment.add_filter("default", filters::default);
    environment.add_test("defined", questions::is_defined);
    environment.add_test("none", questions::is_none);
    environment
});

/// Writes a value: texts, numbers, nothing for what is absent; lists and groups of values cannot be written.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let kind = value.kind();
    if let Some(text) = value.as_str() {
        if matches!(state.auto_escape(), AutoEscape::None) {
            Ok(out.write_str(text)?)
        } else {
            escape(out, text)
        }
    } else if matches!(kind, ValueKind::Bool | ValueKind::Number) {
        Ok(write!(out, "{value}")?)
    } else if value.is_undefined() {
        Err(Error::from(ErrorKind::UndefinedError))
    } else if value.is_none() || value.downcast_object_ref::<Loose>().is_some_and(Loose::is_empty) {
        Ok(())
    } else {
        let what = format!("a {kind} cannot be written; name one of its values");
        Err(Error::new(ErrorKind::InvalidOperation, what))
    }
}

/// Leaves a link as it is but for `&`, so that it stays in one piece.
fn escape(out: &mut Output<'_>, text: &str) -> Result<(), Error> {
    let mut rest = text;
    while let Some((at, char)) = rest.char_indices().find(|(_, char)| "&<>\"'".contains(*char)) {
        let (before, from) = rest.split_at(at);
        out.write_str(before)?;
        out.write_str(match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            _ => "&#39;",
        })?;
        rest = from.get(1..).unwrap_or_default();
    }
    Ok(out.write_str(rest)?)
}

/// Takes no more than a text may have.
struct Page(Vec<u8>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn work_is_bounded() {
        let names = context! { list => vec![0; 1_000] };
        let source = "{% for a in list %}{% for b in list %}{% endfor %}{% endfor %}";
        let flaw = fill(source, Form::Plain, &names).unwrap_err();
        assert!(flaw.to_string().contains("too many parts"), "{flaw}");
    }
}
