//! Mirrors: what a vendor told of a request, or says when it is asked, becomes a step of our own request.
//!
//! Invariants: a vendor's request has one mirror, whoever hears of it first; a step, its events, its notices and its timers
//! are one commit; while a mirror is open and its vendor can be asked, a timer stands that asks when it has been silent.
//! Left to others: how things told merge (`domain::mirror`), the commit itself (`requests::steps`).

use domain::facts::{Heard, HeardBy};
use domain::id::{EventId, RequestId, SignerId, SourceId};
use domain::mirror::Hearing;
use domain::request::{Request, State};
use domain::signer::{self, Signer};
use domain::source::Source;
use domain::time::{SECOND_MS, Timestamp};
use domain::told::{About, Picture, Stage, Step, Told, Who};
use store::{Guarded, SettingKind, Timer, TimerKind, Version, Write};

use super::asking::Asked;
use super::plausible;
use super::reading::Read;
use crate::Engine;
use crate::command::{Once, Refusal, insist};
use crate::requests::Course;
use crate::settings;

/// A mirror that heard nothing for so long asks, unless the source says otherwise.
const SILENCE_S: i64 = 6 * 60 * 60;
/// After an answer that was none, it asks again.
const AGAIN_MS: i64 = 15 * 60 * SECOND_MS;

/// How often it is looked for what a webhook tells of somebody whom it does not name.
const LOOKS_MAX: u32 = 4;

/// How often it is waited for what each signer did, where the vendor cannot be asked how a request ended.
const WAITS_MAX: u32 = 3;

/// What is heard of a request, and how.
struct Hear<'a> {
    source: &'a Source,
    foreign_id: &'a str,
    step: Option<&'a Step>,
    pictures: &'a [&'a Picture],
    at: Timestamp,
    heard: Heard,
    can_ask: bool,
}

impl Engine {
    /// Hears what a vendor told of a request, and asks it for the rest.
    pub(super) async fn hear_told(
        &self,
        source: &Source,
        told: &Told,
        arrival: EventId,
        (number, is_last): (u32, bool),
    ) -> Result<Read, Refusal> {
        let About::Request { foreign_id, step, picture } = &told.about else {
            return Ok(Read::Done(None));
        };
        let now = self.now();
        let (asked, note, can_ask) = match self.ask_for(source, foreign_id, step.as_ref()).await {
            None => (None, None, true),
            Some(Asked::Known(picture)) => (Some(picture), None, true),
            Some(Asked::Never(why)) => (None, Some(why), false),
            Some(Asked::Gone) => {
                (None, Some("the vendor does not know the request any more".to_owned()), true)
            }
            Some(Asked::Later(why, after)) if !is_last => return Ok(Read::Later(why, after)),
            Some(Asked::Later(why, _)) => (None, Some(why), true),
        };
        if matches!(step, Some(Step::Finished))
            && !is_last
            && let Some(why) =
                self.end_is_open(source, foreign_id, asked.as_deref(), number).await?
        {
            return Ok(Read::Later(why.to_owned(), None));
        }
        let note = note.map(|why| format!("taken as it was told: {why}"));
        let heard = Heard {
            source_id: source.id,
            by: HeardBy::Webhook,
            word: Some(told.word.clone()),
            arrival_id: Some(arrival),
            note: note.clone(),
        };
        let pictures: Vec<&Picture> =
            [Some(picture.as_ref()), asked.as_deref()].into_iter().flatten().collect();
        let hear = Hear {
            source,
            foreign_id,
            step: step.as_ref(),
            pictures: &pictures,
            at: plausible(told.at, now),
            heard,
            can_ask,
        };
        let is_news = self.mirror(&hear).await?;
        let is_shown = asked.is_some() && step.as_ref().is_some_and(names_nobody);
        if is_shown && !is_news && !is_last && number < LOOKS_MAX {
            // Said again, or said before it is to be seen: of nobody it cannot be told but by asking.
            return Ok(Read::Later("the vendor shows nothing of it yet".to_owned(), None));
        }
        Ok(Read::Done(note))
    }

    /// Tells why it is not known yet whether a request that is over was signed by all or refused, if it is not.
    async fn end_is_open(
        &self,
        source: &Source,
        foreign_id: &str,
        asked: Option<&Picture>,
        number: u32,
    ) -> Result<Option<&'static str>, Refusal> {
        match asked.and_then(|asked| asked.stage) {
            Some(Stage::Sent | Stage::Draft) => {
                return Ok(Some("the vendor has not written down the end yet"));
            }
            Some(Stage::Completed | Stage::Declined | Stage::Expired | Stage::Cancelled) => {
                return Ok(None);
            }
            None => {}
        }
        if number >= WAITS_MAX {
            return Ok(None);
        }
        // What each signer did comes by calls of its own, which may be a little later.
        let known = match self.mirror_of(source, Some(foreign_id)).await? {
            Some(id) => self.views().request(source.account, id).await?,
            None => None,
        };
        // A refusal settles it; signatures do not, since there may be others of whom nothing was told yet.
        let refused = |signer: &Signer| matches!(signer.state, signer::State::Declined { .. });
        let is_settled = known.is_some_and(|(request, _)| request.signers.iter().any(refused));
        Ok((!is_settled).then_some("what each signer did has not been told yet"))
    }

    /// Asks where what was told leaves something out.
    async fn ask_for(
        &self,
        source: &Source,
        foreign_id: &str,
        step: Option<&Step>,
    ) -> Option<Asked> {
        match step {
            Some(Step::Archived | Step::Deleted | Step::Cancelled) => None,
            Some(
                Step::Sent
                | Step::Notified(_)
                | Step::Viewed(_)
                | Step::Signed(_)
                | Step::Declined(_)
                | Step::Reassigned(_)
                | Step::Completed
                | Step::Finished
                | Step::Expired,
            )
            | None => Some(self.ask_vendor(source, foreign_id).await),
        }
    }

    /// Asks a vendor about a mirror that has been silent, and hears what a lost webhook would have said.
    pub(crate) async fn ask_again(&self, timer: Timer) -> Result<(), store::Error> {
        match self.try_ask_again(timer).await {
            Err(Refusal::Store(error)) => Err(error),
            // Others keep changing it, so it is not silent; the timer stands, and the next step looks again.
            Err(Refusal::Contended { .. }) | Ok(()) => Ok(()),
            Err(refusal) => {
                tracing::error!(error = %refusal, "what a vendor said of a silent mirror could not be heard");
                self.set_timer(timer, Some(self.now().plus_millis(AGAIN_MS))).await
            }
        }
    }

    async fn try_ask_again(&self, timer: Timer) -> Result<(), Refusal> {
        let (account, id) = (timer.account, RequestId::new(timer.subject));
        let found = self.views().request(account, id).await?;
        let open = found.filter(|(request, _)| is_open(request));
        let door = match &open {
            Some((request, _)) => match request.origin.parse::<SourceId>() {
                Ok(source) => self.door(account, source).await?.filter(|door| door.source.enabled),
                Err(_) => None,
            },
            None => None,
        };
        let (Some((request, _)), Some(door)) = (open, door) else {
            return Ok(self.set_timer(timer, None).await?);
        };
        let source = &door.source;
        let Some(foreign) = &request.foreign else {
            return Ok(self.set_timer(timer, None).await?);
        };
        let now = self.now();
        let picture = match self.ask_vendor(source, &foreign.id).await {
            Asked::Known(picture) => picture,
            Asked::Never(_) => return Ok(self.set_timer(timer, None).await?),
            Asked::Gone => {
                return Ok(self.set_timer(timer, Some(next_asking(source, now))).await?);
            }
            Asked::Later(_, after) => {
                let wait = after.map_or(AGAIN_MS, |s| (i64::from(s) * SECOND_MS).max(AGAIN_MS));
                return Ok(self.set_timer(timer, Some(now.plus_millis(wait))).await?);
            }
        };
        let heard = Heard {
            source_id: source.id,
            by: HeardBy::Asking,
            word: None,
            arrival_id: None,
            note: None,
        };
        let hear = Hear {
            source,
            foreign_id: &foreign.id,
            step: None,
            pictures: &[&picture],
            at: now,
            heard,
            can_ask: true,
        };
        if !self.mirror(&hear).await? {
            self.set_timer(timer, Some(next_asking(source, now))).await?;
        }
        Ok(())
    }

    /// Finds the mirror of a vendor's request.
    pub(super) async fn mirror_of(
        &self,
        source: &Source,
        foreign_id: Option<&str>,
    ) -> Result<Option<RequestId>, Refusal> {
        let Some(foreign_id) = foreign_id else { return Ok(None) };
        let name = name(source, foreign_id);
        let row = self.views().setting(source.account, SettingKind::Mirror, name).await?;
        Ok(row.map(|row| settings::read(&row)).transpose()?)
    }

    /// Takes a mirror on by what is heard; tells whether anything was written.
    async fn mirror(&self, hear: &Hear<'_>) -> Result<bool, Refusal> {
        insist(|| self.try_hear_of(hear)).await
    }

    async fn try_hear_of(&self, hear: &Hear<'_>) -> Result<bool, Refusal> {
        let (source, now) = (hear.source, self.now());
        let account = source.account;
        let known = self.mirror_of(source, Some(hear.foreign_id)).await?;
        let (id, before) = match known {
            None => (RequestId::new(self.mint(now)), None),
            Some(id) => match self.views().request(account, id).await? {
                Some(found) => (id, Some(found)),
                // It was deleted, here or there; nothing brings it back.
                None => return Ok(false),
            },
        };
        if before.is_none() && matches!(hear.step, Some(Step::Deleted)) {
            // What it was is taken in first, so that its end can tell of it.
            let adopted = Hear { step: None, heard: hear.heard.clone(), ..*hear };
            self.take_on(&adopted, (id, None), now).await?;
            let found = self.views().request(account, id).await?;
            return self.take_on(hear, (id, found), now).await;
        }
        self.take_on(hear, (id, before), now).await
    }

    async fn take_on(
        &self,
        hear: &Hear<'_>,
        (id, before): (RequestId, Option<(Request, Version)>),
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        let source = hear.source;
        let request = match &before {
            Some((request, _)) => request.clone(),
            None => Request::mirror((source.account, id), source.id, hear.foreign_id, now),
        };
        let hearing = Hearing {
            step: hear.step,
            pictures: hear.pictures,
            is_first: before.is_none(),
            at: hear.at,
            now,
        };
        let mut mint = || SignerId::new(self.mint(now));
        let last = request.hear(&hearing, &mut mint);
        let unchanged = before.as_ref().is_some_and(|(request, _)| *request == last.request);
        if unchanged && last.happened.is_empty() {
            return Ok(false);
        }
        let mut more = Vec::new();
        if before.is_none() {
            let name = name(source, hear.foreign_id);
            let setting = settings::written(SettingKind::Mirror, &name, &id)?;
            more.push(Write::Setting(Guarded { version: 0, value: setting }));
        }
        let asks = hear.can_ask && is_open(&last.request);
        let due = asks.then(|| next_asking(source, now));
        if asks || before.is_some() {
            more.push(Write::Timer(TimerKind::Silence, id.bits(), due));
        }
        let heard = Some(hear.heard.clone());
        let course = Course { before, heard, more, ..Course::of(last, now) };
        self.commit_course(course, &Once::unkept()).await?;
        Ok(true)
    }
}

/// Tells whether a step was told of somebody whom nothing names.
fn names_nobody(step: &Step) -> bool {
    match step {
        Step::Notified(who) | Step::Viewed(who) | Step::Declined(who) | Step::Reassigned(who) => {
            who.is_nobody()
        }
        Step::Signed(all) => all.iter().all(Who::is_nobody),
        Step::Sent
        | Step::Completed
        | Step::Finished
        | Step::Expired
        | Step::Cancelled
        | Step::Archived
        | Step::Deleted => false,
    }
}

/// Names the row that says which request mirrors a vendor's.
fn name(source: &Source, foreign_id: &str) -> String {
    format!("{}:{foreign_id}", source.id)
}

/// Tells whether something may still be told of a mirror. An expired one may come back to life, but nobody waits for it.
const fn is_open(request: &Request) -> bool {
    matches!(request.state, State::Draft | State::Sent { .. })
}

/// Gives the moment at which a mirror that hears nothing asks.
fn next_asking(source: &Source, now: Timestamp) -> Timestamp {
    let silence = source.settings.get("silence_s").and_then(serde_json::Value::as_i64);
    now.plus_millis(silence.unwrap_or(SILENCE_S) * SECOND_MS)
}
