//! How the interface says that something is wrong: `{code, message, param?}`.
//!
//! Source: <https://developer.ironcladapp.com/reference/errors> (codes); the messages are those of the calls' own pages, where
//! those show any.

use serde::Serialize;

use crate::face::Flaws;

/// How a body of the interface says that something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    /// One of the vendor's codes.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
    /// Which member it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

impl Error {
    /// Says that a member cannot be taken.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self { code: "INVALID_PARAM", message: message.into(), param: Some(param.to_owned()) }
    }

    /// Says that a member is not there.
    pub fn missing(param: &str) -> Self {
        Self {
            code: "MISSING_PARAM",
            message: format!("missing param: {param}"),
            param: Some(param.to_owned()),
        }
    }

    /// Says that something is not possible as the workflow stands.
    pub fn state(message: impl Into<String>) -> Self {
        Self { code: "INVALID_STATE", message: message.into(), param: None }
    }

    /// Says that there is no such thing; `param` is the member that names it.
    pub fn not_found(what: &str, param: &str) -> Self {
        Self {
            code: "NOT_FOUND",
            message: format!("{what} does not exist"),
            param: Some(param.to_owned()),
        }
    }

    /// Says that somebody may not do that.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { code: "FORBIDDEN", message: message.into(), param: None }
    }

    /// Says the first place of a body that is wrong.
    pub fn flawed(flaws: Flaws) -> Self {
        let (param, message) = flaws.into_iter().next().unwrap_or_default();
        Self { param: Some(param).filter(|param| !param.is_empty()), ..Self::invalid("", message) }
    }

    /// Names the member, unless one is named already.
    #[must_use]
    pub fn about(self, param: &str) -> Self {
        Self { param: self.param.or_else(|| Some(param.to_owned())), ..self }
    }

    /// Gives the status that goes with the code; where a call has another one, that call says so.
    pub fn status(&self) -> u16 {
        let known = [
            ("UNAUTHORIZED", 401),
            ("FORBIDDEN", 403),
            ("NOT_FOUND", 404),
            ("NOT_ALLOWED", 405),
            ("CONFLICT", 409),
            ("TOO_MANY_REQUESTS", 429),
            ("SERVER_ERROR", 500),
            ("NOT_IMPLEMENTED", 501),
        ];
        known.iter().find(|(code, _)| *code == self.code).map_or(400, |(_, status)| *status)
    }
}

/// Says what is wrong in the vendor's terms: which member a place of ours is, and the message, which names an attribute.
pub fn placed(path: &str, message: &str) -> (Option<String>, String) {
    let known = [
        ("url", "targetURL"),
        ("authorization", "headers.Authorization"),
        ("by", "x-as-user-email"),
        ("text", "comment"),
        ("send_at", "notifyAt"),
        ("person.email", "assigned.email"),
        ("person.name", "assigned.name"),
    ];
    if let Some(id) = path.strip_prefix("attributes.") {
        return (Some("attributes".to_owned()), format!("{id}: {message}"));
    }
    let member = match (path.strip_prefix("signers."), path.rsplit('.').next()) {
        (Some(_), Some("email")) => "counterpartySignerEmail",
        (Some(_), Some("name")) => "counterpartySignerName",
        (Some(_) | None, _) => {
            let known = known.iter().find(|(ours, _)| *ours == path);
            let first = || path.split(['.', '[']).next().unwrap_or_default();
            known.map_or_else(first, |(_, theirs)| theirs)
        }
    };
    (Some(member.to_owned()).filter(|member| !member.is_empty()), message.to_owned())
}

/// Gives the code for a status.
pub const fn code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "NOT_ALLOWED",
        409 => "CONFLICT",
        429 => "TOO_MANY_REQUESTS",
        500.. => "SERVER_ERROR",
        _ => "INVALID_PARAM",
    }
}
