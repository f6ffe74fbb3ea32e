//! `countersign events`.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use crate::cli::Context;
use crate::cli::log::{self, Follower, Logged, Since};
use crate::cli::server;
use crate::config::gather::Mode;
use crate::screen::Screen;

/// Look at the log of events.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Tail(Tail),
}

/// Print events as they happen.
///
/// One line each, oldest first, until Ctrl-C. Asks a running server, with the key of `api_key`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign events tail --since PT1H\n  countersign events tail --types request.completed,request.declined --json | jq .data"
)]
struct Tail {
    /// Where to begin: a time, a duration ago such as PT1H, or start [default: now].
    #[arg(long, value_name = "WHEN", value_parser = log::since)]
    since: Option<Since>,
    /// Only events of these types, by their canonical names.
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Print a JSON object per line, with all that the event says.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, context: Context) -> anyhow::Result<ExitCode> {
    let Command::Tail(Tail { since, types, json }) = args.command;
    let settings = context.settings(Mode::Production)?;
    let client = server::client(&settings)?;
    let mut screen = Screen::stdout();
    let mut follower = server::insist(&client, &mut screen, || {
        Follower::new(&client, types.clone(), since.as_ref(), None)
    })?;
    loop {
        for event in follower.wait(&mut screen)? {
            let line = if json { whole(&event) } else { short(&screen, &event) };
            screen.line(line)?;
            follower.done_with(event.id);
        }
    }
}

fn whole(event: &Logged) -> String {
    json!({
        "id": event.id,
        "type": event.name,
        "at": event.at,
        "request_id": event.request_id,
        "data": event.data,
    })
    .to_string()
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    request: Option<Named>,
    signer: Option<Named>,
    contact: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(alias = "title")]
    name: String,
}

/// Writes an event as one line: when, what, about whom.
fn short(screen: &Screen, event: &Logged) -> String {
    let said: Said = serde_json::from_str(event.data.get()).unwrap_or_default();
    let about: Vec<String> = [said.request, said.signer, said.contact]
        .into_iter()
        .flatten()
        .map(|named| named.name)
        .chain(event.request_id.map(|id| id.to_string()))
        .collect();
    let at = screen.faint(&event.at.to_string());
    let line = format!("{at}  {:24}  {}", event.name, about.join(", "));
    line.trim_end().to_owned()
}
