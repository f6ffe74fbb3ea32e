//! The default words: in every language, on every occasion, whatever the facts.

use std::fmt::Write as _;

use domain::notice::Occasion;
use domain::request::Sender;
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::{prop_assert, proptest};
use templates::{
    Branding, Facts, MailWords, Recipient, Rendered, locales, mail, resolve, sample, sms,
};

fn branding() -> Branding {
    Branding {
        name: "Mill Lane Estates".to_owned(),
        footer: Some("Mill Lane Estates\n1 High Street, Oxford".to_owned()),
        ..Branding::default()
    }
}

fn said(occasion: Occasion, locale: &str, facts: &Facts) -> (MailWords, String) {
    let Rendered { words, fell_back } = mail(occasion, None, Some(locale), facts, &branding());
    assert_eq!(fell_back, None);
    let short = sms(occasion, None, Some(locale), facts, &branding());
    assert_eq!(short.fell_back, None);
    (words, short.words)
}

#[test]
fn every_language_says_every_occasion() {
    for locale in locales() {
        let mut page = String::new();
        for occasion in Occasion::ALL {
            let (words, short) = said(occasion, locale, &sample());
            writeln!(page, "=== {}\n{}\n", occasion.as_str(), words.subject).unwrap();
            writeln!(page, "{}\n--- sms\n{short}\n", words.text).unwrap();
        }
        insta::assert_snapshot!(format!("words_{locale}"), page);
    }
}

#[test]
fn short_messages_are_what_the_service_promises() {
    let link = "https://sign.example.com/l/Zk3vQ8";
    let one = Facts { remaining: 1, ..sample() };
    let say = |occasion, facts: &Facts| said(occasion, "en", facts).1;
    assert_eq!(
        say(Occasion::Turn, &sample()),
        format!(
            r#"You've been sent "Lease of 12 Mill Lane" by Ada Lovelace. Please review & sign: {link}"#
        )
    );
    assert_eq!(
        say(Occasion::Signed, &sample()),
        r#"Alan Turing has signed "Lease of 12 Mill Lane". 2 more signatures needed to complete the document."#
    );
    assert_eq!(
        say(Occasion::Signed, &one),
        r#"Alan Turing has signed "Lease of 12 Mill Lane". 1 more signature needed to complete the document."#
    );
    assert_eq!(
        say(Occasion::Completed, &sample()),
        format!(
            r#""Lease of 12 Mill Lane" has been accepted by all parties. Download your document here: {link}"#
        )
    );
}

#[test]
fn numbers_take_the_form_of_their_language() {
    let say = |locale: &str, remaining| {
        said(Occasion::Signed, locale, &Facts { remaining, ..sample() }).1
    };
    for (locale, remaining, form) in [
        ("pl", 1, "Potrzebny jest jeszcze 1 podpis,"),
        ("pl", 2, "Potrzebne są jeszcze 2 podpisy,"),
        ("pl", 5, "Potrzebnych jest jeszcze 5 podpisów,"),
        ("pl", 12, "Potrzebnych jest jeszcze 12 podpisów,"),
        ("pl", 21, "Potrzebnych jest jeszcze 21 podpisów,"),
        ("pl", 22, "Potrzebne są jeszcze 22 podpisy,"),
        ("pl", 112, "Potrzebnych jest jeszcze 112 podpisów,"),
        ("de", 1, "Noch 1 Unterschrift fehlt,"),
        ("de", 2, "Noch 2 Unterschriften fehlen,"),
        ("fr", 0, "encore 0 signature pour"),
        ("fr", 2, "encore 2 signatures pour"),
        ("es", 1, "Falta 1 firma para"),
        ("es", 0, "Faltan 0 firmas para"),
        ("pt", 1, "Falta 1 assinatura para"),
        ("pt", 3, "Faltam 3 assinaturas para"),
    ] {
        assert!(say(locale, remaining).contains(form), "{locale} {remaining}: {form}");
    }
}

#[test]
fn a_language_falls_back_to_its_parent_and_then_to_english() {
    assert_eq!(resolve(Some("de_at")), ["de-AT", "de", "en"]);
    assert_eq!(resolve(Some("zh-hant-TW")), ["zh-Hant-TW", "zh-Hant", "zh", "en"]);
    assert_eq!(resolve(Some("en-GB")), ["en-GB", "en"]);
    for none in [None, Some(""), Some("*"), Some("../de"), Some("d"), Some("de--AT")] {
        assert_eq!(resolve(none), ["en"], "{none:?}");
    }
    assert!(said(Occasion::Turn, "de-AT", &sample()).1.contains("Bitte"));
    assert!(said(Occasion::Turn, "ja", &sample()).1.contains("Please"));
}

#[test]
fn a_moment_is_written_in_its_zone_and_language() {
    let text = |locale, time_zone: Option<&str>| {
        let facts = Facts { time_zone: time_zone.map(str::to_owned), ..sample() };
        said(Occasion::Turn, locale, &facts).0.text.replace('\u{a0}', " ")
    };
    assert!(text("en", None).contains("Please sign by 30 January 2027, 12:00 (UTC)."));
    assert!(text("en", Some("Mars/Olympus")).contains("12:00 (UTC)"));
    assert!(text("de", Some("Europe/Berlin")).contains("bis zum 30. Januar 2027, 13:00 Uhr (CET)"));
    assert!(
        text("pt", Some("America/Sao_Paulo")).contains("30 de janeiro de 2027, 09:00 (UTC-03)")
    );
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let hostile = r#"</title></td><script>alert("1")</script>{{ 7 * 7 }}{% if x %}<mj-text>'&amp;"#;
    let mut facts = sample();
    facts.title = hostile.to_owned();
    facts.message = Some(hostile.to_owned());
    facts.reason = Some(hostile.to_owned());
    facts.actor = Some(hostile.to_owned());
    facts.sender.name = hostile.to_owned();
    facts.recipient.name = hostile.to_owned();
    facts.link = Some(r#"https://example.com/?a=1&b="onload='x'"#.to_owned());
    for occasion in Occasion::ALL {
        let (words, _) = said(occasion, "en", &facts);
        let html = words.html;
        assert!(html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;{{ 7 * 7 }}"));
        assert!(!html.contains("<script") && !html.contains("</title></td>"));
        assert!(html.contains("href=\"https://example.com/?a=1&amp;b=&quot;onload=&#39;x&#39;\""));
        assert!(words.subject.contains("<script>"));
    }
}

#[test]
fn a_test_says_that_it_is_one() {
    let facts = Facts { test: true, ..sample() };
    let (words, short) = said(Occasion::Turn, "de", &facts);
    assert!(words.subject.starts_with("[Test] Ada") && short.starts_with("[Test] Ada"));
    assert!(words.text.contains("Dies ist ein Test.") && words.html.contains("Dies ist ein Test."));
}

#[test]
fn nobody_is_tracked_and_nothing_is_fetched_from_strangers() {
    let (words, _) = said(Occasion::Turn, "en", &sample());
    let mut rest = words.html;
    for name in [
        "https://sign.example.com/l/Zk3vQ8",
        "http-equiv",
        "http://www.w3.org/1999/xhtml",
        "urn:schemas-microsoft-com",
    ] {
        rest = rest.replace(name, "");
    }
    assert!(!rest.contains("http") && !rest.contains("<img") && !rest.contains("@import"));
}

#[test]
fn what_is_absent_leaves_no_trace() {
    let facts = Facts {
        message: None,
        actor: None,
        reason: None,
        link: None,
        expires_at: None,
        recipient: Recipient::default(),
        sender: Sender::default(),
        ..sample()
    };
    for (locale, occasion) in locales().flat_map(|locale| Occasion::ALL.map(|it| (locale, it))) {
        let (words, short) = said(occasion, locale, &facts);
        assert!(short.ends_with('.'), "{short}");
        for text in [&words.subject, &words.text, &short] {
            for trace in ["none", "  ", " ,", " .", "()", "\"\""] {
                assert!(!text.contains(trace), "{locale} {trace:?} {text}");
            }
        }
        assert!(!words.html.contains("href") && !words.html.contains("class=\"quote\""));
        assert_eq!(words.html.matches("<td").count(), words.html.matches("</td>").count());
        assert_eq!(words.html.matches("<div").count(), words.html.matches("</div>").count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_the_facts_lines_are_lines_and_links_are_whole(
        title in any::<String>(),
        name in any::<String>(),
        message in prop::collection::vec(any::<char>(), 0..600),
        breaks in 0_usize..5_000,
        remaining in any::<u32>(),
        language in 0_usize..6,
    ) {
        let locale = locales().nth(language).unwrap();
        let message: String = message.into_iter().collect();
        let mut facts = Facts { title, remaining, ..sample() };
        facts.message = Some(format!("a{}{message}", "\na".repeat(breaks)));
        facts.sender.name.clone_from(&name);
        facts.recipient.name.clone_from(&name);
        facts.actor = Some(name);
        for occasion in Occasion::ALL {
            let (words, short) = said(occasion, locale, &facts);
            for line in [&words.subject, &short] {
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            let link = facts.link.as_deref().unwrap();
            prop_assert!(words.text.lines().any(|line| line == link), "{}", words.text);
            prop_assert!(words.html.len() < 256 * 1024);
        }
    }
}
