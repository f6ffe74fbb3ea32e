//! Idempotency keys: a call repeated with the same key gets the first answer.
//!
//! Invariant: an answer is looked up before anything is checked or done, so that a repetition never fails where the
//! first call succeeded.
//! Left to others: keeping the answer in the commit that makes it true (`engine`, `store`).

use domain::chain::sha256;
use engine::problem::Problem as Page;
use engine::{Flaw, Idempotency, Refusal};
use store::Reply;
use tracing::warn;

use crate::auth::Caller;
use crate::problem::{Halt, Problem};

/// The most characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;

/// Gives the call's key, if it has one; ends the call when it was answered before.
pub(crate) async fn ask(caller: &Caller, body: &[u8]) -> Result<Option<Idempotency>, Halt> {
    let Some(key) = key(caller)? else { return Ok(None) };
    let fingerprint = fingerprint(caller, body);
    let engine = caller.engine();
    match engine.views().reply(caller.account(), key.clone(), engine.now()).await? {
        None => Ok(Some(Idempotency { key, fingerprint })),
        Some(reply) if reply.fingerprint == fingerprint => Err(Halt::Known(reply)),
        Some(_) => {
            let detail = "the idempotency key was used for another call in the last 24 hours";
            Err(Problem::new(Page::IdempotencyKeyReused, detail).into())
        }
    }
}

/// Keeps the answer of a command that does not do so itself. What is done is done: where the store is away by then, the
/// answer is given all the same, since whoever hears nothing of it would do it again.
pub(crate) async fn keep(
    caller: &Caller,
    once: Option<Idempotency>,
    (status, body): &(u16, String),
) -> Result<(), Halt> {
    let Some(Idempotency { key, fingerprint }) = once else { return Ok(()) };
    let reply = Reply { key, fingerprint, status: *status, body: body.clone() };
    match caller.engine().keep_reply(caller.account(), reply).await {
        Err(Refusal::Store(error)) => {
            warn!(error = %error, "an answer was given and could not be kept; a repetition is a new call");
            Ok(())
        }
        kept => Ok(kept?),
    }
}

fn key(caller: &Caller) -> Result<Option<String>, Halt> {
    let Some(value) = caller.parts.headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| {
        (1..=KEY_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if text.is_none() {
        let message = "expected 1 to 255 visible ASCII characters";
        return Err(Problem::invalid(vec![Flaw::new("idempotency-key", message)]).into());
    }
    Ok(text.map(str::to_owned))
}

fn fingerprint(caller: &Caller, body: &[u8]) -> [u8; 32] {
    let parts = &caller.parts;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let head = format!("{} {target}\n", parts.method);
    sha256(&[head.as_bytes(), body].concat())
}
