//! Notices: who is told of a request's steps by mail or short message, and how each one goes out.
//!
//! A notice is a delivery: made in the commit of its event, leased and settled as any other. All notices of an account
//! over one channel share a lane, a hidden endpoint; which provider carries one is decided at each attempt.
//!
//! Invariants: a notice is made only where the account has a provider that could carry it; an attempt is written down
//! before its provider is called, and what the provider said before it is settled, so that after a crash it is known
//! what may have gone out; nobody is told what makes no sense any more.
//! Left to others: whom a step tells (`domain::notice`), the words (`templates`), the way out (`channels`).

mod attempt;
mod desk;
mod pick;
mod words;

use std::collections::BTreeMap;

use domain::delivery::Cause;
use domain::endpoint::{Dialect, Endpoint, Scope};
use domain::id::{AccountId, EndpointId, EventId, NoticeId, ProviderId};
use domain::message::{Channel, Progress};
use domain::notice::{Notice, Occasion, tellings};
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::request::{Happening, Request};
use domain::retry::{Gone, Profile, Success};
use domain::time::Timestamp;
use store::{Commit, Guarded, NewDelivery, Setting, SettingKind, Write};

use crate::Engine;
use crate::check;
use crate::timers::written;

pub(crate) use attempt::read as receipt_of;
pub(crate) use desk::Desks;
pub(crate) use pick::Switchboard;

/// Attempts of one channel under way at most; those that wait for their provider's rate among them.
const IN_FLIGHT_MAX: u32 = 32;

impl Engine {
    /// Adds to a commit what people are told of a step: the notices, their deliveries and, at the first use, their lane.
    pub(crate) async fn add_notices(
        &self,
        commit: &mut Commit,
        of: (&Request, &Happening, EventId),
        now: Timestamp,
    ) -> Result<(), store::Error> {
        let (request, happening, event) = of;
        if Occasion::of(happening.kind).is_none() {
            return Ok(());
        }
        let account = request.account;
        let mut desk = self.desk(account).await?;
        if !desk.has_providers() && self.lanes().is_shared() {
            // Another node may have taken one on a moment ago, and this is said once.
            desk = self.desk_anew(account).await?;
        }
        for telling in tellings(request, happening, &desk.rules) {
            if !desk.carries(telling.channel) {
                continue;
            }
            let to = match telling.channel {
                Channel::Email => telling.to,
                // A number that nobody can be reached at is kept as it was given; the attempt says so.
                Channel::Sms => check::phone(&telling.to).unwrap_or(telling.to),
            };
            let lane = self.lane_for(account, telling.channel, commit, now).await?;
            let id = NoticeId::new(self.mint(now));
            let notice = Notice {
                id,
                account,
                request: request.id,
                event,
                occasion: telling.occasion,
                channel: telling.channel,
                party: telling.party,
                to,
                template: telling.template,
                begun: None,
                progress: Progress::default(),
                created_at: now,
            };
            commit.writes.push(Write::Notice(Guarded { version: 0, value: notice }));
            let cause = Cause::Notice { id };
            commit.deliveries.push(NewDelivery { event, endpoint: lane, cause, due_at: now });
        }
        Ok(())
    }

    /// Gives the lane of a channel; one that is not there is made in the commit.
    async fn lane_for(
        &self,
        account: AccountId,
        channel: Channel,
        commit: &mut Commit,
        now: Timestamp,
    ) -> Result<EndpointId, store::Error> {
        let id = Self::notice_lane(account, channel);
        let made = |write: &Write| matches!(write, Write::Endpoint(new) if new.value.id == id);
        if self.inner.desks.knows_lane(id) || commit.writes.iter().any(made) {
            return Ok(id);
        }
        if self.views().endpoint(account, id).await?.is_some() {
            self.inner.desks.note_lane(id);
        } else {
            let value = lane((account, id), channel, now);
            commit.writes.push(Write::Endpoint(Guarded { version: 0, value }));
        }
        Ok(id)
    }
}

impl Engine {
    /// Gives an account that has no provider the built-in mailbox, for mails and short messages: for development.
    pub async fn ensure_mailbox(&self, account: AccountId) -> Result<(), store::Error> {
        let kind = SettingKind::Provider;
        if !self.views().settings(account, kind, String::new(), 1).await?.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut commit = Commit::new(account, now);
        for (kind, from) in [
            (ProviderKind::MailboxEmail, "countersign@example.com"),
            (ProviderKind::MailboxSms, "Countersign"),
        ] {
            let provider = Provider {
                id: ProviderId::new(self.mint(now)),
                account,
                name: kind.as_str().replace('_', "-"),
                kind,
                priority: 100,
                rate_limit: None,
                on_unknown: OnUnknown::default(),
                enabled: true,
                settings: BTreeMap::from([("from".to_owned(), from.into())]),
                created_at: now,
                updated_at: now,
                secrets: Secrets::default(),
            };
            let body = serde_json::to_string(&provider).unwrap_or_default();
            let (name, kind) = (provider.id.to_string(), SettingKind::Provider);
            let value = Setting { kind, name, body, secrets: None };
            commit.writes.push(Write::Setting(Guarded { version: 0, value }));
        }
        written(self.commit(commit).await.map(|_committed| ()))?;
        self.settings_changed(account);
        Ok(())
    }
}

/// Makes the hidden endpoint that an account's notices over one channel go through.
fn lane(ids: (AccountId, EndpointId), channel: Channel, now: Timestamp) -> Endpoint {
    let url = format!("{}:", channel.as_str());
    Endpoint {
        scope: Scope::Notices,
        max_in_flight: IN_FLIGHT_MAX,
        ..Endpoint::plain(ids, Dialect::Standard, &url, profile(), now)
    }
}

/// When a notice is tried again: soon at first, then every hour, three days in all.
fn profile() -> Profile {
    let mut waits_s = vec![5, 30, 120, 600, 1_800];
    waits_s.extend([3_600; 71]);
    let standard = Profile::named("standard").unwrap_or_else(|| {
        // There is a profile of that name; should there be none some day, none of its waits is used here anyway.
        Profile {
            name: "custom".into(),
            waits_s: Vec::new().into(),
            jitter_percent: 0,
            success: Success::Any2xx,
            gone: Gone::Retry,
        }
    });
    Profile { jitter_percent: 10, ..standard.with_waits(waits_s) }
}
