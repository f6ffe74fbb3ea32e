//! Signature packets at the moments that were said before.
//!
//! Invariant: the timer stands exactly while something is scheduled, and goes in the commit that sends the packet; so a crash
//! before it only repeats the try, and after it there is nothing left to try.
//! Left to others: what a schedule is (`domain::workflow`).

use domain::id::WorkflowId;
use domain::time::{SECOND_MS, Timestamp};
use domain::workflow::{Done, Schedule, Workflow};
use store::{Timer, TimerKind, Version, Write};

use super::Action;
use crate::Engine;
use crate::command::{Once, Refusal, insist};

/// An account that has as many requests out as it may is looked at again after so long.
const ROOM_AGAIN_MS: i64 = 60 * SECOND_MS;

/// What became of a timer's moment.
enum Outcome {
    /// The timer stands where it belongs, or is gone.
    Acted,
    /// It is to stand at another moment.
    At(Option<Timestamp>),
}

/// Writes when something is next to be done about the packet of a workflow.
pub(super) fn timer(workflow: &Workflow) -> Write {
    let due = workflow.schedule.as_ref().map(Schedule::next);
    Write::Timer(TimerKind::Packet, workflow.id.bits(), due)
}

impl Engine {
    /// Sends the packet of a workflow whose moment has come, or tells its account that it will come.
    pub(crate) async fn send_scheduled(
        &self,
        timer: Timer,
        now: Timestamp,
    ) -> Result<(), store::Error> {
        match insist(|| self.try_scheduled(timer, now)).await {
            // Where somebody else keeps changing it, the timer stands, and the next step looks again.
            Ok(Outcome::Acted) | Err(Refusal::Contended { .. }) => Ok(()),
            Ok(Outcome::At(due)) => self.set_timer(timer, due).await,
            Err(Refusal::Store(error)) => Err(error),
            Err(refusal) => {
                tracing::error!(error = %refusal, "a scheduled packet could not be looked at");
                self.set_timer(timer, Some(now.plus_millis(ROOM_AGAIN_MS))).await
            }
        }
    }

    async fn try_scheduled(&self, timer: Timer, now: Timestamp) -> Result<Outcome, Refusal> {
        let id = WorkflowId::new(timer.subject);
        let before = match self.load_workflow(timer.account, id).await {
            Err(Refusal::NotFound { .. }) => return Ok(Outcome::At(None)),
            found => found?,
        };
        let Some(schedule) = before.0.schedule.clone() else { return Ok(Outcome::At(None)) };
        if schedule.next() > now {
            return Ok(Outcome::At(Some(schedule.next())));
        }
        if schedule.send_at > now {
            let (workflow, version) = before;
            return self.take(version, workflow.remind_of_schedule(now), now).await;
        }
        let with = (schedule.by.as_str(), now);
        let sent = self.act_on_packet(&before, &Action::SendPacket, with, &Once::unkept()).await;
        match sent {
            Ok(_) => Ok(Outcome::Acted),
            Err(Refusal::LimitReached { .. }) => {
                Ok(Outcome::At(Some(now.plus_millis(ROOM_AGAIN_MS))))
            }
            Err(Refusal::Impossible { message, .. }) => {
                let (workflow, version) = before;
                let done = workflow.unschedule_packet(Some(message), with)?;
                self.take(version, done, now).await
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn take(&self, version: Version, done: Done, now: Timestamp) -> Result<Outcome, Refusal> {
        self.commit_workflow((version, done), Vec::new(), now, &Once::unkept()).await?;
        Ok(Outcome::Acted)
    }
}
