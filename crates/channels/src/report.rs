//! Reports that come as mails: of what became of a mail (DSN, RFC 3464), and of complaints (ARF, RFC 5965).
//!
//! Invariants: whatever the bytes, the end is a list, empty where they report nothing; the same mail gives the same
//! event ids.
//! Left to others: taking such mails in. They prove nothing by themselves: who knows the return path of a mail can write
//! one, so that has to be unguessable, as our keys are.

use std::borrow::Cow;

use domain::message::{Fact, Report};
use domain::time::Timestamp;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _, PartType};

use crate::address;
use crate::proof::id_of;
use crate::reception::one_line;

/// Reads a mail that came in, and to which address it came by its envelope, if that is known.
///
/// Of a mail of more than a MiB, what lies behind that is not looked at; of more than a hundred recipients neither.
pub fn read(raw: &[u8], envelope_to: Option<&str>) -> Vec<Report> {
    let raw = raw.get(..REPORT_BYTES_MAX).unwrap_or(raw);
    let Some(mail) = MessageParser::default().parse(raw) else { return Vec::new() };
    let subject = Subject::of(&mail, envelope_to);
    let at = mail.date().map(|date| Timestamp::from_millis(0).plus_seconds(date.to_timestamp()));
    let own_id = mail.message_id().unwrap_or_default();
    let found = if let Some(part) = part(&mail, "delivery-status") {
        recipients(&text(part))
    } else if let Some(part) = part(&mail, "feedback-report") {
        complaint(&text(part)).into_iter().collect()
    } else {
        Vec::new()
    };
    found
        .into_iter()
        .take(RECIPIENTS_MAX)
        .map(|Found { recipient, fact, status, detail }| Report {
            event_id: id_of(&[
                own_id,
                subject.key.as_deref().unwrap_or_default(),
                subject.message_id.as_deref().unwrap_or_default(),
                recipient.as_deref().unwrap_or_default(),
                fact.as_str(),
                &status,
            ]),
            key: subject.key.clone(),
            message_id: subject.message_id.clone(),
            recipient,
            fact,
            at,
            detail,
        })
        .collect()
}

/// Which mail is spoken of.
struct Subject {
    key: Option<String>,
    message_id: Option<String>,
}

impl Subject {
    /// Looks for our key where it is least likely to have been changed: in the return path that the report came to, then
    /// in what the servers hand on, then in what came back of the mail.
    fn of(mail: &Message<'_>, envelope_to: Option<&str>) -> Self {
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address());
        let status = part(mail, "delivery-status").map(text).unwrap_or_default();
        let groups = groups(&status);
        let envelope_id = groups.first().and_then(|group| field(group, "original-envelope-id"));
        let complaint = part(mail, "feedback-report").map(text).unwrap_or_default();
        let complaint = self::groups(&complaint);
        let sender = complaint.first().and_then(|group| field(group, "original-mail-from"));
        let (message_id, header) = returned(mail);
        let by_message_id =
            message_id.as_deref().and_then(|id| Some(id.split_once('@')?.0.to_owned()));
        let candidates = [
            envelope_to.and_then(of_return_path),
            to.and_then(of_return_path),
            sender.as_deref().and_then(of_return_path),
            envelope_id,
            by_message_id,
            header,
        ];
        let key = candidates.into_iter().flatten().find(|key| address::is_key(key));
        Self { key, message_id }
    }
}

/// Takes our key out of `anything+KEY@domain`, `anything+KEY+proof@domain` or `anything+KEY=more@domain`.
fn of_return_path(path: &str) -> Option<String> {
    let (local, _) = path.trim_matches(['<', '>', ' ']).rsplit_once('@')?;
    let (_, rest) = local.split_once('+')?;
    rest.split(['=', '+']).next().filter(|key| address::is_key(key)).map(ToOwned::to_owned)
}

/// Takes `Message-ID` and our header out of what came back of the mail.
fn returned(mail: &Message<'_>) -> (Option<String>, Option<String>) {
    let nested = mail.parts.iter().find_map(|part| match &part.body {
        PartType::Message(nested) => Some(nested),
        PartType::Text(_)
        | PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Multipart(_) => None,
    });
    if let Some(nested) = nested {
        let header = nested.header("X-Notice-Id").and_then(|value| value.as_text());
        return (nested.message_id().map(one_line), header.map(one_line));
    }
    let headers = part(mail, "rfc822-headers").map(text).unwrap_or_default();
    let groups = groups(&headers);
    let known = |name| groups.first().and_then(|group| field(group, name));
    let message_id = known("message-id").map(|id| id.trim_matches(['<', '>']).to_owned());
    (message_id, known("x-notice-id"))
}

/// One recipient of whom something is reported.
struct Found {
    recipient: Option<String>,
    fact: Fact,
    status: String,
    detail: Option<String>,
}

fn recipients(status: &str) -> Vec<Found> {
    let found = |group: &Group<'_>| {
        let status = field(group, "status").unwrap_or_default();
        let fact = match field(group, "action")?.to_ascii_lowercase().as_str() {
            "delivered" => Fact::Delivered,
            "expanded" => Fact::Sent,
            "relayed" => Fact::Accepted,
            "delayed" => Fact::Delayed,
            "failed" => failure(&status),
            _ => return None,
        };
        let typed = |name| {
            field(group, name).map(|text| {
                text.split_once(';').map_or(text.clone(), |(_, rest)| rest.trim().to_owned())
            })
        };
        // After a forwarding the last address is one that we do not know.
        let recipient = typed("original-recipient").or_else(|| typed("final-recipient"));
        Some(Found { recipient, fact, status, detail: typed("diagnostic-code") })
    };
    groups(status).iter().skip(1).filter_map(found).collect()
}

/// Reads an enhanced status code (RFC 3463) of a mail that was given up.
fn failure(status: &str) -> Fact {
    if status.starts_with("4.4.7") || status.starts_with("5.4.7") {
        Fact::Expired
    } else if status.starts_with("4.") || status.starts_with("5.2.2") {
        Fact::BouncedTransient
    } else if status.starts_with("5.7.") {
        Fact::BouncedBlocked
    } else {
        Fact::Bounced
    }
}

fn complaint(report: &str) -> Option<Found> {
    let groups = groups(report);
    let group = groups.first()?;
    let kind = field(group, "feedback-type")?.to_ascii_lowercase();
    let fact = match kind.as_str() {
        "abuse" | "fraud" | "virus" | "other" => Fact::Complained,
        "opt-out" | "opt-out-list" => Fact::Unsubscribed,
        _ => return None,
    };
    let recipient =
        field(group, "original-rcpt-to").map(|text| text.trim_matches(['<', '>']).to_owned());
    Some(Found { recipient, fact, status: String::new(), detail: Some(kind) })
}

fn part<'a, 'mail>(mail: &'a Message<'mail>, subtype: &str) -> Option<&'a MessagePart<'mail>> {
    mail.parts.iter().find(|part| {
        let known = part.content_type().and_then(|kind| kind.subtype());
        known.is_some_and(|known| known.eq_ignore_ascii_case(subtype))
    })
}

fn text<'a>(part: &'a MessagePart<'_>) -> Cow<'a, str> {
    String::from_utf8_lossy(part.contents())
}

/// The fields of a block, names in lower case, values unfolded.
type Group<'a> = Vec<(String, Cow<'a, str>)>;

/// Reads blocks of fields, between empty lines.
fn groups(text: &str) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut open = false;
    for line in text.lines().take(LINES_MAX) {
        if line.trim().is_empty() {
            open = false;
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = groups.last_mut().and_then(|group| group.last_mut()) {
                *value = Cow::Owned(format!("{value} {}", line.trim()));
            }
        } else if let Some((name, value)) = line.split_once(':') {
            if !open {
                groups.push(Group::new());
                open = true;
            }
            if let Some(group) = groups.last_mut() {
                group.push((name.trim().to_ascii_lowercase(), Cow::Borrowed(value.trim())));
            }
        }
    }
    groups
}

fn field(group: &Group<'_>, name: &str) -> Option<String> {
    let (_, value) = group.iter().find(|(known, _)| known == name)?;
    Some(one_line(value)).filter(|value| !value.is_empty())
}

/// The status comes before what came back of the mail, so little is lost behind it.
const REPORT_BYTES_MAX: usize = 1 << 20;

const RECIPIENTS_MAX: usize = 100;

const LINES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const FAILED: &str = include_str!("../fixtures/providers/smtp/dsn.failed.eml");
    const DELIVERED: &str = include_str!("../fixtures/providers/smtp/dsn.delivered.eml");
    const ABUSE: &str = include_str!("../fixtures/providers/smtp/arf.abuse.eml");

    fn one(raw: &str) -> Report {
        let mut reports = read(raw.as_bytes(), None);
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }

    #[test]
    fn reports_say_what_is_expected_of_them() {
        let expected: Value =
            serde_json::from_str(include_str!("../fixtures/providers/smtp/expected.json")).unwrap();
        for (name, raw) in [("dsn.failed.eml", FAILED), ("dsn.delivered.eml", DELIVERED)] {
            let (report, expected) = (one(raw), &expected[name]);
            let recipient = &expected["recipients"][0];
            let fact = match recipient["class"].as_str().unwrap() {
                "success" => Fact::Delivered,
                _ => Fact::Bounced,
            };
            assert_eq!(report.fact, fact);
            assert_eq!(report.key.as_deref(), expected["envelope_id"].as_str());
            assert_eq!(report.message_id.as_deref(), expected["original_message_id"].as_str());
            assert_eq!(report.recipient.as_deref(), recipient["final"].as_str());
            if let Some(diagnostic) = recipient["diagnostic"].as_str() {
                assert_eq!(report.detail.as_deref(), Some(diagnostic));
            }
        }
        let (report, expected) = (one(ABUSE), &expected["arf.abuse.eml"]);
        assert_eq!(report.fact, Fact::Complained);
        assert_eq!(report.recipient.as_deref(), expected["original_rcpt_to"][0].as_str());
        assert_eq!(report.message_id.as_deref(), expected["original_message_id"].as_str());
        assert_eq!(report.key.as_deref(), Some("ntf_01J8Z3"));
        assert_eq!(report.at, Some("2026-07-02T11:00:00Z".parse().unwrap()));
    }

    #[test]
    fn our_key_is_found_wherever_it_is_left() {
        let silent = FAILED.replace("bounce+ntf_01J8Z3=ana.pop=example.net@", "someone@");
        let by_envelope = silent.replace("Envelope-Id: ntf_01J8Z3", "Envelope-Id: ntf_2");
        assert_eq!(one(&by_envelope).key.as_deref(), Some("ntf_2"));
        let bare = silent.replace("Original-Envelope-Id: ntf_01J8Z3\r\n", "");
        assert_eq!(one(&bare.replace("<ntf_01J8Z3@", "<ntf_3@")).key.as_deref(), Some("ntf_3"));
        let header = bare.replace("Message-ID: <ntf_01J8Z3@example.com>", "X-Notice-Id: ntf_4");
        assert_eq!(one(&header).key.as_deref(), Some("ntf_4"));
        let enveloped = read(header.as_bytes(), Some("b+ntf_5@bounces.example.com"));
        assert_eq!(enveloped[0].key.as_deref(), Some("ntf_5"));
        let proven = read(header.as_bytes(), Some("b+ntf_6+0123456789abcdef@bounces.example.com"));
        assert_eq!(proven[0].key.as_deref(), Some("ntf_6"));
        let returned = ABUSE.replace("bounce+ntf_01J8Z3=", "bounce=");
        assert_eq!(one(&returned).key.as_deref(), Some("ntf_01J8Z3"));
    }

    #[test]
    fn several_recipients_fare_differently() {
        let more = "\r\nFinal-Recipient: rfc822; b@example.net\r\nAction: delayed\r\nStatus: 4.4.1\r\n\
            \r\nFinal-Recipient: rfc822; c@example.net\r\nAction: failed\r\nStatus: 4.4.7\r\n\r\n--=_dsn_failed\r\nContent-Type: text/rfc822-headers";
        let raw = FAILED.replace("\r\n--=_dsn_failed\r\nContent-Type: text/rfc822-headers", more);
        let reports = read(raw.as_bytes(), None);
        let facts: Vec<_> = reports.iter().map(|report| report.fact).collect();
        assert_eq!(facts, [Fact::Bounced, Fact::Delayed, Fact::Expired]);
        let ids: Vec<_> = reports.iter().map(|report| &report.event_id).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(read(raw.as_bytes(), None), reports);
    }

    #[test]
    fn a_failure_is_read_by_its_status() {
        for (status, fact) in [
            ("5.1.1", Fact::Bounced),
            ("5.7.1", Fact::BouncedBlocked),
            ("5.2.2", Fact::BouncedTransient),
            ("4.2.2", Fact::BouncedTransient),
            ("", Fact::Bounced),
        ] {
            assert_eq!(
                one(&FAILED.replace("Status: 5.1.1", &format!("Status: {status}"))).fact,
                fact
            );
        }
    }

    #[test]
    fn an_ordinary_mail_reports_nothing() {
        assert_eq!(read(b"From: a@example.net\r\nSubject: Re: sign\r\n\r\nThanks\r\n", None), []);
        assert_eq!(read(&ABUSE.replace("Type: abuse", "Type: not-spam").into_bytes(), None), []);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(at in 0..FAILED.len(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut raw = FAILED.as_bytes().to_vec();
            raw.splice(at..(at + bytes.len()).min(FAILED.len()), bytes);
            prop_assert!(read(&raw, None).len() <= RECIPIENTS_MAX);
            prop_assert!(read(&raw[at..], None).len() <= RECIPIENTS_MAX);
        }
    }
}
