//! `countersign vendor`.
//!
//! Left to others: what a vendor says and shows (`dialects::stand_in`), sending it ([`sends`]), answering ([`interface`]).

mod interface;
mod sends;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use dialects::stand_in::{self, Ending, Key, Mischief, Part, Proof, StandIn, Unplayable};
use domain::id::Chance as _;
use domain::secret::Secret;
use domain::source::Vendor;
use domain::time::{Clock as _, SECOND_MS, parse_duration};
use engine::Shutdown;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::chance::{SeededChance, SystemChance};
use crate::cli::Context;
use crate::cli::trigger::secret;
use crate::clock::RealClock;
use crate::config::gather::Mode;
use crate::config::table::Name;
use crate::failure::{Advise as _, advised};
use crate::screen::Screen;
use crate::{shutdown, telemetry};
use interface::Interface;
use sends::Sender;

/// Play a vendor: its webhooks of one whole request, and its interface.
///
/// Needs no account at the vendor. The request is one of two people. Prints each call as it goes on the wire, and the answer. Ends with 1 when one of the
/// vendor's was refused, or a forged one taken.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Whom to play: clickwrap, ironclad, insertsign, fintechos or esaw.
    #[arg(value_parser = vendor)]
    vendor: Vendor,
    /// The intake URL of a source; `##Placeholders##` are filled by the vendors that have them.
    #[arg(long, value_name = "URL", required_unless_present = "public_key")]
    to: Option<String>,
    /// How the request ends: completed, declined, expired or cancelled, as far as the vendor tells or shows it.
    #[arg(long, value_name = "STATE", default_value = "completed", value_parser = ending)]
    ending: Ending,
    /// What happens to webhooks on their way: doubled, late, reordered, garbled, forged, lost; or all, which loses none.
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = mischief)]
    mischief: Vec<Vec<Mischief>>,
    /// What the mischief is drawn from; one is drawn and printed otherwise.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How long to wait between two steps of the request, such as PT2S; an hour at most.
    #[arg(long, value_name = "DURATION", default_value = "PT0S", value_parser = pause)]
    pause: Duration,
    /// Answer the vendor's interface at an address of this machine, such as 127.0.0.1:9000, until Ctrl-C.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    api: Option<SocketAddr>,
    /// The API token that the interface wants; any is taken otherwise.
    #[arg(long, value_name = "TOKEN", value_parser = secret, requires = "api")]
    api_token: Option<Secret>,
    /// Of clickwrap: the secret code of the webhook.
    #[arg(long, value_name = "TOKEN", value_parser = secret)]
    token: Option<Secret>,
    /// Of esaw: the user name that callbacks come with.
    #[arg(long, value_name = "NAME", requires = "password")]
    user: Option<String>,
    /// Of esaw: the password that callbacks come with.
    #[arg(long, value_name = "PASSWORD", value_parser = secret, requires = "user")]
    password: Option<Secret>,
    /// Of ironclad: a private RSA key in PEM that signs; otherwise one that everybody knows.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Of ironclad: print the public half of the key, for `verification_key` of a source, and send nothing.
    #[arg(long)]
    public_key: bool,
}

const EXAMPLES: &str = "\
Examples:
  countersign vendor clickwrap --to http://localhost:8080/in/… --token s3cret
  countersign vendor esaw --to http://localhost:8080/in/… --api 127.0.0.1:9000 --pause PT2S
  countersign vendor insertsign --to http://localhost:8080/in/… --mischief doubled,late,forged --seed 7
  countersign vendor ironclad --public-key";

/// Between two steps at most.
const PAUSE_MAX: Duration = Duration::from_hours(1);

pub(crate) fn run(args: Args, context: Context) -> anyhow::Result<ExitCode> {
    let gathered = context.look(Mode::Production)?;
    telemetry::start(gathered.text(Name::Log).unwrap_or_default())?;
    let mut screen = Screen::stdout();
    let vendor = args.vendor;
    let proof = proof(&args)?;
    if args.public_key {
        let Proof::Signature(key) = proof else {
            return Err(anyhow!("{} has no key", vendor.as_str()))
                .advise("leave --public-key away, or play ironclad");
        };
        screen.line(key.public().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = args.seed.unwrap_or_else(|| SystemChance::new().draw() >> 32);
    let mut chance = SeededChance::new(seed);
    let began_at = RealClock.now().plus_millis(-10 * 60 * SECOND_MS);
    let intake_url = args.to.clone().unwrap_or_default();
    let part = Part { vendor, intake_url, proof, ending: args.ending, began_at };
    let stand_in = StandIn::new(part, &mut chance).map_err(|why| {
        let advice = advice(vendor, &why);
        advised(why, advice)
    });
    let stand_in = stand_in.with_context(|| format!("playing {}", vendor.as_str()))?;
    screen.line(format!("playing {}, seed {seed}", screen.bold(vendor.as_str())))?;
    screen.line(format!("request {}", stand_in.foreign_id()))?;
    let acts = stand_in.acts(&args.mischief.concat(), &mut chance);
    let runtime = Builder::new_current_thread().enable_all().build().context("starting")?;
    runtime.block_on(async {
        let stop = Shutdown::default();
        let signals = shutdown::on_signals(stop.clone())?;
        let mut interface = Interface::new(vendor, args.api_token);
        interface.shows(stand_in.pages(0));
        if let Some(address) = args.api {
            interface.start(address, &mut screen).await?;
        }
        let mut sender = Sender::new()?;
        let mut step = 0;
        for act in acts {
            match act {
                stand_in::Act::Happens => {
                    let is_stopped = step > 0 && timeout(args.pause, stop.begun()).await.is_ok();
                    interface.tells(&mut screen)?;
                    if is_stopped {
                        break;
                    }
                    step += 1;
                    interface.shows(stand_in.pages(step));
                }
                stand_in::Act::Sends(sending) => sender.send(sending, &mut screen).await?,
            }
        }
        sender.conclude(&mut screen)?;
        interface.stay(&stop, &mut screen).await?;
        signals.abort();
        Ok(sender.verdict())
    })
}

fn advice(vendor: Vendor, why: &Unplayable) -> String {
    match why {
        Unplayable::Url(_) => "give the whole intake URL of a source of this vendor".to_owned(),
        Unplayable::Ending { .. } => {
            let endings: Vec<&str> =
                stand_in::endings(vendor).iter().map(|ending| ending.as_str()).collect();
            format!("choose one of {}", endings.join(", "))
        }
        Unplayable::Proof(_) => "leave away what proves webhooks of another vendor".to_owned(),
        Unplayable::Unsayable(_) => "give secrets that a header can hold".to_owned(),
    }
}

/// Takes what proves webhooks, and nothing that another vendor has.
fn proof(args: &Args) -> anyhow::Result<Proof> {
    let vendor = args.vendor;
    let strange = [
        ("--token", args.token.is_some(), Vendor::Clickwrap),
        ("--user", args.user.is_some(), Vendor::Esaw),
        ("--key", args.key.is_some(), Vendor::Ironclad),
    ];
    if let Some((flag, _, whose)) =
        strange.iter().find(|(_, is_there, whose)| *is_there && *whose != vendor)
    {
        let error = anyhow!("{flag} is of {} alone", whose.as_str());
        return Err(advised(error, format!("leave {flag} away, or play {}", whose.as_str())));
    }
    if vendor == Vendor::Ironclad {
        let key = match &args.key {
            None => Key::known(),
            Some(file) => {
                let text = fs::read_to_string(file);
                Key::read(&text.with_context(|| format!("reading {}", file.display()))?)
            }
        };
        let key = key.context("reading the key").advise(
            "make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`, or leave --key away",
        )?;
        return Ok(Proof::Signature(Box::new(key)));
    }
    Ok(match (&args.token, &args.user, &args.password) {
        (Some(token), _, _) => Proof::Token(token.clone()),
        (None, Some(user), Some(password)) => {
            Proof::Basic { user: user.clone(), password: password.clone() }
        }
        (None, _, _) => Proof::Url,
    })
}

fn vendor(text: &str) -> Result<Vendor, String> {
    let all = || Vendor::ALL.map(Vendor::as_str).join(", ");
    Vendor::named(text).ok_or_else(|| format!("expected one of {}", all()))
}

fn ending(text: &str) -> Result<Ending, String> {
    let found = Ending::ALL.into_iter().find(|ending| ending.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", Ending::ALL.map(Ending::as_str).join(", ")))
}

fn mischief(text: &str) -> Result<Vec<Mischief>, String> {
    if text == "all" {
        return Ok(Mischief::ALL.into_iter().filter(|kind| *kind != Mischief::Lost).collect());
    }
    let found = Mischief::ALL.into_iter().find(|kind| kind.as_str() == text);
    let expected =
        || format!("expected all, or some of {}", Mischief::ALL.map(Mischief::as_str).join(", "));
    found.map(|kind| vec![kind]).ok_or_else(expected)
}

fn pause(text: &str) -> Result<Duration, String> {
    let millis = parse_duration(text).and_then(|millis| u64::try_from(millis).ok());
    let length = millis.map(Duration::from_millis).filter(|length| *length <= PAUSE_MAX);
    length.ok_or_else(|| "expected a duration of an hour at most, such as PT2S".to_owned())
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: Option<SocketAddr> = text.parse().ok();
    let own = address.filter(|address| address.ip().is_loopback());
    own.ok_or_else(|| "expected an address of this machine, such as 127.0.0.1:9000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mischief_loses_nothing() {
        assert_eq!(mischief("all").unwrap().len(), 5);
        assert_eq!(mischief("lost").unwrap(), [Mischief::Lost]);
        assert!(mischief("bad").is_err());
    }

    #[test]
    fn only_this_machine_is_listened_at_and_no_pause_is_endless() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:9000").is_ok());
        assert!(loopback("0.0.0.0:9000").is_err() && loopback("9000").is_err());
        assert!(pause("PT1H").is_ok() && pause("PT61M").is_err() && pause("soon").is_err());
    }
}
