//! A mail as the text that servers pass on: headers, and one or two bodies.
//!
//! Invariants: the same mail, key, time and domain give the same text; every line is ASCII and short; nothing in a mail
//! can end a header or a part.

use std::time::{Duration, UNIX_EPOCH};

use domain::message::{Mail, Mailbox};
use domain::time::Timestamp;

use crate::address;
use crate::proof::{base64, id_of};

/// Writes a mail, with the given `Message-ID` (without brackets).
pub(crate) fn write(mail: &Mail, message_id: &str, now: Timestamp) -> String {
    let mut text = String::new();
    let mut header = |name: &str, value: &str| {
        text.extend([name, ": ", value, "\r\n"]);
    };
    header("Date", &date(now));
    header("From", &mailbox(&mail.from));
    header("To", &mailbox(&mail.to));
    if let Some(reply_to) = &mail.reply_to {
        header("Reply-To", reply_to);
    }
    header("Subject", &words(&mail.subject));
    header("Message-ID", &format!("<{message_id}>"));
    header("X-Notice-Id", &mail.key);
    header("Auto-Submitted", "auto-generated");
    header("MIME-Version", "1.0");
    match &mail.html {
        None => text.push_str(&part("plain", &mail.text)),
        Some(html) => {
            // Base64 has no such line, so no body can end its part.
            let boundary = format!("={}", id_of(&[&mail.key, "boundary"]));
            header("Content-Type", &format!("multipart/alternative;\r\n boundary=\"{boundary}\""));
            for body in [part("plain", &mail.text), part("html", html)] {
                text.extend(["\r\n--", &boundary, "\r\n", &body]);
            }
            text.extend(["\r\n--", &boundary, "--\r\n"]);
        }
    }
    text
}

/// Writes a name as a phrase in ASCII.
pub(crate) fn phrase(name: &str) -> String {
    if name.is_ascii() && name.len() <= PLAIN_BYTES_MAX {
        address::phrase(name)
    } else {
        words(name)
    }
}

fn mailbox(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{}\r\n <{}>", phrase(name), mailbox.address),
        None => mailbox.address.clone(),
    }
}

/// Writes a text in a header: as it is if that is plain and short, in encoded words (RFC 2047) otherwise.
fn words(text: &str) -> String {
    let is_plain = text.len() <= PLAIN_BYTES_MAX
        && !text.contains("=?")
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_plain {
        return text.trim().to_owned();
    }
    let mut chunks = vec![String::new()];
    for char in text.chars().filter(|char| !char.is_control()) {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() + char.len_utf8() <= WORD_BYTES_MAX => chunk.push(char),
            Some(_) | None => chunks.push(char.to_string()),
        }
    }
    let word = |chunk: &String| format!("=?UTF-8?B?{}?=", base64(chunk.as_bytes()));
    chunks.iter().map(word).collect::<Vec<_>>().join("\r\n ")
}

/// Writes a body with its own headers.
fn part(kind: &str, body: &str) -> String {
    let encoded = base64(body.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes());
    let mut text = format!(
        "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    let mut left = encoded.as_str();
    while !left.is_empty() {
        let (line, rest) = left.split_at_checked(LINE_BYTES_MAX).unwrap_or((left, ""));
        text.extend([line, "\r\n"]);
        left = rest;
    }
    text
}

/// Writes a moment as `Thu, 02 Jul 2026 10:00:00 +0000`.
fn date(now: Timestamp) -> String {
    let seconds = u64::try_from(now.as_seconds()).unwrap_or_default();
    let at = UNIX_EPOCH + Duration::from_secs(seconds);
    httpdate::fmt_http_date(at).replace("GMT", "+0000")
}

/// Headers are folded before 78 bytes; the longest name and what stands around a word fit in the rest.
const PLAIN_BYTES_MAX: usize = 60;

/// What becomes an encoded word of at most 75 bytes.
const WORD_BYTES_MAX: usize = 42;

/// The longest line of Base64 (RFC 2045).
const LINE_BYTES_MAX: usize = 76;

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    use super::*;

    fn mail(name: &str, subject: &str, text: &str, html: Option<&str>) -> Mail {
        Mail {
            key: "ntc_1".to_owned(),
            from: Mailbox { name: Some(name.to_owned()), address: "sign@example.com".to_owned() },
            reply_to: Some("support@example.com".to_owned()),
            to: Mailbox { name: None, address: "ana.pop@example.net".to_owned() },
            subject: subject.to_owned(),
            text: text.to_owned(),
            html: html.map(ToOwned::to_owned),
            tag: None,
        }
    }

    fn written(mail: &Mail) -> String {
        write(mail, "ntc_1@example.com", "2026-07-02T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_mail_is_written_as_others_read_it() {
        let text = written(&mail(
            "Example, Inc.",
            "Überprüfen: \r\nBcc: x@example.com",
            "a\nb\n",
            Some("<p>ü</p>"),
        ));
        let read = MessageParser::default().parse(text.as_bytes()).unwrap();
        assert_eq!(read.subject(), Some("Überprüfen: Bcc: x@example.com"));
        let from = read.from().unwrap().first().unwrap();
        assert_eq!(
            (from.name(), from.address()),
            (Some("Example, Inc."), Some("sign@example.com"))
        );
        assert_eq!(read.message_id(), Some("ntc_1@example.com"));
        assert_eq!(read.body_text(0).unwrap(), "a\r\nb\r\n");
        assert_eq!(read.body_html(0).unwrap(), "<p>ü</p>");
        assert_eq!(read.bcc(), None);
        assert_eq!(read.date().unwrap().to_rfc3339(), "2026-07-02T10:00:00Z");
    }

    proptest! {
        #[test]
        fn whatever_a_mail_says_comes_back(
            name in "\\PC{1,80}", subject in "\\PC{1,200}", text in "(\\PC|\n){0,300}",
        ) {
            let text = written(&mail(name.trim(), subject.trim(), &text, None));
            prop_assert!(text.is_ascii());
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])));
            let read = MessageParser::default().parse(text.as_bytes()).unwrap();
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeezed(read.subject().unwrap_or_default()), squeezed(&subject));
        }
    }
}
