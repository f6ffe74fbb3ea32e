//! The test clock of development.
//!
//! Invariant: outside development the clock is nobody's to move.

use domain::key::Scope;
use domain::time::{Timestamp, parse_duration};
use engine::Flaw;
use engine::problem::Problem as Page;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::auth::Caller;
use crate::idempotency;
use crate::input::Input;
use crate::problem::{Answer, Halt, Problem};

/// `GET /clock`.
pub(crate) async fn read(caller: Caller) -> Answer {
    caller.may(Scope::Admin)?;
    developing(&caller)?;
    Ok(answer::ok(&shown(caller.engine().now())))
}

#[derive(Debug, Deserialize)]
struct Advance {
    advance: String,
}

/// `POST /clock`.
pub(crate) async fn advance(input: Input) -> Answer {
    input.may(Scope::Admin)?;
    developing(&input.caller)?;
    let once = input.once().await?;
    let Advance { advance } = input.json("Advance")?;
    let expected = "expected an ISO 8601 duration of weeks, days, hours, minutes or seconds, such as P3D or PT90S";
    let ms = parse_duration(&advance)
        .ok_or_else(|| Problem::invalid(vec![Flaw::new("advance", expected)]))?;
    let now = input.caller.engine().clock_advance(ms).ok_or_else(fixed)?;
    let shown = (200, shown(now).to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

fn developing(caller: &Caller) -> Result<(), Halt> {
    if caller.engine().clock_is_movable() { Ok(()) } else { Err(fixed().into()) }
}

fn fixed() -> Problem {
    Problem::new(Page::DevelopmentOnly, "the clock can be seen and moved in development only")
}

fn shown(now: Timestamp) -> Value {
    json!({"now": now})
}
