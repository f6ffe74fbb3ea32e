//! `countersign verify`.
//!
//! Invariant: nothing of the export is believed but its texts: digests and hashes are computed anew, and compared.
//! Left to others: how an entry is hashed (`domain::chain`), writing exports (`web::api::timeline`).

use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use domain::call::Outcome;
use domain::chain::{Entry, Hash, Link, What};
use domain::delivery::Attempt;
use domain::event::{Event, Kind};
use domain::id::{AccountId, AttemptId, DeliveryId, EventId, RequestId};
use domain::time::Timestamp;
use serde::Deserialize;

use crate::failure::Advise as _;
use crate::screen::Screen;

/// Check an exported timeline, without the service.
///
/// Computes every digest and every hash of the chain anew, and says which entry breaks it. The export is what
/// `GET /api/v1/requests/{id}/timeline` answers; of a long one, give the parts in order. A chain proves that nothing in it
/// was changed, left out or put in; that nothing was cut off at its end is proven by a head that somebody kept (`--head`):
/// webhooks carry it as `data.chain`. Ends with 1 when the chain does not hold.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The export, or its parts in order; - reads the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// A hash that must be in the chain, such as the one of the last webhook.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    head: Option<Hash>,
}

const EXAMPLES: &str = "\
Examples:
  curl -H \"authorization: Bearer $KEY\" $URL/api/v1/requests/$ID/timeline > timeline.json
  countersign verify timeline.json";

/// An export is read into memory, up to this many bytes.
const EXPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What an export says it is.
const FORMAT: &str = "countersign timeline 1";

#[derive(Debug, Deserialize)]
struct Export {
    format: String,
    account_id: AccountId,
    request_id: RequestId,
    data: Vec<Row>,
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    seq: u64,
    hash: Hash,
    what: What,
    id: String,
    at: Timestamp,
    digest: Hash,
    #[serde(default)]
    event: Option<EventText>,
    #[serde(default)]
    attempt: Option<AttemptText>,
}

#[derive(Debug, Deserialize)]
struct EventText {
    #[serde(rename = "type")]
    name: String,
    /// Absent once it was forgotten; nothing then proves the name either.
    data: Option<String>,
}

#[derive(Debug, Deserialize)]
struct AttemptText {
    delivery_id: DeliveryId,
    number: u32,
    url: String,
    body_digest: Hash,
    ending: String,
    #[serde(default)]
    remote: Option<String>,
}

/// What checking came to.
#[derive(Debug, Default)]
struct Checked {
    request: Option<RequestId>,
    last: Option<Link>,
    events: u64,
    attempts: u64,
    /// Entries whose text was erased; their digests hold the chain.
    erased: u64,
    head_found: bool,
    goes_on: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut checked = Checked::default();
    for name in &args.files {
        let text = read(name)?;
        let context = || format!("the chain does not hold: {name}");
        check(&text, args.head, &mut checked).with_context(context)?;
    }
    let mut screen = Screen::stdout();
    let Checked { request, last, events, attempts, erased, head_found, goes_on } = checked;
    let (Some(request), Some(last)) = (request, last) else { bail!("the export has no entries") };
    if args.head.is_some() && !head_found {
        return Err(anyhow!("the chain holds, but the hash of --head is not in it")).advise(
            "export the timeline again; if the hash is still missing, entries were cut off or the hash is another chain's",
        );
    }
    screen.line(format!("{} {request}", screen.judged(true, "the chain holds:")))?;
    screen.line(format!(
        "  {events} events and {attempts} attempts, {erased} of them without their texts"
    ))?;
    screen.line(format!("  the last entry is {} with the hash {}", last.seq, last.hash))?;
    if goes_on {
        screen.line("  the export goes on: give the parts behind it, too")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(name: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let from: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(name).with_context(|| format!("opening {name}"))?)
    };
    let count = from
        .take(EXPORT_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("reading {name}"))?;
    ensure!(count as u64 <= EXPORT_BYTES_MAX, "{name} is longer than {EXPORT_BYTES_MAX} bytes");
    Ok(text)
}

/// Checks one part of an export behind what was checked before.
fn check(text: &str, head: Option<Hash>, checked: &mut Checked) -> anyhow::Result<()> {
    let export: Export = serde_json::from_str(text)
        .context("the file is no export of a timeline")
        .advise("save the answer of GET /api/v1/requests/{id}/timeline as it is")?;
    let Export { format, account_id, request_id, data, next_cursor } = export;
    ensure!(format == FORMAT, "the format is `{format}`, and this program knows `{FORMAT}`");
    let known = *checked.request.get_or_insert(request_id);
    ensure!(known == request_id, "it is about {request_id}, and what came before about {known}");
    for row in data {
        let seq = row.seq;
        let place = || format!("entry {seq} ({} {} of {})", row.what.as_str(), row.id, row.at);
        let link = link(&row, (account_id, request_id), checked.last).with_context(place)?;
        match (row.what, &row.event, &row.attempt) {
            (What::Event, None | Some(EventText { data: None, .. }), _)
            | (What::Attempt, _, None) => checked.erased += 1,
            (What::Event, Some(_), _) | (What::Attempt, _, Some(_)) => {}
        }
        match row.what {
            What::Event => checked.events += 1,
            What::Attempt => checked.attempts += 1,
        }
        checked.head_found |= head == Some(link.hash);
        checked.last = Some(link);
    }
    checked.goes_on = next_cursor.is_some();
    Ok(())
}

/// Links an entry behind the one before it, and compares.
fn link(row: &Row, of: (AccountId, RequestId), before: Option<Link>) -> anyhow::Result<Link> {
    let expected = before.map_or(0, |link| link.seq) + 1;
    ensure!(row.seq == expected, "entry {expected} is missing: here stands {}", row.seq);
    let id = match row.what {
        What::Event => row.id.parse::<EventId>()?.bits(),
        What::Attempt => row.id.parse::<AttemptId>()?.bits(),
    };
    let told = told(row, of)?;
    if let Some(told) = told {
        ensure!(told.digest == row.digest, "its text was changed: the digest is another one");
    }
    let entry = Entry { what: row.what, id, at: row.at, digest: row.digest };
    let link = entry.link(of.1, before);
    ensure!(
        link.hash == row.hash,
        "it was changed, or stands behind another entry than when it was written: its hash is {}, and {} was expected",
        row.hash,
        link.hash
    );
    Ok(link)
}

/// Makes the entry of the texts, as far as they are there.
fn told(row: &Row, of: (AccountId, RequestId)) -> anyhow::Result<Option<Entry>> {
    let entry = match row.what {
        What::Event => row.event.as_ref().and_then(|text| {
            let data = text.data.as_ref()?;
            Some(Entry::of_event(&told_event(row, (&text.name, data), of)))
        }),
        What::Attempt => match &row.attempt {
            Some(attempt) => Some(Entry::of_attempt(&told_attempt(row, attempt)?)),
            None => None,
        },
    };
    Ok(entry)
}

fn told_event(row: &Row, text: (&str, &str), of: (AccountId, RequestId)) -> Event {
    let (name, data) = text;
    Event {
        id: EventId::new(0),
        account: of.0,
        // The digest covers the name, which may be one that a newer service knows.
        kind: Kind::of(name).unwrap_or(Kind::Custom),
        name: name.to_owned().into(),
        at: row.at,
        request: Some(of.1),
        order_key: None,
        key: None,
        data: data.to_owned(),
        test: false,
        callbacks: Vec::new(),
        link: None,
    }
}

fn told_attempt(row: &Row, text: &AttemptText) -> anyhow::Result<Attempt> {
    let outcome = Outcome::of_ending(&text.ending)
        .with_context(|| format!("nobody knows the ending `{}`", text.ending))?;
    Ok(Attempt {
        id: AttemptId::new(0),
        delivery: text.delivery_id,
        number: text.number,
        at: row.at,
        took_ms: 0,
        url: text.url.clone(),
        body_digest: text.body_digest.0,
        remote: text.remote.clone(),
        outcome,
    })
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::parse(text).ok_or_else(|| "expected 64 hexadecimal digits".to_owned())
}
