//! What calls to providers are made of: an address, a body, who asks.
//!
//! Invariant: what comes from settings or a message is encoded, so that it stays the part of a call that it was meant
//! to be.

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::{Call, Method};
use domain::message::{Message, Sms};
use domain::provider::Provider;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::proof::base64;
use crate::provider::{Field, Form, Unbuildable, secret, setting};

/// Where a service is.
pub(crate) const BASE_URL: Field = Field {
    name: "base_url",
    about: "Where the service's API is, if not at its usual address: for another region, or for a stand-in in tests.",
    form: Form::Url,
    required: false,
    secret: false,
};

/// Describes a text that must be there.
pub(crate) const fn text(name: &'static str, about: &'static str) -> Field {
    Field { name, about, form: Form::Text, required: true, secret: false }
}

/// Describes a secret that must be there.
pub(crate) const fn hidden(name: &'static str, about: &'static str) -> Field {
    Field { name, about, form: Form::Text, required: true, secret: true }
}

impl Field {
    /// Makes the field one that may be left out.
    pub(crate) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }
}

/// Gives a setting or a secret that must be there.
pub(crate) fn needed<'a>(provider: &'a Provider, name: &str) -> Result<&'a str, Unbuildable> {
    let value = setting(provider, name).or_else(|| secret(provider, name));
    value.ok_or_else(|| Unbuildable(format!("the provider has no {name}; set it")))
}

/// Gives the short message, if that is what it is and the service takes a text of that length.
pub(crate) fn short(message: &Message, text_chars_max: usize) -> Result<&Sms, Unbuildable> {
    let sms = match message {
        Message::Sms(sms) => sms,
        Message::Email(_) => {
            return Err(Unbuildable("the provider carries short messages, not mails".to_owned()));
        }
    };
    let chars = sms.text.chars().count();
    if chars > text_chars_max {
        let what = format!("the text has {chars} characters, the provider takes {text_chars_max}");
        return Err(Unbuildable(what));
    }
    Ok(sms)
}

/// Gives a number as services write it that want no `+`.
pub(crate) fn digits(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

/// Gives the address under the service's usual one, or the one that the operator named.
pub(crate) fn address(provider: &Provider, usual: &str, path: &[&str]) -> Result<Url, Unbuildable> {
    below(setting(provider, BASE_URL.name).unwrap_or(usual), path)
}

/// Gives the address under another one.
pub(crate) fn below(base: &str, path: &[&str]) -> Result<Url, Unbuildable> {
    let wrong = || Unbuildable("the base_url is no URL with a host".to_owned());
    let mut url = Url::parse(base).ok().ok_or_else(wrong)?;
    url.path_segments_mut().ok().ok_or_else(wrong)?.pop_if_empty().extend(path);
    Ok(url)
}

/// Gives the URL that a report of one message goes to: the key stands in its query.
pub(crate) fn keyed(feedback_url: &str, key: &str) -> String {
    let query = Serializer::new(String::new()).append_pair(KEY, key).finish();
    format!("{feedback_url}?{query}")
}

/// The name of our key in the query of a URL that reports go to.
pub(crate) const KEY: &str = "n";

/// Says a value as JSON.
pub(crate) fn json(url: Url, value: &Value) -> Call {
    post(url, "application/json", value.to_string())
}

/// Leaves out the members that are `null`: those that a message or a provider has nothing for.
pub(crate) fn present(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// Says names and values as a form.
pub(crate) fn form(url: Url, pairs: &[(&str, &str)]) -> Call {
    let body = Serializer::new(String::new()).extend_pairs(pairs).finish();
    post(url, "application/x-www-form-urlencoded", body)
}

/// Says a text.
pub(crate) fn post(url: Url, content_type: &str, body: String) -> Call {
    let headers = vec![
        (Cow::Borrowed("accept"), "application/json".to_owned()),
        (Cow::Borrowed("content-type"), content_type.to_owned()),
    ];
    Call { method: Method::Post, url: Arc::new(url), headers, body: body.into_bytes() }
}

/// Adds who asks.
pub(crate) fn authorize(call: &mut Call, authorization: String) {
    call.headers.push((Cow::Borrowed("authorization"), authorization));
}

/// Writes a name and a password as HTTP does.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{name}:{password}").as_bytes()))
}
