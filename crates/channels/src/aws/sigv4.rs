//! Signature version 4: how a call to a service of Amazon's says whose it is.
//!
//! Invariants: nothing but headers is added; the secret key comes into none of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::call::Call;
use domain::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::hmac;
use url::{Position, Url};

use crate::proof::{hex, sha256_hex};

/// Whose a call is, and for which service.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a> {
    /// The public half of the access key.
    pub(crate) access_key_id: &'a str,
    /// The secret half.
    pub(crate) secret_access_key: &'a str,
    /// The region, such as `eu-west-1`.
    pub(crate) region: &'a str,
    /// The service's name for signatures: `ses`, `sns`, `sms-voice`.
    pub(crate) service: &'a str,
}

/// Signs a call: adds `x-amz-date` and `authorization`. Every header that is there is covered.
pub(crate) fn sign(call: &mut Call, signer: &Signer<'_>, now: Timestamp) {
    let time = compact(now);
    let day: String = time.chars().take(8).collect();
    call.headers.push((Cow::Borrowed("x-amz-date"), time.clone()));
    let (canonical, signed) = canonical(call);
    let scope = format!("{day}/{}/{}/aws4_request", signer.region, signer.service);
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let first = format!("AWS4{}", signer.secret_access_key).into_bytes();
    let key = [&day, signer.region, signer.service, "aws4_request"]
        .iter()
        .fold(first, |key, part| code(&key, part));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
        signer.access_key_id,
        hex(&code(&key, &text)),
    );
    call.headers.push((Cow::Borrowed("authorization"), authorization));
}

/// Gives the call in the one form that both sides hash, and the names of the headers in it.
fn canonical(call: &Call) -> (String, String) {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    headers.insert("host".to_owned(), vec![host(&call.url)]);
    for (name, value) in &call.headers {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        headers.entry(name.to_ascii_lowercase()).or_default().push(words.join(" "));
    }
    let signed = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
    let line = |(name, values): (&String, &Vec<String>)| format!("{name}:{}\n", values.join(","));
    let headers: Vec<String> = headers.iter().map(line).collect();
    let path: Vec<String> = call.url.path().split('/').map(encode).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{}\n{signed}\n{}",
        call.method.as_str(),
        path.join("/"),
        query(&call.url),
        headers.concat(),
        sha256_hex(&call.body),
    );
    (canonical, signed)
}

/// Gives the host as the header says it: with the port, if it is not the scheme's own.
fn host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}

fn query(url: &Url) -> String {
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let encoded = |text: &str| encode(&String::from_utf8_lossy(&decoded(text)));
    let mut pairs: Vec<(String, String)> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn code(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Writes a moment as `20150830T123600Z`.
fn compact(now: Timestamp) -> String {
    let text = now.to_string();
    text.chars().take(19).filter(|char| !matches!(char, '-' | ':')).chain(['Z']).collect()
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Everything but letters, digits, `-`, `.`, `_` and `~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::call::Method;

    use super::*;

    const SIGNER: Signer<'static> = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
    };

    fn signed(method: Method, target: &str, headers: &[(&'static str, &str)], body: &str) -> Call {
        let url = Url::parse(&format!("https://example.amazonaws.com{target}")).unwrap();
        let headers =
            headers.iter().map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned()));
        let mut call = Call {
            method,
            url: Arc::new(url),
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        };
        sign(&mut call, &SIGNER, "2015-08-30T12:36:00Z".parse().unwrap());
        call
    }

    #[test]
    fn the_vendors_test_suite_agrees() {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let (get, post) = (Method::Get, Method::Post);
        for (method, target, headers, body, signature) in [
            (
                get,
                "/",
                [].as_slice(),
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                get,
                "/?Param2=value2&Param1=value1",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                post,
                "/",
                &[],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                post,
                "/",
                &form,
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let call = signed(method, target, headers, body);
            let (name, value) = call.headers.last().unwrap();
            assert_eq!(name, "authorization");
            assert!(value.ends_with(&format!("Signature={signature}")), "{target}: {value}");
            assert!(value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="));
        }
    }

    #[test]
    fn every_header_is_covered_and_the_secret_key_is_in_none() {
        let plain = signed(Method::Post, "/", &[("x-amz-target", "A.B")], "{}");
        let (_, authorization) = plain.headers.last().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-target,"));
        assert!(plain.headers.iter().all(|(_, value)| !value.contains(SIGNER.secret_access_key)));
        let other = signed(Method::Post, "/", &[("x-amz-target", "A.C")], "{}");
        assert_ne!(other.headers.last(), plain.headers.last());
    }

    #[test]
    fn a_stand_in_is_named_with_its_port() {
        let url = |text| Url::parse(text).unwrap();
        assert_eq!(host(&url("http://127.0.0.1:8080/v2?a=b")), "127.0.0.1:8080");
        assert_eq!(
            host(&url("https://email.eu-west-1.amazonaws.com/v2")),
            "email.eu-west-1.amazonaws.com"
        );
    }
}
