//! Headers that an endpoint adds to its calls.
//!
//! Invariants: an endpoint's header never replaces one that the dialect wrote; nothing that could end a line reaches a call.
//! Left to others: what frames the message (`channels`).

use std::borrow::Cow;

use domain::endpoint::Secrets;
use http::HeaderName;

use crate::error::Unsayable;

/// Header names, in lower case, and their values.
pub(crate) type Headers = Vec<(Cow<'static, str>, String)>;

/// Tells whether an endpoint may add a header of that name, which is in lower case.
///
/// Refused is what proves where a message comes from (`webhook-…`, `pactsafe-webhook-token`, `x-ironclad-…`, `authorization`, which has
/// a field of its own), what says what the body is (`content-…`), and what belongs to the connection or frames the message.
pub fn header_allowed(name: &str) -> bool {
    HeaderName::from_lowercase(name.as_bytes()).is_ok()
        && !PREFIXES_REFUSED.iter().any(|prefix| name.starts_with(prefix))
        && !NAMES_REFUSED.contains(&name)
}

/// Tells whether a header may have that value: no control characters but the tab.
pub fn header_value_allowed(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

const PREFIXES_REFUSED: [&str; 4] = ["webhook-", "content-", "proxy-", "x-ironclad-"];

const NAMES_REFUSED: [&str; 10] = [
    "authorization",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "pactsafe-webhook-token",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Adds the endpoint's authorization and headers behind those the dialect wrote.
pub(crate) fn add_own(headers: &mut Headers, secrets: &Secrets) -> Result<(), Unsayable> {
    if let Some(authorization) = &secrets.authorization {
        let value = checked("authorization", authorization.expose())?;
        headers.push((Cow::Borrowed("authorization"), value));
    }
    for (name, value) in &secrets.headers {
        if header_allowed(name) && headers.iter().all(|(taken, _)| taken != name) {
            headers.push((Cow::Owned(name.clone()), checked(name, value.expose())?));
        }
    }
    Ok(())
}

/// Copies a value if it can be written as HTTP.
pub(crate) fn checked(name: &str, value: &str) -> Result<String, Unsayable> {
    if header_value_allowed(value) {
        Ok(value.to_owned())
    } else {
        Err(Unsayable::Header { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use domain::secret::Secret;

    use super::*;

    #[test]
    fn what_proves_or_frames_a_message_is_refused() {
        for name in ["x-tenant", "accept", "user-agent", "x-api-key"] {
            assert!(header_allowed(name), "{name}");
        }
        for name in
            ["webhook-id", "content-length", "content-type", "host", "te", "X-Upper", "a b", ""]
        {
            assert!(!header_allowed(name), "{name}");
        }
    }

    #[test]
    fn an_endpoint_never_replaces_what_the_dialect_wrote() {
        let mut headers: Headers = vec![(Cow::Borrowed("accept"), "application/json".to_owned())];
        let secrets = Secrets {
            authorization: Some(Secret::new("Bearer abc")),
            headers: [("accept", "*/*"), ("webhook-id", "forged"), ("x-tenant", "7")]
                .map(|(name, value)| (name.to_owned(), Secret::new(value)))
                .into(),
            ..Secrets::default()
        };
        add_own(&mut headers, &secrets).unwrap();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["accept", "authorization", "x-tenant"]);
    }

    #[test]
    fn a_value_that_ends_the_line_is_unsayable() {
        let secrets = Secrets {
            headers: vec![("x-a".to_owned(), Secret::new("b\r\nx-c: d"))],
            ..Secrets::default()
        };
        let error = add_own(&mut Headers::new(), &secrets).unwrap_err();
        assert_eq!(error.to_string(), "the header x-a of the endpoint cannot be written");
    }
}
