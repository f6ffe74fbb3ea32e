//! Why something cannot be said, subscribed to, or saved.
//!
//! Invariant: no message holds a secret, an address or anything else from an event's data.

use domain::event::Kind;

use crate::template::known_placeholders;

/// Why an event cannot be said to a target.
#[derive(Debug, thiserror::Error)]
pub enum Unsayable {
    /// The event's data are not what its kind says.
    #[error("the data of the {kind} event cannot be read")]
    Data {
        /// The event's kind.
        kind: Kind,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// The event's data lack what the dialect has to say.
    #[error("the {kind} event does not tell its {part}")]
    Missing {
        /// The event's kind.
        kind: Kind,
        /// What is lacking.
        part: &'static str,
    },
    /// The event's data are no JSON object.
    #[error("the data of the {kind} event are no object")]
    NotAnObject {
        /// The event's kind.
        kind: Kind,
    },
    /// The body cannot be written as JSON.
    #[error("the body cannot be written")]
    Body {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A signing secret of the endpoint cannot be used.
    #[error("a signing secret of the endpoint cannot be used")]
    Secret {
        /// What is wrong with it.
        source: BadSecret,
    },
    /// The endpoint has no signing secret that is still valid.
    #[error("the endpoint has no valid signing secret")]
    NoSecret,
    /// The endpoint asks for a signature of the account, which has no key.
    #[error("the account has no key to sign with")]
    NoSigner,
    /// The URL cannot be filled.
    #[error("the url of the call cannot be made")]
    Url {
        /// What is wrong with it.
        source: BadUrl,
    },
    /// A header of the endpoint cannot be written as HTTP.
    #[error("the header {name} of the endpoint cannot be written")]
    Header {
        /// Its name; the value may be a secret.
        name: String,
    },
}

/// Why a signing secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It starts with something else.
    #[error("expected `whsec_` and base64")]
    Prefix,
    /// What follows the prefix is no base64.
    #[error("what follows `whsec_` is no base64")]
    Base64,
    /// The key is too short or too long.
    #[error("expected a key of 24 to 64 bytes, found {bytes}")]
    Length {
        /// How long it is.
        bytes: usize,
    },
}

/// Why a URL, or a template of one, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It is no URL.
    #[error("no absolute url")]
    Unreadable {
        /// What the parser says.
        source: url::ParseError,
    },
    /// A placeholder has a name that nobody fills.
    #[error("unknown placeholder ##{name}##; known are {}", known_placeholders())]
    UnknownPlaceholder {
        /// The name, without its hashes.
        name: String,
    },
    /// Two hashes begin no placeholder.
    #[error("`##` begins no placeholder such as ##EnvelopeId##")]
    Unclosed,
    /// It has more than one `#` outside placeholders.
    #[error("more than one fragment")]
    Fragments,
    /// A placeholder could change whom the call reaches.
    #[error("a placeholder stands before the path")]
    PlaceholderBeforePath,
}

/// Why names cannot be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type; {} are acceptable", acceptable.join(", "))]
pub struct UnknownNames {
    /// Those that the dialect does not know, in the order given; never empty.
    pub unknown: Vec<UnknownName>,
    /// Those it knows, in the catalogue's order, `*` first.
    pub acceptable: Vec<&'static str>,
}

/// A name that a dialect does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The name.
    pub name: String,
}
