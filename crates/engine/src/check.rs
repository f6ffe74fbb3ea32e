//! What input must look like: bounds, and small pure checks.
//!
//! Invariants: a check gives the value as it is kept, or one sentence that says what is expected;
//! no text from outside is longer than its bound or holds control characters that its use does not need.
//! Left to others: what is possible (`domain`), what dialects know (`dialects`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use channels::Guard;
use domain::endpoint::Dialect;
use domain::notice::Rules;
use domain::request::{Reminders, Sender};
use domain::signer::Person;
use domain::time::{DAY_MS, Timestamp};
use serde_json::Value;
use url::Url;

use crate::command::{Flaw, Refusal};
use crate::requests::NewPerson;

/// The most characters of a title, a name, a label or a company.
pub(crate) const LINE_CHARS_MAX: usize = 200;
/// The most characters of a message to the signers.
pub(crate) const MESSAGE_CHARS_MAX: usize = 4_000;
/// The most characters of a reason or a description.
pub(crate) const NOTE_CHARS_MAX: usize = 1_000;
/// The most characters of the words that a signer agrees to.
pub(crate) const CONSENT_CHARS_MAX: usize = 10_000;
/// The most characters of a browser's name for itself.
pub(crate) const USER_AGENT_CHARS_MAX: usize = 512;
/// The most characters of a URL.
pub(crate) const URL_CHARS_MAX: usize = 2_048;

const EMAIL_CHARS_MAX: usize = 254;
const EMAIL_LOCAL_CHARS_MAX: usize = 64;
const MOBILE_CHARS_MAX: usize = 32;
const MOBILE_DIGITS_MIN: usize = 3;
/// The fewest digits of a number with its country.
const PHONE_DIGITS_MIN: usize = 7;
/// The most digits of a number with its country, by E.164.
const PHONE_DIGITS_MAX: usize = 15;
const LOCALE_CHARS_MAX: usize = 35;
const METADATA_KEYS_MAX: usize = 50;
const METADATA_KEY_CHARS_MAX: usize = 100;
const METADATA_BYTES_MAX: usize = 16 * 1024;
const REMINDERS_MAX: usize = 10;
const FUTURE_MS_MAX: i64 = 3_653 * DAY_MS;
const FLAWS_MAX: usize = 100;

/// A value as it is kept, or what is expected instead.
pub(crate) type Checked<T> = Result<T, String>;

/// Collects what is wrong with an input; the first hundred are enough.
#[derive(Debug, Default)]
pub(crate) struct Flaws(Vec<Flaw>);

impl Flaws {
    /// Notes a flaw.
    pub(crate) fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < FLAWS_MAX {
            self.0.push(Flaw::new(path, message));
        }
    }

    /// Takes a checked value; a bad one is noted, and stands for its default until the end.
    pub(crate) fn take<T: Default>(&mut self, path: impl Into<String>, checked: Checked<T>) -> T {
        checked.unwrap_or_else(|message| {
            self.note(path, message);
            T::default()
        })
    }

    /// Ends the collection: anything noted refuses the input.
    pub(crate) fn none(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.0)) }
    }
}

/// Refuses an input for one flaw, if there is one.
pub(crate) fn sole<T: Default>(path: &str, checked: Checked<T>) -> Result<T, Refusal> {
    let mut flaws = Flaws::default();
    let value = flaws.take(path, checked);
    flaws.none()?;
    Ok(value)
}

/// Checks a text of one line that must not be empty.
pub(crate) fn line(text: &str, chars_max: usize) -> Checked<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().nth(chars_max).is_none();
    if fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to {chars_max} characters, none of them a control character"))
    }
}

/// Checks a text of one line; empty is absent.
pub(crate) fn line_or_none(text: Option<&str>, chars_max: usize) -> Checked<Option<String>> {
    filled(text).map(|text| line(text, chars_max)).transpose()
}

/// Checks a text that may have several lines and must not be empty.
pub(crate) fn prose(text: &str, chars_max: usize) -> Checked<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().nth(chars_max).is_none();
    if fits && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected 1 to {chars_max} characters, no control characters but line breaks and tabs"
        ))
    }
}

/// Checks a text that may have several lines; empty is absent.
pub(crate) fn prose_or_none(text: Option<&str>, chars_max: usize) -> Checked<Option<String>> {
    filled(text).map(|text| prose(text, chars_max)).transpose()
}

/// Checks that an address can be one: `local@domain.tld` in words that need no quotes.
pub(crate) fn email(text: &str) -> Checked<String> {
    let text = text.trim();
    let plausible = text.chars().nth(EMAIL_CHARS_MAX).is_none()
        && text
            .rsplit_once('@')
            .is_some_and(|(local, domain)| is_local(local) && is_domain(domain));
    if plausible {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected a mail address such as ada@example.com, at most {EMAIL_CHARS_MAX} characters"
        ))
    }
}

fn is_local(local: &str) -> bool {
    let fits = !local.is_empty() && local.chars().nth(EMAIL_LOCAL_CHARS_MAX).is_none();
    fits && !local
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || "()<>[]:;@\\,\"".contains(c))
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

/// Checks a mobile number as people write them.
pub(crate) fn mobile(text: &str) -> Checked<String> {
    let text = text.trim();
    let plausible = text.len() <= MOBILE_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_digit() || b"+- ()".contains(&b))
        && text.bytes().filter(u8::is_ascii_digit).count() >= MOBILE_DIGITS_MIN;
    if plausible {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected a number such as +43 660 1234567, at most {MOBILE_CHARS_MAX} characters"
        ))
    }
}

/// Checks a language tag, more or less as BCP 47 has them.
pub(crate) fn locale(text: &str) -> Checked<String> {
    let text = text.trim();
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let plausible = text.len() <= LOCALE_CHARS_MAX
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    if plausible {
        Ok(text.to_owned())
    } else {
        Err("expected a language tag such as en or de-AT".to_owned())
    }
}

/// Checks an account's own notes.
pub(crate) fn metadata(notes: BTreeMap<String, Value>) -> Checked<BTreeMap<String, Value>> {
    if notes.len() > METADATA_KEYS_MAX {
        return Err(format!("expected at most {METADATA_KEYS_MAX} keys"));
    }
    if notes.keys().any(|key| key.is_empty() || key.chars().nth(METADATA_KEY_CHARS_MAX).is_some()) {
        return Err(format!("expected keys of 1 to {METADATA_KEY_CHARS_MAX} characters"));
    }
    match serde_json::to_vec(&notes) {
        Ok(json) if json.len() <= METADATA_BYTES_MAX => Ok(notes),
        Ok(_) | Err(_) => Err(format!("expected at most {METADATA_BYTES_MAX} bytes of JSON")),
    }
}

/// Checks a URL that a browser is sent to; empty is absent.
pub(crate) fn web_url_or_none(text: Option<&str>) -> Checked<Option<String>> {
    let Some(text) = filled(text) else { return Ok(None) };
    let is_web = text.chars().nth(URL_CHARS_MAX).is_none()
        && Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_web {
        Ok(Some(text.to_owned()))
    } else {
        Err(format!("expected an http or https url of at most {URL_CHARS_MAX} characters"))
    }
}

/// Checks a URL that is called: its placeholders, and whether it may be called at all.
pub(crate) fn target(text: &str, dialect: Dialect, guard: &Guard) -> Checked<Url> {
    if text.chars().nth(URL_CHARS_MAX).is_some() {
        return Err(format!("expected at most {URL_CHARS_MAX} characters"));
    }
    let url = dialects::check_url(dialect, text)
        .map_err(|bad| format!("expected an absolute http or https url: {bad}"))?;
    guard.check_url(&url).map_err(|refused| refused.to_string())?;
    Ok(url)
}

/// Checks an IP address, and gives its usual form; empty is absent.
pub(crate) fn ip_or_none(text: Option<&str>) -> Checked<Option<String>> {
    filled(text)
        .map(|text| match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err("expected an IP address".to_owned()),
        })
        .transpose()
}

/// Checks that a moment is still to come, and not too far away.
pub(crate) fn future(at: Option<Timestamp>, now: Timestamp) -> Checked<Option<Timestamp>> {
    if at.is_none_or(|at| at > now && at.millis_since(now) <= FUTURE_MS_MAX) {
        Ok(at)
    } else {
        Err("expected a moment in the future, at most 10 years away".to_owned())
    }
}

/// Checks the days of reminders, and puts them in order.
pub(crate) fn reminders(reminders: Reminders) -> Checked<Reminders> {
    let Reminders { mut days } = reminders;
    if days.len() > REMINDERS_MAX || days.iter().any(|day| !(1..=365).contains(day)) {
        return Err(format!("expected at most {REMINDERS_MAX} days, each from 1 to 365"));
    }
    days.sort_unstable();
    days.dedup();
    Ok(Reminders { days })
}

/// Checks a number; absent is what it is by default.
pub(crate) fn within(number: Option<u32>, least: u32, most: u32) -> Checked<Option<u32>> {
    if number.is_none_or(|number| (least..=most).contains(&number)) {
        Ok(number)
    } else {
        Err(format!("expected a number from {least} to {most}"))
    }
}

/// Checks who asks; both parts may be empty.
pub(crate) fn sender(flaws: &mut Flaws, sender: &Sender) -> Sender {
    let name = flaws.take("sender.name", line_or_none(Some(&sender.name), LINE_CHARS_MAX));
    let address = filled(Some(&sender.email)).map(email).transpose();
    let email = flaws.take("sender.email", address);
    Sender { name: name.unwrap_or_default(), email: email.unwrap_or_default() }
}

/// By which ways a person must be reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By mail.
    Email,
    /// By short message.
    Sms,
    /// By mail and by short message.
    Both,
    /// By one of them at least.
    Either,
}

/// Checks a person; `path` leads to them and ends with a dot, or is empty.
pub(crate) fn person(flaws: &mut Flaws, path: &str, person: &NewPerson, reach: Reach) -> Person {
    let NewPerson {
        name,
        email: address,
        mobile: number,
        label,
        company,
        locale: language,
        time_zone: zone,
    } = person;
    let at = |field: &str| format!("{path}{field}");
    let address = filled(Some(address));
    let number = filled(number.as_deref());
    let needs_email = match reach {
        Reach::Email | Reach::Both => true,
        Reach::Sms => false,
        Reach::Either => number.is_none(),
    };
    if matches!(reach, Reach::Sms | Reach::Both) && number.is_none() {
        flaws.note(at("mobile"), "expected a number, since this person is told by short message");
    }
    // Who is told by short message needs a number that can be called from anywhere.
    let check_number = if matches!(reach, Reach::Sms | Reach::Both) { callable } else { mobile };
    let address = if needs_email { Some(address.unwrap_or_default()) } else { address };
    let email = flaws.take(at("email"), address.map(email).transpose());
    Person {
        name: flaws.take(at("name"), line(name, LINE_CHARS_MAX)),
        email: email.unwrap_or_default(),
        mobile: flaws.take(at("mobile"), number.map(check_number).transpose()),
        label: flaws.take(at("label"), line_or_none(label.as_deref(), LINE_CHARS_MAX)),
        company: flaws.take(at("company"), line_or_none(company.as_deref(), LINE_CHARS_MAX)),
        locale: flaws.take(at("locale"), filled(language.as_deref()).map(locale).transpose()),
        time_zone: flaws.take(at("time_zone"), filled(zone.as_deref()).map(time_zone).transpose()),
    }
}

/// Checks a number that short messages go to.
fn callable(text: &str) -> Checked<String> {
    let text = mobile(text)?;
    match phone(&text) {
        Some(_) => Ok(text),
        None => Err("expected a phone number with its country, such as +44 7700 900123".to_owned()),
    }
}

/// Gives a number in E.164, if it is one.
pub(crate) fn phone(text: &str) -> Option<String> {
    // Whether a number is in use changes faster than any list, so only its form is looked at.
    let number = phonenumber::parse(None, text).ok()?;
    let text = number.format().mode(phonenumber::Mode::E164).to_string();
    let digits = text.len().saturating_sub(1);
    (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits).then_some(text)
}

/// Checks the name of a time zone.
fn time_zone(text: &str) -> Checked<String> {
    match Timestamp::default().at_hour_in(text, 0) {
        Some(_) => Ok(text.to_owned()),
        None => Err("expected a name of the time zone database, such as Europe/Vienna".to_owned()),
    }
}

/// Checks a request's own rules: channels at most once, templates by names that could be.
pub(crate) fn rules(rules: Rules) -> Checked<Rules> {
    for (occasion, rule) in &rules {
        if let Some(name) = rule.template.as_deref().filter(|name| !is_template_name(name)) {
            let occasion = occasion.as_str();
            return Err(format!(
                "{occasion}.template: expected 1 to 64 of a-z 0-9 - _, not {name:?}"
            ));
        }
    }
    Ok(rules)
}

/// Tells whether a text can be the name of a template or a provider.
pub(crate) fn is_template_name(name: &str) -> bool {
    let is_letter = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    (1..=64).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Absent and blank are the same.
pub(crate) fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(who: &NewPerson, reach: Reach) -> Vec<String> {
        let mut flaws = Flaws::default();
        drop(person(&mut flaws, "signers[0].", who, reach));
        flaws.0.into_iter().map(|flaw| flaw.path).collect()
    }

    #[test]
    fn plausible_addresses_pass_and_others_do_not() {
        for good in ["ada@example.com", "o'neil+x@sub.example.co.uk", "jürgen@müller.at", " a@b.c "]
        {
            assert!(email(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@c.de",
            "a@b@c.de",
            "a@-b.de",
            "a@b..de",
            "a\n@b.de",
            "A <a@b.de>",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_is_bounded_in_characters_and_free_of_control_characters() {
        assert_eq!(line(" ü ", 1), Ok("ü".to_owned()));
        assert!(line("üü", 1).is_err() && line(" ", 9).is_err() && line("a\nb", 9).is_err());
        assert_eq!(prose("a\nb", 9), Ok("a\nb".to_owned()));
        assert!(prose("a\0b", 9).is_err());
        assert_eq!(line_or_none(Some("  "), 9), Ok(None));
    }

    #[test]
    fn a_mobile_number_needs_digits() {
        assert!(mobile("+43 (0) 660 123-45").is_ok());
        for bad in ["", "+", "++--", "call me", "1234567890123456789012345678901234"] {
            assert!(mobile(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_locale_is_a_language_with_subtags() {
        for good in ["en", "de-AT", "zh-Hans-CN", "sr-Latn-RS"] {
            assert!(locale(good).is_ok(), "{good}");
        }
        for bad in ["", "e", "en_US", "de-", "1a", "de--AT", "a".repeat(40).as_str()] {
            assert!(locale(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn notes_are_bounded_in_keys_and_bytes() {
        let notes = |keys: usize, text: &str| {
            (0..keys).map(|n| (format!("k{n}"), Value::from(text))).collect::<BTreeMap<_, _>>()
        };
        assert!(metadata(notes(50, "x")).is_ok());
        assert!(metadata(notes(51, "x")).is_err());
        assert!(metadata(notes(1, &"x".repeat(METADATA_BYTES_MAX))).is_err());
        assert!(metadata(BTreeMap::from([(String::new(), Value::Null)])).is_err());
    }

    #[test]
    fn only_web_urls_are_places_to_go_to() {
        assert!(web_url_or_none(Some("https://example.com/a?b=c#d")).is_ok());
        for bad in ["javascript:alert(1)", "/relative", "ftp://example.com", "https://"] {
            assert!(web_url_or_none(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_kept_in_its_usual_form() {
        assert_eq!(ip_or_none(Some("2001:DB8::0001")), Ok(Some("2001:db8::1".to_owned())));
        assert!(ip_or_none(Some("300.1.1.1")).is_err());
    }

    #[test]
    fn an_end_lies_in_the_future_but_not_beyond_ten_years() {
        let now = Timestamp::from_millis(1_000_000);
        assert!(future(Some(now), now).is_err());
        assert!(future(Some(now.plus_millis(1)), now).is_ok());
        assert!(future(Some(now.plus_millis(11 * 366 * DAY_MS)), now).is_err());
    }

    #[test]
    fn reminders_are_put_in_order() {
        let days = |days: &[u16]| reminders(Reminders { days: days.to_vec() });
        assert_eq!(days(&[7, 3, 7]), Ok(Reminders { days: vec![3, 7] }));
        assert!(days(&[0]).is_err() && days(&[366]).is_err() && days(&[1; 11]).is_err());
    }

    #[test]
    fn who_is_told_by_a_channel_must_be_reachable_there() {
        let ada = NewPerson { name: "Ada".to_owned(), ..NewPerson::default() };
        assert_eq!(paths(&ada, Reach::Email), ["signers[0].email"]);
        assert_eq!(paths(&ada, Reach::Sms), ["signers[0].mobile"]);
        assert_eq!(paths(&ada, Reach::Both), ["signers[0].mobile", "signers[0].email"]);
        assert_eq!(paths(&ada, Reach::Either), ["signers[0].email"]);
        let reachable = NewPerson { mobile: Some("+44 7700 900123".to_owned()), ..ada };
        assert!(paths(&reachable, Reach::Either).is_empty());
    }

    #[test]
    fn flaws_are_collected_and_bounded() {
        let mut flaws = Flaws::default();
        (0..1_000).for_each(|n| flaws.note(format!("events[{n}]"), "expected less"));
        assert_eq!(flaws.0.len(), FLAWS_MAX);
        assert!(flaws.none().is_err());
    }
}
