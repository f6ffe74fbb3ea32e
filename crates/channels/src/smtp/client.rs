//! One connection to a mail server, from the greeting to the reply to the last dot.
//!
//! Invariants: commands and replies take turns; what was read before TLS is not believed after it; no login shows in an
//! error.

use std::io;
use std::net::SocketAddr;

use domain::call::{Failure, Reason};
use domain::message::{Receipt, Reception};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::classify::Stage;
use crate::conversation::{Notes, Side};
use crate::http::Progress;
use crate::http::dial::Dialler;
use crate::http::wire::Wire;
use crate::proof::base64;
use crate::smtp::reply::{self, Extensions, Reply};
use crate::smtp::settings::{Login, Settings, Tls};

/// A connection over which somebody has logged in.
pub(super) struct Client {
    wire: Wire,
    remote: SocketAddr,
    /// What was read and does not belong to a reply yet.
    unread: Vec<u8>,
    known: Extensions,
    notes: Notes,
}

/// A mail and what stands outside on it.
pub(super) struct Envelope<'a> {
    pub(super) return_path: &'a str,
    pub(super) to: &'a str,
    pub(super) key: &'a str,
    /// Headers and bodies, every line with its end.
    pub(super) text: &'a str,
}

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no connection any more, or there never was.
    Lost(Failure),
    /// The server does not want us, or cannot do what the settings ask for.
    Unwanted(String),
    /// The server does not take mails of this sender.
    Sender(Reply),
    /// The server does not take this mail.
    Mail(Reply),
}

impl Trouble {
    /// Tells whether another mail may go over the same connection.
    pub(super) fn leaves_connection(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Unwanted(_) => false,
            Self::Sender(reply) | Self::Mail(reply) => reply.code != CLOSING,
        }
    }

    /// Says what became of the mail.
    pub(super) fn receipt(self, handed_over: bool) -> Receipt {
        let later = |provider| Reception::Later { after_s: None, provider };
        let (reception, detail) = match self {
            Self::Lost(failure) if handed_over => (Reception::Unknown, failure.detail),
            Self::Lost(failure) => (later(true), failure.detail),
            Self::Unwanted(detail) => (later(true), detail),
            Self::Sender(reply) | Self::Mail(reply) if reply.code == CLOSING => {
                (later(true), reply.said())
            }
            Self::Mail(reply) if reply.is_transient() => (later(false), reply.said()),
            Self::Mail(reply) => (Reception::Refused { suppressed: false }, reply.said()),
            Self::Sender(reply) => (later(true), reply.said()),
        };
        Receipt { reception, message_id: None, detail }
    }
}

impl Client {
    /// Dials, greets, secures the connection and logs in, as the settings say.
    pub(super) async fn open(
        dialler: &Dialler,
        settings: &Settings<'_>,
        progress: &mut Progress,
    ) -> Result<Self, Trouble> {
        let host = settings.host();
        let (stream, remote) =
            dialler.open(&host, settings.port, progress).await.map_err(Trouble::Lost)?;
        let wire = match settings.tls {
            Tls::Implicit => {
                dialler.secure(&host, stream, progress).await.map_err(Trouble::Lost)?
            }
            Tls::Upgraded | Tls::None => Wire::Plain(stream),
        };
        progress.stage = Stage::Asking;
        let notes = progress.notes.clone();
        let (unread, known) = (Vec::new(), Extensions::default());
        let mut client = Self { wire, remote, unread, known, notes };
        let greeting = client.hear().await?;
        wanted(&greeting, "greet us")?;
        client.greet(settings).await?;
        if settings.tls == Tls::Upgraded {
            client = client.secured(dialler, settings, progress).await?;
            client.greet(settings).await?;
        }
        if let Some(login) = &settings.login {
            client.log_in(login).await?;
        }
        Ok(client)
    }

    /// Gives the address at the other end.
    pub(super) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Tells whether a connection that was idle is still there, and clears what a mail before may have left.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.unread.is_empty() && self.say("RSET").await.is_ok_and(|reply| reply.is_positive())
    }

    /// Hands a mail over; gives what the server said at the end. Sets `handed_over` before the last dot is written.
    pub(super) async fn send(
        &mut self,
        envelope: &Envelope<'_>,
        handed_over: &mut bool,
    ) -> Result<String, Trouble> {
        let Envelope { return_path, to, key, text } = envelope;
        let (mut sender, mut recipient) =
            (format!("MAIL FROM:<{return_path}>"), format!("RCPT TO:<{to}>"));
        if self.known.dsn {
            sender.extend([" RET=HDRS ENVID=", key]);
            recipient.push_str(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;");
            recipient.push_str(&xtext(to));
        }
        let reply = self.say(&sender).await?;
        match reply.code {
            250 => {}
            // The one reply here that is about the mail: it is too large.
            552 => return Err(Trouble::Mail(reply)),
            _ => return Err(Trouble::Sender(reply)),
        }
        let reply = self.say(&recipient).await?;
        match reply.code {
            250 | 251 => {}
            // A login is missing, whoever the mail is for.
            530 | 535 => return Err(Trouble::Sender(reply)),
            _ => return Err(Trouble::Mail(reply)),
        }
        let reply = self.say("DATA").await?;
        if reply.code != 354 {
            return Err(Trouble::Mail(reply));
        }
        self.write(stuffed(text).as_bytes()).await?;
        self.notes.note(Side::Us, || format!("(the mail, {} bytes)", text.len()));
        *handed_over = true;
        self.notes.note(Side::Us, || ".".to_owned());
        self.write(b".\r\n").await?;
        let reply = self.hear().await?;
        if reply.is_positive() { Ok(reply.said()) } else { Err(Trouble::Mail(reply)) }
    }

    async fn greet(&mut self, settings: &Settings<'_>) -> Result<(), Trouble> {
        let reply = self.say(&format!("EHLO {}", settings.name)).await?;
        wanted(&reply, "hear EHLO")?;
        self.known = Extensions::of(&reply);
        Ok(())
    }

    async fn secured(
        mut self,
        dialler: &Dialler,
        settings: &Settings<'_>,
        progress: &mut Progress,
    ) -> Result<Self, Trouble> {
        let refused = "the server does not offer STARTTLS, so nothing was sent to it";
        if !self.known.starttls {
            return Err(Trouble::Unwanted(refused.to_owned()));
        }
        let reply = self.say("STARTTLS").await?;
        wanted(&reply, "begin TLS")?;
        let (Wire::Plain(stream), true) = (self.wire, self.unread.is_empty()) else {
            return Err(Trouble::Unwanted("the server spoke before TLS had begun".to_owned()));
        };
        let wire = dialler.secure(&settings.host(), stream, progress).await;
        progress.stage = Stage::Asking;
        self.notes.note(Side::Us, || "(from here on nobody else can read it: TLS)".to_owned());
        Ok(Self { wire: wire.map_err(Trouble::Lost)?, known: Extensions::default(), ..self })
    }

    async fn log_in(&mut self, login: &Login<'_>) -> Result<(), Trouble> {
        let reply = match login {
            Login::Token { user, token } if self.known.xoauth2 => {
                let text = format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}");
                let reply = self.say_hidden("AUTH XOAUTH2 ", &base64(text.as_bytes())).await?;
                // The server tells why it refuses, and wants to hear that this was heard.
                if reply.code == 334 { self.say("").await? } else { reply }
            }
            Login::Password { user, password } if self.known.plain => {
                let text = format!("\0{user}\0{password}");
                self.say_hidden("AUTH PLAIN ", &base64(text.as_bytes())).await?
            }
            Login::Password { user, password } if self.known.login => {
                let mut reply = self.say("AUTH LOGIN").await?;
                for text in [user, password] {
                    if reply.code == 334 {
                        reply = self.say_hidden("", &base64(text.as_bytes())).await?;
                    }
                }
                reply
            }
            Login::Token { .. } | Login::Password { .. } => {
                let detail = "the server offers no way to log in that is known here";
                return Err(Trouble::Unwanted(detail.to_owned()));
            }
        };
        if reply.code == 235 {
            return Ok(());
        }
        // What is said here may repeat what we said.
        Err(Trouble::Unwanted(format!("the server refused the login with {}", reply.code)))
    }

    async fn say(&mut self, command: &str) -> Result<Reply, Trouble> {
        self.notes.note(Side::Us, || command.to_owned());
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.hear().await
    }

    /// Says a command whose end nobody may see.
    async fn say_hidden(&mut self, command: &str, secret: &str) -> Result<Reply, Trouble> {
        self.notes.note(Side::Us, || format!("{command}…"));
        self.notes.hide(secret);
        self.write(format!("{command}{secret}\r\n").as_bytes()).await?;
        self.hear().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.wire.write_all(bytes).await.map_err(|error| lost(&error))?;
        self.wire.flush().await.map_err(|error| lost(&error))
    }

    async fn hear(&mut self) -> Result<Reply, Trouble> {
        let mut reply = Reply { code: 0, lines: Vec::new() };
        loop {
            let text = self.line().await?;
            self.notes.note(Side::Provider, || text.clone());
            let line = reply::line(&text).ok_or_else(malformed)?;
            if reply.lines.len() >= REPLY_LINES_MAX || (reply.code != 0 && reply.code != line.code)
            {
                return Err(malformed());
            }
            reply.code = line.code;
            reply.lines.push(line.text.to_owned());
            if line.is_last {
                return Ok(reply);
            }
        }
    }

    async fn line(&mut self) -> Result<String, Trouble> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.unread.len() >= LINE_BYTES_MAX {
                return Err(malformed());
            }
            let mut more = [0; 1024];
            let count = self.wire.read(&mut more).await.map_err(|error| lost(&error))?;
            if count == 0 {
                return Err(lost(&io::ErrorKind::UnexpectedEof.into()));
            }
            self.unread.extend_from_slice(more.get(..count).unwrap_or_default());
        }
    }
}

fn wanted(reply: &Reply, what: &str) -> Result<(), Trouble> {
    if reply.is_positive() {
        return Ok(());
    }
    Err(Trouble::Unwanted(format!("the server did not {what}: {}", reply.said())))
}

fn lost(error: &io::Error) -> Trouble {
    let detail = format!("the connection broke: {}", error.kind());
    Trouble::Lost(Failure { reason: Reason::ConnectionLost, detail })
}

fn malformed() -> Trouble {
    let detail = "what came back is no SMTP reply".to_owned();
    Trouble::Lost(Failure { reason: Reason::AnswerMalformed, detail })
}

/// Doubles the dot at the beginning of a line; a single one would end the mail.
fn stuffed(text: &str) -> String {
    text.replace("\r\n.", "\r\n..")
}

/// Writes an address as `xtext` (RFC 3461): a plus and an equals sign mean something there.
fn xtext(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '+' => "+2B".to_owned(),
            '=' => "+3D".to_owned(),
            char => char.to_string(),
        })
        .collect()
}

/// The server closes the connection, whatever was asked.
const CLOSING: u16 = 421;

/// Four times what RFC 5321 grants.
const LINE_BYTES_MAX: usize = 2_048;

/// Far more than any server has extensions.
const REPLY_LINES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_ends_the_mail_too_early() {
        assert_eq!(stuffed("a: b\r\n\r\n.\r\n.c\r\nd.\r\n"), "a: b\r\n\r\n..\r\n..c\r\nd.\r\n");
    }

    #[test]
    fn what_means_something_in_xtext_is_written_out() {
        assert_eq!(xtext("ana+x=y@example.net"), "ana+2Bx+3Dy@example.net");
    }
}
