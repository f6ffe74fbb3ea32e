//! The services that shorten URLs.

use std::fs;
use std::path::PathBuf;

use channels::shorten::{NotShortened, Shortener, ShortenerKind, build, read};
use domain::call::{Answer, Call};
use domain::secret::Secret;
use serde_json::Value;
use url::Url;

const LONG: &str = "https://sign.example.com/requests/8f2c?token=t";
const KEY: &[u8] = b"sixteen bytes or more";

fn shortener(kind: ShortenerKind) -> Shortener {
    let (domain, group) = match kind {
        ShortenerKind::Bitly => ("bit.ly", Some("Ba1bc23dE4F".to_owned())),
        ShortenerKind::Rebrandly => ("go.example.com", None),
    };
    let token = Secret::new("shortener-token");
    Shortener { kind, token, domain: Some(domain.to_owned()), group, base_url: None }
}

fn fixture(name: &str) -> Value {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "fixtures/providers/shorten", name].iter().collect();
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn long() -> Url {
    LONG.parse().unwrap()
}

fn answered(kind: ShortenerKind, status: u16, body: &str) -> Result<Url, NotShortened> {
    let answer = Answer { status, body: body.to_owned(), ..Answer::default() };
    read(&shortener(kind), &long(), KEY, &answer)
}

fn built(shortener: &Shortener, key: &[u8]) -> (Call, Value) {
    let call = build(shortener, &long(), key).unwrap();
    let body = serde_json::from_slice(&call.body).unwrap();
    (call, body)
}

#[test]
fn bitly_is_asked_as_documented() {
    let (call, body) = built(&shortener(ShortenerKind::Bitly), KEY);
    assert_eq!(call.url.as_str(), "https://api-ssl.bitly.com/v4/shorten");
    assert_eq!(body, fixture("bitly/shorten.request.json"));
    assert!(call.headers.contains(&("authorization".into(), "Bearer shortener-token".to_owned())));
    let short =
        answered(ShortenerKind::Bitly, 201, &fixture("bitly/shorten.response.json").to_string());
    assert_eq!(short.unwrap().as_str(), "https://bit.ly/4abCdEf");
}

#[test]
fn a_link_of_rebrandly_has_a_name_that_follows_from_the_url_and_the_key() {
    let shortener = shortener(ShortenerKind::Rebrandly);
    let (call, mut body) = built(&shortener, KEY);
    assert_eq!(call.url.as_str(), "https://api.rebrandly.com/v1/links");
    assert!(call.headers.contains(&("apikey".into(), "shortener-token".to_owned())));
    let tag = body.as_object_mut().unwrap().remove("slashtag").unwrap();
    let tag = tag.as_str().unwrap();
    assert_eq!(tag.len(), 22);
    assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    let mut expected = fixture("rebrandly/links.request.json");
    expected.as_object_mut().unwrap().remove("title");
    assert_eq!(body, expected);
    assert_eq!(built(&shortener, KEY).1["slashtag"], tag);
    let other = build(&shortener, &format!("{LONG}u").parse().unwrap(), KEY).unwrap();
    let other: Value = serde_json::from_slice(&other.body).unwrap();
    assert_ne!(other["slashtag"], tag);
    assert_ne!(built(&shortener, b"another key of bytes").1["slashtag"], tag);
}

#[test]
fn a_repeated_call_to_rebrandly_gives_the_link_of_the_first() {
    let tag = built(&shortener(ShortenerKind::Rebrandly), KEY).1["slashtag"].clone();
    let tag = tag.as_str().unwrap();
    let mut first = fixture("rebrandly/links.response.json");
    first["slashtag"] = tag.into();
    first["shortUrl"] = format!("go.example.com/{tag}").into();
    let first = answered(ShortenerKind::Rebrandly, 200, &first.to_string()).unwrap();
    let taken = fixture("rebrandly/error.already-exists.json");
    let again = answered(ShortenerKind::Rebrandly, 403, &taken["body"].to_string()).unwrap();
    assert_eq!(first, again);
    assert_eq!(again.as_str(), format!("https://go.example.com/{tag}"));
}

#[test]
fn an_answer_without_a_short_url_is_no_url() {
    for (kind, status, body, again) in [
        (ShortenerKind::Bitly, 400, r#"{"message":"INVALID_ARG_LONG_URL"}"#, false),
        (ShortenerKind::Bitly, 403, r#"{"message":"FORBIDDEN"}"#, false),
        (ShortenerKind::Bitly, 429, "", true),
        (ShortenerKind::Bitly, 500, "<html>", true),
        (ShortenerKind::Bitly, 200, "{}", false),
        (ShortenerKind::Bitly, 200, r#"{"link":"javascript:alert(1)"}"#, false),
        (ShortenerKind::Bitly, 200, r#"{"link":"https://evil.example/x"}"#, false),
        (ShortenerKind::Bitly, 200, r#"{"link":"https://bit.ly.evil.example/x"}"#, false),
        (ShortenerKind::Bitly, 200, r#"{"link":"https://bit.ly:8443/x"}"#, false),
        (ShortenerKind::Rebrandly, 200, r#"{"shortUrl":"rebrand.ly/x"}"#, false),
        (ShortenerKind::Bitly, 302, r#"{"link":"https://bit.ly/x"}"#, false),
        (ShortenerKind::Rebrandly, 200, r#"{"shortUrl":"/x"}"#, false),
        (ShortenerKind::Rebrandly, 200, r#"{"shortUrl":"me@go.example.com/x"}"#, false),
        (
            ShortenerKind::Rebrandly,
            403,
            r#"{"code":"AlreadyExists","errors":[{"code":"AlreadyExists","property":"title"}]}"#,
            false,
        ),
        (
            ShortenerKind::Rebrandly,
            403,
            r#"{"code":"Forbidden","message":"no https://sign.example.com/x?token=t here"}"#,
            false,
        ),
        (ShortenerKind::Rebrandly, 503, "", true),
    ] {
        let error = answered(kind, status, body).unwrap_err();
        assert_eq!(error.again, again, "{status} {body}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("token=t") && !shown.is_empty(), "{shown}");
    }
}

#[test]
fn a_shortener_does_not_show_its_token_and_may_be_elsewhere() {
    for kind in ShortenerKind::ALL {
        let mut shortener = shortener(kind);
        assert!(!format!("{shortener:?}").contains("shortener-token"));
        shortener.base_url = Some("http://127.0.0.1:9/in".to_owned());
        assert!(built(&shortener, KEY).0.url.as_str().starts_with("http://127.0.0.1:9/in/v"));
        shortener.base_url = Some("nonsense".to_owned());
        assert!(!build(&shortener, &long(), KEY).unwrap_err().again);
    }
}
