//! What an answer's status says about a message, where the provider's own words say no more.
//!
//! Invariants: a message that may have been taken is never `Later`, unless the provider knows our key; nothing of a body
//! that could not be read is quoted, since it may hold what we sent.
//!
//! | Status | Reception |
//! | --- | --- |
//! | 2xx | `Unknown`: what should say that it was taken makes no sense |
//! | 401, 402, 403 | `Later`, of the provider: credentials, money, rights |
//! | 404, 405, 3xx | `Later`, of the provider: it is not there, which settings can heal |
//! | 408, 425, 429, 503 | `Later`, of the provider: surely not taken |
//! | other 4xx | `Refused` |
//! | 500, 502, 504, other 5xx | `Unknown`: the trouble may have come after it was taken; `Later` where our key is known |

use domain::call::Answer;
use domain::message::{Receipt, Reception};

/// Whether a provider recognises a message by our key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// It does: nothing happens the second time.
    Known,
    /// It does not: the person gets it twice.
    Doubled,
}

/// Reads a status, and takes what the provider said along.
pub(crate) fn by_status(answer: &Answer, said: &str, repeats: Repeats) -> Receipt {
    let later = Reception::Later { after_s: answer.retry_after_s, provider: true };
    let reception = match answer.status {
        300..=399 | 401..=405 | 408 | 425 | 429 | 503 => later,
        400..=499 => Reception::Refused { suppressed: false },
        500..=599 if repeats == Repeats::Known => later,
        _ => Reception::Unknown,
    };
    Receipt { reception, message_id: None, detail: detail(answer.status, said) }
}

/// A message that was taken.
pub(crate) fn accepted(message_id: Option<&str>) -> Receipt {
    let message_id = message_id.filter(|id| !id.is_empty()).map(one_line);
    Receipt { reception: Reception::Accepted, message_id, detail: String::new() }
}

/// Says the status, and what the provider said in one line.
pub(crate) fn detail(status: u16, said: &str) -> String {
    match one_line(said) {
        said if said.is_empty() => format!("status {status}"),
        said => format!("status {status}: {said}"),
    }
}

/// Makes one line of a text, of at most [`LINE_CHARS_MAX`] characters.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(LINE_CHARS_MAX).collect()
}

/// Long enough for what servers say, short enough for a list.
pub(crate) const LINE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, repeats: Repeats) -> &'static str {
        let answer = Answer { status, ..Answer::default() };
        by_status(&answer, "", repeats).reception.as_str()
    }

    #[test]
    fn every_status_says_whether_the_message_may_have_been_taken() {
        for (status, reception) in [
            (100, "unknown"),
            (200, "unknown"),
            (307, "later"),
            (400, "refused"),
            (401, "later"),
            (403, "later"),
            (404, "later"),
            (408, "later"),
            (413, "refused"),
            (422, "refused"),
            (429, "later"),
            (500, "unknown"),
            (502, "unknown"),
            (503, "later"),
            (504, "unknown"),
            (999, "unknown"),
        ] {
            assert_eq!(read(status, Repeats::Doubled), reception, "{status}");
        }
        assert_eq!(read(500, Repeats::Known), "later");
        assert_eq!(read(200, Repeats::Known), "unknown");
    }

    #[test]
    fn what_was_said_becomes_one_short_line() {
        assert_eq!(detail(400, " a\r\n\tb\0c "), "status 400: a b c");
        assert_eq!(detail(400, ""), "status 400");
        assert_eq!(one_line(&"ü".repeat(1000)).chars().count(), LINE_CHARS_MAX);
    }
}
