//! A service in a folder of its own, called without a network.
//!
//! Every answer of the API is compared with the document, so that no test can see what is not documented.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use channels::mailbox::Mailbox;
use channels::smtp::Smtp;
use channels::{Channel, Guard, Http, Lane, Schemes};
use domain::call::{Answer as Reply, Call, Ending, Outcome};
use domain::id::{AccountId, Chance};
use domain::key::Scope;
use domain::retention::{Kept, Retention};
use domain::secret::Secret;
use domain::time::{Clock, DAY_MS, Timestamp};
use engine::feedback::return_paths;
use engine::keys::NewKey;
use engine::{Engine, Lanes, MovableClock, Parts};
use http::{HeaderMap, Method, Request};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use store::sqlite::{Options, Sqlite};
use store::{MasterKey, Store};
use tokio::sync::OnceCell;
use web::{Settings, State};

/// A service in a folder of its own.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) account: AccountId,
    pub(crate) router: Router,
    pub(crate) key: String,
    clock: Arc<Hands>,
    document: OnceCell<Value>,
    _folder: Folder,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Reads the id of what was made or shown.
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {self:?}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status and gives the answer back.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Asserts that it is a problem of that number and code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, number: &str, code: &str) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["type"], format!("/problems/{number}"), "{body:#}");
        assert_eq!(body["code"], code);
        assert_eq!(body["status"], status);
        self
    }
}

pub(crate) const PUBLIC_URL: &str = "https://sign.example.com";

/// How many requests may be with their signers at once.
pub(crate) const OPEN_REQUESTS_MAX: u32 = 20;

/// How long the service keeps what has happened.
const RETENTION: Retention =
    Retention { payloads: Kept::For(30 * DAY_MS), deliveries: Kept::For(60 * DAY_MS) };

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(Taker)).await
    }

    /// Makes a service that calls whomever it is told to, on loopback.
    pub(crate) async fn over_sockets() -> Self {
        Self::over(Arc::new(Http::new(channels::Options::new(guard())).unwrap())).await
    }

    async fn over(channel: Arc<dyn Channel>) -> Self {
        let folder = Folder::new();
        let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000_000)));
        let lanes = Arc::new(Lanes::default());
        let master = MasterKey::new(&[7; 32]).unwrap();
        let store = Sqlite::open(Options {
            folder: folder.0.clone(),
            master: master.clone(),
            chance: Box::new(Random(SystemRandom::new())),
            lanes: Arc::<Lanes>::clone(&lanes),
        })
        .unwrap();
        let views = store.views();
        let store: Arc<dyn Store> = Arc::new(store);
        let guard = guard();
        let options = channels::Options::new(guard.clone());
        let mailer = Smtp::new(options, return_paths(&master)).unwrap();
        let engine = Engine::new(Parts {
            store: Arc::clone(&store),
            views,
            channel,
            mailer: Arc::new(mailer),
            guard: Arc::new(guard),
            clock: Arc::<Hands>::clone(&clock),
            movable: Some(Arc::<Hands>::clone(&clock)),
            chance: Box::new(Random(SystemRandom::new())),
            master,
            lanes,
            retention: RETENTION,
            open_requests_max: Some(OPEN_REQUESTS_MAX),
            public_url: PUBLIC_URL.to_owned(),
            mailbox: Some(Mailbox::default()),
        });
        let account = engine.ensure_account("default").await.unwrap();
        let key = "cs_test_key_of_the_operator_0123456789";
        engine.install_key(account, &Secret::new(key), "operator").await.unwrap();
        let settings = Settings { public_url: PUBLIC_URL.to_owned(), trusted_proxies: false };
        let router = web::router(State::new(engine.clone(), settings));
        Self {
            engine,
            store,
            account,
            router,
            key: key.to_owned(),
            clock,
            document: OnceCell::new(),
            _folder: folder,
        }
    }

    /// Makes a key with some scopes.
    pub(crate) async fn key_with(&self, scopes: &[Scope], expires_at: Option<Timestamp>) -> String {
        let input = NewKey {
            name: "test".to_owned(),
            scopes: scopes.iter().copied().collect(),
            expires_at,
        };
        let (_key, text) = self.engine.create_key(self.account, input).await.unwrap();
        text.expose().to_owned()
    }

    pub(crate) fn pass(&self, millis: i64) {
        self.clock.advance(millis);
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Calls the API with the operator's key, and compares the answer with the document.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.api_with(method, path, body, &[]).await
    }

    pub(crate) async fn api_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = format!("/api/v1{path}");
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(&path)
            .header("authorization", format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let answer = self.send(request.body(body).unwrap()).await;
        self.compare(method, &path, &answer).await;
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Gives the API's document.
    pub(crate) async fn document(&self) -> Value {
        self.get("/api/v1/openapi.json").await.expect(200).json()
    }

    async fn compare(&self, method: &str, path: &str, answer: &Answer) {
        let document = self.document.get_or_init(|| self.document()).await;
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (a, b): (Vec<&str>, Vec<&str>) =
                (template.split('/').collect(), path.split('/').collect());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.starts_with('{') || a == b)
        };
        let paths = document["paths"].as_object().unwrap();
        let exact = paths
            .get(path)
            .or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, o)| o));
        let Some(operation) = exact.and_then(|operations| operations.get(method.to_lowercase()))
        else {
            return;
        };
        let problem = answer.header("content-type") == "application/problem+json";
        let schema = if problem {
            &document["components"]["responses"]["Problem"]["content"]["application/problem+json"]["schema"]
        } else {
            let responses = &operation["responses"];
            let response = &responses[answer.status.to_string()];
            assert!(response.is_object(), "{method} {path}: {} is not documented", answer.status);
            &response["content"]["application/json"]["schema"]
        };
        if schema.is_object() && answer.header("content-type").contains("json") {
            shape(document, schema, &answer.json(), "");
        }
    }
}

/// Asserts that a value has the members its schema requires, and none that it does not name.
fn shape(document: &Value, schema: &Value, value: &Value, path: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return shape(document, &document["components"]["schemas"][name], value, path);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        if !value.is_null() {
            shape(document, &any[0], value, path);
        }
        return;
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{path}: {value} is none of {words:?}");
    }
    match value {
        Value::Object(members) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    members.contains_key(name.as_str().unwrap()),
                    "{path}: {name} is missing in {value:#}"
                );
            }
            let Some(properties) = schema["properties"].as_object() else { return };
            for (name, value) in members {
                let schema = properties.get(name);
                let schema =
                    schema.unwrap_or_else(|| panic!("{path}.{name} is not documented: {value}"));
                shape(document, schema, value, &format!("{path}.{name}"));
            }
        }
        Value::Array(items) => {
            for item in items {
                shape(document, &schema["items"], item, &format!("{path}[]"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let kind = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "integer",
                Value::String(_) | Value::Array(_) | Value::Object(_) => "string",
            };
            let types = &schema["type"];
            let is = |wanted: &Value| wanted == kind;
            let fits = types.is_null()
                || is(types)
                || types.as_array().is_some_and(|types| types.iter().any(is));
            assert!(fits, "{path}: {value} is not {types}");
        }
    }
}

/// A clock with hands to be moved.
#[derive(Debug)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

impl MovableClock for Hands {
    fn advance(&self, millis: i64) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(millis, Ordering::SeqCst) + millis)
    }
}

fn guard() -> Guard {
    Guard::new(vec!["127.0.0.0/8".parse().unwrap()], Schemes::HttpToo)
}

/// A receiver that takes everything.
#[derive(Debug)]
struct Taker;

#[async_trait]
impl Channel for Taker {
    async fn attempt(&self, _call: Call, _lane: Lane) -> Ending {
        let outcome = Outcome::Answered(Reply { status: 200, ..Reply::default() });
        Ending { outcome, remote: Some(([127, 0, 0, 1], 9_000).into()), reused: false }
    }
}

#[derive(Debug)]
struct Random(SystemRandom);

impl Chance for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes).unwrap();
    }
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

static NUMBER: AtomicU64 = AtomicU64::new(0);
static RUN: LazyLock<u64> = LazyLock::new(|| Random(SystemRandom::new()).draw());

impl Folder {
    fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("countersign-web-{:x}-{number}", *RUN));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
