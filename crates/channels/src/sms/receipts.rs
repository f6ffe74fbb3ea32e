//! What an answer means, as far as that is the same with every service.
//!
//! Invariant: a detail is one short line without URLs, since a link in a message is a secret.
//! None of these services knows our key before it answers: what may have been taken must not be handed over again.
//! Left to others: what a status says ([`crate::reception`]).

use domain::call::Answer;
use domain::message::{Receipt, Reception};
use serde_json::Value;

use crate::reception::{self, Repeats, one_line};

/// Says that the provider has the message.
pub(crate) const fn accepted(message_id: Option<String>) -> Receipt {
    Receipt { reception: Reception::Accepted, message_id, detail: String::new() }
}

/// Reads an answer by its status alone. A 2xx is one that could not be read.
pub(crate) fn by_status(answer: &Answer, said: &str) -> Receipt {
    reception::by_status(answer, &line(said), Repeats::Doubled)
}

/// Says what became of a message, and what was answered.
pub(crate) fn receipt(reception: Reception, answer: &Answer, said: &str) -> Receipt {
    let detail = reception::detail(answer.status, &line(said));
    Receipt { reception, message_id: None, detail }
}

/// The provider takes nothing now.
pub(crate) const fn later(answer: &Answer) -> Reception {
    Reception::Later { after_s: answer.retry_after_s, provider: true }
}

/// It is refused for good.
pub(crate) const REFUSED: Reception = Reception::Refused { suppressed: false };

/// It is refused because the person wants no more from this sender.
pub(crate) const SUPPRESSED: Reception = Reception::Refused { suppressed: true };

/// Tells whether an answer is a yes by its status.
pub(crate) const fn is_success(answer: &Answer) -> bool {
    matches!(answer.status, 200..=299)
}

/// Reads the text of an answer; what is no JSON is `Null`.
pub(crate) fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or(Value::Null)
}

/// Gives what stands at a JSON pointer as a text, if it is a text or a number, and not empty.
pub(crate) fn word(value: &Value, pointer: &str) -> Option<String> {
    let word = match value.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!word.is_empty()).then_some(word)
}

/// Gives the id that stands at a JSON pointer.
pub(crate) fn id(value: &Value, pointer: &str) -> Option<String> {
    word(value, pointer).filter(|id| is_id(id))
}

/// Tells whether a text is short enough for an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.chars().count() <= ID_CHARS_MAX
}

/// The longest id that is taken for one.
const ID_CHARS_MAX: usize = 256;

/// Gives a text as one short line, URLs left out.
pub(crate) fn line(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.contains("://"));
    one_line(&words.collect::<Vec<_>>().join(" "))
}
