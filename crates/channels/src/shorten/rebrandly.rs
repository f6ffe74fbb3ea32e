//! Rebrandly, which makes a new link at each call. So the link's name is derived from the long URL, and a repeated call
//! hears that it exists already.
//!
//! Source: <https://developers.rebrandly.com/docs/create-a-new-link>.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::call::{Answer, Call};
use ring::hmac;
use serde_json::{Value, json};
use url::Url;

use crate::calls::{self, below};
use crate::shorten::{NotShortened, Shortener, no, normal};

pub(super) fn build(shortener: &Shortener, long: &Url, key: &[u8]) -> Result<Call, NotShortened> {
    let wrong = |detail: String| NotShortened { detail, again: false };
    if long.as_str().len() > DESTINATION_BYTES_MAX {
        return Err(wrong("the URL is longer than the 2,048 bytes Rebrandly takes".to_owned()));
    }
    let base = shortener.base_url.as_deref().unwrap_or("https://api.rebrandly.com");
    let url = below(base, &["v1", "links"]).map_err(|error| wrong(error.to_string()))?;
    let body = json!({
        "destination": long.as_str(),
        "domain": { "fullName": shortener.host() },
        "slashtag": slashtag(shortener, long, key),
    });
    let mut call = calls::json(url, &body);
    call.headers.push((Cow::Borrowed("apikey"), shortener.token.expose().to_owned()));
    if let Some(workspace) = &shortener.group {
        call.headers.push((Cow::Borrowed("workspace"), workspace.clone()));
    }
    Ok(call)
}

pub(super) fn read(
    shortener: &Shortener,
    long: &Url,
    key: &[u8],
    answer: &Answer,
) -> Result<Url, NotShortened> {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let short = match answer.status {
        200 | 201 => text("/shortUrl").and_then(normal),
        400..=499 if is_taken(&body) => {
            normal(&format!("{}/{}", shortener.host(), slashtag(shortener, long, key)))
        }
        _ => None,
    };
    short.ok_or_else(|| no(answer, text("/message")))
}

/// Tells whether there is such a link already. Nobody else can have made it: its name follows from our key.
fn is_taken(body: &Value) -> bool {
    let code = |value: &Value| value.get("code").and_then(Value::as_str) == Some("AlreadyExists");
    let errors = body.get("errors").and_then(Value::as_array);
    let of_slashtag = |error: &Value| {
        code(error) && error.get("property").and_then(Value::as_str) == Some("slashtag")
    };
    match errors {
        Some(errors) if !errors.is_empty() => errors.iter().any(of_slashtag),
        Some(_) | None => code(body),
    }
}

/// Gives the link's name: 22 characters, 128 bits and more that nobody can guess.
fn slashtag(shortener: &Shortener, long: &Url, key: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let text = format!("{}\n{long}", shortener.host());
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
    tag.chars().take(SLASHTAG_CHARS).collect()
}

const SLASHTAG_CHARS: usize = 22;
const DESTINATION_BYTES_MAX: usize = 2_048;
