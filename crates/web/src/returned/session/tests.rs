//! What a session says to what it hears, and that pieces make no difference.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::returned::reply::KEPT;

/// Stands in for the proof: what begins so is ours.
fn is_ours(address: &str) -> bool {
    address.starts_with("b+")
}

/// Tells a session something; gives the first word of each reply, and the mails.
fn hear(session: &mut Session, bytes: &[u8]) -> (Vec<String>, Vec<Returned>) {
    let (mut said, mut kept) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (taken, next) = session.take(rest, is_ours);
        rest = &rest[taken..];
        let reply = match next {
            None => continue,
            Some(Next::Say(reply)) => reply,
            Some(Next::Keep(returned)) => {
                kept.push(returned);
                KEPT
            }
        };
        said.push(reply.to_string());
    }
    (said, kept)
}

fn code(reply: &str) -> String {
    reply.chars().take(3).collect()
}

/// Gives the codes of what is said to these lines.
fn codes(lines: &[&str]) -> Vec<String> {
    let text = lines.join("\r\n") + "\r\n";
    let (said, _) = hear(&mut Session::new("sign.test".to_owned()), text.as_bytes());
    said.iter().map(|reply| code(reply)).collect()
}

#[test]
fn a_mail_comes_in_one_piece_with_its_commands() {
    let text = "EHLO mx.test\r\nMAIL FROM:<> SIZE=9\r\nRCPT TO:<b+1@x>\r\nRCPT TO:<b+2@x>\r\nRCPT TO:<b+1@x>\r\n\
        DATA\r\na\r\n..b\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\nNOOP\r\n";
    let (said, kept) = hear(&mut Session::new("sign.test".to_owned()), text.as_bytes());
    let mail = b"a\r\n.b\r\n".to_vec();
    assert_eq!(kept, [Returned { to: vec!["b+1@x".to_owned(), "b+2@x".to_owned()], mail }]);
    let ehlo = "250-sign.test\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n";
    assert_eq!(said[0], ehlo);
    let codes: Vec<String> = said[1..].iter().map(|reply| code(reply)).collect();
    assert_eq!(codes, ["250", "250", "250", "250", "354", "250", "250", "221"]);
}

#[test]
fn commands_come_in_their_order() {
    for (lines, expected) in [
        (&["MAIL FROM:<>", "RCPT TO:<b+1@x>", "DATA"][..], &["503", "503", "503"][..]),
        (&["HELO x", "DATA", "RCPT TO:<b+1@x>"], &["250", "503", "503"]),
        (&["HELO x", "MAIL FROM:<>", "MAIL FROM:<>", "DATA"], &["250", "250", "503", "503"]),
        (
            &["HELO x", "MAIL FROM:<>", "RCPT TO:<b+1@x>", "RSET", "RCPT TO:<b+1@x>"],
            &["250", "250", "250", "250", "503"],
        ),
        (&["HELO x", "MAIL FROM:<>", "RCPT TO:<ana@x>", "DATA"], &["250", "250", "550", "503"]),
        (
            &["NOOP", "VRFY ana", "STARTTLS", "AUTH PLAIN", "QUIT"],
            &["250", "252", "502", "502", "221"],
        ),
    ] {
        assert_eq!(codes(lines), expected, "{lines:?}");
    }
}

#[test]
fn an_eleventh_recipient_is_to_come_apart() {
    let mut lines = vec!["HELO x".to_owned(), "MAIL FROM:<>".to_owned()];
    lines.extend((0..11).map(|number| format!("RCPT TO:<b+{number}@x>")));
    lines.push("DATA".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let codes = codes(&lines);
    assert_eq!(codes[11], "250");
    assert_eq!(codes[12..], ["452", "354"]);
}

#[test]
fn who_only_errs_is_sent_away() {
    let codes = codes(&["GET / HTTP/1.1"; 30]);
    assert_eq!(codes.len(), 20);
    assert!(codes[..19].iter().all(|code| code == "500") && codes[19] == "421", "{codes:?}");
}

#[test]
fn a_line_end_that_is_not_whole_ends_the_session() {
    for text in ["NOOP\nNOOP\r\n", "NOOP\rNOOP\r\n", "\nNOOP\r\n", "NOOP\r\r\nNOOP\r\n"] {
        let (said, _) = hear(&mut Session::new("sign.test".to_owned()), text.as_bytes());
        assert_eq!(said, [BARE_IN_COMMAND.to_string()], "{text:?}");
    }
    let long = [b'a'; LINE_BYTES_MAX + 1];
    let (said, _) = hear(&mut Session::new("sign.test".to_owned()), &long);
    assert_eq!(said, [LINE_TOO_LONG.to_string()]);
}

/// Lines, and pieces of lines, of sessions that go well and of others.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "EHLO x\r\n",
        "MAIL FROM:<>\r\n",
        "RCPT TO:<b+1@x>\r\n",
        "RCPT TO:<x@x>\r\n",
        "DATA\r\n",
        ".\r\n",
        "RSET\r\n",
        "a\r\n",
        "..\r\n",
        "QUIT\r\n",
        "\r",
        "\n",
        "\r\n",
        ".",
    ]);
    let known = known.prop_map(|text| text.as_bytes().to_vec());
    let any = prop::collection::vec(any::<u8>(), 0..40);
    let greeting = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b+1@x>\r\nDATA\r\n".as_bytes();
    let greeting = select(vec![greeting.to_vec(), Vec::new()]);
    let parts = prop::collection::vec(prop_oneof![8 => known, 1 => any], 0..30);
    (greeting, parts).prop_map(|(greeting, parts)| [greeting, parts.concat()].concat())
}

proptest! {
    #[test]
    fn pieces_make_no_difference(wire in wire(), cuts in prop::collection::vec(any::<Index>(), 0..12)) {
        let whole = hear(&mut Session::new("sign.test".to_owned()), &wire);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let mut session = Session::new("sign.test".to_owned());
        let mut pieces = (Vec::new(), Vec::new());
        for cut in cuts.windows(2) {
            let (said, kept) = hear(&mut session, &wire[cut[0]..cut[1]]);
            pieces.0.extend(said);
            pieces.1.extend(kept);
        }
        prop_assert_eq!(&pieces, &whole);
        for returned in whole.1 {
            prop_assert!(returned.to.iter().all(|address| is_ours(address)) && !returned.to.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn memory_is_bounded(begun in wire(), part in wire()) {
        let mut session = Session::new("sign.test".to_owned());
        hear(&mut session, &begun);
        for _ in 0..2 * MAIL_BYTES_MAX / part.len().max(1) {
            hear(&mut session, &part);
            // A vector that grows doubles.
            let bound = 2 * (MAIL_BYTES_MAX + LINE_BYTES_MAX + RECIPIENTS_MAX * LINE_BYTES_MAX);
            prop_assert!(session.held_bytes() <= bound);
        }
    }
}
