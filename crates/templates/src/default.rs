//! The default words of a message, put together.
//!
//! Invariant: text and HTML of a mail say the same; the looks are one MJML text, laid out once.
//! Left to others: the words themselves (`words/`).

use std::sync::LazyLock;

use domain::notice::Occasion;
use minijinja::{Value, context};

use crate::facts::Facts;
use crate::fill::{Form, fill};
use crate::flaw::Flaw;
use crate::own::{LINE_CHARS_MAX, Part, Source};
use crate::words::{Script, Words};
use crate::{MailWords, clean, mjml};

/// What the default words are made from.
#[derive(Debug)]
pub(crate) struct Voice<'a> {
    pub(crate) occasion: Occasion,
    pub(crate) facts: &'a Facts,
    pub(crate) words: &'static Words,
    pub(crate) names: Value,
}

/// A mail before it is text or HTML.
#[derive(Debug, Default)]
struct Letter {
    subject: String,
    preview: String,
    heading: String,
    hello: Option<String>,
    body: Vec<String>,
    quote_from: Option<String>,
    quote: Option<String>,
    note: Option<String>,
    button: String,
    link: Option<String>,
    if_the_button_fails: String,
    private: Option<String>,
    test_note: Option<String>,
    sent_by: String,
    footer: Option<String>,
}

impl Voice<'_> {
    /// Writes a mail.
    pub(crate) fn mail(&self) -> Result<MailWords, Flaw> {
        let letter = self.letter()?;
        let (subject, text) = (self.marked(&letter.subject), letter.text());
        Ok(MailWords { subject, text, html: self.lay_out(letter)? })
    }

    /// Writes a short message.
    pub(crate) fn sms(&self) -> Result<String, Flaw> {
        Ok(self.marked(&self.say(&self.script()?.sms)?))
    }

    /// Writes a mail in an operator's own words, and the default ones where those say nothing; `None` when they say
    /// nothing at all. `Err` says why they cannot be used.
    pub(crate) fn own_mail(&self, source: &Source) -> Result<Option<MailWords>, String> {
        let subject = source.render(Part::Subject, &self.names)?;
        let text = source.render(Part::Text, &self.names)?;
        let html = match source.render(Part::Mjml, &self.names)? {
            Some(html) => Some(html),
            None => source.render(Part::Html, &self.names)?,
        };
        if subject.is_none() && text.is_none() && html.is_none() {
            return Ok(None);
        }
        let default = self.mail().map_err(|flaw| flaw.to_string())?;
        let subject = subject.map_or(default.subject, |subject| self.marked(&subject));
        let html = match (html, &text) {
            (Some(html), _) => html,
            (None, Some(text)) => {
                self.dress(&subject, text).map_err(|flaw| format!("text: {flaw}"))?
            }
            (None, None) => default.html,
        };
        Ok(Some(MailWords { subject, text: text.unwrap_or(default.text), html }))
    }

    /// Writes a short message in an operator's own words, if they have some.
    pub(crate) fn own_sms(&self, source: &Source) -> Result<Option<String>, String> {
        Ok(source.render(Part::Sms, &self.names)?.map(|text| self.marked(&text)))
    }

    /// Gives one line, which says so if this is a test.
    fn marked(&self, text: &str) -> String {
        let mark = if self.facts.test { self.words.test_mark.as_str() } else { "" };
        clean::line(&format!("{mark} {text}"), LINE_CHARS_MAX)
    }

    /// Gives a text of somebody else's the looks of a mail.
    fn dress(&self, subject: &str, text: &str) -> Result<String, Flaw> {
        let body = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
        let letter = Letter {
            subject: subject.to_owned(),
            heading: subject.to_owned(),
            body: body.map(str::to_owned).collect(),
            test_note: self.test_note()?,
            sent_by: self.say(&self.words.sent_by)?,
            footer: self.known("branding", Some("footer")),
            ..Letter::default()
        };
        self.lay_out(letter)
    }

    fn letter(&self) -> Result<Letter, Flaw> {
        let (script, words) = (self.script()?, self.words);
        let asks = matches!(self.occasion, Occasion::Turn | Occasion::Reminder);
        let ends = matches!(self.occasion, Occasion::Declined | Occasion::Cancelled);
        let message = if asks { self.known("message", None) } else { None };
        let note = if asks && self.known("expires", None).is_some() {
            Some(self.say(&words.sign_by)?)
        } else if ends && self.known("reason", None).is_some() {
            Some(self.say(&words.reason)?)
        } else {
            None
        };
        let link = self.known("link", None);
        Ok(Letter {
            subject: self.say(&script.subject)?,
            preview: self.say(&script.preview)?,
            heading: self.say(&script.heading)?,
            hello: Some(self.say(&words.hello)?),
            body: script.body.iter().map(|part| self.say(part)).collect::<Result<_, _>>()?,
            quote_from: message.as_ref().map(|_| self.say(&words.message_from)).transpose()?,
            quote: message,
            note,
            button: self.say(&script.button)?,
            if_the_button_fails: self.say(&words.if_the_button_fails)?,
            private: link.as_ref().map(|_| self.say(&words.for_you_alone)).transpose()?,
            link,
            test_note: self.test_note()?,
            sent_by: self.say(&words.sent_by)?,
            footer: self.known("branding", Some("footer")),
        })
    }

    fn script(&self) -> Result<&'static Script, Flaw> {
        let script = self.words.occasions.get(&self.occasion);
        script.ok_or_else(|| Flaw::whole("there are no words for this occasion"))
    }

    fn say(&self, words: &str) -> Result<String, Flaw> {
        fill(words, Form::Plain, &self.names)
    }

    fn test_note(&self) -> Result<Option<String>, Flaw> {
        self.facts.test.then(|| self.say(&self.words.test_note)).transpose()
    }

    /// Gives a text among the names, if it is there.
    fn known(&self, name: &str, part: Option<&str>) -> Option<String> {
        let value = self.names.get_attr(name).ok()?;
        let value = part.map_or(Ok(value.clone()), |part| value.get_attr(part)).ok()?;
        value.as_str().map(str::to_owned)
    }

    fn lay_out(&self, letter: Letter) -> Result<String, Flaw> {
        let body: Value = letter.body.iter().map(|paragraph| lines(paragraph)).collect();
        let names = context! {
            locale => self.names.get_attr("locale").ok(),
            branding => self.names.get_attr("branding").ok(),
            subject => letter.subject,
            preview => letter.preview,
            heading => letter.heading,
            hello => letter.hello,
            body => body,
            quote_from => letter.quote_from,
            quote => letter.quote.as_deref().map(lines),
            note => letter.note,
            button => letter.button,
            link => letter.link,
            if_the_button_fails => letter.if_the_button_fails,
            private => letter.private,
            test_note => letter.test_note,
            sent_by => letter.sent_by,
            footer => letter.footer.as_deref().map(lines),
        };
        fill(&LAYOUT, Form::Html, &names)
    }
}

fn lines(text: &str) -> Value {
    text.lines().map(Value::from).collect()
}

impl Letter {
    /// Writes paragraphs, and each link on a line of its own, so that no program cuts it.
    fn text(&self) -> String {
        let mut parts: Vec<String> = self.hello.iter().chain(&self.body).cloned().collect();
        if let (Some(from), Some(quote)) = (&self.quote_from, &self.quote) {
            let quote = quote.lines().map(|line| format!("> {line}").trim_end().to_owned());
            parts.push([from.clone()].into_iter().chain(quote).collect::<Vec<_>>().join("\n"));
        }
        parts.extend(self.note.clone());
        if let Some(link) = &self.link {
            parts.push(format!("{}\n{link}", self.button));
        }
        parts.extend(self.private.clone());
        let end = [&self.test_note, &Some(self.sent_by.clone()), &self.footer];
        let end: Vec<_> = end.into_iter().flatten().map(String::as_str).collect();
        // What follows two dashes and a blank is the signature of a mail.
        parts.push(format!("-- \n{}", end.join("\n")));
        parts.join("\n\n") + "\n"
    }
}

#[expect(clippy::expect_used, reason = "the layout is part of the program, and a test lays it out")]
static LAYOUT: LazyLock<String> = LazyLock::new(|| {
    mjml::to_html(include_str!("../words/layout.mjml")).expect("the layout is well written")
});
