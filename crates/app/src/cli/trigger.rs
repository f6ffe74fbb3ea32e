//! `countersign trigger`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use domain::call::{Call, Outcome};
use domain::endpoint::Dialect;
use domain::id::{EventId, Mint};
use domain::secret::Secret;
use domain::time::Clock as _;

use crate::chance::SystemChance;
use crate::cli::Context;
use crate::cli::target::{self, NOBODY, Target};
use crate::clock::{RealClock, Stopwatch};
use crate::config::gather::Mode;
use crate::config::table::Name;
use crate::failure::Advise as _;
use crate::screen::Screen;
use crate::telemetry;

/// Send the signed sample of an event to any URL.
///
/// Needs no server. Prints the call as it goes on the wire, and the answer. Ends with 1 when the receiver did not take it
/// (as the dialect counts: any 2xx, or 200 alone).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The event, in the words of the dialect.
    event: String,
    /// In whose words.
    #[arg(long, value_name = "DIALECT", default_value = "standard", value_parser = dialect)]
    dialect: Dialect,
    /// To whom; `##Placeholders##` are filled in the dialects that have them.
    #[arg(long, value_name = "URL")]
    to: String,
    /// What signs it in the standard dialect; one is drawn and printed otherwise.
    #[arg(long, value_name = "whsec_…", value_parser = secret)]
    secret: Option<Secret>,
    /// The secret code of the clickwrap dialect.
    #[arg(long, value_name = "TOKEN", value_parser = secret)]
    token: Option<Secret>,
    /// Print the call as a curl command, and send nothing.
    #[arg(long)]
    curl: bool,
}

const EXAMPLES: &str = "\
Examples:
  countersign trigger request.completed --to http://localhost:3000/webhooks
  countersign trigger request_signed --dialect clickwrap --token s3cret --to http://localhost:3000/clickwrap
  countersign trigger workstepFinished --dialect esaw --to 'http://localhost:3000/cb?id=##EnvelopeId##&do=##Action##'";

pub(crate) fn run(args: Args, context: Context) -> anyhow::Result<ExitCode> {
    let gathered = context.look(Mode::Production)?;
    telemetry::start(gathered.text(Name::Log).unwrap_or_default())?;
    let Args { event: name, dialect, to, secret, token, curl } = args;
    let mut screen = Screen::stdout();
    let drawn = secret.is_none() && dialect == Dialect::Standard && !curl;
    let secret = secret.unwrap_or_else(target::draw_secret);
    let target = Target::new(dialect, &to, secret.clone(), token)?;
    let now = RealClock.now();
    let id = EventId::new(Mint::default().next(now, &mut SystemChance::new()));
    let Some(event) = dialects::sample_named(dialect, &name, NOBODY, id, now) else {
        let error = anyhow!("the {} dialect has no event `{name}`", dialect.as_str());
        return Err(error).advise(format!("choose one of {}", words(dialect)));
    };
    let Some(call) = target.render(&event, now)? else {
        bail!("the {} dialect has no word for `{name}`", dialect.as_str());
    };
    if curl {
        screen.line(dialects::curl(&call))?;
        return Ok(ExitCode::SUCCESS);
    }
    if drawn {
        screen.line(format!("signed with {}", secret.expose()))?;
        screen.gap()?;
    }
    if let Some(pem) = target.verification_key() {
        screen.line(format!("signed with a key drawn for this call; its public half is\n{pem}"))?;
    }
    show_call(&mut screen, &call)?;
    let stopwatch = Stopwatch::start();
    let ending = target.call(call);
    let took = stopwatch.elapsed();
    let accepted = target.accepts(&ending.outcome);
    screen.gap()?;
    show_ending(&mut screen, accepted, (&ending.outcome, took))?;
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what goes on the wire.
pub(crate) fn show_call(screen: &mut Screen, call: &Call) -> anyhow::Result<()> {
    screen.line(format!("> {} {}", call.method.as_str(), call.url))?;
    for (name, value) in &call.headers {
        screen.line(format!("> {name}: {value}"))?;
    }
    if !call.body.is_empty() {
        screen.line(format!(">\n> {}", String::from_utf8_lossy(&call.body)))?;
    }
    Ok(())
}

/// Says how a call ended, and whether that is good.
pub(crate) fn show_ending(
    screen: &mut Screen,
    is_good: bool,
    (outcome, took): (&Outcome, Duration),
) -> anyhow::Result<()> {
    let status = screen.judged(is_good, &target::ending(outcome));
    screen.line(format!("< {status} in {} ms", took.as_millis()))?;
    if let Outcome::Answered(answer) = outcome {
        for line in answer.body.lines() {
            screen.line(format!("< {line}"))?;
        }
    }
    Ok(())
}

fn words(dialect: Dialect) -> String {
    let mut names: Vec<&str> = Vec::new();
    for word in dialects::dialect(dialect).words() {
        if !names.contains(&word.name) {
            names.push(word.name);
        }
    }
    names.join(", ")
}

/// Reads the name of a dialect.
pub(crate) fn dialect(text: &str) -> Result<Dialect, String> {
    let found = Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", Dialect::ALL.map(Dialect::as_str).join(", ")))
}

/// Reads a secret.
#[expect(clippy::unnecessary_wraps, reason = "the reader of arguments wants a result")]
pub(crate) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}
