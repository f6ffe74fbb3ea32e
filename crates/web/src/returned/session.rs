//! One session of SMTP without a socket: bytes go in, replies and mails come out.
//!
//! Invariants: the same bytes give the same, in whatever pieces they come; memory is bounded by a line, a mail and its
//! recipients; only addresses that prove themselves get a mail; the reply to a mail is left to who writes it down.

use std::borrow::Cow;
use std::mem;

use crate::returned::command::{self, Command};
use crate::returned::data::{Data, Flaw, MAIL_BYTES_MAX};
use crate::returned::reply::{
    BARE_IN_COMMAND, BARE_IN_MAIL, BYE, GO_ON, LINE_TOO_LONG, NO_HELLO, NO_RECIPIENT, NO_SENDER,
    NOT_OURS, OK, PERHAPS, Reply, TOO_LARGE, TOO_MANY_ERRORS, TOO_MANY_RECIPIENTS, TWO_SENDERS,
};

/// The most bytes of a line, its end among them: four times what RFC 5321 grants.
pub(super) const LINE_BYTES_MAX: usize = 2_048;
/// The most recipients of a mail.
pub(super) const RECIPIENTS_MAX: usize = 10;
/// The most commands that are refused before the session ends.
const ERRORS_MAX: u32 = 20;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Who we say we are.
    name: String,
    phase: Phase,
    line: Vec<u8>,
    errors: u32,
}

/// What has been said so far.
#[derive(Debug)]
enum Phase {
    /// Nothing.
    New,
    /// Who is there.
    Greeted,
    /// That a mail comes, and to whom.
    Addressed { to: Vec<String> },
    /// The beginning of a mail.
    Mail { to: Vec<String>, data: Data },
    /// Everything.
    Over,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Say this.
    Say(Reply),
    /// Write this down, then say what came of it.
    Keep(Returned),
}

/// A mail that came whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// The addresses that it came to, 1 to 10, each of which proved itself.
    pub(crate) to: Vec<String>,
    /// The mail, lines ending in CR LF, at most a MiB.
    pub(crate) mail: Vec<u8>,
}

impl Session {
    /// Begins a session, as a server of that name.
    pub(crate) const fn new(name: String) -> Self {
        Self { name, phase: Phase::New, line: Vec::new(), errors: 0 }
    }

    /// Gives what is said before anything is heard.
    pub(crate) fn greeting(&self) -> Reply {
        Reply::new(Cow::Owned(format!("220 {} ESMTP for reports about mails", self.name)))
    }

    /// Takes bytes up to the next thing to do; gives how many were taken. After a reply that closes, all are taken and
    /// come to nothing.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        is_ours: impl Fn(&str) -> bool,
    ) -> (usize, Option<Next>) {
        for (taken, byte) in (1..).zip(bytes) {
            if let Some(next) = self.take_byte(*byte, &is_ours) {
                return (taken, Some(self.counted(next)));
            }
        }
        (bytes.len(), None)
    }

    fn take_byte(&mut self, byte: u8, is_ours: &impl Fn(&str) -> bool) -> Option<Next> {
        match &mut self.phase {
            Phase::Over => None,
            Phase::Mail { data, .. } => {
                if data.take(byte) {
                    self.end_mail()
                } else {
                    None
                }
            }
            Phase::New | Phase::Greeted | Phase::Addressed { .. } => {
                let after_return = self.line.last() == Some(&b'\r');
                if after_return != (byte == b'\n') {
                    return Some(Next::Say(BARE_IN_COMMAND));
                }
                self.line.push(byte);
                if self.line.len() > LINE_BYTES_MAX {
                    return Some(Next::Say(LINE_TOO_LONG));
                }
                if !after_return {
                    return None;
                }
                let line = mem::take(&mut self.line);
                let line = line.strip_suffix(b"\r\n").unwrap_or(&line);
                Some(Next::Say(self.obey(line, is_ours)))
            }
        }
    }

    /// Ends the session with a reply that closes it, or with one error too many.
    fn counted(&mut self, next: Next) -> Next {
        let Next::Say(mut reply) = next else { return next };
        if reply.is_error() && !reply.closes {
            self.errors += 1;
            if self.errors >= ERRORS_MAX {
                reply = TOO_MANY_ERRORS;
            }
        }
        if reply.closes {
            self.phase = Phase::Over;
            self.line = Vec::new();
        }
        Next::Say(reply)
    }

    fn end_mail(&mut self) -> Option<Next> {
        let Phase::Mail { to, data } = mem::replace(&mut self.phase, Phase::Greeted) else {
            return None;
        };
        Some(match data.end() {
            Ok(mail) => Next::Keep(Returned { to, mail }),
            Err(Flaw::Bare) => Next::Say(BARE_IN_MAIL),
            Err(Flaw::TooLarge) => Next::Say(TOO_LARGE),
        })
    }

    fn obey(&mut self, line: &[u8], is_ours: &impl Fn(&str) -> bool) -> Reply {
        let command = match command::read(line) {
            Ok(command) => command,
            Err(refusal) => return refusal,
        };
        match (command, &mut self.phase) {
            (Command::ExtendedHello, _) => {
                self.phase = Phase::Greeted;
                let name = &self.name;
                Reply::new(Cow::Owned(format!(
                    "250-{name}\r\n250-PIPELINING\r\n250-SIZE {MAIL_BYTES_MAX}\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
                )))
            }
            (Command::Hello, _) => {
                self.phase = Phase::Greeted;
                Reply::new(Cow::Owned(format!("250 {}", self.name)))
            }
            (Command::Nothing, _) | (Command::Reset, Phase::New) => OK,
            (Command::Verify, _) => PERHAPS,
            (Command::Quit, _) => BYE,
            (Command::Reset, _) => {
                self.phase = Phase::Greeted;
                OK
            }
            (Command::Mail | Command::Recipient(_) | Command::Data, Phase::New) => NO_HELLO,
            (Command::Mail, Phase::Addressed { .. }) => TWO_SENDERS,
            (Command::Mail, _) => {
                self.phase = Phase::Addressed { to: Vec::new() };
                OK
            }
            (Command::Recipient(address), Phase::Addressed { to }) => add(to, address, is_ours),
            (Command::Data, Phase::Addressed { to }) => {
                if to.is_empty() {
                    return NO_RECIPIENT;
                }
                let to = mem::take(to);
                self.phase = Phase::Mail { to, data: Data::new() };
                GO_ON
            }
            (Command::Recipient(_) | Command::Data, _) => NO_SENDER,
        }
    }

    #[cfg(test)]
    fn held_bytes(&self) -> usize {
        let (to, data) = match &self.phase {
            Phase::New | Phase::Greeted | Phase::Over => (&[][..], 0),
            Phase::Addressed { to } => (&to[..], 0),
            Phase::Mail { to, data } => (&to[..], data.held_bytes()),
        };
        self.line.capacity() + data + to.iter().map(String::capacity).sum::<usize>()
    }
}

fn add(to: &mut Vec<String>, address: &str, is_ours: &impl Fn(&str) -> bool) -> Reply {
    if !is_ours(address) {
        return NOT_OURS;
    }
    if !to.iter().any(|known| known == address) {
        if to.len() >= RECIPIENTS_MAX {
            return TOO_MANY_RECIPIENTS;
        }
        to.push(address.to_owned());
    }
    OK
}

#[cfg(test)]
mod tests;
