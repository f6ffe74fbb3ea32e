//! `countersign dev`.
//!
//! Invariant: what is printed can be pasted: every line works as it stands, in the order in which it stands.

mod hands;
mod story;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use domain::id::AccountId;
use domain::key;
use domain::secret::Secret;
use engine::{Engine, Shutdown};
use tokio::runtime::Handle;
use tracing::warn;

use crate::chance::SystemChance;
use crate::cli::Context;
use crate::config::Settings;
use crate::config::gather::Mode;
use crate::screen::{Screen, Unheard};
use crate::shutdown;
use crate::wire::Service;
use crate::{folder, runtime};

/// Run the service for development.
///
/// Plays a first request through at the first start: drafted, sent, seen and signed by two people, and told to five
/// systems in five dialects. Then it prints a key, a signing link and calls to try, and goes on serving until Ctrl-C.
/// Targets on this machine may be called, over http too, and the clock can be moved on (POST /api/v1/clock), so that
/// retries and expiries of days pass in seconds. Keeps to the folder `dev` in the data folder; remove it to start over.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Play no first request.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    let settings = with_key(context.settings(Mode::Development)?)?;
    runtime::run(async {
        let shutdown = Shutdown::default();
        drop(shutdown::on_signals(shutdown.clone())?);
        let service = Service::build(&settings).await?;
        let shown = Shown {
            engine: service.engine.clone(),
            account: service.account,
            url: service.url.clone(),
            settings: &settings,
        };
        let handle = Handle::current();
        let mut running = handle.spawn(service.run(shutdown.clone()));
        let presented = tokio::select! {
            ended = &mut running => return ended.context("running the service")?,
            presented = shown.present(args) => presented,
        };
        if presented.is_err() {
            shutdown.begin();
        }
        drop(shown);
        let ended = running.await.context("running the service")?;
        presented.and(ended)
    })??;
    Ok(ExitCode::SUCCESS)
}

/// Adds the key that the folder keeps, unless the settings have one.
fn with_key(settings: Settings) -> anyhow::Result<Settings> {
    if settings.api_key.is_some() {
        return Ok(settings);
    }
    folder::create(&settings.data)?;
    let key = kept_key(&settings.data)?;
    Ok(Settings { api_key: Some(key), ..settings })
}

fn kept_key(folder: &Path) -> anyhow::Result<Secret> {
    let file = folder.join(folder::DEV_KEY);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = key::draw(&mut SystemChance::new());
            folder::write(&file, key.expose().as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

/// What is shown, and of what.
struct Shown<'a> {
    engine: Engine,
    account: AccountId,
    url: String,
    settings: &'a Settings,
}

impl Shown<'_> {
    async fn present(&self, args: &Args) -> anyhow::Result<()> {
        let mut screen = Screen::stdout();
        let (engine, account) = (&self.engine, self.account);
        story::tidy(engine, account).await?;
        if !args.quiet && story::is_first(engine, account).await? {
            screen.line(
                "A first request, from draft to complete, told to five systems in five dialects:",
            )?;
            screen.gap()?;
            if let Err(error) = story::play(engine, account, &mut screen).await {
                if error.is::<Unheard>() {
                    return Err(error);
                }
                warn!(error = format!("{error:#}"), "the first request did not come to its end");
            }
            screen.gap()?;
        }
        self.introduce(&mut screen).await
    }

    /// Prints where everything is, and what to try.
    async fn introduce(&self, screen: &mut Screen) -> anyhow::Result<()> {
        let key = self.settings.api_key.as_ref().map(Secret::expose).unwrap_or_default();
        let hands = hands::prepare(&self.engine, self.account, (&self.url, key)).await?;
        let rows = [
            ("API", format!("{}/api/v1  (described in /api/v1/openapi.json)", self.url)),
            ("key", key.to_owned()),
            ("to sign", hands.link),
            ("data", self.settings.data.display().to_string()),
        ];
        for (name, value) in rows {
            screen.line(format!("  {}  {value}", screen.bold(&format!("{name:8}"))))?;
        }
        screen.gap()?;
        screen
            .line("Take a request from draft to complete by hand: send it, and sign it twice:")?;
        screen.gap()?;
        for line in hands.calls {
            screen.line(format!("  {line}"))?;
        }
        screen.gap()?;
        screen.line("Hear of it on this machine, as signed webhooks:")?;
        screen.gap()?;
        screen.line(format!("  {}", self.listen()))?;
        screen.gap()?;
        screen.line(screen.faint("Ctrl-C stops."))
    }

    /// Writes the command that listens here.
    fn listen(&self) -> String {
        let mut line = "countersign listen --forward-to http://localhost:3000/webhooks".to_owned();
        if self.url != DEFAULT_URL {
            line.push_str(" --public-url ");
            line.push_str(&hands::quoted(&self.url));
        }
        match self.settings.data.parent() {
            Some(data) if data != Path::new(DEFAULT_DATA) => {
                line.push_str(" --data ");
                line.push_str(&hands::quoted(&data.display().to_string()));
            }
            Some(_) | None => {}
        }
        line
    }
}

/// Where it listens, unless a setting says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The data folder, unless a setting says otherwise.
const DEFAULT_DATA: &str = "./countersign-data";
