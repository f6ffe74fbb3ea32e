//! The catalogue of problems: every way to fail that has a number, a code and a page.
//!
//! Invariants: numbers and codes never change their meaning; each has a page in `docs/problems`, compiled in.
//! Left to others: which HTTP status a problem answers with (`web::problem`), showing a page (`app`, `web`).

use domain::call::Reason;
use domain::delivery::Why;

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident, $number:literal, $code:literal, $title:literal;)*) => {
        /// A way to fail that has a number, a code and a page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Problem {
            $($(#[$doc])* $name,)*
        }

        impl Problem {
            /// Every problem: answers of the API first, then endings of deliveries, then of attempts.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Gives the number, `P` and four digits, unique.
            pub const fn number(self) -> &'static str {
                match self { $(Self::$name => $number,)* }
            }

            /// Gives the stable word that the API says.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Says in a few words what is wrong.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Gives the page that explains it, as Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../../../docs/problems/", $number, ".md")),)*
                }
            }
        }
    };
}

problems! {
    /// The body cannot be read.
    Malformed, "P0001", "malformed", "The body cannot be read";
    /// The body is not of the type that is taken.
    UnsupportedMediaType, "P0002", "unsupported_media_type", "The body is not of the type that is taken";
    /// The body is too large.
    TooLarge, "P0003", "too_large", "The body is too large";
    /// There is no API key.
    KeyMissing, "P0004", "key_missing", "There is no API key";
    /// The API key is not known.
    KeyInvalid, "P0005", "key_invalid", "The API key is not known";
    /// The API key has expired.
    KeyExpired, "P0006", "key_expired", "The API key has expired";
    /// The API key may not do that.
    ScopeMissing, "P0007", "scope_missing", "The API key may not do that";
    /// Only for development.
    DevelopmentOnly, "P0008", "development_only", "Only for development";
    /// There is no such thing.
    NotFound, "P0009", "not_found", "There is no such thing";
    /// There is no such path.
    NoSuchRoute, "P0010", "no_such_route", "There is no such path";
    /// The path has no such method.
    MethodNotAllowed, "P0011", "method_not_allowed", "The path has no such method";
    /// The input is invalid.
    Invalid, "P0012", "invalid", "The input is invalid";
    /// The present state does not allow that.
    Impossible, "P0013", "impossible", "The present state does not allow that";
    /// The URL is registered already.
    UrlTaken, "P0014", "url_taken", "The URL is registered already";
    /// The idempotency key belongs to another call.
    IdempotencyKeyReused, "P0015", "idempotency_key_reused", "The idempotency key belongs to another call";
    /// Others kept changing it.
    Contended, "P0016", "contended", "Others kept changing it";
    /// The body did not arrive in time.
    TooSlow, "P0017", "too_slow", "The body did not arrive in time";
    /// The form was sent from another site.
    CrossSite, "P0018", "cross_site", "The form was sent from another site";
    /// The store cannot work now.
    Unavailable, "P0019", "unavailable", "The store cannot work now";
    /// Something broke inside.
    Internal, "P0020", "internal", "Something broke inside";
    /// The text was forgotten.
    Forgotten, "P0021", "forgotten", "The text was forgotten";
    /// Too soon.
    TooSoon, "P0022", "too_soon", "It is too soon to do that again";
    /// The report is not proven.
    Unproven, "P0023", "unproven", "The report is not proven";
    /// A limit is reached.
    LimitReached, "P0024", "limit_reached", "A limit is reached";
    /// A delivery ran out of attempts.
    WaitsRanOut, "P0101", "waits_ran_out", "A delivery ran out of attempts";
    /// The receiver said it is gone.
    Gone, "P0102", "gone", "The receiver said it is gone";
    /// The endpoint was disabled.
    EndpointDisabled, "P0103", "endpoint_disabled", "The endpoint was disabled";
    /// The endpoint was deleted.
    EndpointDeleted, "P0104", "endpoint_deleted", "The endpoint was deleted";
    /// Somebody cancelled the delivery.
    Asked, "P0105", "asked", "Somebody cancelled the delivery";
    /// The message cannot be built.
    DeliveryUnsayable, "P0106", "unsayable", "The message cannot be built";
    /// The provider refused the message.
    Refused, "P0107", "refused", "The provider refused the message";
    /// Nothing is sent to that address.
    Suppressed, "P0108", "suppressed", "Nothing is sent to that address";
    /// The message may have been taken or not.
    Unknown, "P0109", "unknown", "The message may have been taken or not";
    /// What the message would have told is past.
    Obsolete, "P0110", "obsolete", "What the message would have told is past";
    /// A vendor's webhook cannot be read.
    Unreadable, "P0111", "unreadable", "The vendor's webhook cannot be read";
    /// The target may not be called.
    TargetRefused, "P0201", "target_refused", "The target may not be called";
    /// The name has no address.
    NameUnresolved, "P0202", "name_unresolved", "The name has no address";
    /// The name server did not answer in time.
    NameTimeout, "P0203", "name_timeout", "The name server did not answer in time";
    /// Nobody listens there.
    ConnectFailed, "P0204", "connect_failed", "Nobody listens there";
    /// The connection was not accepted in time.
    ConnectTimeout, "P0205", "connect_timeout", "The connection was not accepted in time";
    /// The TLS handshake failed.
    TlsFailed, "P0206", "tls_failed", "The TLS handshake failed";
    /// The TLS handshake took too long.
    TlsTimeout, "P0207", "tls_timeout", "The TLS handshake took too long";
    /// The connection broke.
    ConnectionLost, "P0208", "connection_lost", "The connection broke";
    /// The receiver did not answer in time.
    HeadersTimeout, "P0209", "headers_timeout", "The receiver did not answer in time";
    /// The answer did not end in time.
    BodyTimeout, "P0210", "body_timeout", "The answer did not end in time";
    /// The answer was no HTTP.
    AnswerMalformed, "P0211", "answer_malformed", "The answer was no HTTP";
    /// Nothing was sent.
    AttemptUnsayable, "P0212", "unsayable", "Nothing was sent";
    /// The service stopped in the middle.
    Interrupted, "P0213", "interrupted", "The service stopped in the middle";
}

impl Problem {
    /// Finds a problem by its number or its code, in any case; of a code that is used twice, the first.
    pub fn named(text: &str) -> Option<Self> {
        let is = |problem: &&Self| {
            problem.number().eq_ignore_ascii_case(text) || problem.code().eq_ignore_ascii_case(text)
        };
        Self::ALL.iter().find(is).copied()
    }

    /// Gives the problem behind a delivery that ended without arriving.
    pub const fn of_ending(why: Why) -> Self {
        match why {
            Why::WaitsRanOut => Self::WaitsRanOut,
            Why::Gone => Self::Gone,
            Why::EndpointDisabled => Self::EndpointDisabled,
            Why::EndpointDeleted => Self::EndpointDeleted,
            Why::Asked => Self::Asked,
            Why::Unsayable => Self::DeliveryUnsayable,
            Why::Refused => Self::Refused,
            Why::Suppressed => Self::Suppressed,
            Why::Unknown => Self::Unknown,
            Why::Obsolete => Self::Obsolete,
            Why::Unreadable => Self::Unreadable,
        }
    }

    /// Gives the problem behind an attempt without an answer.
    pub const fn of_attempt(reason: Reason) -> Self {
        match reason {
            Reason::TargetRefused => Self::TargetRefused,
            Reason::NameUnresolved => Self::NameUnresolved,
            Reason::NameTimeout => Self::NameTimeout,
            Reason::ConnectFailed => Self::ConnectFailed,
            Reason::ConnectTimeout => Self::ConnectTimeout,
            Reason::TlsFailed => Self::TlsFailed,
            Reason::TlsTimeout => Self::TlsTimeout,
            Reason::ConnectionLost => Self::ConnectionLost,
            Reason::HeadersTimeout => Self::HeadersTimeout,
            Reason::BodyTimeout => Self::BodyTimeout,
            Reason::AnswerMalformed => Self::AnswerMalformed,
            Reason::Unsayable => Self::AttemptUnsayable,
            Reason::Interrupted => Self::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_opens_with_number_and_title_and_names_its_code() {
        for problem in Problem::ALL {
            let head = format!(
                "# {}: {}\n\nCode: `{}`\n",
                problem.number(),
                problem.title(),
                problem.code()
            );
            assert!(problem.page().starts_with(&head), "{}", problem.number());
        }
    }

    #[test]
    fn numbers_are_unique() {
        let numbers: BTreeSet<&str> = Problem::ALL.iter().map(|problem| problem.number()).collect();
        assert_eq!(numbers.len(), Problem::ALL.len());
    }

    #[test]
    fn endings_and_reasons_keep_their_words() {
        for why in Why::ALL {
            assert_eq!(Problem::of_ending(why).code(), why.as_str());
        }
        for reason in Reason::ALL {
            assert_eq!(Problem::of_attempt(reason).code(), reason.as_str());
        }
    }

    #[test]
    fn a_problem_is_found_by_number_and_by_code() {
        assert_eq!(Problem::named("p0012"), Some(Problem::Invalid));
        assert_eq!(Problem::named("url_taken"), Some(Problem::UrlTaken));
        assert_eq!(Problem::named(&format!("P{}", 9_999)), None);
    }
}
