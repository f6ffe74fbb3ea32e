//! Sending the packet at a moment said before.
//!
//! Invariant: something is scheduled only at the signatures while no packet is out; it ends when a packet goes out, when the
//! workflow leaves the step, and when it is given up.
//! Left to others: looking at the clock at that moment (`engine`).

use serde::{Deserialize, Serialize};

use super::{Action, Change, Done, Refused, Workflow};
use crate::time::{DAY_MS, Timestamp};

/// When the packet is sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// At which moment.
    pub send_at: Timestamp,
    /// How many days before that the account is told of it, 1 to 7; absent means not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_days_before: Option<u8>,
    /// When the account was told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
    /// Who sends it: a mail address.
    pub by: String,
}

/// What becomes of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Scheduling {
    /// The packet is to be sent like this.
    Set {
        /// When, and by whom.
        schedule: Schedule,
    },
    /// The day of the reminder has come.
    Reminded,
    /// Nothing is scheduled any more.
    Off {
        /// Why it could not be sent, if it was not; absent where somebody wanted it so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// What is wanted of a schedule; what is absent stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewSchedule {
    /// At which moment the packet is sent; has to be there where nothing is scheduled yet.
    pub send_at: Option<Timestamp>,
    /// Whether the account is told of it before.
    pub reminder: NewReminder,
}

/// What is wanted of the reminder of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewReminder {
    /// It stays as it is.
    #[default]
    Keep,
    /// There is none.
    Never,
    /// It comes so many days before, 1 to [`REMIND_DAYS_MAX`].
    DaysBefore(u8),
}

/// The most days between a reminder and the sending.
pub const REMIND_DAYS_MAX: u8 = 7;

impl Schedule {
    /// Gives the moment of the reminder, whether it has been or not.
    pub fn remind_at(&self) -> Option<Timestamp> {
        let days = i64::from(self.remind_days_before?);
        Some(self.send_at.plus_millis(-days * DAY_MS))
    }

    /// Gives the moment at which something is to be done: the reminder, then the sending.
    pub fn next(&self) -> Timestamp {
        let remind_at = self.remind_at().filter(|_| self.reminded_at.is_none());
        remind_at.unwrap_or(self.send_at)
    }
}

impl Workflow {
    /// Has the packet sent at a moment in the future, or says anew when.
    pub fn schedule_packet(
        self,
        new: NewSchedule,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::SchedulePacket)?;
        let old = self.schedule.as_ref();
        let send_at = new.send_at.or(old.map(|old| old.send_at)).ok_or(Refused::NotScheduled)?;
        let days = match new.reminder {
            NewReminder::Keep => old.and_then(|old| old.remind_days_before),
            NewReminder::Never => None,
            NewReminder::DaysBefore(days) => Some(days),
        };
        let mut schedule =
            Schedule { send_at, remind_days_before: days, reminded_at: None, by: by.to_owned() };
        if old.is_some_and(|old| old.remind_at() == schedule.remind_at()) {
            schedule.reminded_at = old.and_then(|old| old.reminded_at);
        }
        if send_at <= now || (schedule.reminded_at.is_none() && schedule.next() <= now) {
            return Err(Refused::MomentPassed);
        }
        let is_same = |old: &Schedule| Schedule { by: by.to_owned(), ..old.clone() } == schedule;
        if old.is_some_and(is_same) {
            return Ok(self.unchanged());
        }
        Ok(self.take(vec![scheduling(Scheduling::Set { schedule })], (by, now)))
    }

    /// Has the packet wait for somebody to send it again; `reason` says why it could not be sent at its moment.
    pub fn unschedule_packet(
        self,
        reason: Option<String>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::SchedulePacket)?;
        if self.schedule.is_none() {
            return Err(Refused::NotScheduled);
        }
        Ok(self.take(vec![scheduling(Scheduling::Off { reason })], (by, now)))
    }

    /// Tells the account that the packet will be sent, if the day for that has come; once.
    pub fn remind_of_schedule(self, now: Timestamp) -> Done {
        let Some(schedule) = &self.schedule else { return self.unchanged() };
        let is_due = schedule.remind_at().is_some_and(|at| at <= now);
        if !is_due || schedule.reminded_at.is_some() {
            return self.unchanged();
        }
        let by = schedule.by.clone();
        self.take(vec![scheduling(Scheduling::Reminded)], (&by, now))
    }

    /// Makes a change of the schedule.
    pub(super) fn apply_scheduling(&mut self, scheduling: &Scheduling, at: Timestamp) {
        match scheduling {
            Scheduling::Set { schedule } => self.schedule = Some(schedule.clone()),
            Scheduling::Reminded => {
                if let Some(schedule) = &mut self.schedule {
                    schedule.reminded_at = Some(at);
                }
            }
            Scheduling::Off { .. } => self.schedule = None,
        }
    }
}

fn scheduling(scheduling: Scheduling) -> Change {
    let schedule = Some(scheduling);
    Change::Updated { title: None, metadata: None, packet_documents: None, schedule }
}
