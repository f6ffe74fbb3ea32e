//! Whom a vendor means: signers found by its ids, by addresses, by their places, and where it gives none of them by what
//! must be.
//!
//! Invariant: nobody is taken for another one on a guess; who can be anybody is somebody unknown.

use super::{Mint, SIGNERS_MAX};
use crate::id::SignerId;
use crate::request::Request;
use crate::signer::{self, Person, Role, SendTo, Signer};
use crate::told::{Pictured, SignerStage, Who};

impl Request {
    /// Finds the signer that a picture shows, or makes room for one.
    pub(super) fn place(&mut self, pictured: &Pictured, mint: Mint<'_>) -> Option<usize> {
        let who = Who {
            foreign_id: pictured.foreign_id.clone(),
            email: pictured.email.clone(),
            ..Who::default()
        };
        let nameless =
            |signer: &Signer| signer.person.email.is_empty() && signer.foreign_id.is_none();
        let could_be = |signer: &Signer| {
            signer.person.email.is_empty()
                && (signer.foreign_id.is_none() || pictured.foreign_id.is_none())
        };
        let named = || self.named(pictured.name.as_deref(), &could_be);
        let at = self.find(&who).or_else(named);
        let at = at.or_else(|| self.signers.iter().position(nameless));
        if at.is_some() {
            return at;
        }
        (self.signers.len() < SIGNERS_MAX).then(|| {
            let place = u32::try_from(self.signers.len()).unwrap_or(u32::MAX).saturating_add(1);
            self.signers.push(unknown(mint(), pictured.order.unwrap_or(place)));
            self.signers.len() - 1
        })
    }

    /// Finds a signer by the vendor's id, else by the address, else by the place.
    pub(super) fn find(&self, who: &Who) -> Option<usize> {
        let by = |fits: &dyn Fn(&Signer) -> bool| self.signers.iter().position(fits);
        let same = |one: &Option<String>, other: &str| {
            one.as_deref().is_some_and(|one| !one.is_empty() && one.eq_ignore_ascii_case(other))
        };
        let reassigned = |signer: &Signer| matches!(signer.state, signer::State::Reassigned { .. });
        by(&|signer| who.foreign_id.is_some() && signer.foreign_id == who.foreign_id)
            .or_else(|| {
                by(&|signer| {
                    let other_id = signer.foreign_id.is_some() && who.foreign_id.is_some();
                    same(&who.email, &signer.person.email) && !other_id && !reassigned(signer)
                })
            })
            .or_else(|| {
                let order =
                    who.order.filter(|_| who.foreign_id.is_none() && who.email.is_none())?;
                by(&|signer| signer.order == order)
            })
    }

    /// Finds the only signer of a name among those that a person of whom no address or no id is known could be.
    fn named(&self, name: Option<&str>, could_be: &dyn Fn(&Signer) -> bool) -> Option<usize> {
        let name = name?.trim();
        let same = |signer: &Signer| {
            let known = signer.person.name.trim();
            !name.is_empty() && known.eq_ignore_ascii_case(name) && could_be(signer)
        };
        self.only(&same)
    }

    /// Finds the only signer of a kind.
    fn only(&self, fits: &dyn Fn(&Signer) -> bool) -> Option<usize> {
        let mut places = (0..).zip(&self.signers).filter(|(_, signer)| fits(signer));
        let first = places.next()?.0;
        places.next().is_none().then_some(first)
    }

    /// Finds whom an id belongs to of which nothing else is known but perhaps a name: vendors show signers without their ids.
    fn owner(&self, who: &Who, shows_stages: bool) -> Option<usize> {
        let without_id =
            |signer: &Signer| signer.foreign_id.is_none() && !signer.person.email.is_empty();
        let by_name = self.named(who.name.as_deref(), &without_id);
        by_name.or_else(|| {
            let last = || self.only(&|signer: &Signer| signer.is_open() && without_id(signer));
            if shows_stages { None } else { last() }
        })
    }

    /// Finds whom a step is about. Of one that names nobody, it is the first who could have done it.
    pub(super) fn whom(
        &mut self,
        who: &Who,
        (stage, shows_stages): (SignerStage, bool),
        mint: Mint<'_>,
    ) -> Option<SignerId> {
        let is_id_alone = who.foreign_id.is_some() && who.email.is_none() && who.order.is_none();
        // How far each signer is, the vendor shows; whoever it is has moved on by that, or will.
        if who.is_nobody() && shows_stages {
            return None;
        }
        let owner = || if is_id_alone { self.owner(who, shows_stages) } else { None };
        let at = self.find(who).or_else(owner).or_else(|| {
            let open = |want: &dyn Fn(&signer::State) -> bool| {
                let is_nameless =
                    |signer: &Signer| who.is_nobody() || signer.person.email.is_empty();
                let fits = |signer: &Signer| {
                    signer.is_open() && is_nameless(signer) && want(&signer.state)
                };
                self.signers.iter().position(fits)
            };
            let notified = || open(&|state| matches!(state, signer::State::Notified { .. }));
            let waiting = || open(&|state| matches!(state, signer::State::Waiting));
            let viewed = || open(&|state| matches!(state, signer::State::Viewed { .. }));
            match stage {
                SignerStage::Notified => waiting(),
                SignerStage::Waiting | SignerStage::Viewed => notified().or_else(waiting),
                SignerStage::Reassigned | SignerStage::Declined | SignerStage::Signed => {
                    viewed().or_else(notified).or_else(waiting)
                }
            }
        });
        let at = match at {
            Some(at) => at,
            // Nobody who has signed refuses, so it is somebody of whom nothing was told; but only one refusal is needed.
            None if who.is_nobody() && stage == SignerStage::Declined && !self.is_refused() => {
                let place = u32::try_from(self.signers.len()).unwrap_or(u32::MAX);
                self.signers.push(unknown(mint(), place.saturating_add(1)));
                self.signers.len().saturating_sub(1)
            }
            // A second one of the same that names nobody says nothing new of those we know.
            None if who.is_nobody() && !self.signers.is_empty() => return None,
            // The vendor shows how far each signer is, and calls them otherwise than its webhook does.
            None if is_id_alone && shows_stages => return None,
            None => {
                let pictured = Pictured {
                    foreign_id: who.foreign_id.clone(),
                    email: who.email.clone(),
                    order: who.order,
                    ..Pictured::default()
                };
                self.place(&pictured, mint)?
            }
        };
        let signer = self.signers.get_mut(at)?;
        signer.learn(&Pictured {
            foreign_id: who.foreign_id.clone(),
            name: who.name.clone(),
            email: who.email.clone(),
            ..Pictured::default()
        });
        Some(signer.id)
    }
}

impl Request {
    fn is_refused(&self) -> bool {
        self.signers.iter().any(|signer| matches!(signer.state, signer::State::Declined { .. }))
    }
}

impl Signer {
    /// Takes in what is said of the person and the part.
    pub(super) fn learn(&mut self, pictured: &Pictured) {
        let known = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let person = &mut self.person;
        for (ours, theirs) in
            [(&mut person.name, &pictured.name), (&mut person.email, &pictured.email)]
        {
            if let Some(text) = known(theirs) {
                *ours = text;
            }
        }
        for (ours, theirs) in [
            (&mut person.mobile, &pictured.mobile),
            (&mut person.label, &pictured.label),
            (&mut person.company, &pictured.company),
            (&mut self.foreign_id, &pictured.foreign_id),
            (&mut self.foreign_url, &pictured.url),
        ] {
            if let Some(text) = known(theirs) {
                *ours = Some(text);
            }
        }
        self.role = pictured.role.unwrap_or(self.role);
        self.order = pictured.order.unwrap_or(self.order);
        self.send_to = pictured.send_to.unwrap_or(self.send_to);
    }
}

/// Makes a signer of whom nothing is known.
fn unknown(id: SignerId, order: u32) -> Signer {
    Signer {
        id,
        person: Person::default(),
        order,
        role: Role::default(),
        send_to: SendTo::default(),
        state: signer::State::Waiting,
        reminders: 0,
        reminded_at: None,
        foreign_id: None,
        foreign_url: None,
    }
}
