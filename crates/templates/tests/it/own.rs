//! An operator's own words.

use std::collections::BTreeMap;

use domain::notice::Occasion;
use serde_json::json;
use templates::{Branding, Facts, MailWords, Rendered, Source, Template, check, mail, sample, sms};

fn template(locale: &str, source: Source) -> Template {
    Template { locales: BTreeMap::from([(locale.to_owned(), source)]) }
}

fn subject(text: &str) -> Template {
    template("en", Source { subject: Some(text.to_owned()), ..Source::default() })
}

fn mjml(text: &str) -> Template {
    template("en", Source { mjml: Some(text.to_owned()), ..Source::default() })
}

fn told(own: &Template, locale: &str, facts: &Facts) -> Rendered<MailWords> {
    mail(Occasion::Turn, Some(own), Some(locale), facts, &Branding::default())
}

/// The one thing that is wrong.
#[track_caller]
fn flaw(template: &Template) -> (String, String) {
    let found = check(template);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap_or_default()
}

#[test]
fn own_words_are_used_and_the_default_ones_fill_the_gaps() {
    let own = template(
        "de",
        Source {
            subject: Some("Bestellung {{ metadata.order }}: {{ title|upper }}".to_owned()),
            sms: Some("{{ title }}\n{{ link }}{% if reason %} {{ reason }}{% endif %}".to_owned()),
            ..Source::default()
        },
    );
    assert_eq!(check(&own), []);
    let Rendered { words, fell_back } = told(&own, "de-AT", &sample());
    assert_eq!(fell_back, None);
    assert_eq!(words.subject, "Bestellung A-1042: LEASE OF 12 MILL LANE");
    assert!(words.text.starts_with("Guten Tag Grace Hopper,"));
    let facts = Facts { reason: None, ..sample() };
    let short = sms(Occasion::Turn, Some(&own), Some("de"), &facts, &Branding::default());
    assert_eq!(short.words, "Lease of 12 Mill Lane https://sign.example.com/l/Zk3vQ8");
    // Of another language the default words say all.
    assert!(told(&own, "fr", &sample()).words.subject.contains("vous a envoyé"));
}

#[test]
fn own_mjml_is_laid_out_with_facts_that_stay_facts() {
    let own = mjml(
        "<mjml><mj-body><mj-section><mj-column>\n{% if message %}<mj-text>{{ title }}</mj-text>\
         {% endif %}<mj-button href=\"{{ link }}\">Go</mj-button></mj-column></mj-section></mj-body></mjml>",
    );
    assert_eq!(check(&own), []);
    let facts = Facts { title: "</mj-text><b>".to_owned(), ..sample() };
    let Rendered { words, fell_back } = told(&own, "en", &facts);
    assert_eq!(fell_back, None);
    assert!(words.html.contains("&lt;/mj-text&gt;&lt;b&gt;"));
    assert!(words.html.contains("href=\"https://sign.example.com/l/Zk3vQ8\""));
}

#[test]
fn own_text_alone_wears_the_default_looks() {
    let own = template(
        "en",
        Source {
            text: Some("Dear <{{ recipient.name }}>,\n\nsign.".to_owned()),
            ..Source::default()
        },
    );
    let words = told(&own, "en", &sample()).words;
    assert_eq!(words.text, "Dear <Grace Hopper>,\n\nsign.");
    assert!(words.html.contains("<p>Dear &lt;Grace Hopper&gt;,</p><p>sign.</p>"));
    assert!(!words.html.contains("Review and sign"));
}

#[test]
fn a_template_that_fails_gives_way_and_says_why() {
    let own = subject("{% if metadata.order == \"A-1042\" %}\n  {{ sendr.name }}{% endif %}x");
    let Rendered { words, fell_back } = told(&own, "en", &sample());
    let why = fell_back.unwrap();
    assert!(
        why.starts_with(
            "locales.en.subject: line 2, column 6: `sendr.name` is not known; known are title,"
        ),
        "{why}"
    );
    assert!(words.subject.starts_with("Ada Lovelace has sent you"));
    let facts =
        Facts { metadata: BTreeMap::from([("order".to_owned(), json!({"id": 7}))]), ..sample() };
    assert_eq!(told(&own, "en", &facts).words.subject, "x");
}

#[test]
fn checking_names_the_place_and_what_to_do() {
    let (path, what) = flaw(&subject("a\n b {{ unknown }}"));
    assert_eq!(path, "locales.en.subject");
    assert!(what.starts_with("line 2, column 7: `unknown` is not known; known are "), "{what}");
    let (_, what) = flaw(&subject("{{ title "));
    assert!(what.starts_with("line 1, column "), "{what}");
    let (_, what) = flaw(&subject("{% if title %}a"));
    assert!(what.contains("unexpected end of input"), "{what}");
    let (_, what) = flaw(&subject("{{ sender }}"));
    assert!(what.contains("a map cannot be written; name one of its values"), "{what}");
    let (_, what) = flaw(&subject("{% if message %}a{% endif %}"));
    assert!(what.starts_with("nothing is left to say"), "{what}");
    let (path, what) = flaw(&mjml("<mjml><mj-body>\n<mj-txt>a</mj-txt></mj-body></mjml>"));
    assert_eq!(path, "locales.en.mjml");
    assert!(what.starts_with("line 2, column "), "{what}");
    let include = "<mjml><mj-body><mj-include path=\"/etc/passwd\" /></mj-body></mjml>";
    assert!(flaw(&mjml(include)).1.contains("nothing can be included"));
    assert_eq!(flaw(&template("de_DE", Source::default())).0, "locales.de_DE");
    assert_eq!(flaw(&template("de", Source::default())).0, "locales.de");
    assert_eq!(flaw(&Template::default()).0, "locales");
}

#[test]
fn a_template_is_no_program() {
    for (text, word) in [
        ("{% set a = title %}", "set"),
        ("{% for a in title %}{% endfor %}", "for"),
        ("{% with a = title %}{% endwith %}", "with"),
        ("{% autoescape false %}{{ title }}{% endautoescape %}", "autoescape"),
        ("{% include 'a' %}", "include"),
        ("{%- macro a() %}{% endmacro %}", "macro"),
        ("{{ title ~ title }}", "~"),
        ("{{ title * 100000000 }}", "*"),
    ] {
        let (_, what) = flaw(&subject(text));
        assert!(what.contains(&format!("`{word}` is not known")), "{text}: {what}");
    }
    assert!(flaw(&subject("{{ title|safe }}")).1.contains("safe"));
}

#[test]
fn no_template_uses_up_the_stack() {
    for text in [
        format!("{{{{ title{} }}}}", "|trim".repeat(10_000)),
        format!("{{{{ {}title }}}}", "not ".repeat(10_000)),
        format!("{{{{ metadata{} }}}}", ".a".repeat(20_000)),
    ] {
        assert!(flaw(&subject(&text)).1.contains("more than 100 words and signs in one block"));
    }
    let elifs = |count| format!("{{%if 0%}}{}{{%else%}}a{{%endif%}}", "{%elif 0%}".repeat(count));
    assert!(flaw(&subject(&elifs(5_000))).1.contains("more than 100 `elif`"));
    let ifs = |inner: &str| format!("{}{inner}{}", "{%if 1%}".repeat(70), "{%endif%}".repeat(70));
    assert_eq!(check(&subject(&ifs(&elifs(100)))), []);
}

#[test]
fn bounds_hold_before_anything_is_worked_on() {
    assert!(flaw(&subject(&"a".repeat(64 * 1024 + 1))).1.contains("longer than 65536 bytes"));
    let long = "{{ message }}".repeat(5_000);
    let own = template("en", Source { html: Some(long), ..Source::default() });
    let facts = Facts { message: Some("a ".repeat(2_000)), ..sample() };
    assert!(told(&own, "en", &facts).fell_back.unwrap().contains("longer than 262144 bytes"));
    let deep = |count| {
        let (open, close) = ("<b>".repeat(count), "</b>".repeat(count));
        mjml(&format!("<mjml><mj-body><mj-raw>{open}a{close}</mj-raw></mj-body></mjml>"))
    };
    assert_eq!(check(&deep(60)), []);
    assert!(flaw(&deep(9_000)).1.contains("more than 64 deep"));
    let unclosed = mjml(&format!("<mjml><mj-body><mj-raw>{}", "<b>".repeat(20_000)));
    assert!(flaw(&unclosed).1.contains("more than 64 deep"));
    let wide = format!("<mj-all padding=\"{}\" />", "1".repeat(600));
    let wide =
        format!("<mjml><mj-head><mj-attributes>{wide}</mj-attributes></mj-head><mj-body /></mjml>");
    assert!(flaw(&mjml(&wide)).1.contains("`padding` is longer than 512 bytes"));
    let many =
        format!("<mjml><mj-body><mj-raw>{}</mj-raw></mj-body></mjml>", "<br />".repeat(2_001));
    assert!(flaw(&mjml(&many)).1.contains("more than 2000 elements"));
    let many = Template {
        locales: ('a'..='z')
            .flat_map(|a| ('a'..='c').map(move |b| (format!("{a}{b}"), Source::default())))
            .collect(),
    };
    assert!(flaw(&many).1.contains("expected 1 to 64 languages, found 78"));
}
