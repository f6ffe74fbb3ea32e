//! What is said to a server that brings a mail: every reply is on this page but those with a name in them.
//!
//! Invariant: a refusal says what to do, in ASCII and one line.

use std::borrow::Cow;
use std::fmt;

/// A reply; written out it ends its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    text: Cow<'static, str>,
    /// Whether nothing follows it.
    pub(crate) closes: bool,
}

impl Reply {
    pub(super) const fn new(text: Cow<'static, str>) -> Self {
        Self { text, closes: false }
    }

    /// Tells whether something was refused for good.
    pub(super) fn is_error(&self) -> bool {
        self.text.starts_with('5')
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.text)
    }
}

const fn say(text: &'static str) -> Reply {
    Reply { text: Cow::Borrowed(text), closes: false }
}

const fn close(text: &'static str) -> Reply {
    Reply { text: Cow::Borrowed(text), closes: true }
}

pub(crate) const KEPT: Reply = say("250 2.0.0 taken");
pub(crate) const LATER: Reply = say("451 4.3.0 it could not be written down; bring it again later");
pub(crate) const STOPPING: Reply = close("421 4.3.2 the service stops; come again later");
pub(crate) const TOO_BUSY: Reply = close("421 4.3.2 too many connections; come again later");
pub(crate) const TOO_SLOW: Reply = close("421 4.4.2 this took too long; come again later");

pub(super) const OK: Reply = say("250 2.0.0 OK");
pub(super) const BYE: Reply = close("221 2.0.0 goodbye");
pub(super) const PERHAPS: Reply = say("252 2.5.0 nobody is looked up here; bring the mail");
pub(super) const GO_ON: Reply = say("354 go on, and end with a dot on a line of its own");

pub(super) const TOO_MANY_RECIPIENTS: Reply =
    say("452 4.5.3 no more than 10 recipients; bring the mail to the others apart");
pub(super) const UNREADABLE: Reply =
    say("500 5.5.2 the line is no command, or not written as RFC 5321 has it");
pub(super) const NO_ADDRESS: Reply =
    say("501 5.5.4 expected an address in angle brackets, as in RCPT TO:<a@example.com>");
pub(super) const NO_NAME: Reply = say("501 5.5.4 say who you are, as in EHLO mx.example.com");
pub(super) const NOT_OFFERED: Reply = say("502 5.5.1 this command is not offered here");
pub(super) const NO_HELLO: Reply = say("503 5.5.1 say EHLO or HELO first");
pub(super) const NO_SENDER: Reply = say("503 5.5.1 say MAIL first");
pub(super) const NO_RECIPIENT: Reply =
    say("503 5.5.1 say RCPT first, with an address that is taken");
pub(super) const TWO_SENDERS: Reply = say("503 5.5.1 one mail after the other; RSET begins anew");
pub(super) const NOT_OURS: Reply = say(
    "550 5.7.1 only reports about mails of this service are taken, at the return paths that it gave them; nothing is relayed",
);
pub(super) const BARE_IN_MAIL: Reply =
    say("550 5.6.0 the mail has a CR or LF that stands alone; every line must end with both");
pub(super) const TOO_LARGE: Reply = say("552 5.3.4 a mail may have 1048576 bytes at most");
pub(super) const NO_PARAMETER: Reply = say("555 5.5.4 only SIZE and BODY of MAIL are known here");

pub(super) const TOO_MANY_ERRORS: Reply = close("421 4.7.0 too many errors");
pub(super) const LINE_TOO_LONG: Reply = close("500 5.5.6 a line may have 2048 bytes at most");
pub(super) const BARE_IN_COMMAND: Reply =
    close("521 5.5.2 a CR or LF stands alone; every line must end with both");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::returned::data::MAIL_BYTES_MAX;
    use crate::returned::session::{LINE_BYTES_MAX, RECIPIENTS_MAX};

    #[test]
    fn replies_name_the_bounds_that_hold() {
        assert!(TOO_LARGE.text.contains(&format!(" {MAIL_BYTES_MAX} ")));
        assert!(LINE_TOO_LONG.text.contains(&format!(" {LINE_BYTES_MAX} ")));
        assert!(TOO_MANY_RECIPIENTS.text.contains(&format!(" {RECIPIENTS_MAX} ")));
    }
}
