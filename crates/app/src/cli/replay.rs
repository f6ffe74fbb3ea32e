//! `countersign replay`.

use std::process::ExitCode;
use std::time::Duration;

use domain::id::EndpointId;
use domain::replay::{Replay, Skip, Status};
use domain::time::{Clock as _, Timestamp};
use serde_json::json;

use crate::cli::Context;
use crate::cli::log::{self, Since};
use crate::cli::server;
use crate::client::{Client, Trouble};
use crate::clock::{self, RealClock};
use crate::config::gather::Mode;
use crate::screen::Screen;

/// Tell an endpoint events again.
///
/// Asks a running server, with the key of `api_key`, and shows how far it comes; the job goes on when this command is
/// stopped. Events keep their ids and their bytes; signatures are fresh.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The endpoint, such as `ep_01…`.
    endpoint: EndpointId,
    /// From that time on, or a duration ago such as PT6H, or start.
    #[arg(long, value_name = "WHEN", value_parser = log::since)]
    since: Since,
    /// Up to that time [default: now].
    #[arg(long, value_name = "WHEN", value_parser = log::since)]
    until: Option<Since>,
    /// Only events of these types, in the endpoint's words or canonically.
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only events whose last delivery stands there: pending, delivered, exhausted, cancelled, missed.
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    states: Vec<String>,
    /// Deliveries per second at most.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u32>,
    /// Count, and tell nobody.
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  countersign replay ep_01… --since PT6H --dry-run
  countersign replay ep_01… --since 2026-01-31T08:00:00Z --until 2026-01-31T12:00:00Z --states exhausted,missed";

/// Between two looks at a job.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    let settings = context.settings(Mode::Production)?;
    let client = server::client(&settings)?;
    let mut screen = Screen::stdout();
    let moment = |since: &Since| since.moment(&client);
    let until: Option<Timestamp> = args.until.as_ref().map(moment);
    let wish = json!({
        "since": moment(&args.since),
        "until": until,
        "types": args.types,
        "states": args.states,
        "rate": args.rate,
        "dry_run": args.dry_run,
    });
    let path = format!("/api/v1/endpoints/{}/replay", args.endpoint);
    let begun: Replay = client.post(&path, &wish).map_err(Trouble::advised)?;
    screen.line(format!("{} from {} to {}", begun.id, begun.since, begun.until))?;
    let ended = follow(&client, &mut screen, begun)?;
    Ok(if ended.status == Status::Done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows a job until it has ended.
fn follow(client: &Client, screen: &mut Screen, begun: Replay) -> anyhow::Result<Replay> {
    let mut replay = begun;
    let mut shown = String::new();
    loop {
        let line = progress(&replay);
        if line != shown {
            let at = screen.faint(&RealClock.now().to_string());
            screen.line(format!("{at}  {line}"))?;
            shown = line;
        }
        if replay.status != Status::Running {
            return Ok(replay);
        }
        clock::pause(LOOK_EVERY);
        replay = match client.get(&format!("/api/v1/replays/{}", replay.id)) {
            Ok(next) => next,
            // The job is the server's; we only watch.
            Err(trouble) if trouble.is_transient() => replay,
            Err(trouble) => return Err(trouble.advised()),
        };
    }
}

fn progress(replay: &Replay) -> String {
    let skipped: Vec<String> =
        replay.skipped.iter().map(|(skip, count)| format!("{count} {}", reason(*skip))).collect();
    let status = match replay.status {
        Status::Running => "running",
        Status::Done => "done",
        Status::Stopped => "stopped, since the endpoint is gone",
    };
    let sent = if replay.dry_run { "would be sent" } else { "sent" };
    let (matched, count, passed) = (replay.matched, replay.sent, replay.skipped_total());
    let reasons =
        if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join(", ")) };
    format!("{status}: {matched} matched, {count} {sent}, {passed} skipped{reasons}")
}

const fn reason(skip: Skip) -> &'static str {
    match skip {
        Skip::StillPending => "still on their way",
        Skip::NotWanted => "not wanted",
        Skip::NoWord => "without a word in the dialect",
        Skip::Forgotten => "with their texts forgotten",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::id::{AccountId, ReplayId};

    use super::*;

    #[test]
    fn progress_adds_up() {
        let replay = Replay {
            id: ReplayId::new(1),
            account: AccountId::new(1),
            endpoint: EndpointId::new(1),
            since: Timestamp::from_millis(0),
            until: Timestamp::from_millis(1),
            types: Vec::new(),
            states: BTreeSet::new(),
            rate: 1,
            dry_run: false,
            status: Status::Done,
            matched: 9,
            sent: 6,
            skipped: [(Skip::NoWord, 2), (Skip::StillPending, 1)].into(),
            cursor: None,
            created_at: Timestamp::from_millis(0),
            finished_at: None,
        };
        let expected = "done: 9 matched, 6 sent, 3 skipped (1 still on their way, 2 without a word in the dialect)";
        assert_eq!(progress(&replay), expected);
    }
}
