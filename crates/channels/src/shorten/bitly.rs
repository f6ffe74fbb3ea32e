//! Bitly, version 4 of its API. The same long URL gives the same short one within a group.
//!
//! Source: <https://dev.bitly.com/api-reference/#createBitlink>.

use domain::call::{Answer, Call};
use serde_json::{Map, Value, json};
use url::Url;

use crate::calls::{self, authorize, below};
use crate::shorten::{NotShortened, Shortener, no, normal};

pub(super) fn build(shortener: &Shortener, long: &Url) -> Result<Call, NotShortened> {
    let base = shortener.base_url.as_deref().unwrap_or("https://api-ssl.bitly.com");
    let url = below(base, &["v4", "shorten"])
        .map_err(|wrong| NotShortened { detail: wrong.to_string(), again: false })?;
    let mut body = Map::new();
    body.insert("long_url".to_owned(), json!(long.as_str()));
    let optional = [("domain", &shortener.domain), ("group_guid", &shortener.group)];
    body.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))),
    );
    let mut call = calls::json(url, &Value::Object(body));
    authorize(&mut call, format!("Bearer {}", shortener.token.expose()));
    Ok(call)
}

pub(super) fn read(answer: &Answer) -> Result<Url, NotShortened> {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let short = text("link").filter(|_| matches!(answer.status, 200 | 201)).and_then(normal);
    short.ok_or_else(|| no(answer, text("message")))
}
