//! One attempt of a notice: a leased delivery in, a settlement out.
//!
//! Invariants: that an attempt begins is on the disk before its provider is called, and what the provider said before
//! the attempt is settled; so an attempt that a crash cut off is known, and treated as one whose answer was lost.
//! A store that is away behind the call takes nothing from what the provider said: the attempt has been made, and ends.
//! Left to others: whose turn it is (`lanes`), writing the settlement (`settle`).

use std::sync::Arc;
use std::time::Duration;

use channels::Lane;
use channels::provider::{Protocol, Sending, protocol};
use domain::call::{ANSWER_BYTES_MAX, Ending, Handed, Outcome, Reason};
use domain::chain::sha256;
use domain::delivery::{Attempt, Cause, Delivery, State, Why};
use domain::endpoint::Endpoint;
use domain::event::Event;
use domain::facts::AboutRequest;
use domain::id::AttemptId;
use domain::message::{Channel, Fact, Message, Receipt, Reception};
use domain::notice::{Begun, Notice, Party, makes_sense};
use domain::provider::{OnUnknown, Provider, ProviderKind};
use domain::retry::Verdict;
use domain::time::Timestamp;
use store::{Commit, Fault, Guarded, SettingKind, Settlement, Version, Write};
use tracing::{debug, warn};
use url::Url;

use super::desk::Desk;
use super::words;
use crate::Engine;
use crate::deliver::Ended;
use crate::run::{Pause, SETTLE_PAUSE_MS_MAX};

/// After a lost answer a report is waited for so long.
const UNKNOWN_WAIT_MS: i64 = 15 * 60 * 1_000;
/// How often a notice is written anew when somebody else was faster.
const TRIES_MAX: u32 = 5;

/// How an attempt of a notice came to its end.
struct Tried {
    outcome: Outcome,
    state: State,
    url: String,
    digest: [u8; 32],
    remote: Option<String>,
    began: Timestamp,
}

/// What an attempt is made with.
struct With<'a> {
    delivery: &'a Delivery,
    endpoint: &'a Endpoint,
    desk: &'a Desk,
}

impl Engine {
    /// Attempts a notice. `None` when the store is away before its provider is called; its lease is given back, and it
    /// is tried again.
    pub(crate) async fn attempt_notice(
        &self,
        of: (&Delivery, &Arc<Event>),
        endpoint: &Arc<Endpoint>,
        bytes: usize,
    ) -> Option<Ended> {
        let (delivery, event) = of;
        let began = self.now();
        self.metrics().begun(delivery, event, began);
        let tried = match self.try_notice(delivery, event, endpoint).await {
            Ok(tried) => tried,
            Err(error) => {
                warn!(error = %error, "a notice waits for the store");
                return None;
            }
        };
        let now = self.now();
        self.metrics().ended(&tried.outcome, now.millis_since(tried.began), false);
        let attempt = Arc::new(Attempt {
            id: AttemptId::new(self.mint(tried.began)),
            delivery: delivery.id,
            number: delivery.attempts.saturating_add(1),
            at: tried.began,
            took_ms: u32::try_from(now.millis_since(tried.began)).unwrap_or(0),
            url: tried.url,
            body_digest: tried.digest,
            remote: tried.remote,
            outcome: tried.outcome,
        });
        let events =
            self.exhausted(event, &attempt, (endpoint.id, delivery.cause, tried.state), now);
        // One message that is refused says nothing of the lane: the next one is another person's.
        self.lanes().ended(endpoint.id, true);
        let settlement = Settlement {
            account: delivery.account,
            endpoint: endpoint.id,
            request: event.request,
            attempt,
            state: tried.state,
            health: None,
            events,
        };
        Some(Ended { settlement, stop: None, revived: false, bytes })
    }

    async fn try_notice(
        &self,
        delivery: &Delivery,
        event: &Event,
        endpoint: &Endpoint,
    ) -> Result<Tried, store::Error> {
        let began = self.now();
        let Cause::Notice { id } = delivery.cause else {
            return Ok(nothing(began, Why::Unsayable, "the delivery is of no notice"));
        };
        let account = delivery.account;
        let Some((notice, version)) = self.views().notice(account, id).await? else {
            return Ok(nothing(began, Why::Unsayable, "the notice was forgotten"));
        };
        let desk = self.desk(account).await?;
        let with = With { delivery, endpoint, desk: &desk };
        let number = delivery.attempts.saturating_add(1);
        if let Some(tried) = self.settled_before(&with, &notice, number, began) {
            return Ok(tried);
        }
        let request = self.views().request(account, notice.request).await?;
        let request = request.map(|(request, _)| request);
        if !makes_sense(notice.occasion, notice.party, request.as_ref()) {
            let why = "what it would have told is past";
            let state = State::Cancelled { at: began, why: Why::Obsolete };
            return Ok(Tried { state, ..nothing(began, Why::Obsolete, why) });
        }
        let name = format!("{}:{}", notice.channel.as_str(), notice.to.to_lowercase());
        if self.views().setting(account, SettingKind::Suppression, name).await?.is_some() {
            return Ok(nothing(began, Why::Suppressed, "nothing is sent to this address any more"));
        }
        let about: AboutRequest = match serde_json::from_str(&event.data) {
            Ok(about) => about,
            Err(_) => {
                return Ok(nothing(began, Why::Unsayable, "the text of the event was forgotten"));
            }
        };
        let (link, unshortened) = match notice.party {
            Party::Signer(signer) => {
                let (link, note) = self.link(&desk, &notice, signer).await?;
                (Some(link), note)
            }
            Party::Sender => (None, None),
        };
        let nodes = self.lanes().nodes();
        let Some((provider, place)) =
            self.inner.switchboard.pick(desk.of(notice.channel), nodes, began)
        else {
            let outcome =
                Outcome::failed(Reason::Unsayable, "there is no provider that could carry it");
            let state = self.by_profile(&with, &outcome, began);
            return Ok(Tried { outcome, state, ..nothing(began, Why::Unsayable, "") });
        };
        while self.now() < place {
            self.sleep_until(place).await;
        }
        let (message, fell_back) = words::message(&desk, provider, (&notice, &about), link);
        let notes: Vec<String> = [fell_back, unshortened].into_iter().flatten().collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        self.hand_over(&with, (notice, version), (provider, message, note)).await
    }

    /// Settles what a crash cut off, or what was reported of a message whose answer was lost.
    fn settled_before(
        &self,
        with: &With<'_>,
        notice: &Notice,
        number: u32,
        now: Timestamp,
    ) -> Option<Tried> {
        let begun = notice.begun.as_ref()?;
        let arrived =
            matches!(notice.progress.stage, Some(Fact::Accepted | Fact::Sent | Fact::Delivered));
        let (receipt, note) = match &begun.receipt {
            _ if arrived => {
                let message_id = notice.message_id().map(str::to_owned);
                let receipt =
                    Receipt { reception: Reception::Accepted, message_id, detail: String::new() };
                (receipt, "the provider reported that it has the message")
            }
            Some(receipt) if begun.number == number => {
                (receipt.clone(), "the service stopped before this was settled")
            }
            None if begun.number == number => {
                let receipt = Receipt {
                    reception: Reception::Unknown,
                    message_id: None,
                    detail: "the service stopped before the answer came".to_owned(),
                };
                (receipt, "")
            }
            Some(_) | None => return None,
        };
        let provider = with.desk.providers.iter().find(|provider| provider.id == begun.provider);
        let outcome = Outcome::Handed(Handed {
            provider: begun.provider,
            name: provider.map(|provider| provider.name.clone()).unwrap_or_default(),
            receipt,
            status: None,
            note: (!note.is_empty()).then(|| note.to_owned()),
        });
        let state = self.after(with, provider, &outcome, now);
        Some(Tried { outcome, state, ..nothing(begun.at, Why::Unsayable, "") })
    }

    /// Hands a message to its provider: writes that it begins, calls, writes what was said.
    async fn hand_over(
        &self,
        with: &With<'_>,
        notice: (Notice, Version),
        what: (&Provider, Message, Option<String>),
    ) -> Result<Tried, store::Error> {
        let (provider, message, note) = what;
        let (notice, version) = notice;
        let began = self.now();
        let feedback_url = self.feedback_url(notice.account, provider.id);
        let nonce = self.with_chance(|chance| {
            let mut nonce = [0; 16];
            chance.fill(&mut nonce);
            nonce
        });
        let sending = Sending { now: began, nonce, feedback_url: Some(&feedback_url) };
        let spoken = protocol(provider.kind);
        let call = match spoken.map(|spoken| spoken.build(provider, &message, &sending)) {
            Some(Ok(call)) => Some(call),
            Some(Err(unbuildable)) => {
                return Ok(nothing(began, Why::Unsayable, &unbuildable.to_string()));
            }
            None => None,
        };
        let digest = sha256(&serde_json::to_vec(&message).unwrap_or_default());
        let number = with.delivery.attempts.saturating_add(1);
        let begun = Begun { number, provider: provider.id, at: began, receipt: None };
        let kept = self.write_begun((notice.clone(), version), begun.clone()).await?;
        let timeout = Duration::from_secs(u64::from(with.endpoint.timeout_s));
        let (receipt, status, remote, url) = match (call, &message) {
            (Some(call), _) => {
                let url = plain(&call.url);
                let lane = Lane {
                    key: provider.id.bits(),
                    connections_max: with.endpoint.max_in_flight as usize,
                    timeout,
                    answer_bytes_max: ANSWER_BYTES_MAX,
                };
                let Ending { outcome, remote, .. } = self.channel().attempt(call, lane).await;
                let receipt = read(spoken, provider, &outcome);
                (receipt, outcome.status(), remote.map(|remote| remote.to_string()), url)
            }
            (None, Message::Email(mail)) if provider.kind == ProviderKind::Smtp => {
                let now = self.now();
                let handover = self.inner.mailer.send(provider, mail, now, timeout).await;
                let host = provider.settings.get("host").and_then(serde_json::Value::as_str);
                let url = format!("smtp://{}", host.unwrap_or_default());
                (handover.receipt, None, handover.remote.map(|remote| remote.to_string()), url)
            }
            (None, _) => {
                let receipt = self.keep_in_mailbox(notice.account, &message, began);
                (receipt, None, None, "mailbox:".to_owned())
            }
        };
        let now = self.now();
        let works = !matches!(receipt.reception, Reception::Later { provider: true, .. });
        self.inner.switchboard.judge(provider.id, works, now);
        debug!(reception = receipt.reception.as_str(), provider = %provider.name, "a notice was handed over");
        let begun = Begun { receipt: Some(receipt.clone()), ..begun };
        if let Some(kept) = kept {
            self.write_receipt(&kept, &begun).await;
        }
        let outcome = Outcome::Handed(Handed {
            provider: provider.id,
            name: provider.name.clone(),
            receipt,
            status,
            note,
        });
        let state = self.after(with, Some(provider), &outcome, now);
        Ok(Tried { outcome, state, url, digest, remote, began })
    }

    /// Writes what a provider said, again and again while the store is away: the message is with the provider, and
    /// whoever finds no receipt may send it anew. Where it cannot be written, the settlement still says it.
    async fn write_receipt(&self, kept: &(Notice, Version), begun: &Begun) {
        let mut pause = Pause::up_to(SETTLE_PAUSE_MS_MAX);
        loop {
            match self.write_begun(kept.clone(), begun.clone()).await {
                Ok(_) => {
                    pause.reset();
                    return;
                }
                Err(error) if error.is_transient() && !self.is_shut() => {
                    let at = pause.next(self.now(), &error, "writing what a provider said");
                    self.sleep_until(at).await;
                }
                Err(error) => {
                    warn!(error = %error, "what a provider said waits for its settlement alone");
                    return;
                }
            }
        }
    }

    /// Writes how far an attempt has come; somebody who wrote a report meanwhile is not overwritten. Gives the notice as
    /// it stands now, if it was not forgotten.
    async fn write_begun(
        &self,
        kept: (Notice, Version),
        begun: Begun,
    ) -> Result<Option<(Notice, Version)>, store::Error> {
        let (mut notice, mut version) = kept;
        for _ in 0..TRIES_MAX {
            let (account, id) = (notice.account, notice.id);
            notice.begun = Some(begun.clone());
            let mut commit = Commit::new(account, self.now());
            let value = notice.clone();
            commit.writes.push(Write::Notice(Guarded { version, value }));
            match self.commit(commit).await {
                Ok(_) => return Ok(Some((notice, version + 1))),
                Err(Fault::Conflict { .. }) => {}
                Err(Fault::Store(error)) => return Err(error),
                // A notice refers to nothing that could be missing, taken or known.
                Err(
                    Fault::UrlTaken { .. }
                    | Fault::Repeated(_)
                    | Fault::Missing { .. }
                    | Fault::Forgotten,
                ) => return Ok(None),
            }
            match self.views().notice(account, id).await? {
                Some(row) => (notice, version) = row,
                None => return Ok(None),
            }
        }
        Err(store::Error::Unavailable {
            hint: "a notice kept changing; it is tried again",
            source: "too many conflicts".into(),
        })
    }

    /// Says what follows for the delivery.
    fn after(
        &self,
        with: &With<'_>,
        provider: Option<&Provider>,
        outcome: &Outcome,
        now: Timestamp,
    ) -> State {
        let Outcome::Handed(handed) = outcome else { return self.by_profile(with, outcome, now) };
        match handed.receipt.reception {
            Reception::Accepted => State::Delivered { at: now },
            Reception::Refused { suppressed } => {
                let why = if suppressed { Why::Suppressed } else { Why::Refused };
                State::Exhausted { at: now, why }
            }
            Reception::Later { provider: true, .. } => {
                let channel = provider.map_or(Channel::Email, |provider| provider.kind.channel());
                let all: Vec<&Provider> = with.desk.of(channel).collect();
                let has_other = self.inner.switchboard.has_other(&all, handed.provider, now);
                let next = self.by_profile(with, outcome, now);
                if has_other && next.is_pending() { State::Pending { due_at: now } } else { next }
            }
            Reception::Later { provider: false, .. } => self.by_profile(with, outcome, now),
            Reception::Unknown => {
                let spoken = provider.and_then(|provider| protocol(provider.kind));
                let knows_us = spoken.is_some_and(Protocol::has_idempotency);
                let policy = provider.map(|provider| provider.on_unknown).unwrap_or_default();
                let next = self.by_profile(with, outcome, now);
                match policy {
                    OnUnknown::Wait if !knows_us && next.is_pending() => {
                        State::Pending { due_at: now.plus_millis(UNKNOWN_WAIT_MS) }
                    }
                    OnUnknown::Wait | OnUnknown::Again => next,
                    OnUnknown::Never if knows_us => next,
                    OnUnknown::Never => State::Exhausted { at: now, why: Why::Unknown },
                }
            }
        }
    }

    fn by_profile(&self, with: &With<'_>, outcome: &Outcome, now: Timestamp) -> State {
        let attempts = with.delivery.attempts.saturating_add(1);
        match with.endpoint.profile.verdict(attempts, outcome, now, self.roll()) {
            Verdict::Delivered => State::Delivered { at: now },
            Verdict::Again { at } => State::Pending { due_at: at },
            Verdict::Exhausted | Verdict::Stop(_) => {
                State::Exhausted { at: now, why: Why::WaitsRanOut }
            }
        }
    }
}

/// What an attempt comes to when nothing is sent.
fn nothing(began: Timestamp, why: Why, detail: &str) -> Tried {
    Tried {
        outcome: Outcome::failed(Reason::Unsayable, detail),
        state: State::Exhausted { at: began, why },
        url: String::new(),
        digest: sha256(b""),
        remote: None,
        began,
    }
}

/// Gives a URL without what may be secret in it.
fn plain(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    String::from(url)
}

/// Reads what came of a call to a provider.
pub(crate) fn read(
    spoken: Option<&'static dyn Protocol>,
    provider: &Provider,
    outcome: &Outcome,
) -> Receipt {
    let detail = |text: &str| text.to_owned();
    match outcome {
        Outcome::Answered(answer) => match spoken {
            Some(spoken) => spoken.read(provider, answer),
            None => Receipt {
                reception: Reception::Unknown,
                message_id: None,
                detail: detail("nobody can read the answer"),
            },
        },
        Outcome::Failed(failure) => {
            let reception = match failure.reason {
                Reason::TargetRefused
                | Reason::NameUnresolved
                | Reason::NameTimeout
                | Reason::ConnectFailed
                | Reason::ConnectTimeout
                | Reason::TlsFailed
                | Reason::TlsTimeout
                | Reason::Unsayable => Reception::Later { after_s: None, provider: true },
                Reason::ConnectionLost
                | Reason::HeadersTimeout
                | Reason::BodyTimeout
                | Reason::AnswerMalformed
                | Reason::Interrupted => Reception::Unknown,
            };
            let detail = format!("{}: {}", failure.reason.as_str(), failure.detail);
            Receipt { reception, message_id: None, detail }
        }
        Outcome::Handed(handed) => handed.receipt.clone(),
        // No call reads anything.
        Outcome::Read(_) => Receipt {
            reception: Reception::Unknown,
            message_id: None,
            detail: detail("nobody can read the answer"),
        },
    }
}
