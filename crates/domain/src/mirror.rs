//! Mirrors: requests that live at a vendor, as far as the vendor has told of them.
//!
//! Invariants: hearing a thing again changes nothing; a signer and a request only move on, but that an expired one may
//! come back to life; once signed by all, refused or withdrawn, a request stays that; what was there before a mirror began
//! is taken in silently, and happens when the vendor tells of it after all.
//! Left to others: reading vendors' words (`dialects`), asking vendors and committing (`engine::intake`).

mod who;

use std::collections::BTreeMap;
use std::mem;

use crate::event::Kind;
use crate::id::{AccountId, RequestId, SignerId, SourceId};
use crate::notice::Rules;
use crate::request::{
    Callbacks, Foreign, Happening, Reminders, Request, Sender, SigningOrder, State, Step as Next,
};
use crate::signer::{self, Evidence, Role, Signer, Via};
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

impl Hearing<'_> {
    /// Tells whether the vendor shows whose turn has come: of some that it has, and of others that it has not.
    fn shows_turns(&self) -> bool {
        let shown = || self.pictures.iter().flat_map(|picture| &picture.signers);
        let waits = |signer: &Pictured| signer.stage == Some(SignerStage::Waiting);
        let is_further = |signer: &Pictured| signer.stage > Some(SignerStage::Waiting);
        shown().any(waits) && shown().any(is_further)
    }
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
            documents: Vec::new(),
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
            workflow: None,
            foreign: Some(Foreign {
                id: foreign_id.to_owned(),
                said_sent: false,
                untold: Vec::new(),
            }),
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
            let shows = |picture: &&Picture| picture.signers.iter().any(|s| s.stage.is_some());
            let shows_stages = hearing.pictures.iter().any(shows);
            let before = self.state.clone();
            happened.extend(self.step(step, (at, shows_stages), mint));
            self.stay_expired(before, hearing);
        }
        if !hearing.shows_turns() {
            happened.extend(self.take_turns(at));
        }
        self.pass_over_days(&had_turn, hearing.now);
        if hearing.is_first {
            happened = self.begin(hearing.step, happened);
        } else {
            happened = self.catch_up(hearing.step, happened);
        }
        self.progress = self.measure();
        if matches!(self.state, State::Completed { .. }) {
            self.progress = 100;
        }
        Next { request: self, happened: ordered(happened) }
    }

    /// Takes back that an expired one came back to life: what told of it is older, or the vendor shows otherwise.
    fn stay_expired(&mut self, before: State, hearing: &Hearing<'_>) {
        let State::Expired { expired_at, .. } = before else { return };
        let shown = hearing.pictures.iter().rev().find_map(|picture| picture.stage);
        let is_over = hearing.at <= expired_at || shown == Some(Stage::Expired);
        if is_over && matches!(self.state, State::Sent { .. }) {
            self.state = before;
        }
    }

    /// Says what has happened where nothing was known before: what is told; all else was before anybody listened.
    fn begin(&mut self, step: Option<&Step>, mut happened: Vec<Happening>) -> Vec<Happening> {
        if matches!(step, Some(Step::Sent)) {
            // Who hears of the beginning has missed nothing.
            return happened;
        }
        let told = step.map(|step| self.told_by(step)).unwrap_or_default();
        let all = happened.clone();
        happened.retain(|happening| told.includes(happening));
        if let (Some(Step::Signed(_)), true) = (step, told.is_anybody) {
            let last = happened.pop();
            happened = last.into_iter().collect();
        }
        let untold = all.into_iter().filter(|one| UNTOLD.contains(&one.kind));
        let untold = untold.filter(|one| !happened.contains(one)).collect();
        if let Some(foreign) = &mut self.foreign {
            foreign.untold = untold;
        }
        happened
    }

    /// Adds what was taken in silently, and is told of now.
    fn catch_up(&mut self, step: Option<&Step>, mut happened: Vec<Happening>) -> Vec<Happening> {
        let told = step.map(|step| self.told_by(step)).unwrap_or_default();
        let Some(foreign) = &mut self.foreign else { return happened };
        foreign.untold.retain(|one| !happened.contains(one));
        // Of somebody who is not named, one at a time, and only if nobody has moved on by it.
        let is_one = told.is_anybody && matches!(step, Some(Step::Signed(_)));
        let mut rest = Vec::new();
        for one in mem::take(&mut foreign.untold) {
            let is_enough = is_one && happened.iter().any(|one| told.includes(one));
            if told.includes(&one) && !is_enough {
                happened.push(one);
            } else {
                rest.push(one);
            }
        }
        foreign.untold = rest;
        happened
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
            // The pictures may say how each did.
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
    fn step(
        &mut self,
        step: &Step,
        (at, shows_stages): (Timestamp, bool),
        mint: Mint<'_>,
    ) -> Vec<Happening> {
        let told = (at, shows_stages);
        let of = |kind| vec![Happening { kind, signer: None }];
        match step {
            Step::Sent => self.reach(Stage::Sent, (at, None), true),
            Step::Notified(who) => {
                let mut happened = self.reach(Stage::Sent, (at, None), true);
                happened.extend(self.about(who, SignerStage::Notified, told, mint));
                happened
            }
            Step::Viewed(who) => self.about(who, SignerStage::Viewed, told, mint),
            Step::Signed(all) => {
                let mut happened = Vec::new();
                for who in all {
                    happened.extend(self.about(who, SignerStage::Signed, told, mint));
                }
                happened
            }
            Step::Declined(who) => self.about(who, SignerStage::Declined, told, mint),
            Step::Reassigned(who) => self.about(who, SignerStage::Reassigned, told, mint),
            Step::Completed => self.reach(Stage::Completed, (at, None), false),
            Step::Finished => {
                let refused =
                    |signer: &Signer| matches!(signer.state, signer::State::Declined { .. });
                let refused = self.signers.iter().any(refused);
                if refused {
                    return self.reach(Stage::Declined, (at, None), false);
                }
                // Nobody said that all have signed, so nobody is taken for having signed who did not say so.
                let (State::Sent { sent_at } | State::Expired { sent_at, .. }) = self.state else {
                    return Vec::new();
                };
                self.state = State::Completed { sent_at, completed_at: at };
                of(Kind::RequestCompleted)
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
        (at, shows_stages): (Timestamp, bool),
        mint: Mint<'_>,
    ) -> Vec<Happening> {
        let Some(id) = self.whom(who, (stage, shows_stages), mint) else { return Vec::new() };
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

/// What is told later, if it was taken in silently: how signers and the whole have ended.
const UNTOLD: [Kind; 7] = [
    Kind::SignerSigned,
    Kind::SignerDeclined,
    Kind::SignerReassigned,
    Kind::RequestCompleted,
    Kind::RequestDeclined,
    Kind::RequestExpired,
    Kind::RequestCancelled,
];

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
    const ENDS: [Kind; 4] = [
        Kind::RequestCompleted,
        Kind::RequestDeclined,
        Kind::RequestExpired,
        Kind::RequestCancelled,
    ];
    const AFTER: [Kind; 2] = [Kind::RequestArchived, Kind::RequestDeleted];
    const FIRST: [Kind; 1] = [Kind::RequestSent];
    let parts = [&FIRST[..], &[], &ENDS, &AFTER];
    let part = |kind| parts.iter().position(|kinds| kinds.contains(&kind)).unwrap_or(1);
    happened.sort_by_key(|happening| part(happening.kind));
    happened
}

#[cfg(test)]
mod tests;
