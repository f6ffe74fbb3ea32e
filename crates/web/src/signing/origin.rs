//! Where a form came from: from which site, and from which address.
//!
//! Invariant: what a browser cannot forge decides; a header that anybody can write is believed only behind a proxy that
//! the operator trusts.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use url::Url;

use crate::serve::Peer;

/// Tells whether a form came from our own page, as far as the browser says.
///
/// Browsers on plain HTTP, and old ones, say `null` or nothing; the token in the path is the right then.
pub(super) fn is_own(headers: &HeaderMap, public_url: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("")) else {
        return true;
    };
    if origin == "null" {
        return true;
    }
    let Ok(origin) = Url::parse(origin) else { return false };
    let public = Url::parse(public_url).is_ok_and(|public| public.origin() == origin.origin());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    public || host.is_some_and(|host| authority(&origin).is_some_and(|origin| origin == host))
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Gives the address that a call came from.
///
/// Behind a trusted proxy that is the last entry of `X-Forwarded-For`: the one the proxy wrote itself.
pub(super) fn address(parts: &Parts, trusted_proxies: bool) -> Option<IpAddr> {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    if !trusted_proxies {
        return peer;
    }
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
    let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.and_then(|text| text.trim().parse::<IpAddr>().ok()).map(|ip| ip.to_canonical()).or(peer)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(headers: &[(&'static str, &'static str)], expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(is_own(&map, "https://sign.example.com"), expected, "{headers:?}");
    }

    #[test]
    fn only_our_own_page_sends_forms() {
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "https://sign.example.com")], false);
        check(&[("origin", "https://sign.example.com")], true);
        check(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")], true);
        check(&[("origin", "https://evil.example"), ("host", "sign.example.com")], false);
        check(&[("origin", "not a url")], false);
        check(&[("origin", "null")], true);
        check(&[], true);
    }

    fn address_of(forwarded: &'static str, trusted: bool) -> String {
        let request = http::Request::get("/")
            .header("x-forwarded-for", forwarded)
            .extension(Peer(([192, 0, 2, 1], 5_000).into()));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        address(&parts, trusted).unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_call_came_from() {
        assert_eq!(address_of("203.0.113.9", false), "192.0.2.1");
        assert_eq!(address_of("203.0.113.9", true), "203.0.113.9");
        assert_eq!(address_of("10.0.0.1, 203.0.113.9", true), "203.0.113.9");
        assert_eq!(address_of("nonsense", true), "192.0.2.1");
    }
}
