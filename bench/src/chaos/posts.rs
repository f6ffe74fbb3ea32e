//! The load: a few clients, each of which posts one thing after the other, and repeats it until it is acknowledged.
//!
//! Invariants: a client never begins the next thing before the last one is acknowledged, so that what it says of one key
//! is in order; what is repeated is the same, under the same key, so that it is one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{select, sync::watch};

use crate::{
    call::{Answer, Call},
    chaos::{book::Book, judge::Told, plot::Dice},
    clock,
    load::recipe,
};

/// A client. Events are acknowledged by their own id or by an idempotency key, whichever this one uses.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: u64,
    /// The next thing to say.
    pub(crate) turn: u64,
    pub(crate) targets: Vec<SocketAddr>,
    pub(crate) pause: Duration,
    pub(crate) dice: Dice,
    pub(crate) book: Arc<Book>,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: String,
    signers: Vec<Named>,
}

impl Client {
    /// Posts until it is told to stop; the last thing said is acknowledged then.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Self {
        while !*stop.borrow_and_update() {
            let said = if self.turn.is_multiple_of(REQUEST_EVERY) {
                self.request().await
            } else {
                self.event().await
            };
            if let Err(error) = said {
                self.book.broke(format!("client {}: {error:#}", self.number));
                return self;
            }
            self.turn += 1;
            select! {
                () = clock::pause(self.pause) => {}
                _ = stop.changed() => {}
            }
        }
        self
    }

    async fn event(&mut self) -> Result<()> {
        let post = format!("{}-{}", self.number, self.turn);
        // Three keys, so that the ordered endpoint has something to do beside one that waits.
        let key = format!("key-{}-{}", self.number, self.turn % 3);
        let mut body = json!({
            "type": "custom.chaos",
            "order_key": key,
            "data": {"post": post, "note": "x".repeat(200)},
        });
        let with_id = self.number.is_multiple_of(2);
        if with_id && let Some(fields) = body.as_object_mut() {
            fields.insert("id".to_owned(), json!(post));
        }
        let once = (!with_id).then_some(post);
        let answer = self.insist("/api/v1/events", &body, once).await?;
        self.book.acknowledged(Told { event: answer.read::<Named>()?.id, key });
        Ok(())
    }

    /// Sends a signature request, and has it signed.
    async fn request(&mut self) -> Result<()> {
        let post = format!("{}-{}", self.number, self.turn);
        let body = json!({
            "title": format!("Chaos {post}"),
            "send": true,
            "signers": [{
                "name": "Ada Chaos",
                "email": format!("ada{post}@bench.invalid"),
                "send_to": {"email": false, "sms": false},
            }],
        });
        let made = self.insist("/api/v1/requests", &body, Some(format!("{post}-send"))).await?;
        let made: Made = made.read()?;
        self.book.moved(&made.id);
        for signer in &made.signers {
            let path = format!("/api/v1/requests/{}/signers/{}/sign", made.id, signer.id);
            let body = json!({"name": "Ada Chaos", "consent": "I agree."});
            self.insist(&path, &body, Some(format!("{post}-sign"))).await?;
            self.book.moved(&made.id);
        }
        Ok(())
    }

    /// Posts the same to one node after the other, until one acknowledges it.
    async fn insist(&mut self, path: &str, body: &Value, once: Option<String>) -> Result<Answer> {
        let mut headers = recipe::headers();
        if let Some(once) = once {
            let name = HeaderName::from_static("idempotency-key");
            headers.push((name, HeaderValue::from_str(&once)?));
        }
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let chosen = self.dice.below(self.targets.len() as u64);
            let target = self.targets.iter().zip(0..).find(|(_, number)| *number == chosen);
            let Some((target, _)) = target else { bail!("there is no node") };
            let call =
                Call::new(*target, "POST", path).with_headers(&headers).with_body(body.to_string());
            last = match call.send(ANSWER_PATIENCE).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) => {
                    let may_try_again = matches!(answer.status.as_u16(), 409 | 503);
                    let said = String::from_utf8_lossy(&answer.body).into_owned();
                    if !may_try_again {
                        bail!("{path} was answered {}: {said}", answer.status);
                    }
                    answer.status.to_string()
                }
                Err(error) => reason(&error),
            };
            self.book.refused(last.clone());
            clock::pause(TRY_PAUSE).await;
        }
        bail!("{path} was not acknowledged in {TRIES_MAX} tries; the last one ended with {last}")
    }
}

/// A few words, so that equal failures are counted together.
fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    if text.contains("no answer") {
        "no answer in time".to_owned()
    } else if text.contains("refused") {
        "connection refused".to_owned()
    } else {
        "connection broken".to_owned()
    }
}

const REQUEST_EVERY: u64 = 12;
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
const TRY_PAUSE: Duration = Duration::from_millis(150);
/// Some minutes; whoever waits longer waits for a service that does not come back by itself.
const TRIES_MAX: u32 = 600;
