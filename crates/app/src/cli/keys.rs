//! `countersign keys`.
//!
//! Invariant: a key is shown once, on the standard output, and nothing else is.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use domain::key::Scope;
use domain::secret::Secret;
use engine::keys::NewKey;
use engine::{Engine, Refusal};
use serde::Deserialize;
use serde_json::json;

use crate::cli::{Context, server};
use crate::client::Trouble;
use crate::config::Settings;
use crate::config::gather::Mode;
use crate::failure::Advise as _;
use crate::screen::Screen;
use crate::wire;
use crate::{folder, runtime};

/// Make keys to the API.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Create(Create),
}

/// Make a key and print it, this once.
///
/// In a database of several nodes, and while no server runs on the data folder, the key is made directly, and the account
/// too if it is new. Otherwise the server is asked, with the key of `api_key`, and the new one belongs to the same account.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Create {
    /// The account; made if it is new.
    #[arg(long, value_name = "NAME", default_value = wire::ACCOUNT)]
    account: String,
    /// A name for the key, to tell it from others.
    #[arg(long, default_value = "cli")]
    name: String,
    /// What it may do: requests, signing, contacts, endpoints, events, deliveries, keys, admin [default: all].
    #[arg(long, value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// Work on the folder of `countersign dev`.
    #[arg(long)]
    dev: bool,
}

const EXAMPLES: &str = "\
Examples:
  countersign keys create
  countersign keys create --name ci --scopes requests,signing
  countersign keys create --account acme --data /var/lib/countersign";

#[derive(Debug, Deserialize)]
struct Made {
    key: String,
}

pub(crate) fn run(args: Args, context: Context) -> anyhow::Result<ExitCode> {
    let Command::Create(wish) = args.command;
    let mode = if wish.dev { Mode::Development } else { Mode::Production };
    let settings = context.settings(mode)?;
    let scopes: BTreeSet<Scope> = if wish.scopes.is_empty() {
        Scope::ALL.into()
    } else {
        wish.scopes.iter().copied().collect()
    };
    let text = if settings.database_url.is_none() && folder::is_held(&settings.data)? {
        asked(&settings, &wish, &scopes)?
    } else {
        made(&settings, wish, scopes)?
    };
    Screen::stdout().line(text.expose())?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the server that holds the folder.
fn asked(settings: &Settings, wish: &Create, scopes: &BTreeSet<Scope>) -> anyhow::Result<Secret> {
    if wish.account != wire::ACCOUNT {
        return Err(anyhow!("a server runs on {}", settings.data.display())).advise(
            "stop it to make a key of another account, or ask it with a key of that account (--api-key) and without --account",
        );
    }
    let client = server::client(settings)?;
    let body = json!({"name": wish.name, "scopes": scopes});
    let made: Made = client.post("/api/v1/keys", &body).map_err(Trouble::advised)?;
    Ok(Secret::new(made.key))
}

/// Makes it in the store.
fn made(settings: &Settings, wish: Create, scopes: BTreeSet<Scope>) -> anyhow::Result<Secret> {
    runtime::run(async {
        let engine = wire::engine(settings, settings.url_at(settings.listen)).await?;
        let made = make(&engine, wish, scopes).await;
        wire::close(&engine).await;
        made
    })?
}

async fn make(engine: &Engine, wish: Create, scopes: BTreeSet<Scope>) -> anyhow::Result<Secret> {
    let account = engine.ensure_account(&wish.account).await.context("finding the account")?;
    let input = NewKey { name: wish.name, scopes, expires_at: None };
    match engine.create_key(account, input).await {
        Ok((_, text)) => Ok(text),
        Err(Refusal::Invalid(flaws)) => match flaws.first() {
            Some(flaw) => bail!("{}: {}", flaw.path, flaw.message),
            None => bail!("the key cannot be made"),
        },
        Err(refusal) => Err(refusal).context("making the key"),
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}
