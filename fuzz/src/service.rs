//! A whole service of its own for a target, which nothing leaves.

use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, process};

use channels::mailbox::Mailbox;
use channels::smtp::Smtp;
use channels::{Guard, Http, Options, Schemes};
use domain::id::Chance;
use domain::retention::Retention;
use domain::secret::Secret;
use domain::time::{Clock, Timestamp};
use engine::feedback::return_paths;
use engine::{Engine, Lanes, Parts};
use store::MasterKey;
use store::sqlite::{self, Sqlite};
use tokio::runtime::Runtime;

/// The key that its one account is called with.
pub const KEY: &str = "cs_fuzz_0123456789012345678901234567890123";

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

/// A service, and what it runs on.
pub struct Service {
    pub runtime: Runtime,
    pub router: axum::Router,
}

/// Begins a service.
pub fn service() -> Service {
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
