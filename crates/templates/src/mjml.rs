//! MJML to HTML.
//!
//! Invariants: nothing is fetched, neither a part of the mail nor, by whoever opens it, a typeface; depth, elements and
//! attributes are counted before the text is worked on, so it costs little stack and little memory.

use std::panic;

use htmlparser::{ElementEnd, Token, Tokenizer};
use mrml::prelude::parser::{Error, ParserOptions};
use mrml::prelude::render::RenderOptions;

use crate::fill::OUTPUT_BYTES_MAX;
use crate::flaw::Flaw;

/// How deep elements may stand in each other.
const DEPTH_MAX: usize = 64;
/// How many elements there may be.
const ELEMENTS_MAX: usize = 2_000;
/// How long an attribute may be, in bytes; an address may have eight times that.
const ATTRIBUTE_BYTES_MAX: usize = 512;

/// Makes HTML of MJML.
pub(crate) fn to_html(source: &str) -> Result<String, Flaw> {
    bound(source)?;
    // What mrml does with every odd width and unit is not ours to promise.
    let made = panic::catch_unwind(|| make(source));
    let html = made.unwrap_or_else(|_| Err(Flaw::whole("the MJML cannot be laid out")))?;
    if html.len() > OUTPUT_BYTES_MAX {
        return Err(Flaw::whole(format!("the HTML is longer than {OUTPUT_BYTES_MAX} bytes")));
    }
    Ok(html)
}

fn make(source: &str) -> Result<String, Flaw> {
    let parsed = mrml::parse_with_options(source, &ParserOptions::default())
        .map_err(|error| flaw(source, &error))?;
    let mut options = RenderOptions { disable_comments: true, ..RenderOptions::default() };
    options.fonts.clear();
    parsed.element.render(&options).map_err(|error| Flaw::whole(error.to_string()))
}

fn bound(source: &str) -> Result<(), Flaw> {
    let (mut depth, mut elements) = (0_usize, 0_usize);
    for token in Tokenizer::from(source) {
        // What cannot be read, mrml says better.
        let Ok(token) = token else { return Ok(()) };
        let at = token.span().start();
        if let Token::ElementStart { local, .. } = token {
            if local.starts_with("mj-") && !ELEMENTS.contains(&local.as_str()) {
                return Err(Flaw::at(source, at, format!("`{local}` is no element of MJML")));
            }
            elements += 1;
        } else if let Token::ElementEnd { end, .. } = token {
            match end {
                ElementEnd::Open => depth += 1,
                ElementEnd::Close(..) => depth = depth.saturating_sub(1),
                ElementEnd::Empty => {}
            }
        } else if let Token::Attribute { local, value: Some(value), .. } = token {
            let link = matches!(local.as_str(), "href" | "src" | "background-url");
            let bytes_max = if link { 8 * ATTRIBUTE_BYTES_MAX } else { ATTRIBUTE_BYTES_MAX };
            if value.len() > bytes_max {
                let what = format!("`{local}` is longer than {bytes_max} bytes");
                return Err(Flaw::at(source, at, what));
            }
        }
        if elements > ELEMENTS_MAX {
            return Err(Flaw::at(source, at, format!("more than {ELEMENTS_MAX} elements")));
        }
        if depth > DEPTH_MAX {
            return Err(Flaw::at(source, at, format!("elements stand more than {DEPTH_MAX} deep")));
        }
    }
    Ok(())
}

fn flaw(source: &str, error: &Error) -> Flaw {
    match error {
        Error::UnexpectedElement { position, .. } => {
            Flaw::at(source, position.start, "this element cannot stand here")
        }
        Error::UnexpectedToken { position, .. } => Flaw::at(
            source,
            position.start,
            "this cannot stand here; a text needs `<mj-text>` around it",
        ),
        Error::MissingAttribute { name, position, .. } => {
            Flaw::at(source, position.start, format!("this element needs `{name}`"))
        }
        Error::InvalidAttribute { position, .. } => {
            Flaw::at(source, position.start, "this attribute cannot stand here")
        }
        Error::InvalidFormat { position, .. } => {
            Flaw::at(source, position.start, "this cannot be read")
        }
        Error::IncludeLoaderError { position, .. } => {
            Flaw::at(source, position.start, "nothing can be included; write it here")
        }
        Error::EndOfStream { .. } => Flaw::whole("the MJML ends in the middle; close its elements"),
        Error::ParserError { source: cause, .. } => Flaw::whole(cause.to_string()),
        Error::SizeLimit { .. } | Error::NoRootNode => {
            Flaw::whole("expected one `<mjml>` element with `<mj-body>` in it")
        }
    }
}

/// What mrml knows; anything else it would pass on as it is, and mail programs leave out.
const ELEMENTS: [&str; 33] = [
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-include",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
];
