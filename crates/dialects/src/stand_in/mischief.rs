//! What happens to webhooks on their way: they come twice, late, in another order, broken, forged, or not at all.
//!
//! Invariants: of what was chosen something happens at least once; a webhook comes no sooner than what it tells, but for a
//! forged one; what is garbled can be read as nothing, so that it can be taken for nothing else.

use std::sync::Arc;

use domain::call::Call;
use domain::id::Chance;

use super::proof::Proof;
use super::{Step, Webhook};

/// One kind of mischief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    /// Each comes twice, the second time at any moment after the first.
    Doubled,
    /// A third come only when the request is over.
    Late,
    /// Each may overtake those of the two steps before it.
    Reordered,
    /// Of a half comes another one that was cut off, or has a byte that no text has.
    Garbled,
    /// Of a half comes another one that proves nothing, at any moment.
    Forged,
    /// A quarter never come.
    Lost,
}

impl Mischief {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Doubled, Self::Late, Self::Reordered, Self::Garbled, Self::Forged, Self::Lost];

    /// Names the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Doubled => "doubled",
            Self::Late => "late",
            Self::Reordered => "reordered",
            Self::Garbled => "garbled",
            Self::Forged => "forged",
            Self::Lost => "lost",
        }
    }
}

/// One thing that a stand-in does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The request goes a step on: the interface shows it from now on.
    Happens,
    /// A webhook is sent.
    Sends(Sending),
}

/// A webhook on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The vendor's word for what it tells.
    pub word: &'static str,
    /// The call, whole.
    pub call: Call,
    /// What became of it on its way.
    pub how: How,
}

/// What became of a webhook on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It came.
    Plain,
    /// It came again.
    Again,
    /// It came when the request was over.
    Late,
    /// It broke.
    Garbled,
    /// Somebody else sent it.
    Forged,
}

impl How {
    /// Says in a word what became of it; empty if nothing did.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Again => "again",
            Self::Late => "late",
            Self::Garbled => "garbled",
            Self::Forged => "forged",
        }
    }

    /// Tells whether it must be taken, if that does not depend on what proves it.
    pub const fn must_be_taken(self) -> Option<bool> {
        match self {
            Self::Plain | Self::Again | Self::Late => Some(true),
            Self::Forged => Some(false),
            Self::Garbled => None,
        }
    }
}

/// The room between two steps, for what comes in between.
const SPAN: u64 = 1 << 16;

/// Lays out what happens and what is sent.
pub(super) fn acts(
    steps: &[Step],
    proof: &Proof,
    mischief: &[Mischief],
    chance: &mut dyn Chance,
) -> Vec<Act> {
    let is_on = |kind| mischief.contains(&kind);
    let places = (0..).map(|at| at * SPAN);
    let mut acts: Vec<(u64, Act)> =
        places.clone().zip(steps).map(|(at, _)| (at, Act::Happens)).collect();
    let end = places.clone().nth(steps.len()).unwrap_or(0);
    let webhooks: Vec<(u64, &Webhook)> =
        places.zip(steps).flat_map(|(at, step)| (at + 1..).zip(&step.webhooks)).collect();
    let count = webhooks.len();
    let mut some = |kind, one_in| match is_on(kind) {
        true => at_least_one(count, one_in, chance),
        false => vec![false; count],
    };
    let (lost, late) = (some(Mischief::Lost, 4), some(Mischief::Late, 3));
    let (garbled, forged) = (some(Mischief::Garbled, 2), some(Mischief::Forged, 2));
    let is = |all: &[bool], at: usize| all.get(at).copied().unwrap_or(false);
    for (index, (place, webhook)) in webhooks.into_iter().enumerate() {
        let mut send = |at, call, how| {
            acts.push((at, Act::Sends(Sending { word: webhook.word, call, how })));
        };
        if is(&forged, index) {
            let at = chance.draw() % (end + SPAN);
            send(at, proof.forge(&webhook.call, chance), How::Forged);
        }
        if is(&lost, index) {
            continue;
        }
        let (at, how) = if is(&late, index) {
            (end + chance.draw() % SPAN, How::Late)
        } else if is_on(Mischief::Reordered) {
            (place + chance.draw() % (3 * SPAN), How::Plain)
        } else {
            (place, How::Plain)
        };
        let mut after = || at + 1 + chance.draw() % (end + SPAN).saturating_sub(at).max(1);
        let (again, broken) = (after(), after());
        send(at, webhook.call.clone(), how);
        if is_on(Mischief::Doubled) {
            send(again, webhook.call.clone(), How::Again);
        }
        if is(&garbled, index) {
            send(broken, garble(webhook, chance), How::Garbled);
        }
    }
    acts.sort_by_key(|(at, _)| *at);
    acts.into_iter().map(|(_, act)| act).collect()
}

/// Chooses some of so many, one in so many of them.
fn at_least_one(count: usize, one_in: u64, chance: &mut dyn Chance) -> Vec<bool> {
    let mut chosen: Vec<bool> = (0..count).map(|_| chance.draw().is_multiple_of(one_in)).collect();
    let drawn = usize::try_from(chance.draw() >> 1).unwrap_or(0);
    if !chosen.contains(&true)
        && let Some(one) = drawn.checked_rem(count).and_then(|at| chosen.get_mut(at))
    {
        *one = true;
    }
    chosen
}

/// Breaks a call: cuts its body, or puts a byte into it that no JSON has; of one that says all in its URL, cuts that off
/// before the word for what happened.
fn garble(webhook: &Webhook, chance: &mut dyn Chance) -> Call {
    const NO_TEXT: [u8; 4] = [0x00, 0x07, 0xc0, 0xff];
    let mut call = webhook.call.clone();
    let mut below = |bound: usize| {
        let drawn = usize::try_from(chance.draw() >> 1).unwrap_or(0);
        drawn.checked_rem(bound).unwrap_or(0)
    };
    if call.body.is_empty() {
        let query = call.url.query().unwrap_or_default();
        let word = query.find(webhook.word).unwrap_or(0);
        let kept: String = query.chars().take(below(word)).collect();
        Arc::make_mut(&mut call.url).set_query(Some(&kept));
        return call;
    }
    let place = below(call.body.len());
    if below(2) == 0 {
        call.body.truncate(place);
    } else if let (Some(byte), Some(other)) =
        (call.body.get_mut(place), NO_TEXT.get(below(NO_TEXT.len())))
    {
        *byte = *other;
    }
    call
}
