//! The mailbox of development, as pages: what would have been sent, as its reader would see it.
//!
//! Invariants: outside development there is none; what a mail says is shown in a frame that runs nothing and reaches
//! nothing of ours; its links open beside the page.
//! Left to others: keeping messages (`channels::mailbox`), the same as JSON (`api::mailbox`).

use askama::Template;
use axum::extract;
use axum::response::Response;
use domain::message::{Mailbox, Message};
use engine::mailbox::{Letter, LetterFilter};
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use http::{StatusCode, Uri};
use url::form_urlencoded;

use crate::api::mailbox::absent;
use crate::auth::Name;
use crate::page::{self, Query};
use crate::problem::{Answer, Problem};
use crate::signing::document;
use crate::signing::standing::spoken;
use crate::state::State;

/// Lets a mail's own looks and pictures in, and nothing that runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";
/// What is added to the looks of our pages.
const STYLE: &str = include_str!("../assets/mailbox.css");
/// Has every link of a mail open beside the page.
const BESIDE: &str = "<base target=\"_blank\">";
/// Messages of a page.
const LIMIT: u32 = 50;

type Reached = extract::State<State>;

#[derive(Template)]
#[template(path = "mailbox.html")]
struct List {
    to: String,
    lines: Vec<Line>,
    /// Where the older ones are.
    older: Option<String>,
}

/// One message of the list.
struct Line {
    id: String,
    channel: &'static str,
    to: String,
    text: String,
    at: (String, String),
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Shown {
    heading: String,
    from: String,
    to: String,
    at: (String, String),
    /// The mail's HTML, for the frame.
    html: Option<String>,
    text: Vec<Piece>,
    /// Of a short message, into how many parts it is cut.
    segments: Option<usize>,
}

/// A piece of a text: as it is, or a link.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    is_link: bool,
}

/// `GET /mailbox`.
pub(crate) async fn list(extract::State(state): Reached, uri: Uri) -> Answer {
    let mut query = Query::of(&uri);
    let (before, to) = (query.cursor(), query.text("to"));
    query.done()?;
    let filter = LetterFilter { account: None, to: to.clone() };
    let letters = state.engine().letters(&filter, LIMIT + 1, before).ok_or_else(absent)?;
    let shown = usize::try_from(LIMIT).unwrap_or(usize::MAX);
    let last = letters.get(shown - 1).filter(|_| letters.len() > shown);
    let older = last.map(|letter| {
        let mut place =
            form_urlencoded::Serializer::for_suffix("/mailbox?".to_owned(), "/mailbox?".len());
        place.append_pair("cursor", &page::write(letter.bits()));
        place.extend_pairs(to.as_deref().map(|to| ("to", to))).finish()
    });
    let lines = letters.iter().take(shown).map(line).collect();
    Ok(html(List { to: to.unwrap_or_default(), lines, older }.render()))
}

/// `GET /mailbox/{id}`.
pub(crate) async fn show(extract::State(state): Reached, Name(id): Name) -> Answer {
    state.engine().mailbox().ok_or_else(absent)?;
    let letter = state.engine().letter(&id, None).ok_or_else(|| Problem::not_found("message"))?;
    Ok(html(shown(&letter).render()))
}

fn line(letter: &Letter) -> Line {
    let text = match letter.message() {
        Message::Email(mail) => &mail.subject,
        Message::Sms(sms) => &sms.text,
    };
    Line {
        id: letter.id(),
        channel: channel(letter.message()),
        to: letter.message().to().to_owned(),
        text: text.clone(),
        at: at(letter),
    }
}

fn shown(letter: &Letter) -> Shown {
    let (segments, at) = (letter.segments(), at(letter));
    match letter.message() {
        Message::Email(mail) => Shown {
            heading: mail.subject.clone(),
            from: full(&mail.from),
            to: full(&mail.to),
            at,
            html: mail.html.as_ref().map(|html| format!("{BESIDE}{html}")),
            text: pieces(&mail.text),
            segments,
        },
        Message::Sms(sms) => Shown {
            heading: "Short message".to_owned(),
            from: sms.from.clone(),
            to: sms.to.clone(),
            at,
            html: None,
            text: pieces(&sms.text),
            segments,
        },
    }
}

const fn channel(message: &Message) -> &'static str {
    match message {
        Message::Email(_) => "Mail",
        Message::Sms(_) => "SMS",
    }
}

fn full(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{name} <{}>", mailbox.address),
        None => mailbox.address.clone(),
    }
}

/// Gives when, for machines and for people.
fn at(letter: &Letter) -> (String, String) {
    (letter.at().to_string(), spoken(letter.at()))
}

/// Finds the links of a text; put together again, the pieces are the text.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let is_url = word.starts_with("https://") || word.starts_with("http://");
        let url = word.trim_end().trim_end_matches(['.', ',', ')', '>', ';', '!', '?']);
        let (link, rest) = if is_url { word.split_at(url.len()) } else { ("", word) };
        for (text, is_link) in [(link, true), (rest, false)] {
            match pieces.last_mut() {
                _ if text.is_empty() => {}
                Some(last) if !last.is_link && !is_link => last.text.push_str(text),
                Some(_) | None => pieces.push(Piece { text: text.to_owned(), is_link }),
            }
        }
    }
    pieces
}

fn html(page: askama::Result<String>) -> Response {
    let mut response = document::html(StatusCode::OK, page);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_a_text_and_nothing_is_lost() {
        let text = "Sign: https://a.example/l/x?y=1.\nOr (http://b.example) not ftp://c.example";
        let found = pieces(text);
        let links: Vec<&str> =
            found.iter().filter(|piece| piece.is_link).map(|piece| piece.text.as_str()).collect();
        assert_eq!(links, ["https://a.example/l/x?y=1"]);
        assert_eq!(found.into_iter().map(|piece| piece.text).collect::<String>(), text);
    }
}
