//! How things go wrong on the way out, as a reason and a sentence: one table, tested row by row.
//!
//! Invariant: a sentence says what happened and nothing secret: no URL, no header, no body.
//! Left to others: what follows from a reason (`domain::retry`).

use std::io;

use domain::call::{Failure, Reason};
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use crate::http::Nonsense;

/// How far an attempt has come; says what a deadline interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The name is being looked up.
    Resolving,
    /// An address is being dialled.
    Connecting,
    /// TLS is being negotiated.
    Handshaking,
    /// The request is being sent, or its answer awaited.
    Asking,
    /// The body is being read, after a head with this status.
    Reading(u16),
}

/// What kept an answer from being whole.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The receiver closed the connection.
    Closed,
    /// The connection broke.
    Io(io::Error),
    /// Its head has no end.
    TooLarge,
    /// It is no HTTP.
    Nonsense(Nonsense),
    /// It has a status that is no answer to anything we say.
    Unasked(u16),
}

impl From<Nonsense> for Fault {
    fn from(nonsense: Nonsense) -> Self {
        Self::Nonsense(nonsense)
    }
}

impl Stage {
    /// Says what it means that the deadline passed at this stage.
    pub(crate) fn timed_out(self) -> Failure {
        let (reason, detail) = match self {
            Self::Resolving => {
                (Reason::NameTimeout, "the name server did not answer in time".to_owned())
            }
            Self::Connecting => {
                (Reason::ConnectTimeout, "the connection was not accepted in time".to_owned())
            }
            Self::Handshaking => {
                (Reason::TlsTimeout, "the TLS handshake did not end in time".to_owned())
            }
            Self::Asking => (Reason::HeadersTimeout, "no answer came in time".to_owned()),
            Self::Reading(status) => (
                Reason::BodyTimeout,
                format!("status {status} came, but its body did not end in time"),
            ),
        };
        Failure { reason, detail }
    }
}

/// Classifies a failed lookup.
pub(crate) fn resolving(error: &io::Error) -> Failure {
    failure(Reason::NameUnresolved, format!("the name could not be resolved: {error}"))
}

/// Classifies a connection that did not come about.
pub(crate) fn connecting(error: &io::Error) -> Failure {
    let kind = error.kind();
    if kind == io::ErrorKind::TimedOut {
        return failure(Reason::ConnectTimeout, "the connection was not accepted in time");
    }
    let detail = if kind == io::ErrorKind::ConnectionRefused {
        "the connection was refused".to_owned()
    } else if matches!(kind, io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) {
        "no route leads to the host".to_owned()
    } else {
        format!("the connection failed: {kind}")
    };
    failure(Reason::ConnectFailed, detail)
}

/// Classifies a failed TLS handshake.
pub(crate) fn handshaking(error: &io::Error) -> Failure {
    match tls_error(error) {
        Some(error) => tls(error),
        None => failure(
            Reason::TlsFailed,
            format!("the connection broke during the TLS handshake: {}", error.kind()),
        ),
    }
}

/// Classifies what happened between the request and the end of the answer's head.
pub(crate) fn asking(fault: Fault) -> Failure {
    match fault {
        Fault::Closed => {
            failure(Reason::ConnectionLost, "the connection was closed before an answer")
        }
        Fault::Io(error) => match tls_error(&error) {
            Some(cause) => tls(cause),
            None => failure(
                Reason::ConnectionLost,
                format!("the connection broke before an answer: {}", error.kind()),
            ),
        },
        Fault::TooLarge => failure(Reason::AnswerMalformed, "the head of the answer is too large"),
        Fault::Nonsense(Nonsense(why)) => {
            failure(Reason::AnswerMalformed, format!("what came back is no HTTP answer: {why}"))
        }
        Fault::Unasked(status) => failure(
            Reason::AnswerMalformed,
            format!("status {status} came, for which nobody asked"),
        ),
    }
}

/// Classifies what happened in the body of an answer with this status.
pub(crate) fn reading(status: u16, fault: Fault) -> Failure {
    match fault {
        Fault::Nonsense(Nonsense(why)) => failure(
            Reason::AnswerMalformed,
            format!("status {status} came, but its body is malformed: {why}"),
        ),
        Fault::Closed | Fault::Io(_) | Fault::TooLarge | Fault::Unasked(_) => failure(
            Reason::ConnectionLost,
            format!("status {status} came, but the connection broke within its body"),
        ),
    }
}

fn tls(error: &TlsError) -> Failure {
    let detail = if let TlsError::InvalidCertificate(certificate) = error {
        certificate_fault(certificate)
    } else if let TlsError::AlertReceived(AlertDescription::CertificateRequired) = error {
        "the receiver asks for a client certificate".to_owned()
    } else if let TlsError::AlertReceived(alert) = error {
        format!("the receiver ended the TLS handshake: {alert:?}")
    } else {
        format!("the TLS handshake failed: {error}")
    };
    Failure { reason: Reason::TlsFailed, detail }
}

fn certificate_fault(error: &CertificateError) -> String {
    use CertificateError as Fault;
    let known = if matches!(error, Fault::UnknownIssuer) {
        "the certificate is not signed by a known authority"
    } else if matches!(error, Fault::Expired | Fault::ExpiredContext { .. }) {
        "the certificate has expired"
    } else if matches!(error, Fault::NotValidYet | Fault::NotValidYetContext { .. }) {
        "the certificate is not valid yet"
    } else if matches!(error, Fault::NotValidForName | Fault::NotValidForNameContext { .. }) {
        "the certificate is for another name"
    } else {
        return format!("the certificate is not acceptable: {error}");
    };
    known.to_owned()
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn failure(reason: Reason, detail: impl Into<String>) -> Failure {
    Failure { reason, detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_named_after_the_stage_it_interrupted() {
        for (stage, reason, detail) in [
            (Stage::Resolving, Reason::NameTimeout, "the name server did not answer in time"),
            (Stage::Connecting, Reason::ConnectTimeout, "the connection was not accepted in time"),
            (Stage::Handshaking, Reason::TlsTimeout, "the TLS handshake did not end in time"),
            (Stage::Asking, Reason::HeadersTimeout, "no answer came in time"),
            (
                Stage::Reading(201),
                Reason::BodyTimeout,
                "status 201 came, but its body did not end in time",
            ),
        ] {
            assert_eq!(stage.timed_out(), failure(reason, detail));
        }
    }

    #[test]
    fn a_failed_connect_says_whether_anybody_was_there() {
        for (kind, reason, detail) in [
            (io::ErrorKind::ConnectionRefused, Reason::ConnectFailed, "the connection was refused"),
            (
                io::ErrorKind::TimedOut,
                Reason::ConnectTimeout,
                "the connection was not accepted in time",
            ),
            (io::ErrorKind::HostUnreachable, Reason::ConnectFailed, "no route leads to the host"),
            (
                io::ErrorKind::NetworkUnreachable,
                Reason::ConnectFailed,
                "no route leads to the host",
            ),
            (
                io::ErrorKind::AddrNotAvailable,
                Reason::ConnectFailed,
                "the connection failed: address not available",
            ),
        ] {
            assert_eq!(connecting(&kind.into()), failure(reason, detail));
        }
    }

    #[test]
    fn a_failed_handshake_says_what_is_wrong_with_the_certificate() {
        for (error, detail) in [
            (
                TlsError::from(CertificateError::UnknownIssuer),
                "the certificate is not signed by a known authority",
            ),
            (TlsError::from(CertificateError::Expired), "the certificate has expired"),
            (TlsError::from(CertificateError::NotValidYet), "the certificate is not valid yet"),
            (
                TlsError::from(CertificateError::NotValidForName),
                "the certificate is for another name",
            ),
            (
                TlsError::AlertReceived(AlertDescription::CertificateRequired),
                "the receiver asks for a client certificate",
            ),
            (
                TlsError::AlertReceived(AlertDescription::HandshakeFailure),
                "the receiver ended the TLS handshake: HandshakeFailure",
            ),
        ] {
            assert_eq!(
                handshaking(&io::Error::new(io::ErrorKind::InvalidData, error)),
                failure(Reason::TlsFailed, detail)
            );
        }
        assert_eq!(
            handshaking(&io::ErrorKind::UnexpectedEof.into()),
            failure(
                Reason::TlsFailed,
                "the connection broke during the TLS handshake: unexpected end of file"
            )
        );
    }

    #[test]
    fn a_name_without_an_answer_is_unresolved() {
        assert_eq!(resolving(&io::Error::other("no such host")).reason, Reason::NameUnresolved);
    }
}
