//! Whatever a client with a key sends, the service answers, and never with a 500.

#![no_main]

use std::cell::RefCell;

use axum::body::Body;
use axum::http::Request;
use fuzz::service::{KEY, Service, service};
use libfuzzer_sys::fuzz_target;
use tower::ServiceExt;

/// Calls that take a body or a path from outside. `{}` is replaced by text of the input.
const CALLS: &[(&str, &str)] = &[
    ("POST", "/api/v1/events"),
    ("POST", "/api/v1/events/batch"),
    ("POST", "/api/v1/requests"),
    ("POST", "/api/v1/endpoints"),
    ("POST", "/api/v1/contacts"),
    ("POST", "/api/v1/keys"),
    ("GET", "/api/v1/requests?cursor={}"),
    ("GET", "/api/v1/events?types={}"),
    ("GET", "/api/v1/deliveries?state={}"),
    ("GET", "/api/v1/requests/{}"),
    ("GET", "/api/v1/mailbox?to={}"),
    ("GET", "/mailbox/{}"),
    ("GET", "/l/{}"),
    ("POST", "/feedback/{}"),
    ("GET", "/s/{}"),
    ("GET", "/{}"),
    ("POST", "/v1.1/sites/1/requests"),
    ("GET", "/v1.1/sites/1/requests?filter={}"),
    ("POST", "/fintechos/esign/sign"),
    ("POST", "/Api/v6.0/envelope/cancel"),
    ("GET", "/Api/v6.0/envelope/{}"),
];

thread_local! {
    static SERVICE: RefCell<Service> = RefCell::new(service());
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let (method, path) = CALLS[usize::from(*first) % CALLS.len()];
    let in_path: String = url::form_urlencoded::byte_serialize(rest).collect();
    let path = path.replace("{}", &in_path);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Body::from(rest.to_vec()));
    let Ok(request) = request else { return };
    SERVICE.with_borrow(|service| {
        let answer =
            service.runtime.block_on(service.router.clone().oneshot(request)).expect("infallible");
        assert_ne!(answer.status().as_u16(), 500, "{method} {first}");
    });
});
