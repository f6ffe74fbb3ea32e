//! Commands of SMTP (RFC 5321), from a line without its end.
//!
//! Invariant: whatever the line, the end is a command or the reply that refuses it.

use crate::returned::data::MAIL_BYTES_MAX;
use crate::returned::reply::{
    NO_ADDRESS, NO_NAME, NO_PARAMETER, NOT_OFFERED, Reply, TOO_LARGE, UNREADABLE,
};

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// `EHLO`.
    ExtendedHello,
    /// `HELO`.
    Hello,
    /// `MAIL`; from whom does not matter.
    Mail,
    /// `RCPT`, with the address as it stands between its brackets.
    Recipient(&'a str),
    Data,
    Reset,
    Nothing,
    Verify,
    Quit,
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Result<Command<'_>, Reply> {
    let Ok(line) = str::from_utf8(line) else { return Err(UNREADABLE) };
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim_start_matches(' ');
    let named = |command| if rest.is_empty() { Err(NO_NAME) } else { Ok(command) };
    let alone = |command| if rest.is_empty() { Ok(command) } else { Err(UNREADABLE) };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => named(Command::ExtendedHello),
        "HELO" => named(Command::Hello),
        "MAIL" => {
            let (_, parameters) = path(rest, "FROM:")?;
            parameters.split_ascii_whitespace().try_for_each(parameter)?;
            Ok(Command::Mail)
        }
        "RCPT" => {
            let (address, parameters) = path(rest, "TO:")?;
            if parameters.is_empty() { Ok(Command::Recipient(address)) } else { Err(NO_PARAMETER) }
        }
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Reset),
        "QUIT" => alone(Command::Quit),
        "NOOP" => Ok(Command::Nothing),
        "VRFY" => Ok(Command::Verify),
        "STARTTLS" | "AUTH" | "EXPN" | "HELP" | "BDAT" | "ETRN" | "TURN" => Err(NOT_OFFERED),
        _ => Err(UNREADABLE),
    }
}

/// Reads `FROM:<address>` or `TO:<address>`, and gives what stands behind it.
fn path<'a>(text: &'a str, word: &str) -> Result<(&'a str, &'a str), Reply> {
    let (found, rest) = text.split_at_checked(word.len()).ok_or(NO_ADDRESS)?;
    let address = rest.trim_start_matches(' ').strip_prefix('<').ok_or(NO_ADDRESS)?;
    let (address, parameters) = address.split_once('>').ok_or(NO_ADDRESS)?;
    let is_apart = parameters.is_empty() || parameters.starts_with(' ');
    if !found.eq_ignore_ascii_case(word) || !is_apart {
        return Err(NO_ADDRESS);
    }
    Ok((address, parameters.trim()))
}

/// Looks at a parameter of `MAIL`.
fn parameter(parameter: &str) -> Result<(), Reply> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    match name.to_ascii_uppercase().as_str() {
        "SIZE" => match value.parse::<u64>() {
            Ok(bytes) if bytes <= MAIL_BYTES_MAX as u64 => Ok(()),
            Ok(_) => Err(TOO_LARGE),
            Err(_) => Err(NO_PARAMETER),
        },
        "BODY" if ["7BIT", "8BITMIME"].iter().any(|body| body.eq_ignore_ascii_case(value)) => {
            Ok(())
        }
        _ => Err(NO_PARAMETER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_says_why_it_is_none() {
        for (line, expected) in [
            ("ehlo mx.example.com", Ok(Command::ExtendedHello)),
            ("HELO x", Ok(Command::Hello)),
            ("EHLO", Err(NO_NAME)),
            ("MAIL FROM:<>", Ok(Command::Mail)),
            ("mail from:<a@example.com> size=1048576 body=8bitmime", Ok(Command::Mail)),
            ("MAIL FROM: <a@example.com>", Ok(Command::Mail)),
            ("MAIL FROM:<> SIZE=1048577", Err(TOO_LARGE)),
            ("MAIL FROM:<> SIZE=x", Err(NO_PARAMETER)),
            ("MAIL FROM:<> SMTPUTF8", Err(NO_PARAMETER)),
            ("MAIL FROM:<>SIZE=1", Err(NO_ADDRESS)),
            ("MAIL FROM:a@example.com", Err(NO_ADDRESS)),
            ("MAIL", Err(NO_ADDRESS)),
            ("RCPT TO:<b+k+p@example.com>", Ok(Command::Recipient("b+k+p@example.com"))),
            ("RCPT TO:<b@example.com> NOTIFY=NEVER", Err(NO_PARAMETER)),
            ("RCPT FROM:<b@example.com>", Err(NO_ADDRESS)),
            ("RCPT TO:<b@example.com", Err(NO_ADDRESS)),
            ("RCPT ä", Err(NO_ADDRESS)),
            ("DATA ", Ok(Command::Data)),
            ("DATA now", Err(UNREADABLE)),
            ("NOOP whatever", Ok(Command::Nothing)),
            ("VRFY ana", Ok(Command::Verify)),
            ("QUIT", Ok(Command::Quit)),
            ("STARTTLS", Err(NOT_OFFERED)),
            ("GET / HTTP/1.1", Err(UNREADABLE)),
            ("", Err(UNREADABLE)),
        ] {
            assert_eq!(read(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(read(b"NOOP \xff"), Err(UNREADABLE));
    }
}
