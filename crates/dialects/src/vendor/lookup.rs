//! What asking every vendor has in common: how a call is built, and what an answer's status says.
//!
//! Invariants: an id is one segment of a path, whatever it holds; a vendor that is busy is asked again, one that answers
//! nonsense is not taken at its word.

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::{Answer, Call, Method};
use domain::secret::Secret;
use domain::source::Source;
use serde_json::Value;
use url::Url;

use crate::headers::header_value_allowed;
use crate::vendor::{Ask, Unaskable, json};

/// What stands at the door of a vendor: where it is, and a header with the credentials.
pub(crate) struct Door {
    base: Url,
    headers: Vec<(Cow<'static, str>, String)>,
}

impl Door {
    /// Reads `base_url` and `api_token` of a source; without a base of its own, the vendor's is taken.
    pub(crate) fn new(
        source: &Source,
        base: Option<&str>,
        header: (&'static str, &str),
    ) -> Result<Self, Unaskable> {
        let token = source.secret("api_token").ok_or(Unaskable::Missing("api_token"))?;
        let base = source.text("base_url").or(base).ok_or(Unaskable::Missing("base_url"))?;
        let base = Url::parse(base).ok().filter(|url| !url.cannot_be_a_base());
        let base = base.ok_or(Unaskable::Unusable("base_url"))?;
        let (name, prefix) = header;
        let value = format!("{prefix}{}", Secret::expose(token));
        let door =
            Self { base, headers: vec![(Cow::Borrowed("accept"), "application/json".to_owned())] };
        door.with("api_token", name, &value)
    }

    /// Adds a header that a field of the source asks for.
    pub(crate) fn with(
        mut self,
        field: &'static str,
        name: &'static str,
        value: &str,
    ) -> Result<Self, Unaskable> {
        if !header_value_allowed(value) {
            return Err(Unaskable::Unusable(field));
        }
        self.headers.push((Cow::Borrowed(name), value.to_owned()));
        Ok(self)
    }

    /// Builds the call that reads what lies at a path below the base.
    pub(crate) fn call(self, path: &[&str]) -> Result<Ask, Unaskable> {
        // The parser of URLs takes these for steps through the folders.
        if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(Unaskable::Id);
        }
        let mut url = self.base;
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let call = Call {
            method: Method::Get,
            url: Arc::new(url),
            headers: self.headers,
            body: Vec::new(),
        };
        Ok(Ask::Call(call))
    }
}

/// Reads the object in an answer; what it is instead is what to do next.
///
/// A 404 is believed if `is_own` finds the vendor's own words in the body: any proxy and any wrong base URL says it too.
pub(crate) fn object(answer: &Answer, is_own: fn(&Value) -> bool) -> Result<Value, Ask> {
    let body = json::object(answer.body.as_bytes());
    let said = body.as_ref().ok();
    match answer.status {
        200..=299 if answer.body_cut => Err(nonsense(answer, "more than is read of an answer")),
        200..=299 => body.map_err(|error| nonsense(answer, &error.to_string())),
        401 | 403 => Err(Ask::Refused(format!(
            "the vendor answered {}: it does not take the credentials, or they lack the right to read requests",
            answer.status
        ))),
        404 | 410 if said.is_some_and(is_own) => Err(Ask::Gone),
        408 | 425 | 429 | 500..=599 => Err(Ask::Later("the vendor is busy", answer.retry_after_s)),
        _ => Err(nonsense(answer, "a status that says nothing of the request; look at `base_url`")),
    }
}

/// Says that an answer makes no sense, and nothing of what it says.
pub(crate) fn nonsense(answer: &Answer, what: &str) -> Ask {
    Ask::Nonsense(format!("the vendor answered {}: {what}", answer.status))
}
