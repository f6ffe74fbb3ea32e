//! `countersign listen`.
//!
//! Invariant: an event counts as forwarded only after the local server was called, and the place is kept before the next
//! one; whoever stops in between hears it again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use domain::call::{Call, Ending, Failure, Outcome, Reason};
use domain::chain::{Hash, sha256};
use domain::endpoint::Dialect;
use domain::event::Kind;
use domain::secret::Secret;
use domain::subscription::Subscription;
use domain::time::Clock as _;
use serde::{Deserialize, Serialize};

use crate::cli::Context;
use crate::cli::log::{self, Follower, Logged, Place, Since};
use crate::cli::target::{self, Target};
use crate::cli::{server, trigger};
use crate::clock::{self, RealClock, Stopwatch};
use crate::config::gather::Mode;
use crate::failure::Advise as _;
use crate::folder;
use crate::screen::Screen;

/// Forward events to a server on this machine, signed as webhooks; no tunnel needed.
///
/// Asks a running server for events, with the key of `api_key`, and posts each to the URL in the standard dialect, signed
/// as an endpoint's webhooks are. How far it came is kept in the data folder: who comes back misses nothing. While nobody
/// listens at the URL, it waits; an answer that says no is shown, and the next event follows.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where events go.
    #[arg(long, value_name = "URL")]
    forward_to: String,
    /// Only these events, by their canonical names; a whole family as `request.*`.
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    events: Vec<String>,
    /// Where to begin: a time, a duration ago such as PT1H, or start [default: where it was left, else now].
    #[arg(long, value_name = "WHEN", value_parser = log::since)]
    since: Option<Since>,
    /// What signs the calls; one is drawn, kept and printed otherwise.
    #[arg(long, value_name = "whsec_…", value_parser = trigger::secret)]
    secret: Option<Secret>,
}

const EXAMPLES: &str = "\
Examples:
  countersign listen --forward-to http://localhost:3000/webhooks
  countersign listen --forward-to http://localhost:3000/webhooks --events 'request.*,signer.signed' --since PT1H
  countersign listen --forward-to http://localhost:3000 --public-url https://sign.example.com --api-key cs_…";

/// Between two tries to reach a local server that is not there.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// The folder of places, in the data folder.
const FOLDER: &str = "listen";

/// What is kept between two runs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    server: String,
    forward_to: String,
    secret: String,
    place: Place,
}

pub(crate) fn run(args: Args, context: Context) -> anyhow::Result<ExitCode> {
    let Args { forward_to, events, since, secret } = args;
    let settings = context.settings(Mode::Production)?;
    let client = server::client(&settings)?;
    let mut screen = Screen::stdout();
    let file = file(&settings.data, client.url(), &forward_to);
    let kept = read(&file)?;
    let place = kept.as_ref().map(|kept| kept.place.clone());
    let secret = secret
        .or_else(|| kept.map(|kept| Secret::new(kept.secret)))
        .unwrap_or_else(target::draw_secret);
    let target = Target::new(Dialect::Standard, &forward_to, secret.clone(), None)?;
    let wants = wanted(&events)?;
    let types = wants.as_ref().map(types).unwrap_or_default();
    screen.line(format!("forwarding events of {} to {forward_to}", client.url()))?;
    screen.line(format!("signed with {}", secret.expose()))?;
    let begin = || Follower::new(&client, types.clone(), since.as_ref(), place.clone());
    let mut follower = server::insist(&client, &mut screen, begin)?;
    let mut kept = Kept {
        server: client.url().to_owned(),
        forward_to,
        secret: secret.expose().to_owned(),
        place: follower.place(),
    };
    write(&file, &kept)?;
    loop {
        for event in follower.wait(&mut screen)? {
            if is_wanted(wants.as_ref(), &event) {
                forward(&mut screen, &target, &event)?;
            }
            follower.done_with(event.id);
            kept.place = follower.place();
            write(&file, &kept)?;
        }
    }
}

/// Calls the local server, and says what came of it.
fn forward(screen: &mut Screen, target: &Target, logged: &Logged) -> anyhow::Result<()> {
    let at = screen.faint(&logged.at.to_string());
    let name = &logged.name;
    if logged.is_forgotten() {
        return screen.line(format!("{at}  {name:24}  not forwarded: its text was forgotten"));
    }
    let Some(event) = logged.event() else {
        return screen.line(format!("{at}  {name:24}  not forwarded: its kind is unknown here"));
    };
    let Some(call) = target.render(&event, RealClock.now())? else {
        return screen.line(format!("{at}  {name:24}  not forwarded: there is no word for it"));
    };
    let (ending, took_ms) = call_until_there(screen, target, &call)?;
    let status = target::ending(&ending.outcome);
    let status = screen.judged(target.accepts(&ending.outcome), &status);
    let id = screen.faint(&logged.id.to_string());
    screen.line(format!("{at}  {name:24}  {status}  {took_ms} ms  {id}"))
}

/// Calls the local server; while nobody listens there, waits for it. Gives how it ended, and how many milliseconds it took.
fn call_until_there(
    screen: &mut Screen,
    target: &Target,
    call: &Call,
) -> anyhow::Result<(Ending, u128)> {
    let mut said = false;
    loop {
        let stopwatch = Stopwatch::start();
        let ending = target.call(call.clone());
        let nobody = |failure: &Failure| failure.reason == Reason::ConnectFailed;
        if !matches!(&ending.outcome, Outcome::Failed(failure) if nobody(failure)) {
            return Ok((ending, stopwatch.elapsed().as_millis()));
        }
        if !said {
            let text = format!("nobody listens at {}; waiting for it", call.url);
            screen.line(screen.faint(&text))?;
        }
        said = true;
        clock::pause(TRY_EVERY);
    }
}

/// Turns names and families into what is wanted; `None` means everything.
fn wanted(names: &[String]) -> anyhow::Result<Option<Subscription>> {
    let names: Vec<String> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
    if names.is_empty() || names.iter().any(|name| name == "*") {
        return Ok(None);
    }
    let advice = "choose names such as signer.signed, families such as request.*, or names that start with custom.";
    dialects::subscribe(Dialect::Standard, &names)
        .context("reading --events")
        .advise(advice)
        .map(Some)
}

/// Gives the names to ask the API for; none means all, where a pattern has no end of names.
fn types(wants: &Subscription) -> Vec<String> {
    if wants.custom.iter().any(|pattern| pattern.ends_with('*')) {
        return Vec::new();
    }
    let kinds = wants.kinds.iter().map(|kind| kind.as_str().to_owned());
    kinds.chain(wants.custom.iter().cloned()).collect()
}

/// Tells whether an event is wanted.
fn is_wanted(wants: Option<&Subscription>, event: &Logged) -> bool {
    let Some(wants) = wants else { return true };
    Kind::of(&event.name).is_some_and(|kind| wants.matches_name(kind, &event.name))
}

/// Names the file of a server and a target.
fn file(data: &Path, server: &str, forward_to: &str) -> PathBuf {
    let digest = Hash(sha256(format!("{server} {forward_to}").as_bytes())).to_string();
    let name: String = digest.chars().take(16).collect();
    data.join(FOLDER).join(format!("{name}.json"))
}

fn read(file: &Path) -> anyhow::Result<Option<Kept>> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("reading {}; remove it to start anew", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

fn write(file: &Path, kept: &Kept) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        folder::create(folder)?;
    }
    folder::write(file, &serde_json::to_vec(kept).context("writing the place")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        wanted(&names).unwrap().as_ref().map(types).unwrap_or_default()
    }

    #[test]
    fn families_become_the_names_in_them() {
        assert_eq!(
            asked(&["contact.*"]),
            ["contact.created", "contact.updated", "contact.deleted"]
        );
        assert_eq!(asked(&["*"]), Vec::<String>::new());
        assert_eq!(asked(&["signer.signed", "custom.a"]), ["signer.signed", "custom.a"]);
        assert!(wanted(&["request.lost".to_owned()]).is_err());
    }

    #[test]
    fn a_pattern_without_an_end_is_matched_here() {
        assert_eq!(asked(&["signer.signed", "custom.a.*"]), Vec::<String>::new());
    }

    #[test]
    fn each_server_and_target_has_a_place_of_its_own() {
        let of = |server, to| file(Path::new("x"), server, to);
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_ne!(of("a", "b"), of("a", "c"));
    }
}
