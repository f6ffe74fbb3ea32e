//! Timers that have fallen due, for one node at a time.
//!
//! Invariant: a timer that a node acts on is given to no other until a commit sets or clears it, or the node dies.

use domain::id::AccountId;
use domain::time::Timestamp;

use super::link::Arguments;
use super::rows::{self, Id, Trouble};
use super::sql;
use super::state::Turn;
use crate::commit::{Timer, TimerKind};
use crate::error::Error;

/// Claims due timers, the earliest first; those this node has claimed already are given again.
pub(super) async fn claim(
    turn: &Turn<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Timer>, Trouble> {
    let (now, limit) = (now.as_millis(), i64::from(limit));
    let mut timers = Vec::new();
    for row in turn.link.rows(sql::timer_claim, &[&now, &limit, &Id(turn.node.id)]).await? {
        let name: &str = rows::column(&row, 1)?;
        let kind = TimerKind::ALL.into_iter().find(|kind| kind.as_str() == name);
        timers.push(Timer {
            account: AccountId::new(rows::bits(&row, 0)?),
            kind: kind
                .ok_or_else(|| Error::Corrupt { table: "timers", detail: name.to_owned() })?,
            subject: rows::bits(&row, 2)?,
            due_at: rows::moment(&row, 3)?,
        });
    }
    timers.sort_by_key(|timer| (timer.due_at, timer.kind, timer.subject));
    Ok(timers)
}

/// Sets a timer that was acted on again, or clears it, unless it was set anew meanwhile; tells how many that were.
pub(super) async fn done(
    turn: &Turn<'_>,
    timer: &Timer,
    due: Option<Timestamp>,
) -> Result<u64, Trouble> {
    let (account, subject) = (Id(timer.account.bits()), Id(timer.subject));
    let (kind, was_due) = (timer.kind.as_str(), timer.due_at.as_millis());
    match due.map(Timestamp::as_millis) {
        Some(due) => {
            let arguments: Arguments<'_> = &[&account, &kind, &subject, &was_due, &due];
            Ok(turn.link.run(sql::timer_move, arguments).await?)
        }
        None => Ok(turn.link.run(sql::timer_drop, &[&account, &kind, &subject, &was_due]).await?),
    }
}
