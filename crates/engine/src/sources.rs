//! Sources: the places that vendors' webhooks come in at, made, changed and let go, and their inboxes.
//!
//! Invariants: what is kept was checked as a whole, whichever part of it changed; secrets are apart from the rest; a source
//! and the lane that reads what comes in are made in one commit.
//! Left to others: what each vendor needs (`dialects::vendor`), taking and reading what comes in (`intake`).

use std::collections::{BTreeMap, BTreeSet};

use channels::Guard;
use dialects::vendor::{Field as VendorField, Form as VendorForm, vendor};
use domain::call::{Outcome, Reading};
use domain::delivery::State;
use domain::endpoint::{Dialect, Endpoint, Scope};
use domain::event::Event;
use domain::facts::Arrival;
use domain::id::{AccountId, DeliveryId, EventId, SourceId};
use domain::retry::{Gone, Profile, Success};
use domain::secret::Secret;
use domain::source::{Source, Vendor};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use store::{
    Commit, DeliveryFilter, DeliveryRow, Guarded, Page, Setting, SettingKind, SettingRow, Version,
    Write,
};

use crate::Engine;
use crate::check::Flaws;
use crate::command::{Once, Refusal, insist};
use crate::fields::{self, Field, Filled, Form, Given};
use crate::intake;
use crate::settings::{self, corrupt};

/// The most sources of an account.
const SOURCES_MAX: usize = 50;
/// Rows that are read of a list that is never this long.
const LIST_MAX: u32 = 100;
/// Readings under way at most.
const IN_FLIGHT_MAX: u32 = 16;

/// A source to be made.
#[derive(Debug, Clone, Deserialize)]
pub struct NewSource {
    /// Who calls.
    pub vendor: Vendor,
    /// The account's name for it, unique: 1 to 64 of `a-z 0-9 - _`.
    pub name: String,
    /// Whether anything is taken; it is if absent.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// What else the vendor needs, secrets too.
    #[serde(default)]
    pub settings: Given,
}

/// What changes in a source. Its vendor stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SourcePatch {
    /// See [`NewSource`].
    pub name: Option<String>,
    /// See [`NewSource`].
    pub enabled: Option<bool>,
    /// Those that change, secrets too: absent ones stay, `null` takes one away.
    pub settings: Given,
}

/// What came in at a source, and what became of it.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// What came in.
    pub event: Event,
    /// The reading of it.
    pub delivery: DeliveryRow,
    /// What came of the last time it was read.
    pub last: Option<Reading>,
}

/// Lists what a source of a vendor may be told, in the order in which people would fill it in.
pub fn vendor_fields(which: Vendor) -> Vec<Field> {
    let field = |field: &VendorField| Field {
        name: field.name,
        about: field.about,
        form: match field.form {
            VendorForm::Text => Form::Text,
            VendorForm::Url => Form::Url,
        },
        required: field.required,
        secret: field.secret,
    };
    let rate = Field {
        name: intake::LOOKUPS_PER_S,
        about: "The vendor's interface is called so many times in a second at most. No bound if left out; what the vendor itself asks for is kept to in any case.",
        form: Form::Number { min: 1, max: 1_000 },
        required: false,
        secret: false,
    };
    let silence = Field {
        name: "silence_s",
        about: "After so many seconds without a word, the vendor is asked about a request that is open. Six hours if left out.",
        form: Form::Number { min: 60, max: 30 * 24 * 60 * 60 },
        required: false,
        secret: false,
    };
    vendor(which).fields().iter().map(field).chain([rate, silence]).collect()
}

impl Engine {
    /// Makes a source.
    pub async fn create_source(
        &self,
        account: AccountId,
        input: NewSource,
        once: &Once<'_, Source>,
    ) -> Result<Source, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let mut flaws = Flaws::default();
        let (settings, secrets) =
            fill(&mut flaws, input.vendor, Filled::default(), input.settings, self.guard());
        let source = Source {
            id: SourceId::new(self.mint(now)),
            account,
            name: flaws.take("name", fields::name(&input.name)),
            vendor: input.vendor,
            enabled: input.enabled.unwrap_or(true),
            settings,
            created_at: now,
            updated_at: now,
            secrets,
        };
        flaws.none()?;
        fields::as_a_whole(vendor(source.vendor).check(&source))?;
        let others = self.sources(account).await?;
        if others.len() >= SOURCES_MAX {
            let message = format!("an account has at most {SOURCES_MAX} sources; delete one first");
            return Err(Refusal::Impossible { message, possible: Vec::new() });
        }
        free(&source, &others)?;
        let mut commit = Commit::new(account, now);
        commit.writes.push(Write::Setting(Guarded { version: 0, value: written(&source)? }));
        commit.writes.push(Write::Endpoint(Guarded { version: 0, value: lane(&source, now) }));
        commit.reply = once.reply(&source);
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        self.inner.sources.changed(source.id);
        Ok(source)
    }

    /// Changes a source.
    pub async fn update_source(
        &self,
        account: AccountId,
        id: SourceId,
        patch: SourcePatch,
    ) -> Result<Source, Refusal> {
        insist(|| {
            let patch = patch.clone();
            async move {
                let (old, version) = self.load_source(account, id).await?;
                let mut flaws = Flaws::default();
                let known = (old.settings, old.secrets);
                let (settings, secrets) =
                    fill(&mut flaws, old.vendor, known, patch.settings, self.guard());
                let source = Source {
                    name: match patch.name {
                        Some(text) => flaws.take("name", fields::name(&text)),
                        None => old.name,
                    },
                    enabled: patch.enabled.unwrap_or(old.enabled),
                    settings,
                    secrets,
                    updated_at: self.now(),
                    ..old
                };
                flaws.none()?;
                fields::as_a_whole(vendor(source.vendor).check(&source))?;
                free(&source, &self.sources(account).await?)?;
                self.write_setting(account, (version, written(&source)?), None).await?;
                self.inner.sources.changed(id);
                Ok(source)
            }
        })
        .await
    }

    /// Lets a source go. What came in stays as long as events are kept; the mirrors stay.
    pub async fn delete_source(&self, account: AccountId, id: SourceId) -> Result<(), Refusal> {
        self.unset(account, (SettingKind::Source, &id.to_string()), "source").await?;
        self.inner.sources.changed(id);
        Ok(())
    }

    /// Finds a source.
    pub async fn source(&self, account: AccountId, id: SourceId) -> Result<Source, Refusal> {
        Ok(self.load_source(account, id).await?.0)
    }

    /// Lists an account's sources, oldest first.
    pub async fn sources(&self, account: AccountId) -> Result<Vec<Source>, Refusal> {
        let rows = self.views().settings(account, SettingKind::Source, String::new(), LIST_MAX);
        let sources: Result<Vec<_>, _> = rows.await?.iter().map(read).collect();
        Ok(sources?)
    }

    /// Tells how many were not proven at a source, since this node started.
    pub fn refusals(&self, id: SourceId) -> u64 {
        self.inner.sources.refusals(id)
    }

    /// Lists what came in at a source, newest first; `state` as deliveries have it.
    pub async fn inbox(
        &self,
        account: AccountId,
        id: SourceId,
        state: Option<String>,
        page: Page,
    ) -> Result<Vec<Arrived>, Refusal> {
        self.load_source(account, id).await?;
        let endpoint = Some(Self::intake_lane(account, id));
        let filter = DeliveryFilter { endpoint, state, ..DeliveryFilter::default() };
        let mut arrived = Vec::new();
        for delivery in self.views().deliveries(account, filter, page).await? {
            let Some(event) = self.views().event(account, delivery.delivery.event).await? else {
                continue;
            };
            let attempts = match delivery.delivery.attempts {
                0 => None,
                _ => self.views().delivery(account, delivery.delivery.id).await?,
            };
            let last = attempts.and_then(|(_, attempts)| attempts.into_iter().next_back());
            let last = last.and_then(|attempt| match attempt.outcome {
                Outcome::Read(reading) => Some(reading),
                Outcome::Answered(_) | Outcome::Failed(_) | Outcome::Handed(_) => None,
            });
            arrived.push(Arrived { event, delivery, last });
        }
        Ok(arrived)
    }

    /// Reads again what came in, whatever became of it before; gives the new reading.
    pub async fn read_again(
        &self,
        account: AccountId,
        arrival: EventId,
    ) -> Result<DeliveryId, Refusal> {
        let event = self.views().event(account, arrival).await?;
        let event = event.ok_or(Refusal::NotFound { what: "arrival" })?;
        let about: Result<Arrival<'_>, _> = serde_json::from_str(&event.data);
        let Ok(about) = about else {
            let forgotten = event.is_forgotten();
            return Err(if forgotten {
                Refusal::Forgotten
            } else {
                Refusal::NotFound { what: "arrival" }
            });
        };
        self.load_source(account, about.source_id).await?;
        let endpoint = Self::intake_lane(account, about.source_id);
        let filter = DeliveryFilter {
            endpoint: Some(endpoint),
            event: Some(arrival),
            ..DeliveryFilter::default()
        };
        let page = Page { limit: 1, after: None };
        let rows = self.views().deliveries(account, filter, page).await?;
        let row = rows.into_iter().next().ok_or(Refusal::NotFound { what: "arrival" })?;
        if matches!(row.delivery.state, State::Pending { .. }) {
            return Ok(row.delivery.id);
        }
        self.retry_delivery(account, row.delivery.id).await
    }

    /// Reads again what waits in quarantine at a source, the newest first and at most that many; tells how many. What was
    /// read well since, or waits to be read, is left alone.
    pub async fn read_quarantined_again(
        &self,
        account: AccountId,
        id: SourceId,
        most: usize,
    ) -> Result<usize, Refusal> {
        self.load_source(account, id).await?;
        let filter = DeliveryFilter {
            endpoint: Some(Self::intake_lane(account, id)),
            state: Some("exhausted".to_owned()),
            ..DeliveryFilter::default()
        };
        let mut page = Page { limit: LOOKED_THROUGH, after: None };
        let (mut seen, mut count) = (BTreeSet::new(), 0);
        loop {
            let rows = self.views().deliveries(account, filter.clone(), page).await?;
            let Some(last) = rows.last() else { return Ok(count) };
            page.after = Some(last.delivery.id.bits());
            for row in rows {
                let arrival = row.delivery.event;
                // Several readings of one thing may have failed; the latest of them all says how it stands.
                if !seen.insert(arrival) || !self.is_quarantined(account, &filter, arrival).await? {
                    continue;
                }
                match self.read_again(account, arrival).await {
                    Ok(_) => count += 1,
                    Err(Refusal::Forgotten | Refusal::NotFound { .. }) => continue,
                    Err(refusal) => return Err(refusal),
                }
                if count >= most {
                    return Ok(count);
                }
            }
        }
    }

    async fn is_quarantined(
        &self,
        account: AccountId,
        lane: &DeliveryFilter,
        arrival: EventId,
    ) -> Result<bool, Refusal> {
        let filter = DeliveryFilter { event: Some(arrival), state: None, ..lane.clone() };
        let latest =
            self.views().deliveries(account, filter, Page { limit: 1, after: None }).await?;
        Ok(latest.first().is_some_and(|row| {
            matches!(row.delivery.state, State::Exhausted { .. } | State::Cancelled { .. })
        }))
    }

    async fn load_source(
        &self,
        account: AccountId,
        id: SourceId,
    ) -> Result<(Source, Version), Refusal> {
        let row = self.views().setting(account, SettingKind::Source, id.to_string()).await?;
        let row = row.ok_or(Refusal::NotFound { what: "source" })?;
        Ok((read(&row)?, row.version))
    }
}

/// So many readings that failed are looked through at a time.
const LOOKED_THROUGH: u32 = 500;

/// Reads a source with its secrets.
pub(crate) fn read(row: &SettingRow) -> Result<Source, store::Error> {
    let source: Source = settings::read(row)?;
    let secrets = match &row.setting.secrets {
        None => BTreeMap::new(),
        Some(sealed) => {
            let texts: Result<BTreeMap<String, String>, _> = serde_json::from_str(sealed.expose());
            let texts = texts.map_err(|_none| {
                corrupt(row.setting.kind, &row.setting.name, "its secrets are none")
            })?;
            texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect()
        }
    };
    Ok(Source { secrets, ..source })
}

fn written(source: &Source) -> Result<Setting, store::Error> {
    let setting = settings::written(SettingKind::Source, &source.id.to_string(), source)?;
    let secrets: BTreeMap<&str, &str> =
        source.secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect();
    let secrets = serde_json::to_string(&secrets).unwrap_or_default();
    Ok(Setting { secrets: Some(Secret::new(secrets)), ..setting })
}

fn fill(flaws: &mut Flaws, which: Vendor, known: Filled, given: Given, guard: &Guard) -> Filled {
    let fields = vendor_fields(which);
    fields::fill(flaws, (which.as_str(), &fields, &|_| false), known, given, guard)
}

/// Refuses a name that another source has.
fn free(source: &Source, others: &[Source]) -> Result<(), Refusal> {
    let same = |other: &&Source| other.id != source.id && other.name == source.name;
    fields::free(others.iter().find(same).map(|other| (other.id, other.name.as_str())))
}

/// Makes the hidden endpoint that what comes in at a source is read over.
fn lane(source: &Source, now: Timestamp) -> Endpoint {
    let id = Engine::intake_lane(source.account, source.id);
    let waits = intake::waits_s();
    let standard = Profile::named("standard").unwrap_or_else(|| Profile {
        name: "custom".into(),
        waits_s: Vec::new().into(),
        jitter_percent: 0,
        success: Success::Any2xx,
        gone: Gone::Retry,
    });
    let profile = Profile { jitter_percent: 10, ..standard.with_waits(waits) };
    let url = format!("intake:{}", source.id);
    Endpoint {
        scope: Scope::Intake,
        max_in_flight: IN_FLIGHT_MAX,
        ..Endpoint::plain((source.account, id), Dialect::Standard, &url, profile, now)
    }
}

/// Shows a setting that may be seen.
pub fn shown(source: &Source) -> serde_json::Map<String, Value> {
    let secrets = source.secrets.iter();
    let masked = secrets.map(|(name, secret)| (name.clone(), Value::String(secret.masked())));
    source.settings.clone().into_iter().chain(masked).collect()
}
