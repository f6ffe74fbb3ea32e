//! Reminding signers: by hand, and by the days that a request says.
//!
//! Invariants: only those whose turn it is are reminded; each day of the request counts once, and days that passed
//! together (while nobody looked) remind once.
//! Left to others: when to look (`engine::timers`), who is told over which channel ([`crate::notice`]).

use crate::event::Kind;
use crate::id::SignerId;
use crate::request::{Action, Happening, Refused, Request, State, Step};
use crate::time::{HOUR_MS, Timestamp};

/// A signer is reminded by hand at most once in so long.
const REMIND_AGAIN_MS: i64 = HOUR_MS;

impl Request {
    /// Reminds those whose turn it is and who were not reminded within the last hour.
    pub fn remind(mut self, now: Timestamp) -> Result<Step, Refused> {
        if !matches!(self.state, State::Sent { .. }) {
            return Err(self.impossible(Action::Remind));
        }
        let mut again_at: Option<Timestamp> = None;
        let mut happened = Vec::new();
        for signer in self.signers.iter_mut().filter(|signer| signer.has_turn()) {
            let free_at = signer.reminded_at.map(|at| at.plus_millis(REMIND_AGAIN_MS));
            if let Some(at) = free_at.filter(|at| *at > now) {
                again_at = Some(again_at.map_or(at, |other| other.min(at)));
                continue;
            }
            signer.reminded_at = Some(now);
            happened.push(Happening { kind: Kind::RequestReminded, signer: Some(signer.id) });
        }
        match again_at {
            Some(at) if happened.is_empty() => Err(too_soon(at, now)),
            Some(_) | None => Ok(Step { request: self, happened }),
        }
    }

    /// Reminds one signer whose turn it is, and who was not reminded within the last hour.
    pub fn remind_signer(mut self, id: SignerId, now: Timestamp) -> Result<Step, Refused> {
        if !matches!(self.state, State::Sent { .. }) {
            return Err(self.impossible(Action::Remind));
        }
        let found = self.signers.iter_mut().find(|signer| signer.id == id);
        let signer = found.ok_or(Refused::NoSuchSigner(id))?;
        if !signer.has_turn() {
            return Err(Refused::NotTheirs { action: Action::Remind, status: signer.status() });
        }
        let free_at = signer.reminded_at.map(|at| at.plus_millis(REMIND_AGAIN_MS));
        if let Some(at) = free_at.filter(|at| *at > now) {
            return Err(too_soon(at, now));
        }
        signer.reminded_at = Some(now);
        let happened = vec![Happening { kind: Kind::RequestReminded, signer: Some(id) }];
        Ok(Step { request: self, happened })
    }

    /// Reminds those who have not signed for as many days as the request says, each day once.
    pub fn remind_due(mut self, now: Timestamp) -> Result<Step, Refused> {
        if !matches!(self.state, State::Sent { .. }) {
            return Err(self.impossible(Action::Remind));
        }
        let days = self.reminders.days.clone();
        let mut happened = Vec::new();
        for signer in self.signers.iter_mut().filter(|signer| signer.has_turn()) {
            let due = signer.reminders_due(&days, now);
            if due > signer.reminders {
                signer.reminders = due;
                signer.reminded_at = Some(now);
                happened.push(Happening { kind: Kind::RequestReminded, signer: Some(signer.id) });
            }
        }
        Ok(Step { request: self, happened })
    }

    /// Gives the moment of the next reminder, while one can still come.
    pub fn next_reminder(&self) -> Option<Timestamp> {
        if !matches!(self.state, State::Sent { .. }) {
            return None;
        }
        let turns = self.signers.iter().filter(|signer| signer.has_turn());
        turns.filter_map(|signer| signer.next_reminder(&self.reminders.days)).min()
    }
}

fn too_soon(again_at: Timestamp, now: Timestamp) -> Refused {
    let wait_s = now.until(again_at).as_secs().saturating_add(1);
    Refused::TooSoon { wait_s: u32::try_from(wait_s).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::id::{AccountId, RequestId, SignerId};
    use crate::request::{Callbacks, Reminders, Sender, SigningOrder};
    use crate::signer::{self, Person, Role, SendTo, Signer};
    use crate::time::DAY_MS;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn sent(zone: Option<&str>) -> Request {
        let person = Person { time_zone: zone.map(str::to_owned), ..Person::default() };
        let signer = |n, order| Signer {
            id: SignerId::new(n),
            person: person.clone(),
            order,
            role: Role::Signer,
            send_to: SendTo::default(),
            state: signer::State::Waiting,
            reminders: 0,
            reminded_at: None,
            foreign_id: None,
            foreign_url: None,
        };
        let draft = Request {
            id: RequestId::new(1),
            account: AccountId::new(2),
            title: "Lease".to_owned(),
            message: None,
            documents: Vec::new(),
            sender: Sender::default(),
            signing_order: SigningOrder::Sequential,
            signers: vec![signer(1, 1), signer(2, 2)],
            progress: 0,
            expires_at: None,
            reminders: Reminders::default(),
            notices: BTreeMap::new(),
            callbacks: Callbacks::default(),
            redirect_url: None,
            metadata: BTreeMap::new(),
            origin: "native".to_owned(),
            workflow: None,
            foreign: None,
            created_at: NOW,
            state: State::Draft,
            archived_at: None,
        };
        draft.send(NOW).unwrap().request
    }

    fn days(days: i64) -> Timestamp {
        NOW.plus_millis(days * DAY_MS)
    }

    #[test]
    fn reminders_come_on_their_days_and_then_no_more() {
        let mut request = sent(None);
        for day in [3, 7, 14] {
            assert_eq!(request.next_reminder(), Some(days(day)), "{day}");
            let early = request.clone().remind_due(days(day).plus_millis(-1)).unwrap();
            assert!(early.happened.is_empty());
            let step = request.remind_due(days(day)).unwrap();
            let who: Vec<_> = step.happened.iter().map(|happening| happening.signer).collect();
            assert_eq!(who, [Some(SignerId::new(1))], "only whose turn it is");
            request = step.request;
        }
        assert_eq!(request.next_reminder(), None);
    }

    #[test]
    fn days_that_passed_together_remind_once() {
        let step = sent(None).remind_due(days(9)).unwrap();
        assert_eq!(step.happened.len(), 1);
        assert_eq!(step.request.next_reminder(), Some(days(14)));
    }

    #[test]
    fn whoever_lives_somewhere_is_reminded_there_in_the_morning() {
        let at = sent(Some("Asia/Tokyo")).next_reminder().unwrap();
        // 2023-11-14 22:13 in UTC is the 15th in Tokyo; three days later, at nine there, it is midnight in UTC.
        assert_eq!(at.to_string(), "2023-11-18T00:00:00.000Z");
    }

    #[test]
    fn by_hand_a_signer_is_reminded_once_an_hour() {
        let step = sent(None).remind(NOW).unwrap();
        assert_eq!(step.happened.len(), 1);
        let soon = step.request.clone().remind(NOW.plus_millis(HOUR_MS - 5_000));
        assert_eq!(soon, Err(Refused::TooSoon { wait_s: 6 }));
        assert_eq!(step.request.remind(NOW.plus_millis(HOUR_MS)).unwrap().happened.len(), 1);
    }

    #[test]
    fn one_signer_is_reminded_alone_and_in_their_turn_only() {
        let mut request = sent(None);
        request.signers.push(Signer { id: SignerId::new(3), ..request.signers[0].clone() });
        let step = request.remind_signer(SignerId::new(3), NOW).unwrap();
        let who: Vec<_> = step.happened.iter().map(|happening| happening.signer).collect();
        assert_eq!(who, [Some(SignerId::new(3))]);
        let again = step.request.clone().remind_signer(SignerId::new(3), NOW);
        assert_eq!(again, Err(Refused::TooSoon { wait_s: 3_601 }));
        let waiting = step.request.remind_signer(SignerId::new(2), NOW);
        assert!(matches!(waiting, Err(Refused::NotTheirs { .. })), "{waiting:?}");
    }
}
