//! Settings to a running service: the only place that builds parts.
//!
//! Invariant: whatever ends first (a signal, the server, the engine) ends all of it, in order: no new calls, attempts
//! under way finished or handed back, the store's writer last.
//! Left to others: everything that the parts do.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use channels::mailbox::Mailbox;
use channels::smtp::Smtp;
use channels::{Guard, Http, Options, Schemes};
use domain::id::AccountId;
use domain::secret::Secret;
use domain::time::Clock;
use engine::feedback::return_paths;
use engine::{Engine, Lanes, MovableClock, Parts, Shutdown};
use store::postgres::{self, Postgres, Protection};
use store::sqlite::{self, Sqlite};
use store::{MasterKey, Store, Views};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::chance::SystemChance;
use crate::clock::{self, RealClock, TestClock};
use crate::config::Settings;
use crate::config::gather::Mode;
use crate::config::table::{Name, setting};
use crate::failure::Advise as _;
use crate::{folder, runtime};

/// The account that everything belongs to, unless somebody names another one.
pub(crate) const ACCOUNT: &str = "default";
/// The name of the key that settings give.
const KEY_NAME: &str = "from the settings";
/// What to do about a database that does not open.
pub(crate) const DATABASE_ADVICE: &str = "check database_url with `countersign doctor`; of the master key: set master_key (COUNTERSIGN_MASTER_KEY) to the \
     same on every node, or copy master.key from the data folder of the first one";
/// Leaving a database may take so long.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);

/// A service that is built and does not run yet.
#[derive(Debug)]
pub(crate) struct Service {
    /// The engine.
    pub(crate) engine: Engine,
    /// The default account.
    pub(crate) account: AccountId,
    /// Where others find the service.
    pub(crate) url: String,
    listener: TcpListener,
    /// Where mails come back, if anywhere.
    mail_listener: Option<TcpListener>,
    settings: web::Settings,
}

/// Builds the engine: on the data folder, which it holds, or on the database that the settings name.
///
/// `url` is where others find the service.
pub(crate) async fn engine(settings: &Settings, url: String) -> anyhow::Result<Engine> {
    let folder = &settings.data;
    let (clock, movable) = clocks(settings)?;
    let (master, (store, views, lanes)) = match &settings.database_url {
        None => {
            let master = folder::master_key(folder, settings.master_key)?;
            (master.clone(), open(settings, master)?)
        }
        Some(url) => {
            let (master, draft) = folder::key_or_draft(folder, settings.master_key)?;
            let joined = join(settings, url, (&master, &clock)).await?;
            if let Some(draft) = draft {
                draft.keep(folder)?;
            }
            (master, joined)
        }
    };
    let guard = guard(settings);
    let authorities = settings.authorities.clone();
    let http = Http::new(Options { authorities, ..Options::new(guard.clone()) })
        .context("building the client that calls endpoints")
        .advise("look at tls_ca_file: it must hold certificates of authorities, as PEM")?;
    let authorities = settings.authorities.clone();
    let mailer =
        Smtp::new(Options { authorities, ..Options::new(guard.clone()) }, return_paths(&master))
            .context("building the client that hands mails to mail servers")?;
    Ok(Engine::new(Parts {
        views,
        store,
        channel: Arc::new(http),
        mailer: Arc::new(mailer),
        guard: Arc::new(guard),
        clock,
        chance: Box::new(SystemChance::new()),
        movable,
        master,
        lanes,
        retention: settings.retention,
        open_requests_max: settings.open_requests_max,
        public_url: url,
        mailbox: (settings.mode == Mode::Development).then(Mailbox::default),
    }))
}

/// A store, what may be read of it, and where it puts leased work.
type Opened = (Arc<dyn Store>, Arc<dyn Views>, Arc<Lanes>);

/// Opens the embedded store.
fn open(settings: &Settings, master: MasterKey) -> anyhow::Result<Opened> {
    let folder = settings.data.clone();
    folder::create(&folder)?;
    let chance = Box::new(SystemChance::new());
    let lanes = Arc::new(Lanes::default());
    let to = Arc::<Lanes>::clone(&lanes);
    let store = Sqlite::open(sqlite::Options { folder, master, chance, lanes: to })
        .with_context(|| format!("opening the store in {}", settings.data.display()))
        .advise("run `countersign doctor`; it looks at folder, lock and database one by one")?;
    let views = store.views();
    Ok((Arc::new(store), views, lanes))
}

/// Enters the crew of a database.
async fn join(
    settings: &Settings,
    url: &Secret,
    with: (&MasterKey, &Arc<dyn Clock>),
) -> anyhow::Result<Opened> {
    let (master, clock) = with;
    let lanes = Arc::new(Lanes::shared(Arc::clone(clock)));
    let store = Postgres::open(postgres::Options {
        url: url.clone(),
        master: master.clone(),
        chance: Box::new(SystemChance::new()),
        lanes: Arc::<Lanes>::clone(&lanes),
        node_name: settings.node_name.clone().unwrap_or_else(folder::host_name),
    });
    let store = store.await.context("opening the database").advise(DATABASE_ADVICE)?;
    if store.protection() == Protection::Unverified {
        warn!(
            "the way to PostgreSQL is encrypted, but nobody looks whether it is the right server; name its authority: \
             sslmode=verify-full&sslrootcert=FILE in database_url"
        );
    }
    let views = store.views();
    Ok((Arc::new(store), views, lanes))
}

/// The clock, and the same one where it can be moved.
type Clocks = (Arc<dyn Clock>, Option<Arc<dyn MovableClock>>);

fn clocks(settings: &Settings) -> anyhow::Result<Clocks> {
    match settings.mode {
        Mode::Production => {
            if clock::offset(&settings.data)? != 0 {
                let error = anyhow!(
                    "{} belongs to `countersign dev`, and its clock was moved on",
                    settings.data.display()
                );
                return Err(error)
                    .advise("choose another folder with --data; time must not run backwards");
            }
            Ok((Arc::new(RealClock), None))
        }
        Mode::Development => {
            let clock = Arc::new(TestClock::open(&settings.data)?);
            Ok((Arc::<TestClock>::clone(&clock), Some(clock)))
        }
    }
}

fn guard(settings: &Settings) -> Guard {
    let schemes = if settings.allow_http_targets { Schemes::HttpToo } else { Schemes::HttpsOnly };
    Guard::new(settings.allow_targets.clone(), schemes)
}

impl Service {
    /// Builds everything, and takes address and folder.
    pub(crate) async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let listener = bind(settings.listen, Name::Listen).await?;
        let mail_listener = match settings.feedback_mail_listen {
            Some(address) => Some(bind(address, Name::FeedbackMailListen).await?),
            None => None,
        };
        let address = listener.local_addr().context("asking for the address")?;
        let url = settings.url_at(address);
        let engine = engine(settings, url.clone()).await?;
        let account = account(&engine).await?;
        if settings.mode == Mode::Development {
            engine.ensure_mailbox(account).await.context("setting the mailbox up")?;
        }
        if let Some(key) = &settings.api_key {
            engine
                .install_key(account, key, KEY_NAME)
                .await
                .context("letting the key of the settings in")
                .advise("choose another api_key")?;
        }
        let settings = web::Settings {
            public_url: url.clone(),
            trusted_proxies: settings.trust_forwarded_for,
        };
        Ok(Self { engine, account, url, listener, mail_listener, settings })
    }

    /// Tells the log where the service is, and whether anybody could use it.
    pub(crate) async fn announce(&self) -> anyhow::Result<()> {
        info!(url = %self.url, "listening");
        if let Some(listener) = &self.mail_listener {
            let address = listener.local_addr().context("asking for the address")?;
            info!(%address, "taking mails that come back");
        }
        let keys = self.engine.views().keys(self.account).await.context("reading the keys")?;
        if keys.is_empty() {
            warn!("there is no API key yet; make one with `countersign keys create`");
        }
        Ok(())
    }

    /// Runs until shutdown begins and everything has come to its end.
    pub(crate) async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self { engine, listener, mail_listener, settings, .. } = self;
        let left = engine.clone();
        let service = web::service(web::State::new(engine.clone(), settings));
        let (stop, mail_stop) = (shutdown.clone(), shutdown.clone());
        let (handle, mail_engine) = (Handle::current(), engine.clone());
        let mut serving = handle.spawn(async move {
            let calls = web::serve(listener, service, async move { stop.begun().await });
            let Some(listener) = mail_listener else { return calls.await };
            let stop = async move { mail_stop.begun().await };
            tokio::join!(calls, web::serve_returned_mails(listener, mail_engine, stop));
        });
        let stop = shutdown.clone();
        let deliveries = runtime::delivering()?;
        let mut moving = deliveries.spawn(async move { engine.run(stop).await });
        let (what, ended, engine_ended) = tokio::select! {
            ended = &mut serving => ("the server", ended, false),
            ended = &mut moving => ("the engine", ended, true),
        };
        // Whoever ends before a shutdown has failed, and takes the other one along.
        let was_asked = has_begun(&shutdown).await;
        shutdown.begin();
        let other = if engine_ended { serving.await } else { moving.await };
        close(&left).await;
        // The engine has ended; what its threads still look up is nobody's any more.
        deliveries.shutdown_background();
        ended.with_context(|| format!("{what} broke down"))?;
        other.context("stopping what was left")?;
        ensure!(was_asked, "{what} ended by itself");
        Ok(())
    }
}

/// Listens at the address of a setting.
async fn bind(address: SocketAddr, name: Name) -> anyhow::Result<TcpListener> {
    let flag = setting(name).flag();
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening at {address}"))
        .advise(format!("stop what listens there, or choose another address with --{flag}"))
}

/// Tells whether a shutdown has begun.
async fn has_begun(shutdown: &Shutdown) -> bool {
    tokio::select! {
        biased;
        () = shutdown.begun() => true,
        () = ready(()) => false,
    }
}

/// Finds the default account, or makes it.
pub(crate) async fn account(engine: &Engine) -> anyhow::Result<AccountId> {
    engine
        .ensure_account(ACCOUNT)
        .await
        .context("reading the accounts")
        .advise("check the master key: it must be the one that the folder was first started with")
}

/// Proves that the embedded store takes writes, for `doctor`.
pub(crate) async fn probe(settings: &Settings, master: MasterKey) -> anyhow::Result<()> {
    let (store, views, _) = open(settings, master)?;
    store.probe(RealClock.now()).await.context("writing to the database")?;
    views.accounts().await.context("opening what is sealed")?;
    Ok(())
}

/// Ends the store's part, within bounds: what a node does not hand back goes to the others once they miss its beat.
pub(crate) async fn close(engine: &Engine) {
    match timeout(LEAVE_PATIENCE, engine.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(error = %error, "the database could not be left in order"),
        Err(_) => warn!("the database does not answer; others take over what is left"),
    }
}
