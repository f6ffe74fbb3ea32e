//! Whatever a client with a key sends, the service answers, and never with a 500.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, process};

use axum::body::Body;
use axum::http::Request;
use channels::mailbox::Mailbox;
use channels::smtp::Smtp;
use channels::{Guard, Http, Options, Schemes};
use domain::id::Chance;
use domain::retention::Retention;
use domain::secret::Secret;
use domain::time::{Clock, Timestamp};
use engine::feedback::return_paths;
use engine::{Engine, Lanes, Parts};
use libfuzzer_sys::fuzz_target;
use store::MasterKey;
use store::sqlite::{self, Sqlite};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const KEY: &str = "cs_fuzz_0123456789012345678901234567890123";

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

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn uptime(&self) -> Duration {
        Duration::ZERO
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000)
    }
}

struct Counter(u64);

impl Chance for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            chunk.copy_from_slice(&self.0.to_be_bytes()[..chunk.len()]);
        }
    }
}

struct Service {
    runtime: Runtime,
    router: axum::Router,
}

fn service() -> Service {
    let folder = env::temp_dir().join(format!("countersign-fuzz-{}", process::id()));
    drop(fs::remove_dir_all(&folder));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let lanes = Arc::new(Lanes::default());
    let master = MasterKey::new(&[7; 32]).expect("a key");
    let options = sqlite::Options {
        folder,
        master: master.clone(),
        chance: Box::new(Counter(1)),
        lanes: lanes.clone(),
    };
    let store = Arc::new(Sqlite::open(options).expect("a store"));
    let guard = Guard::new(Vec::new(), Schemes::HttpToo);
    let options = Options::new(guard.clone());
    let mailer = Smtp::new(options, return_paths(&master)).expect("a mailer");
    let engine = Engine::new(Parts {
        views: store.views(),
        store,
        channel: Arc::new(Http::new(Options::new(guard.clone())).expect("a client")),
        mailer: Arc::new(mailer),
        guard: Arc::new(guard),
        clock: Arc::new(Still),
        chance: Box::new(Counter(2)),
        movable: None,
        master,
        lanes,
        retention: Retention::FOREVER,
            open_requests_max: None,
        public_url: "https://sign.example.com".to_owned(),
        mailbox: Some(Mailbox::default()),
    });
    runtime.block_on(async {
        let account = engine.ensure_account("default").await.expect("an account");
        engine.install_key(account, &Secret::new(KEY), "fuzz").await.expect("a key");
    });
    let settings =
        web::Settings { public_url: "http://localhost".to_owned(), trusted_proxies: false };
    Service { runtime, router: web::router(web::State::new(engine, settings)) }
}

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
