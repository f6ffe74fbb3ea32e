//! `countersign providers`.
//!
//! Invariants: a provider's secrets stay at the server, and what is shown came masked; nothing that a provider says
//! reaches the terminal but as text.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{self, server};
use crate::client::{Client, Trouble};
use crate::config::gather::Mode;
use crate::failure::Advise as _;
use crate::screen::Screen;

/// Look at the e-mail and SMS services that messages go over, and try them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Test(Test),
}

/// List providers in the order in which they are asked.
///
/// Name, kind, channel, priority, and whether each is on. Asks a running server, with the key of `api_key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  countersign providers list")]
struct List {}

/// Send a real message over a provider, and show what was said.
///
/// Works for a provider that is off too. Asks a running server, with the key of `api_key`; the server speaks to the
/// provider, and masks all secrets before it shows what was said: `>` is the server's side, `<` the provider's. Nothing
/// is tried again. Ends with 1 when the provider did not take the message. An account has five tests in a minute.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Test {
    /// The name of the provider, or its id.
    name: String,
    /// To whom: a mail address, or a number with its country, as the provider carries it.
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Print the answer of the API as one line of JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  countersign providers test our-mail --to ada@example.com
  countersign providers test texts --to '+44 7700 900123' --json";

#[derive(Debug, Deserialize)]
struct Listed {
    data: Vec<Provider>,
}

#[derive(Debug, Deserialize)]
struct Provider {
    id: String,
    name: String,
    kind: String,
    channel: String,
    priority: u32,
    enabled: bool,
}

#[derive(Debug, Deserialize)]
struct Tested {
    reception: String,
    message_id: Option<String>,
    detail: String,
    took_ms: u64,
    conversation: Vec<Said>,
}

#[derive(Debug, Deserialize)]
struct Said {
    from: String,
    text: String,
}

pub(crate) fn run(args: Args, context: cli::Context) -> anyhow::Result<ExitCode> {
    let settings = context.settings(Mode::Production)?;
    let client = server::client(&settings)?;
    let Listed { data: providers } = client.get("/api/v1/providers").map_err(Trouble::advised)?;
    match args.command {
        Command::List(List {}) => list(&providers),
        Command::Test(wish) => test(&client, &providers, &wish),
    }
}

fn list(providers: &[Provider]) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::stdout();
    if providers.is_empty() {
        screen.line("there is no provider; POST /api/v1/providers takes one on")?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["NAME", "KIND", "CHANNEL", "PRIORITY", ""].map(str::to_owned);
    let row = |provider: &Provider| {
        let Provider { name, kind, channel, priority, enabled, .. } = provider;
        let on = if *enabled { "on" } else { "off" };
        [name.clone(), kind.clone(), channel.clone(), priority.to_string(), on.to_owned()]
    };
    let rows: Vec<[String; 5]> = [head].into_iter().chain(providers.iter().map(row)).collect();
    for [name, kind, channel, priority, on] in &rows {
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0)
        };
        let (first, second) = (width(0), width(1));
        let line = format!("{name:first$}  {kind:second$}  {channel:7}  {priority:>8}  {on}");
        screen.line(line.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn test(client: &Client, providers: &[Provider], wish: &Test) -> anyhow::Result<ExitCode> {
    let Test { name, to, json } = wish;
    let Some(provider) = providers.iter().find(|known| known.name == *name || known.id == *name)
    else {
        let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
        let advice = match names.as_slice() {
            [] => "take one on first, with POST /api/v1/providers".to_owned(),
            names => format!("name one of {}", names.join(", ")),
        };
        return Err(anyhow!("there is no provider `{name}`")).advise(advice);
    };
    let path = format!("/api/v1/providers/{}/test", provider.id);
    let told: Value = client.post(&path, &json!({ "to": to })).map_err(Trouble::advised)?;
    let mut screen = Screen::stdout();
    let tested = Tested::deserialize(&told).context("reading what came of the test")?;
    if *json {
        screen.line(&told)?;
    } else {
        show(&mut screen, &tested)?;
    }
    let Tested { reception, detail, .. } = tested;
    if reception == "accepted" {
        return Ok(ExitCode::SUCCESS);
    }
    let detail = if detail.is_empty() { reception.clone() } else { detail };
    Err(anyhow!(detail).context(format!("{} did not take the message: {reception}", provider.name)))
        .advise(advice(&reception))
}

fn show(screen: &mut Screen, tested: &Tested) -> anyhow::Result<()> {
    for Said { from, text } in &tested.conversation {
        let mark = if from == "us" { '>' } else { '<' };
        for line in text.lines() {
            screen.line(format!("{mark} {}", harmless(line)))?;
        }
    }
    if !tested.conversation.is_empty() {
        screen.gap()?;
    }
    let Tested { reception, message_id, detail, took_ms, .. } = tested;
    let ending = screen.judged(reception == "accepted", reception);
    let id = message_id.as_ref().map(|id| format!(", as {id}")).unwrap_or_default();
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    screen.line(format!("{ending} in {took_ms} ms{id}{detail}"))
}

/// Gives a text of somebody else's without what a terminal would act on.
fn harmless(line: &str) -> String {
    line.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// Says what to do when a provider did not take a message.
fn advice(reception: &str) -> &'static str {
    match reception {
        "later" => {
            "read above how far it came; check the provider's address, its secrets and its limits, and that the server may reach it"
        }
        "refused" => {
            "read above what it says; often the sender is not confirmed there, or the provider is on trial and sends to known addresses alone"
        }
        "suppressed" => {
            "take the address from the provider's own list of those it sends nothing to, or name another one"
        }
        _ => "look whether the message arrived before you try again: it may have been taken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_does_not_steer_the_terminal() {
        assert_eq!(harmless("ü \u{1b}[2J\r\u{9b}x"), "ü \u{fffd}[2J\u{fffd}\u{fffd}x");
    }
}
