//! Sending the webhooks of a stand-in, and counting what was taken.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use channels::{Channel as _, Http, Lane};
use dialects::stand_in::{How, Sending};
use domain::call::ANSWER_BYTES_MAX;

use crate::cli::{target, trigger};
use crate::clock::Stopwatch;
use crate::screen::Screen;

/// A call may take so long.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Whoever sends.
pub(super) struct Sender {
    http: Http,
    /// How many came to be sent in which way, and how many of them were taken.
    counts: BTreeMap<&'static str, (u32, u32)>,
    /// How many ended as they must not.
    wrong: u32,
}

impl Sender {
    pub(super) fn new() -> anyhow::Result<Self> {
        let (_, http) = target::client()?;
        Ok(Self { http, counts: BTreeMap::new(), wrong: 0 })
    }

    /// Sends one, and says what came of it.
    pub(super) async fn send(
        &mut self,
        sending: Sending,
        screen: &mut Screen,
    ) -> anyhow::Result<()> {
        let Sending { word, call, how } = sending;
        screen.gap()?;
        screen.line(format!("{} {}", screen.bold(word), how.as_str()).trim_end())?;
        trigger::show_call(screen, &call)?;
        let lane = Lane {
            key: 0,
            connections_max: 1,
            timeout: TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let stopwatch = Stopwatch::start();
        let ending = self.http.attempt(call, lane).await;
        let took = stopwatch.elapsed();
        let is_taken = ending.outcome.status().is_some_and(|status| (200..300).contains(&status));
        let is_right = how.must_be_taken().is_none_or(|must| must == is_taken);
        trigger::show_ending(screen, is_right, (&ending.outcome, took))?;
        let counts = self.counts.entry(name(how)).or_default();
        counts.0 += 1;
        counts.1 += u32::from(is_taken);
        self.wrong += u32::from(!is_right);
        Ok(())
    }

    /// Says what was sent, and what was taken of it.
    pub(super) fn conclude(&self, screen: &mut Screen) -> anyhow::Result<()> {
        screen.gap()?;
        for (how, (sent, taken)) in &self.counts {
            screen.line(format!("{how:8} {sent:3} sent, {taken:3} taken"))?;
        }
        let wrong = self.wrong;
        let verdict = if wrong == 0 {
            "as it must be".to_owned()
        } else {
            format!("{wrong} not as it must be: a vendor's refused, or a forged one taken")
        };
        screen.line(screen.judged(wrong == 0, &verdict))
    }

    /// Gives the exit code.
    pub(super) fn verdict(&self) -> ExitCode {
        if self.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

const fn name(how: How) -> &'static str {
    match how {
        How::Plain => "in time",
        How::Again | How::Late | How::Garbled | How::Forged => how.as_str(),
    }
}
