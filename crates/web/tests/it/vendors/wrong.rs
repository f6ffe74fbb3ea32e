//! Whatever comes to a vendor's path is answered in the vendor's shape, and nothing of it breaks us.
//!
//! Bodies are those that the calls take, with something wrong put in one of their places; paths, queries, headers and keys
//! are wrong as well, or are not.

mod forms;
mod samples;

use axum::body::Body;
use domain::key::Scope;
use engine::keys::NewKey;
use http::Request;
use http::header::{HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::samples::{Known, Route, routes};
use crate::world::{Answer, World};

/// Calls to one world, before a new one is made.
const CALLS: u32 = 700;
const WORLDS: u32 = 2;

/// How a call is wrong, if it is.
#[derive(Debug, Clone)]
struct Wrong {
    route: Index,
    method: Option<&'static str>,
    /// What stands in the holes of the path; what is there by right, if absent.
    names: Vec<Option<&'static str>>,
    query: &'static str,
    kind: Kind,
    who: Who,
    user: Option<(&'static str, &'static [u8])>,
    body: Damage,
}

/// What a body says that it is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    AsItIs,
    Other(&'static str),
    Absent,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
enum Who {
    Operator,
    Stranger,
    Nobody,
    OfAnotherAccount,
    WithoutScope,
    Garbled,
}

/// What is wrong with a body.
#[derive(Debug, Clone)]
enum Damage {
    None,
    /// A member is replaced.
    Replaced(Index, Value),
    /// A member is taken away.
    Gone(Index),
    /// A member comes twice, or bytes are cut off.
    Cut(Index),
    /// Something else comes instead.
    Instead(Vec<u8>),
}

fn value() -> impl Strategy<Value = Value> {
    let texts = select(vec![
        "",
        " ",
        "\0",
        "\u{202e}",
        "é",
        "a@b",
        "a@example.com\r\nbcc: b@example.com",
        "5928719b30182d3700364a74",
        "IC-1",
        "IC-99999999999999999999",
        "9999-12-31T23:59:59Z",
        "-271821-04-20T00:00:00Z",
        "https://[::1",
        "http://169.254.169.254/",
        "approved",
        "set",
    ]);
    let long = (1_usize..4).prop_map(|times| json!("x".repeat(times * 40_000)));
    let numbers = select(vec![
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(0.1),
        json!(4_294_967_296_u64),
    ]);
    let leaf = prop_oneof![
        texts.prop_map(Value::from),
        long,
        numbers,
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(vec!["type", "email", "id", "message", "a", ""]), inner), 0..4)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

fn raw() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(super::HOSTILE.to_vec()).prop_map(<[u8]>::to_vec),
        Just(b"[".repeat(100_000)),
        Just(b"{\"a\":".repeat(20_000)),
        Just(br#"{"a":1e999}"#.to_vec()),
        Just(br#"{"comment":"\ud800"}"#.to_vec()),
        Just(b"--cut\r\n".to_vec()),
        Just(
            b"--cut\r\ncontent-disposition: form-data; name=\"data\"\r\n\r\n\xff\r\n--cut--"
                .to_vec()
        ),
        Just(b"grant_type=client_credentials&client_id=%FF&client_secret=%00".to_vec()),
        vec(any::<u8>(), 0..64),
        Just(vec![b' '; (1 << 20) + 1]),
    ]
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let method = prop_oneof![
        12 => Just(None),
        1 => select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]).prop_map(Some),
    ];
    let names = vec(name(), 2);
    (any::<Index>(), method, names, query(), kind(), who(), user(), damage()).prop_map(
        |(route, method, names, query, kind, who, user, body)| Wrong {
            route,
            method,
            names,
            query,
            kind,
            who,
            user,
            body,
        },
    )
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        1 => Just(Damage::None),
        4 => (any::<Index>(), value()).prop_map(|(at, value)| Damage::Replaced(at, value)),
        1 => any::<Index>().prop_map(Damage::Gone),
        1 => any::<Index>().prop_map(Damage::Cut),
        2 => raw().prop_map(Damage::Instead),
    ]
}

fn name() -> impl Strategy<Value = Option<&'static str>> {
    let name = select(vec![
        "5928719b30182d3700364a74",
        "IC-2",
        "IC-0",
        "%FF",
        "%00",
        "..",
        "a%2Fb",
        "%C3%A9",
        "-1",
        "18446744073709551616",
        "req_00000000000000000000000000",
        "key::a",
        "%",
        "+",
        "2f0a4f0e-7f0f-4c6e-9a55-2d0c5f6f9a01",
    ]);
    prop_oneof![4 => Just(None), 1 => name.prop_map(Some)]
}

fn query() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "",
        "",
        "page=-1",
        "pageSize=99999999999999999999",
        "page=%FF",
        "a=b&a=b",
        "%",
        "status=%00",
        "lastUpdated=0",
        "filter=%5B",
        "page=1&page=2",
        "envelope=data",
        "per_page=0",
        "signer_id=%FF",
        "useDefaultValues=7",
    ])
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::AsItIs),
        2 => select(vec![
            "text/plain", "multipart/form-data", "multipart/form-data; boundary=cut",
            "multipart/form-data; boundary=\"", "application/x-www-form-urlencoded", "application/pdf", ";",
        ]).prop_map(Kind::Other),
        1 => Just(Kind::Absent),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        8 => Just(Who::Operator),
        1 => Just(Who::Stranger),
        1 => Just(Who::Nobody),
        1 => Just(Who::OfAnotherAccount),
        1 => Just(Who::WithoutScope),
        1 => Just(Who::Garbled),
    ]
}

fn user() -> impl Strategy<Value = Option<(&'static str, &'static [u8])>> {
    let users: Vec<(&'static str, &'static [u8])> = vec![
        ("x-as-user-email", b"ada@example.com"),
        ("x-as-user-email", b"nobody"),
        ("x-as-user-email", b"\xff@\xfe"),
        ("x-as-user-id", b"5928719b30182d3700364a74"),
        ("x-as-user-id", b"\xc3\xa9"),
        ("apitoken", b"\xff"),
        ("idempotency-key", b"a"),
        ("idempotency-key", b"\xff"),
        ("content-length", b"99999999999"),
    ];
    prop_oneof![4 => Just(None), 1 => select(users).prop_map(Some)]
}

/// Lists the places of a body, the inner ones too.
fn places(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    walk(inner, &format!("{at}/{name}"), all);
                }
            }
            Value::Array(items) => {
                for (index, inner) in items.iter().enumerate() {
                    walk(inner, &format!("{at}/{index}"), all);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut all = Vec::new();
    walk(value, "", &mut all);
    all
}

fn damaged(good: &Value, damage: &Damage) -> Vec<u8> {
    let mut body = good.clone();
    match damage {
        Damage::None => {}
        Damage::Replaced(at, value) => {
            let all = places(&body);
            *body.pointer_mut(&all[at.index(all.len())]).unwrap() = value.clone();
        }
        Damage::Gone(at) => {
            let all = places(&body);
            let (outer, name) = all[at.index(all.len())].rsplit_once('/').unwrap_or_default();
            if let Some(members) = body.pointer_mut(outer).and_then(Value::as_object_mut) {
                members.remove(name);
            }
        }
        Damage::Cut(at) => {
            let bytes = body.to_string().into_bytes();
            return bytes[..at.index(bytes.len())].to_vec();
        }
        Damage::Instead(bytes) => return bytes.clone(),
    }
    body.to_string().into_bytes()
}

/// A world, and what is known of it.
struct Place {
    world: World,
    routes: Vec<Route>,
    known: Known,
    other: String,
    without: String,
}

impl Place {
    async fn new() -> Self {
        let world = World::new().await;
        let known = Known::of(&world).await;
        let account = world.engine.ensure_account("other").await.unwrap();
        let input =
            NewKey { name: "other".to_owned(), scopes: Scope::ALL.into(), expires_at: None };
        let (_, other) = world.engine.create_key(account, input).await.unwrap();
        let without = world.key_with(&[Scope::Events], None).await;
        Self { other: other.expose().to_owned(), without, routes: routes(), known, world }
    }

    /// Calls with nothing wrong.
    async fn plain(&self, route: &Route, key: &str) -> Answer {
        let body = self.known.body(route, key).to_string();
        let request = Request::builder().method(route.method).uri(self.known.path(route, &[]));
        let request = request.header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json");
        self.world.send(request.body(Body::from(body)).unwrap()).await
    }

    fn request(&self, wrong: &Wrong) -> (String, Request<Body>) {
        let route = wrong.route.get(&self.routes);
        let key = match wrong.who {
            Who::Operator => Some(self.world.key.as_str()),
            Who::Stranger => Some("cs_nobody_knows_this_key_0123456789"),
            Who::Nobody => None,
            Who::OfAnotherAccount => Some(self.other.as_str()),
            Who::WithoutScope => Some(self.without.as_str()),
            Who::Garbled => Some("cst_9_\u{7f}"),
        };
        let path = self.known.path(route, &wrong.names);
        let good = self.known.body(route, key.unwrap_or_default());
        let body = damaged(&good, &wrong.body);
        let method = wrong.method.unwrap_or(route.method);
        let query =
            if wrong.query.is_empty() { String::new() } else { format!("?{}", wrong.query) };
        let uri = format!("{path}{query}");
        let mut request = Request::builder().method(method).uri(&uri);
        if let Some(key) = key {
            let bearer = HeaderValue::from_bytes(format!("Bearer {key}").as_bytes());
            let bearer = bearer.unwrap_or(HeaderValue::from_bytes(b"Bearer \xff").unwrap());
            request = request.header("authorization", bearer);
        }
        match wrong.kind {
            Kind::AsItIs => request = request.header("content-type", "application/json"),
            Kind::Other(kind) => request = request.header("content-type", kind),
            Kind::Absent => {}
        }
        if let Some((name, value)) = wrong.user {
            let name = HeaderName::from_static(name);
            request = request.header(name, HeaderValue::from_bytes(value).unwrap());
        }
        (format!("{method} {uri}"), request.body(Body::from(body)).unwrap())
    }
}

/// Whether an error has the shape of the vendor whose path it was.
fn is_in_shape(path: &str, answer: &Answer) -> bool {
    let Ok(body) = serde_json::from_str::<Value>(&answer.text) else { return false };
    let Some(members) = body.as_object() else { return false };
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let text = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
    if path.starts_with("/public/api/v1") {
        let codes = [
            "MISSING_PARAM",
            "INVALID_PARAM",
            "INVALID_STATE",
            "NOT_FOUND",
            "FORBIDDEN",
            "UNAUTHORIZED",
            "NOT_ALLOWED",
            "CONFLICT",
            "TOO_MANY_REQUESTS",
        ];
        let is_known = names.iter().all(|name| ["code", "message", "param"].contains(name));
        let code = body["code"].as_str().unwrap_or_default();
        return is_known
            && codes.contains(&code)
            && text("message")
            && answer.header("x-ironclad-requestid").len() == 36;
    }
    if path.starts_with("/v1.1") {
        let error = &body["error"];
        return names == ["error"]
            && error["status"] == answer.status
            && error["message"].is_string();
    }
    if path.starts_with("/oauth") {
        return names == ["error", "error_description"] && text("error");
    }
    names == ["ErrorId", "Message", "TraceId"] && text("Message")
}

async fn holds(place: &Place, wrong: &Wrong) -> Result<(), TestCaseError> {
    let (call, request) = place.request(wrong);
    let path = request.uri().path().to_owned();
    let answer = place.world.send(request).await;
    let said = format!("{call}: {} {}", answer.status, answer.text);
    prop_assert!(answer.status < 500, "{}", said);
    if answer.status < 400 {
        return Ok(());
    }
    prop_assert_eq!(answer.header("content-type"), "application/json", "{}", said);
    prop_assert!(is_in_shape(&path, &answer), "{}", said);
    Ok(())
}

#[test]
fn whatever_comes_to_a_vendors_path_is_answered_in_its_shape() {
    let runtime = Runtime::new().unwrap();
    for _ in 0..WORLDS {
        let place = runtime.block_on(Place::new());
        let config = Config { cases: CALLS, failure_persistence: None, ..Config::default() };
        let ran =
            TestRunner::new(config).run(&wrong(), |wrong| runtime.block_on(holds(&place, &wrong)));
        if let Err(error) = ran {
            panic!("{error}");
        }
    }
}

/// Calls that a body in JSON does not do for, or that the ids above do not.
const OTHERWISE: [&str; 6] = [
    "/file/upload",
    "/documents/{attribute}",
    "/upload-signed",
    "/oauth/token",
    "/roles/{role}",
    "/record",
];

#[tokio::test]
async fn each_body_is_one_that_its_call_can_read() {
    let place = Place::new().await;
    for route in routes() {
        let is_otherwise = OTHERWISE.iter().any(|ending| route.path.ends_with(ending))
            || route.path.contains("/record/");
        let answer = place.plain(&route, &place.world.key).await;
        let is_too_late = answer.status == 400 && answer.text.contains("INVALID_STATE")
            || answer.text.contains("a request that is");
        let is_gone = answer.status == 404 && route.path.contains("/signers/");
        let said = format!("{route:?}: {} {}", answer.status, answer.text);
        assert!(answer.status < 300 || is_otherwise || is_too_late || is_gone, "{said}");
    }
}

#[tokio::test]
async fn what_another_account_has_is_not_there() {
    let place = Place::new().await;
    for route in routes().iter().filter(|route| route.path.contains('{')) {
        if route.path.contains("{site}") {
            continue;
        }
        let answer = place.plain(route, &place.other).await;
        let said = format!("{route:?}: {} {}", answer.status, answer.text);
        // What is wrong with a body is said first, by calls that take forms.
        let is_form = route.path.ends_with("/documents/{attribute}")
            || route.path.ends_with("/upload-signed");
        assert_eq!(answer.status, if is_form { 400 } else { 404 }, "{said}");
        assert!(is_in_shape(route.path, &answer), "{said}");
    }
}
