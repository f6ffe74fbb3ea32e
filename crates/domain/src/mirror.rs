//! Mirrors: requests that live at a vendor, as far as the vendor has told of them.
//!
//! Invariants: hearing a thing again changes nothing; a signer and a request only move on, but that an expired one may
//! come back to life; once signed by all, refused or withdrawn, a request stays that; what was there before a mirror began
//! is taken in silently, and only what is told then has happened.
//! Left to others: reading vendors' words (`dialects`), asking vendors and committing (`engine::intake`).

use std::collections::BTreeMap;

use crate::event::Kind;
use crate::id::{AccountId, RequestId, SignerId, SourceId};
use crate::notice::Rules;
use crate::request::{
    Callbacks, Foreign, Happening, Reminders, Request, Sender, SigningOrder, State, Step as Next,
};
use crate::signer::{self, Evidence, Person, Role, SendTo, Signer, Via};
use crate::time::Timestamp;
use crate::told::{Picture, Pictured, SignerStage, Stage, Step, Who};

/// The most signers that a mirror holds; what a vendor tells of more is passed over.
pub const SIGNERS_MAX: usize = 200;

/// What a vendor told of a request, and how it is taken.
#[derive(Debug)]
pub struct Hearing<'a> {
    /// What happened, if something did.
    pub step: Option<&'a Step>,
    /// What else is known, the surer last.
    pub pictures: &'a [&'a Picture],
    /// Whether nothing was known of the request before.
    pub is_first: bool,
    /// When it happened, by the vendor's clock or ours.
    pub at: Timestamp,
    /// The present moment.
    pub now: Timestamp,
}

/// Which happenings a step tells of.
#[derive(Debug, Default)]
struct ToldBy {
    kinds: &'static [Kind],
    signers: Vec<SignerId>,
    /// Whether the step does not say whom it is about.
    is_anybody: bool,
}

impl ToldBy {
    fn includes(&self, happening: &Happening) -> bool {
        let fits = |id| self.is_anybody || self.signers.contains(&id);
        self.kinds.contains(&happening.kind) && happening.signer.is_none_or(fits)
    }
}

/// Makes ids for signers.
pub type Mint<'a> = &'a mut dyn FnMut() -> SignerId;

impl Request {
    /// Starts a mirror of which nothing is known but its vendor's id.
    pub fn mirror(
        of: (AccountId, RequestId),
        source: SourceId,
        foreign_id: &str,
        now: Timestamp,
    ) -> Self {
        let (account, id) = of;
        Self {
            id,
            account,
            title: String::new(),
            message: None,
            sender: Sender::default(),
            signing_order: SigningOrder::default(),
            signers: Vec::new(),
            progress: 0,
            expires_at: None,
            reminders: Reminders::default(),
            notices: Rules::default(),
            callbacks: Callbacks::default(),
            redirect_url: None,
            metadata: BTreeMap::new(),
            origin: source.to_string(),
            foreign: Some(Foreign { id: foreign_id.to_owned(), said_sent: false }),
            created_at: now,
            state: State::Draft,
            archived_at: None,
        }
    }

    /// Hears what a vendor told: gives the mirror as it is then, and what happened by it.
    pub fn hear(mut self, hearing: &Hearing<'_>, mint: Mint<'_>) -> Next {
        let at = hearing.at;
        let was_draft = matches!(self.state, State::Draft);
        let had_turn = self.with_turn();
        let mut happened = Vec::new();
        for picture in hearing.pictures {
            self.take_in(picture, mint);
            let stages: Vec<(SignerId, SignerStage, Who)> = self.stages(picture);
            for (id, stage, who) in stages {
                happened.extend(self.advance(id, stage, &who, at));
            }
            if let Some(stage) = picture.stage {
                let says_sent = was_draft && !hearing.is_first;
                happened.extend(self.reach(stage, (at, picture.sent_at), says_sent));
            }
        }
        if let Some(step) = hearing.step {
            // Whatever is told of a request, it was sent before.
            let sent_at = hearing.pictures.iter().find_map(|picture| picture.sent_at);
            self.sent(sent_at.unwrap_or(at));
            happened.extend(self.step(step, at, mint));
        }
        happened.extend(self.take_turns(at));
        self.pass_over_days(&had_turn, hearing.now);
        if hearing.is_first {
            // All else was before anybody listened.
            let told = hearing.step.map(|step| self.told_by(step)).unwrap_or_default();
            happened.retain(|happening| told.includes(happening));
            if let (Some(Step::Signed(_)), true) = (hearing.step, told.is_anybody) {
                let last = happened.pop();
                happened = last.into_iter().collect();
            }
        }
        self.progress = self.measure();
        if matches!(self.state, State::Completed { .. }) {
            self.progress = 100;
        }
        Next { request: self, happened: ordered(happened) }
    }

    fn with_turn(&self) -> Vec<SignerId> {
        let turns = self.signers.iter().filter(|signer| signer.has_turn());
        turns.map(|signer| signer.id).collect()
    }

    /// Takes days of reminders for done that had passed before it was heard whose turn it is.
    fn pass_over_days(&mut self, had_turn: &[SignerId], now: Timestamp) {
        let days = &self.reminders.days;
        for signer in self.signers.iter_mut().filter(|signer| signer.has_turn()) {
            if !had_turn.contains(&signer.id) {
                signer.reminders = signer.reminders_due(days, now).max(signer.reminders);
            }
        }
    }

    /// Says which happenings a step tells of.
    fn told_by(&self, step: &Step) -> ToldBy {
        let of = |kinds: &'static [Kind], who: &[Who]| {
            let found = who.iter().filter_map(|who| self.signers.get(self.find(who)?));
            let signers: Vec<SignerId> = found.map(|signer| signer.id).collect();
            ToldBy { kinds, is_anybody: signers.is_empty(), signers }
        };
        let one = |who: &Who| vec![who.clone()];
        match step {
            Step::Sent | Step::Notified(_) => of(&[Kind::RequestSent, Kind::SignerNotified], &[]),
            Step::Viewed(who) => of(&[Kind::SignerViewed], &one(who)),
            Step::Signed(who) => of(&[Kind::SignerSigned], who),
            Step::Declined(who) => of(&[Kind::SignerDeclined, Kind::RequestDeclined], &one(who)),
            Step::Reassigned(who) => of(&[Kind::SignerReassigned], &one(who)),
            // What it says of all, nobody has said of each.
            Step::Completed => of(&[Kind::SignerSigned, Kind::RequestCompleted], &[]),
            Step::Finished => {
                of(&[Kind::SignerSigned, Kind::RequestCompleted, Kind::RequestDeclined], &[])
            }
            Step::Expired => of(&[Kind::RequestExpired], &[]),
            Step::Cancelled => of(&[Kind::RequestCancelled], &[]),
            Step::Archived => of(&[Kind::RequestArchived], &[]),
            Step::Deleted => of(&[Kind::RequestDeleted], &[]),
        }
    }

    /// Takes in what is said of the whole and of each signer, but not how far they are.
    fn take_in(&mut self, picture: &Picture, mint: Mint<'_>) {
        let known = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        if let Some(title) = known(&picture.title) {
            self.title = title;
        }
        if let Some(message) = known(&picture.message) {
            self.message = Some(message);
        }
        if let Some(sender) = &picture.sender {
            self.sender = sender.clone();
        }
        self.signing_order = picture.signing_order.unwrap_or(self.signing_order);
        self.expires_at = picture.expires_at.or(self.expires_at);
        for pictured in &picture.signers {
            let Some(at) = self.place(pictured, mint) else { continue };
            let Some(signer) = self.signers.get_mut(at) else { continue };
            signer.learn(pictured);
        }
    }

    /// Finds the signer that a picture shows, or makes room for one.
    fn place(&mut self, pictured: &Pictured, mint: Mint<'_>) -> Option<usize> {
        let who = Who {
            foreign_id: pictured.foreign_id.clone(),
            email: pictured.email.clone(),
            ..Who::default()
        };
        let nameless =
            |signer: &Signer| signer.person.email.is_empty() && signer.foreign_id.is_none();
        let at = self.find(&who).or_else(|| self.signers.iter().position(nameless));
        if at.is_some() {
            return at;
        }
        (self.signers.len() < SIGNERS_MAX).then(|| {
            let place = u32::try_from(self.signers.len()).unwrap_or(u32::MAX).saturating_add(1);
            self.signers.push(unknown(mint(), pictured.order.unwrap_or(place)));
            self.signers.len() - 1
        })
    }

    /// Finds a signer by the vendor's id, else by the address, else by the place.
    fn find(&self, who: &Who) -> Option<usize> {
        let by = |fits: &dyn Fn(&Signer) -> bool| self.signers.iter().position(fits);
        let same = |one: &Option<String>, other: &str| {
            one.as_deref().is_some_and(|one| !one.is_empty() && one.eq_ignore_ascii_case(other))
        };
        let reassigned = |signer: &Signer| matches!(signer.state, signer::State::Reassigned { .. });
        by(&|signer| who.foreign_id.is_some() && signer.foreign_id == who.foreign_id)
            .or_else(|| {
                by(&|signer| {
                    let other_id = signer.foreign_id.is_some() && who.foreign_id.is_some();
                    same(&who.email, &signer.person.email) && !other_id && !reassigned(signer)
                })
            })
            .or_else(|| {
                let order =
                    who.order.filter(|_| who.foreign_id.is_none() && who.email.is_none())?;
                by(&|signer| signer.order == order)
            })
    }

    /// Finds whom a step is about. Of one that names nobody, it is the first who could have done it.
    fn whom(&mut self, who: &Who, stage: SignerStage, mint: Mint<'_>) -> Option<SignerId> {
        let at = self.find(who).or_else(|| {
            let open = |want: &dyn Fn(&signer::State) -> bool| {
                let is_nameless =
                    |signer: &Signer| who.is_nobody() || signer.person.email.is_empty();
                let fits = |signer: &Signer| {
                    signer.is_open() && is_nameless(signer) && want(&signer.state)
                };
                self.signers.iter().position(fits)
            };
            let notified = || open(&|state| matches!(state, signer::State::Notified { .. }));
            let waiting = || open(&|state| matches!(state, signer::State::Waiting));
            let viewed = || open(&|state| matches!(state, signer::State::Viewed { .. }));
            match stage {
                SignerStage::Notified => waiting(),
                SignerStage::Waiting | SignerStage::Viewed => notified().or_else(waiting),
                SignerStage::Reassigned | SignerStage::Declined | SignerStage::Signed => {
                    viewed().or_else(notified).or_else(waiting)
                }
            }
        });
        let at = match at {
            Some(at) => at,
            // A second one of the same that names nobody says nothing new of those we know.
            None if who.is_nobody() && !self.signers.is_empty() => return None,
            None => {
                let pictured = Pictured {
                    foreign_id: who.foreign_id.clone(),
                    email: who.email.clone(),
                    order: who.order,
                    ..Pictured::default()
                };
                self.place(&pictured, mint)?
            }
        };
        let signer = self.signers.get_mut(at)?;
        signer.learn(&Pictured {
            foreign_id: who.foreign_id.clone(),
            name: who.name.clone(),
            email: who.email.clone(),
            ..Pictured::default()
        });
        Some(signer.id)
    }

    /// Lists how far a picture says that each signer is.
    fn stages(&self, picture: &Picture) -> Vec<(SignerId, SignerStage, Who)> {
        let stage = |pictured: &Pictured| {
            let who = Who {
                foreign_id: pictured.foreign_id.clone(),
                email: pictured.email.clone(),
                order: pictured.order,
                at: pictured.at,
                ..Who::default()
            };
            let signer = self.find(&who).and_then(|at| self.signers.get(at))?;
            Some((signer.id, pictured.stage?, who))
        };
        picture.signers.iter().filter_map(stage).collect()
    }

    /// Takes the step that was told.
    fn step(&mut self, step: &Step, at: Timestamp, mint: Mint<'_>) -> Vec<Happening> {
        let of = |kind| vec![Happening { kind, signer: None }];
        match step {
            Step::Sent => self.reach(Stage::Sent, (at, None), true),
            Step::Notified(who) => {
                let mut happened = self.reach(Stage::Sent, (at, None), true);
                happened.extend(self.about(who, SignerStage::Notified, at, mint));
                happened
            }
            Step::Viewed(who) => self.about(who, SignerStage::Viewed, at, mint),
            Step::Signed(all) => {
                let mut happened = Vec::new();
                for who in all {
                    happened.extend(self.about(who, SignerStage::Signed, at, mint));
                }
                happened
            }
            Step::Declined(who) => self.about(who, SignerStage::Declined, at, mint),
            Step::Reassigned(who) => self.about(who, SignerStage::Reassigned, at, mint),
            Step::Completed => self.reach(Stage::Completed, (at, None), false),
            Step::Finished => {
                let refused =
                    |signer: &Signer| matches!(signer.state, signer::State::Declined { .. });
                let refused = self.signers.iter().any(refused);
                let stage = if refused { Stage::Declined } else { Stage::Completed };
                self.reach(stage, (at, None), false)
            }
            Step::Expired => self.reach(Stage::Expired, (at, None), false),
            Step::Cancelled => self.reach(Stage::Cancelled, (at, None), false),
            // Vendors say it each time it is done, so a second one is news.
            Step::Archived => {
                let is_news = self.archived_at.is_none_or(|before| before < at);
                self.archived_at = self.archived_at.max(Some(at));
                if is_news { of(Kind::RequestArchived) } else { Vec::new() }
            }
            Step::Deleted => of(Kind::RequestDeleted),
        }
    }

    fn about(
        &mut self,
        who: &Who,
        stage: SignerStage,
        at: Timestamp,
        mint: Mint<'_>,
    ) -> Vec<Happening> {
        let Some(id) = self.whom(who, stage, mint) else { return Vec::new() };
        if let State::Expired { sent_at, .. } = self.state
            && stage < SignerStage::Declined
        {
            // Somebody goes on with it, so it was brought back to life.
            self.state = State::Sent { sent_at };
        }
        self.advance(id, stage, who, at)
    }

    /// Moves a signer on; not back.
    fn advance(
        &mut self,
        id: SignerId,
        stage: SignerStage,
        who: &Who,
        at: Timestamp,
    ) -> Vec<Happening> {
        let Some(signer) = self.signers.iter_mut().find(|signer| signer.id == id) else {
            return Vec::new();
        };
        if signer.role != Role::Signer || stage_of(&signer.state) >= stage {
            return Vec::new();
        }
        let at = who.at.unwrap_or(at);
        let notified_at = signer.turn_since().unwrap_or(at);
        let kind = match stage {
            SignerStage::Waiting => return Vec::new(),
            SignerStage::Notified => {
                signer.state = signer::State::Notified { notified_at: at };
                Kind::SignerNotified
            }
            SignerStage::Viewed => {
                signer.state = signer::State::Viewed { notified_at, viewed_at: at };
                Kind::SignerViewed
            }
            SignerStage::Reassigned => {
                // The vendor says who has it now, if at all, as a signer of its own.
                signer.state = signer::State::Reassigned { reassigned_at: at, to: id };
                Kind::SignerReassigned
            }
            SignerStage::Declined => {
                signer.state = signer::State::Declined { declined_at: at, reason: None };
                Kind::SignerDeclined
            }
            SignerStage::Signed => {
                let evidence = Evidence {
                    name: signer.person.name.clone(),
                    consent: String::new(),
                    ip: who.ip.clone(),
                    user_agent: None,
                    device: who.device.unwrap_or_default(),
                    via: Via::Vendor,
                };
                signer.state = signer::State::Signed { signed_at: at, evidence };
                Kind::SignerSigned
            }
        };
        let mut happened = vec![Happening { kind, signer: Some(id) }];
        if stage == SignerStage::Declined {
            happened.extend(self.reach(Stage::Declined, (at, None), false));
        }
        happened
    }

    /// Moves the request on; what is over stays over, but that an expired one may be sent again.
    fn reach(
        &mut self,
        stage: Stage,
        (at, sent): (Timestamp, Option<Timestamp>),
        says_sent: bool,
    ) -> Vec<Happening> {
        let of = |kind| Happening { kind, signer: None };
        let mut happened = Vec::new();
        if stage == Stage::Draft {
            return happened;
        }
        self.sent(sent.unwrap_or(at));
        if stage == Stage::Sent
            && says_sent
            && let Some(foreign) = &mut self.foreign
            && !foreign.said_sent
        {
            foreign.said_sent = true;
            happened.push(of(Kind::RequestSent));
        }
        let (State::Sent { sent_at } | State::Expired { sent_at, .. }) = self.state else {
            return happened;
        };
        let is_expired = matches!(self.state, State::Expired { .. });
        match stage {
            Stage::Draft => {}
            Stage::Sent => self.state = State::Sent { sent_at },
            Stage::Completed => {
                let open = self.signers.iter().filter(|signer| signer.is_open());
                let open: Vec<SignerId> = open.map(|signer| signer.id).collect();
                for id in open {
                    happened.extend(self.advance(id, SignerStage::Signed, &Who::default(), at));
                }
                self.state = State::Completed { sent_at, completed_at: at };
                happened.push(of(Kind::RequestCompleted));
            }
            Stage::Declined => {
                self.state = State::Declined { sent_at, declined_at: at };
                happened.push(of(Kind::RequestDeclined));
            }
            Stage::Expired if is_expired => {}
            Stage::Expired => {
                self.state = State::Expired { sent_at, expired_at: at };
                happened.push(of(Kind::RequestExpired));
            }
            Stage::Cancelled => {
                self.state = State::Cancelled {
                    sent_at: Some(sent_at),
                    cancelled_at: at,
                    cancel_reason: None,
                };
                happened.push(of(Kind::RequestCancelled));
            }
        }
        happened
    }

    /// Leaves the draft, if it is one.
    fn sent(&mut self, at: Timestamp) {
        if matches!(self.state, State::Draft) {
            self.state = State::Sent { sent_at: at };
        }
    }

    /// Gives those their turn who have it by the order, where nobody told of it.
    fn take_turns(&mut self, at: Timestamp) -> Vec<Happening> {
        if matches!(self.state, State::Sent { .. }) { self.notify_next(at) } else { Vec::new() }
    }
}

impl Signer {
    /// Takes in what is said of the person and the part.
    fn learn(&mut self, pictured: &Pictured) {
        let known = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let person = &mut self.person;
        for (ours, theirs) in
            [(&mut person.name, &pictured.name), (&mut person.email, &pictured.email)]
        {
            if let Some(text) = known(theirs) {
                *ours = text;
            }
        }
        for (ours, theirs) in [
            (&mut person.mobile, &pictured.mobile),
            (&mut person.label, &pictured.label),
            (&mut person.company, &pictured.company),
            (&mut self.foreign_id, &pictured.foreign_id),
            (&mut self.foreign_url, &pictured.url),
        ] {
            if let Some(text) = known(theirs) {
                *ours = Some(text);
            }
        }
        self.role = pictured.role.unwrap_or(self.role);
        self.order = pictured.order.unwrap_or(self.order);
        self.send_to = pictured.send_to.unwrap_or(self.send_to);
    }
}

/// Makes a signer of whom nothing is known.
fn unknown(id: SignerId, order: u32) -> Signer {
    Signer {
        id,
        person: Person::default(),
        order,
        role: Role::default(),
        send_to: SendTo::default(),
        state: signer::State::Waiting,
        reminders: 0,
        reminded_at: None,
        foreign_id: None,
        foreign_url: None,
    }
}

const fn stage_of(state: &signer::State) -> SignerStage {
    match state {
        signer::State::Waiting => SignerStage::Waiting,
        signer::State::Notified { .. } => SignerStage::Notified,
        signer::State::Viewed { .. } => SignerStage::Viewed,
        signer::State::Reassigned { .. } => SignerStage::Reassigned,
        signer::State::Declined { .. } => SignerStage::Declined,
        signer::State::Signed { .. } => SignerStage::Signed,
    }
}

/// Puts what happened in the order in which it must have: sent first, the end of the whole last.
fn ordered(mut happened: Vec<Happening>) -> Vec<Happening> {
    happened.sort_by_key(|happening| match happening.kind {
        Kind::RequestSent => 0,
        Kind::RequestCompleted
        | Kind::RequestDeclined
        | Kind::RequestExpired
        | Kind::RequestCancelled => 2,
        Kind::RequestArchived | Kind::RequestDeleted => 3,
        _ => 1,
    });
    happened
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::time::DAY_MS;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn who(email: &str) -> Who {
        Who { email: Some(email.to_owned()), ..Who::default() }
    }

    fn pictured(email: &str, order: u32) -> Pictured {
        Pictured { email: Some(email.to_owned()), order: Some(order), ..Pictured::default() }
    }

    /// A mirror, and all that happened to it.
    struct Mirror {
        request: Request,
        happened: Vec<Happening>,
        heard: u32,
        ids: u128,
    }

    impl Mirror {
        fn new() -> Self {
            let of = (AccountId::new(1), RequestId::new(2));
            let request = Request::mirror(of, SourceId::new(3), "env-1", START);
            Self { request, happened: Vec::new(), heard: 0, ids: 0 }
        }

        fn hear(&mut self, step: Option<&Step>, picture: &Picture) -> Vec<Kind> {
            let at = START.plus_millis(i64::from(self.heard) * 1_000);
            let hearing =
                Hearing { step, pictures: &[picture], is_first: self.heard == 0, at, now: at };
            self.heard += 1;
            let ids = &mut self.ids;
            let mut mint = || {
                *ids += 1;
                SignerId::new(*ids)
            };
            let next = self.request.clone().hear(&hearing, &mut mint);
            self.request = next.request;
            self.happened.extend(next.happened.clone());
            next.happened.into_iter().map(|happening| happening.kind).collect()
        }

        fn told(&mut self, step: Step) -> Vec<Kind> {
            self.hear(Some(&step), &Picture::default())
        }

        fn count(&self, kind: Kind) -> usize {
            self.happened.iter().filter(|happening| happening.kind == kind).count()
        }
    }

    fn two(order: SigningOrder) -> Picture {
        Picture {
            signing_order: Some(order),
            signers: vec![pictured("a@example.com", 1), pictured("b@example.com", 2)],
            stage: Some(Stage::Sent),
            ..Picture::default()
        }
    }

    #[test]
    fn signers_are_told_at_their_turn_as_in_a_request_of_our_own() {
        let mut mirror = Mirror::new();
        let kinds = mirror.hear(Some(&Step::Sent), &two(SigningOrder::Sequential));
        assert_eq!(kinds, [Kind::RequestSent, Kind::SignerNotified]);
        let kinds = mirror.told(Step::Signed(vec![who("A@example.com")]));
        assert_eq!(kinds, [Kind::SignerSigned, Kind::SignerNotified]);
        assert_eq!(mirror.request.progress, 50);
        let kinds = mirror.told(Step::Signed(vec![who("b@example.com")]));
        assert_eq!(kinds, [Kind::SignerSigned], "the vendor says when all have signed");
        assert_eq!(mirror.told(Step::Completed), [Kind::RequestCompleted]);
        assert_eq!(mirror.told(Step::Expired), []);
    }

    #[test]
    fn what_was_before_anybody_listened_is_taken_in_silently() {
        let mut mirror = Mirror::new();
        let mut picture = two(SigningOrder::Parallel);
        picture.signers[0].stage = Some(SignerStage::Signed);
        let kinds = mirror.hear(Some(&Step::Viewed(who("b@example.com"))), &picture);
        assert_eq!(kinds, [Kind::SignerViewed]);
        assert_eq!(mirror.hear(None, &picture), []);
        assert_eq!(mirror.request.progress, 50);
    }

    #[test]
    fn nobody_is_reminded_of_days_that_passed_before_it_was_heard() {
        let picture = two(SigningOrder::Parallel);
        let now = START.plus_millis(4 * DAY_MS);
        let hearing = Hearing {
            step: Some(&Step::Sent),
            pictures: &[&picture],
            is_first: true,
            at: START,
            now,
        };
        let mirror = Mirror::new().request.hear(&hearing, &mut || SignerId::new(1)).request;
        assert_eq!(mirror.next_reminder(), Some(START.plus_millis(7 * DAY_MS)));
    }

    #[test]
    fn a_lost_signature_is_told_with_the_end() {
        let mut mirror = Mirror::new();
        mirror.hear(Some(&Step::Sent), &two(SigningOrder::Parallel));
        let kinds = mirror.told(Step::Completed);
        assert_eq!(kinds, [Kind::SignerSigned, Kind::SignerSigned, Kind::RequestCompleted]);
        assert_eq!(mirror.told(Step::Signed(vec![who("a@example.com")])), []);
    }

    #[test]
    fn an_expired_request_may_come_back_to_life() {
        let mut mirror = Mirror::new();
        mirror.hear(Some(&Step::Sent), &two(SigningOrder::Parallel));
        assert_eq!(mirror.told(Step::Expired), [Kind::RequestExpired]);
        assert_eq!(mirror.told(Step::Viewed(who("a@example.com"))), [Kind::SignerViewed]);
        assert_eq!(mirror.request.state.as_str(), "sent");
        assert_eq!(mirror.told(Step::Expired), [Kind::RequestExpired], "and expire again");
    }

    #[test]
    fn a_vendor_that_names_nobody_is_followed_signer_by_signer() {
        let mut mirror = Mirror::new();
        let nobody = Who::default;
        assert_eq!(mirror.told(Step::Viewed(nobody())), [Kind::SignerViewed]);
        assert_eq!(mirror.told(Step::Viewed(nobody())), [], "nobody else is known");
        assert_eq!(mirror.told(Step::Signed(vec![nobody()])), [Kind::SignerSigned]);
        assert_eq!(mirror.told(Step::Finished), [Kind::RequestCompleted]);
        let mut mirror = Mirror::new();
        assert_eq!(
            mirror.told(Step::Declined(nobody())),
            [Kind::SignerDeclined, Kind::RequestDeclined]
        );
        assert_eq!(mirror.told(Step::Finished), []);
    }

    /// What a vendor tells of a request that two people sign.
    fn story() -> Vec<Step> {
        let (a, b) = (|| who("a@example.com"), || who("b@example.com"));
        vec![
            Step::Sent,
            Step::Viewed(a()),
            Step::Signed(vec![a()]),
            Step::Viewed(b()),
            Step::Signed(vec![b()]),
            Step::Completed,
        ]
    }

    proptest! {
        #[test]
        fn in_whatever_order_and_however_often_it_comes_each_thing_happens_once(
            order in Just(story()).prop_shuffle(),
            again in subsequence(story(), 0..=6),
            pictured in select(vec![true, false]),
        ) {
            let mut mirror = Mirror::new();
            let picture = if pictured { two(SigningOrder::Parallel) } else { Picture::default() };
            for step in order.iter().chain(&again) {
                mirror.hear(Some(step), &picture);
            }
            prop_assert_eq!(mirror.request.state.as_str(), "completed");
            prop_assert_eq!(mirror.request.progress, 100);
            prop_assert_eq!(mirror.request.signers.len(), 2);
            prop_assert!(mirror.request.signers.iter().all(Signer::has_signed));
            prop_assert_eq!(mirror.count(Kind::RequestSent), 1);
            prop_assert_eq!(mirror.count(Kind::SignerSigned), 2);
            prop_assert_eq!(mirror.count(Kind::RequestCompleted), 1);
            prop_assert!(mirror.count(Kind::SignerViewed) <= 2);
        }
    }
}
