//! How things stand for one signer, or for somebody who only looks: pure, from the request to what the page says.
//!
//! Invariants: who looks sees nothing that a signer does not; a signer sees names and how far everybody is, never anybody's address; the words of consent are the
//! same on the page and in the evidence.

use domain::document::Brief;
use domain::id::{DocumentId, SignerId};
use domain::request::{Request, State};
use domain::signer::{self, Role, Signer};
use domain::time::Timestamp;
use engine::requests::visit::{Pass, Visit};
use url::Url;

/// What the page says to a signer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is their turn, and they have not opened the document yet.
    Cover,
    /// It is their turn, and they see the document.
    Open,
    /// There is nothing to do for them.
    Told(Told),
}

/// A heading, a sentence, and a mood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) mood: Mood,
    pub(super) heading: String,
    pub(super) text: String,
}

/// How a page feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// It is done.
    Good,
    /// It goes on without them.
    Calm,
    /// It ended.
    Over,
}

impl Mood {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Over => "over",
        }
    }
}

/// One person's line in the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) label: Option<String>,
    pub(super) is_you: bool,
    pub(super) status: &'static str,
    pub(super) word: &'static str,
    /// When, for machines and for people.
    pub(super) at: Option<(String, String)>,
}

/// One document's line in the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) id: DocumentId,
    pub(super) name: String,
    pub(super) size: String,
}

/// Gives the words a signer agrees to.
pub(super) fn consent(title: &str) -> String {
    format!(
        "I have read “{title}” and agree to sign it electronically. I intend the name that I type here to be my \
         signature, as binding as one by hand."
    )
}

/// Says how things stand for whom a link was made.
pub(super) fn standing(visit: &Visit) -> Standing {
    let frame = "Ask the site that showed you this page for a new link.";
    match (visit.pass, visit.signer) {
        (Pass::Used, _) => told(Mood::Over, "This link has been used", frame),
        (Pass::Outdated, _) => told(Mood::Over, "This link has run out", frame),
        (Pass::Open | Pass::Once, None) => watched(&visit.request, None),
        (Pass::Open, Some(id)) => part(&visit.request, id),
        // A link that may be used once is used by asking for the document.
        (Pass::Once, Some(id)) => match part(&visit.request, id) {
            Standing::Cover | Standing::Open => Standing::Cover,
            Standing::Told(told) => Standing::Told(told),
        },
    }
}

fn part(request: &Request, id: SignerId) -> Standing {
    let Some(you) = request.signer(id) else {
        return told(Mood::Over, "This link leads nowhere", "The part it was made for is gone.");
    };
    if matches!(you.state, signer::State::Reassigned { .. }) {
        let text =
            "Somebody else has been asked in your place, and there is nothing left to do for you.";
        return told(Mood::Calm, "Handed to somebody else", text);
    }
    watched(request, Some(you))
}

/// Says how things stand for a signer, or for somebody who only looks.
fn watched(request: &Request, you: Option<&Signer>) -> Standing {
    match &request.state {
        State::Draft => told(Mood::Calm, "Not sent yet", "The sender is still working on this."),
        State::Sent { .. } => standing_of(request, you),
        State::Completed { .. } => {
            told(Mood::Good, "Completed", "Everybody has signed. There is nothing left to do.")
        }
        State::Declined { .. } => declined(request, you),
        State::Expired { .. } => {
            let text = "The time to sign has run out. Ask the sender for a new link if you still want to sign.";
            told(Mood::Over, "Expired", text)
        }
        State::Cancelled { .. } => told(
            Mood::Over,
            "Withdrawn",
            "The sender has withdrawn this, and nobody needs to sign it.",
        ),
    }
}

fn standing_of(request: &Request, you: Option<&Signer>) -> Standing {
    let Some(you) = you else {
        let text = "You see who signs; there is nothing to sign for you.";
        return told(Mood::Calm, "For your information", text);
    };
    if you.role == Role::Cc {
        let text = "You get a copy; there is nothing to sign for you.";
        return told(Mood::Calm, "For your information", text);
    }
    match &you.state {
        signer::State::Waiting => {
            let text = "Others sign before you. You will be told when it is your turn.";
            told(Mood::Calm, "Not your turn yet", text)
        }
        signer::State::Notified { .. } => Standing::Cover,
        signer::State::Viewed { .. } => Standing::Open,
        signer::State::Signed { .. } => told(Mood::Good, "You have signed", &others(request)),
        signer::State::Declined { .. } | signer::State::Reassigned { .. } => {
            declined(request, Some(you))
        }
    }
}

fn others(request: &Request) -> String {
    match request.signers.iter().filter(|signer| signer.is_open()).count() {
        0 => "Thank you.".to_owned(),
        1 => "Thank you. One more signature is needed to complete it.".to_owned(),
        count => format!("Thank you. {count} more signatures are needed to complete it."),
    }
}

fn declined(request: &Request, you: Option<&Signer>) -> Standing {
    let refused = |signer: &&Signer| matches!(signer.state, signer::State::Declined { .. });
    match request.signers.iter().find(refused) {
        Some(signer) if you.is_some_and(|you| you.id == signer.id) => {
            let text = "You have declined to sign, and the sender has been told. Nobody else needs to sign.";
            told(Mood::Over, "You have declined", text)
        }
        Some(signer) => {
            let text =
                format!("{} has declined to sign, so nobody else needs to.", signer.person.name);
            told(Mood::Over, "Declined", &text)
        }
        None => {
            told(Mood::Over, "Declined", "Somebody has declined to sign, so nobody else needs to.")
        }
    }
}

fn told(mood: Mood, heading: &str, text: &str) -> Standing {
    Standing::Told(Told { mood, heading: heading.to_owned(), text: text.to_owned() })
}

/// Tells whether the documents may be read: by whoever is asked, gets a copy, or only looks, until it ends unsigned.
pub(super) fn may_read(visit: &Visit) -> bool {
    let request = &visit.request;
    let is_going = matches!(request.state, State::Sent { .. } | State::Completed { .. });
    let is_theirs = |you: &Signer| !matches!(you.state, signer::State::Reassigned { .. });
    let may_look = visit.signer.is_none_or(|id| request.signer(id).is_some_and(is_theirs));
    visit.pass == Pass::Open && is_going && may_look
}

/// Lists the documents that may be read.
pub(super) fn documents(visit: &Visit) -> Vec<File> {
    let file = |brief: &Brief| File {
        id: brief.id,
        name: brief.name.clone(),
        size: spoken_size(brief.size_bytes),
    };
    let readable = may_read(visit).then_some(&visit.request.documents);
    readable.into_iter().flatten().map(file).collect()
}

/// Writes a size for people, rounded up.
fn spoken_size(bytes: u64) -> String {
    const KB: u64 = 1_000;
    const TENTH_OF_MB: u64 = 100 * KB;
    if bytes <= 999 * KB {
        return format!("{} kB", bytes.div_ceil(KB));
    }
    let tenths = bytes.div_ceil(TENTH_OF_MB);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// Lists everybody who is asked to sign.
pub(super) fn lines(request: &Request, you: Option<SignerId>) -> Vec<Line> {
    let asked = |signer: &&Signer| {
        signer.role == Role::Signer && !matches!(signer.state, signer::State::Reassigned { .. })
    };
    let ended = !matches!(request.state, State::Draft | State::Sent { .. });
    request.signers.iter().filter(asked).map(|signer| line(signer, you, ended)).collect()
}

fn line(signer: &Signer, you: Option<SignerId>, ended: bool) -> Line {
    let is_you = you == Some(signer.id);
    let (word, at) = match &signer.state {
        _ if ended && signer.is_open() => ("Not signed", None),
        _ if is_you && signer.has_turn() => ("Your turn", None),
        signer::State::Waiting => ("Later", None),
        signer::State::Notified { .. } => ("To sign", None),
        signer::State::Viewed { .. } => ("Has opened it", None),
        signer::State::Signed { signed_at, .. } => ("Signed", Some(*signed_at)),
        signer::State::Declined { declined_at, .. } => ("Declined", Some(*declined_at)),
        signer::State::Reassigned { .. } => ("Handed on", None),
    };
    Line {
        name: signer.person.name.clone(),
        label: signer.person.label.clone(),
        is_you,
        status: if ended && signer.is_open() { "waiting" } else { signer.status() },
        word,
        at: at.map(|at| (at.to_string(), spoken(at))),
    }
}

/// Writes a moment for people.
pub(crate) fn spoken(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let text = at.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("");
    let month =
        part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let (day, year) = (part(8, 10).trim_start_matches('0'), part(0, 4));
    format!("{day} {} {year}, {} UTC", month.copied().unwrap_or(""), part(11, 16))
}

/// Where a signer goes afterwards, and how that place is called.
pub(super) fn onward(request: &Request, id: SignerId) -> Option<(String, String)> {
    let you = request.signer(id)?;
    let done = matches!(you.state, signer::State::Signed { .. } | signer::State::Declined { .. });
    let url = Url::parse(request.redirect_url.as_deref().filter(|_| done)?).ok()?;
    let host = url.host_str()?.to_owned();
    matches!(url.scheme(), "http" | "https").then(|| (url.into(), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_for_people() {
        let sizes = [1, 1_000, 1_001, 999_000, 999_001, 20 * 1024 * 1024].map(spoken_size);
        assert_eq!(sizes, ["1 kB", "1 kB", "2 kB", "999 kB", "1.0 MB", "21.0 MB"]);
    }

    #[test]
    fn a_moment_is_written_for_people() {
        assert_eq!(spoken(Timestamp::from_millis(1_603_288_877_395)), "21 October 2020, 14:01 UTC");
        assert_eq!(spoken(Timestamp::from_millis(0)), "1 January 1970, 00:00 UTC");
    }
}
