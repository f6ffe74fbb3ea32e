//! What we and a provider say to each other while one message is handed over, for somebody who asked to see it.
//!
//! Invariants: nothing is noted unless it was asked for; what says who we are is never noted, and nothing leaves before
//! every secret of the provider was taken out of it; all of it is bounded.
//! Left to others: finding secrets in whatever form ([`Masks`]), carrying the message out (`http`, `smtp`).

mod masks;

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

use domain::call::{Answer, Call};
use domain::provider::Provider;
use domain::secret::Secret;
use httparse::Header;
use url::Position;
use url::form_urlencoded::parse;

pub use masks::Masks;

/// Where it is noted what is said. Cheap to clone; all clones are one. By default nothing is noted.
#[derive(Clone, Default)]
pub struct Notes(Option<Arc<Mutex<Book>>>);

/// What one side said at once: a line of SMTP, the head or the body of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who said it.
    pub by: Side,
    /// What, masked; at most [`TEXT_CHARS_MAX`] characters, and a line that says so where there was more.
    pub text: String,
}

/// One side of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This service.
    Us,
    /// The provider.
    Provider,
}

/// The most characters that are shown of what is said at once. Of an answer more bytes are kept than these can have, so
/// that a secret at the end of what is kept, cut in two and not known any more, is not shown.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// The most bytes that are noted. No text is cut for it, and so no secret.
const BYTES_MAX: usize = 128 * 1024;

/// What is shorter could be any word, and is not looked for elsewhere.
const HIDDEN_BYTES_MIN: usize = 8;

#[derive(Default)]
struct Book {
    said: Vec<Said>,
    bytes: usize,
    /// What was not noted, lest the other side repeats it.
    hidden: Vec<Secret>,
}

impl Side {
    /// Names the side as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Provider => "provider",
        }
    }
}

impl Notes {
    /// Begins to take notes.
    pub fn taken() -> Self {
        Self(Some(Arc::default()))
    }

    /// Has a text masked wherever it is said.
    pub fn hide(&self, text: &str) {
        if text.len() >= HIDDEN_BYTES_MIN {
            self.write(|book| book.hidden.push(Secret::new(text)));
        }
    }

    /// Knows the secrets that were used: the provider's, and what was hidden.
    pub fn masks(&self, provider: &Provider) -> Masks {
        let mut secrets: Vec<Secret> = provider.secrets.values.values().cloned().collect();
        secrets.extend(provider.secrets.feedback_token.clone());
        let mut made = Vec::new();
        self.write(|book| made.clone_from(&book.hidden));
        Masks::new(&secrets, &made)
    }

    /// Gives what was said until now, masked.
    pub fn said(&self, masks: &Masks) -> Vec<Said> {
        let mut all = Vec::new();
        let shown = |said: &Said| Said { by: said.by, text: shortened(masks.mask(&said.text)) };
        self.write(|book| all.extend(book.said.iter().map(shown)));
        all
    }

    pub(crate) fn are_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Notes what a side says, if notes are taken.
    pub(crate) fn note(&self, by: Side, text: impl FnOnce() -> String) {
        self.write(|book| {
            let text = text();
            let before = book.bytes;
            book.bytes = book.bytes.saturating_add(text.len());
            if book.bytes <= BYTES_MAX {
                book.said.push(Said { by, text });
            } else if before <= BYTES_MAX {
                book.said.push(Said { by, text: MORE.to_owned() });
            }
        });
    }

    /// Notes a call as it goes on the wire, but for what says who we are, and what HTTP adds to frame it.
    pub(crate) fn call(&self, call: &Call) {
        if !self.are_taken() {
            return;
        }
        let Call { method, url, headers, body } = call;
        let mut target = url[Position::BeforePath..Position::AfterPath].to_owned();
        if let Some(query) = url.query() {
            target.extend(["?", &self.without_values(query)]);
        }
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let mut head = format!("{} {target} HTTP/1.1\nhost: {host}", method.as_str());
        for (name, value) in headers {
            head.extend(["\n", name, ": ", &self.header(name, value)]);
        }
        self.note(Side::Us, || head);
        let is_form = headers.iter().any(|(name, value)| name == "content-type" && value == FORM);
        let body = String::from_utf8_lossy(body);
        let body = if is_form { self.without_values(&body) } else { body.into_owned() };
        self.body(Side::Us, &body);
    }

    /// Notes the head of an answer, in the words it came in.
    pub(crate) fn head(&self, status: u16, phrase: &str, headers: &[Header<'_>]) {
        self.note(Side::Provider, || {
            let mut head = format!("HTTP/1.1 {status} {phrase}");
            for header in headers {
                let name = header.name.to_ascii_lowercase();
                let value = String::from_utf8_lossy(header.value);
                let shown = if is_telling(&name) { "…" } else { &value };
                head.extend(["\n", &name, ": ", shown]);
            }
            head
        });
    }

    /// Notes a body, if there is one.
    pub(crate) fn body(&self, by: Side, body: &str) {
        if !body.is_empty() {
            self.note(by, || body.to_owned());
        }
    }

    /// Notes an answer of which no more is known than what is kept of each.
    pub(crate) fn answer(&self, answer: &Answer) {
        self.note(Side::Provider, || {
            let mut head = format!("HTTP/1.1 {}", answer.status);
            for (name, value) in &answer.headers {
                head.extend(["\n", name, ": ", value]);
            }
            head
        });
        self.body(Side::Provider, &answer.body);
    }

    /// Gives the value of a header of ours. Only of those that are known to be harmless it is the whole.
    fn header(&self, name: &str, value: &str) -> String {
        if HARMLESS.contains(&name) {
            return value.to_owned();
        }
        let scheme = value.split_once(' ').filter(|(scheme, _)| SCHEMES.contains(scheme));
        let (start, secret) = match (scheme, value.rsplit_once(SIGNATURE)) {
            (Some((scheme, _)), Some((start, code))) if scheme == SIGNED => {
                (format!("{start}{SIGNATURE}"), code)
            }
            (Some((scheme, secret)), _) => (format!("{scheme} "), secret),
            (None, _) => (String::new(), value),
        };
        self.hide(secret);
        format!("{start}…")
    }

    /// Gives a query or a form, but for the values whose names say that they are secret.
    fn without_values(&self, pairs: &str) -> String {
        let shown = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if is_telling(name) => {
                for (_, value) in parse(pair.as_bytes()) {
                    self.hide(&value);
                }
                format!("{name}=…")
            }
            Some(_) | None => pair.to_owned(),
        };
        pairs.split('&').map(shown).collect::<Vec<_>>().join("&")
    }

    fn write(&self, write: impl FnOnce(&mut Book)) {
        if let Some(book) = &self.0 {
            write(&mut book.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Debug for Notes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("taken", &self.are_taken()).finish_non_exhaustive()
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}\n{MORE}", text.get(..end).unwrap_or_default()),
    }
}

/// Tells whether the name of a header or of a field says that its value is secret.
fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "passw", "token", "signature", "cookie", "api_key", "apikey", "api-key"]
        .iter()
        .any(|word| name.contains(word))
        || ["auth", "authorization", "key", "pass", "pwd", "sig"].contains(&name.as_str())
}

const MORE: &str = "(what follows is not shown)";

const FORM: &str = "application/x-www-form-urlencoded";

/// Headers of ours that hold no secret.
const HARMLESS: [&str; 7] = [
    "accept",
    "content-type",
    "idempotency-key",
    "user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-target",
];

/// Names for how somebody says who they are.
const SCHEMES: [&str; 4] = ["Basic", "Bearer", "AccessKey", SIGNED];
const SIGNED: &str = "AWS4-HMAC-SHA256";
const SIGNATURE: &str = "Signature=";
