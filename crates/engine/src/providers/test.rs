//! A test of a provider: one real message over it, and what was said while it was handed over.
//!
//! Invariants: nothing is written, told or tried again, and no other message waits for it or is held up by what came of
//! it; an address that nothing is sent to gets no test either; no secret is in what is given back.
//! Left to others: the wire, and what is noted of it (`channels`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use channels::Lane;
use channels::conversation::{Masks, Notes, Said};
use channels::provider::{Sending, protocol};
use domain::call::{ANSWER_BYTES_MAX, Answer, Handed, Outcome};
use domain::id::{AccountId, NoticeId, ProviderId};
use domain::message::{Channel, Mail, Mailbox, Message, Receipt, Reception, Sms};
use domain::notice::Occasion;
use domain::provider::{Provider, ProviderKind};
use domain::request::Sender;
use domain::time::{SECOND_MS, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use store::SettingKind;
use templates::{Branding, Facts, Source, Template};
use url::form_urlencoded::byte_serialize;

use crate::Engine;
use crate::check::{self, Checked};
use crate::command::Refusal;
use crate::notices::receipt_of;
use crate::own_templates::laid_out;
use crate::suppressions;

/// To whom a test goes.
#[derive(Debug, Clone, Deserialize)]
pub struct NewTest {
    /// A mail address, or a number with its country, as the provider carries it.
    pub to: String,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Over which provider.
    pub provider: ProviderId,
    /// The account's name for it.
    pub name: String,
    /// What the provider made of the message.
    pub receipt: Receipt,
    /// How long it took, name resolution and connection included; at most [`TIMEOUT`].
    pub took_ms: u64,
    /// What both sides said, in its order; nothing where the mailbox of development kept the message.
    pub conversation: Vec<Said>,
}

/// How long a test may take: less than clients wait.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Tests of an account per minute at a node, since each is a message to somebody.
const PER_MINUTE_MAX: usize = 5;
const MINUTE_MS: i64 = 60 * SECOND_MS;

/// When accounts began tests, within the last minute.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<BTreeMap<AccountId, Vec<Timestamp>>>);

impl Recent {
    /// Notes that a test begins, or says after how many seconds one may.
    fn begin(&self, account: AccountId, now: Timestamp) -> Result<(), u32> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, begun| {
            begun.retain(|at| (0..MINUTE_MS).contains(&now.millis_since(*at)));
            !begun.is_empty()
        });
        let begun = all.entry(account).or_default();
        if let (true, Some(first)) = (begun.len() >= PER_MINUTE_MAX, begun.first()) {
            let wait_ms = MINUTE_MS - now.millis_since(*first);
            return Err(u32::try_from((wait_ms + SECOND_MS - 1) / SECOND_MS).unwrap_or(1));
        }
        begun.push(now);
        Ok(())
    }
}

impl Engine {
    /// Sends a message over a provider, one that is off too, and tells what was said. Whatever the provider makes of it,
    /// the test was done. Refused with `Invalid` for an address the provider does not carry to, with `Impossible` for one
    /// that nothing is sent to, with `TooSoon` after five in a minute.
    pub async fn test_provider(
        &self,
        account: AccountId,
        id: ProviderId,
        input: NewTest,
    ) -> Result<Tested, Refusal> {
        let provider = self.provider(account, id).await?;
        let to = check::sole("to", address(provider.kind.channel(), &input.to))?;
        self.refuse_suppressed(account, provider.kind.channel(), &to).await?;
        let branding = self.branding(account).await?.unwrap_or_default();
        let now = self.now();
        let key = NoticeId::new(self.mint(now)).to_string();
        let of = provider.clone();
        let message = laid_out(move || message(&of, &branding, key, to)).await?;
        self.inner.tests.begin(account, now).map_err(|wait_s| {
            let message = format!(
                "a test sends a message, so an account has {PER_MINUTE_MAX} in a minute; the next one is possible in {wait_s} s"
            );
            Refusal::TooSoon { message, wait_s }
        })?;
        let notes = Notes::taken();
        let began = self.inner.clock.uptime();
        let outcome = self.carry(&provider, &message, &notes).await;
        let took = self.inner.clock.uptime().saturating_sub(began);
        let (name, of) = (provider.name.clone(), provider);
        let (receipt, conversation) = laid_out(move || {
            let masks = notes.masks(&of);
            (receipt(&of, &outcome, &masks), notes.said(&masks))
        })
        .await?;
        tracing::info!(provider = %name, reception = receipt.reception.as_str(), "a provider was tested");
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Ok(Tested { provider: id, name, receipt, took_ms, conversation })
    }

    async fn refuse_suppressed(
        &self,
        account: AccountId,
        channel: Channel,
        to: &str,
    ) -> Result<(), Refusal> {
        let spelt = to.to_lowercase();
        let (kind, name) = (SettingKind::Suppression, suppressions::name(channel, &spelt));
        if self.views().setting(account, kind, name).await?.is_none() {
            return Ok(());
        }
        let (way, address) = (channel.as_str(), byte_serialize(spelt.as_bytes()));
        let address: String = address.collect();
        let message = format!(
            "nothing is sent to {to} any more; name another address, or let messages go to it again with DELETE /api/v1/suppressions/{way}/{address}"
        );
        Err(Refusal::Impossible { message, possible: Vec::new() })
    }

    /// Hands the message over once, by the way that the provider is spoken to.
    async fn carry(&self, provider: &Provider, message: &Message, notes: &Notes) -> Outcome {
        let now = self.now();
        match (protocol(provider.kind), message) {
            (Some(spoken), _) => {
                let feedback_url = self.feedback_url(provider.account, provider.id);
                notes.hide(feedback_url.rsplit('/').next().unwrap_or_default());
                let nonce = self.with_chance(|chance| {
                    let mut nonce = [0; 16];
                    chance.fill(&mut nonce);
                    nonce
                });
                let sending = Sending { now, nonce, feedback_url: Some(&feedback_url) };
                match spoken.build(provider, message, &sending) {
                    Err(unbuildable) => handed(provider, unsent(unbuildable.to_string())),
                    Ok(call) => {
                        let key = provider.id.bits();
                        let lane = Lane {
                            key,
                            connections_max: 0,
                            timeout: TIMEOUT,
                            answer_bytes_max: ANSWER_BYTES_MAX,
                        };
                        self.channel().attempt_noted(call, lane, notes).await.outcome
                    }
                }
            }
            (None, Message::Email(mail)) if provider.kind == ProviderKind::Smtp => {
                let when = (now, TIMEOUT);
                let handover = self.inner.mailer.send_noted(provider, mail, when, notes).await;
                handed(provider, handover.receipt)
            }
            (None, _) => {
                let kept = self.keep_in_mailbox(provider.account, message, now);
                let detail = match kept.reception {
                    Reception::Accepted => format!("it lies in {}/mailbox", self.public_url()),
                    Reception::Later { .. } | Reception::Refused { .. } | Reception::Unknown => {
                        kept.detail
                    }
                };
                handed(provider, Receipt { detail, ..kept })
            }
        }
    }
}

/// Checks that a provider of this channel carries to an address.
fn address(channel: Channel, to: &str) -> Checked<String> {
    match channel {
        Channel::Email => check::email(to),
        Channel::Sms => check::phone(to).ok_or_else(|| {
            "expected a phone number with its country, such as +44 7700 900123".to_owned()
        }),
    }
}

/// Writes the message, in the account's looks.
fn message(provider: &Provider, branding: &Branding, key: String, to: String) -> Message {
    let text = |name: &str| {
        let text = provider.settings.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let name = text("from_name").or(Some(branding.name.clone()).filter(|name| !name.is_empty()));
    let said_by = name.clone().unwrap_or_else(|| "Countersign".to_owned());
    let facts = Facts {
        title: provider.name.clone(),
        sender: Sender { name: said_by, ..Sender::default() },
        test: true,
        ..templates::sample()
    };
    let words = Source {
        subject: Some(SUBJECT.to_owned()),
        text: Some(TEXT.to_owned()),
        sms: Some(SMS.to_owned()),
        ..Source::default()
    };
    let own = Template { locales: BTreeMap::from([("en".to_owned(), words)]) };
    // The occasion says nothing: all words are the template's.
    let occasion = Occasion::Completed;
    let from = text("from").unwrap_or_default();
    match provider.kind.channel() {
        Channel::Email => {
            let words = templates::mail(occasion, Some(&own), None, &facts, branding).words;
            Message::Email(Mail {
                key,
                from: Mailbox { name, address: from },
                reply_to: text("reply_to"),
                to: Mailbox { name: None, address: to },
                subject: words.subject,
                text: words.text,
                html: Some(words.html).filter(|html| !html.is_empty()),
                tag: Some("provider-test".to_owned()),
            })
        }
        Channel::Sms => {
            let text = templates::sms(occasion, Some(&own), None, &facts, branding).words;
            Message::Sms(Sms { key, from, to, text })
        }
    }
}

const SUBJECT: &str = "A message over {{ title }}";
const TEXT: &str = "This message was sent to see whether messages over {{ title }} arrive. They do, since you read it.\n\nThere is nothing else to do.";
const SMS: &str = "This shows that messages over {{ title }} arrive. There is nothing to do.";

/// Says that a message could not even be written.
fn unsent(detail: String) -> Receipt {
    Receipt { reception: Reception::Refused { suppressed: false }, message_id: None, detail }
}

fn handed(provider: &Provider, receipt: Receipt) -> Outcome {
    let name = provider.name.clone();
    Outcome::Handed(Handed { provider: provider.id, name, receipt, status: None, note: None })
}

/// Reads what the provider made of the message. What it says of it is read once more out of the masked answer, since a
/// receipt cuts what it quotes, and half a secret is not found any more.
fn receipt(provider: &Provider, outcome: &Outcome, masks: &Masks) -> Receipt {
    let spoken = protocol(provider.kind);
    let masked = match outcome {
        Outcome::Answered(answer) => {
            let header = |(name, value): &(&'static str, String)| (*name, masks.mask(value));
            Outcome::Answered(Answer {
                body: masks.mask(&answer.body),
                headers: answer.headers.iter().map(header).collect(),
                ..answer.clone()
            })
        }
        Outcome::Failed(_) | Outcome::Handed(_) | Outcome::Read(_) => outcome.clone(),
    };
    let Receipt { message_id, detail, .. } = receipt_of(spoken, provider, &masked);
    Receipt {
        reception: receipt_of(spoken, provider, outcome).reception,
        message_id: message_id.map(|id| masks.mask(&id)),
        detail: masks.mask(&detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_five_tests_in_any_minute() {
        let recent = Recent::default();
        let (ours, theirs) = (AccountId::new(1), AccountId::new(2));
        let at = |s: i64| Timestamp::from_millis(1_800_000_000_000).plus_seconds(s);
        for s in 0..5 {
            assert_eq!(recent.begin(ours, at(s * 10)), Ok(()));
        }
        assert_eq!(recent.begin(ours, at(41)), Err(19));
        assert_eq!(recent.begin(theirs, at(41)), Ok(()));
        assert_eq!(recent.begin(ours, at(59).plus_millis(999)), Err(1));
        assert_eq!(recent.begin(ours, at(60)), Ok(()));
        assert_eq!(recent.begin(ours, at(60)), Err(10));
        assert_eq!(recent.begin(ours, at(1_000)), Ok(()));
        assert_eq!(recent.0.lock().unwrap().len(), 1, "who has not tested lately is forgotten");
    }
}
