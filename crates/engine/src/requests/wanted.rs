//! A request as a vendor's client wants it, to be drafted like any other.

use dialects::face::{Wanted, WantedSigner};

use super::{NewPerson, NewRequest, NewSendTo, NewSigner};

impl From<Wanted> for NewRequest {
    fn from(wanted: Wanted) -> Self {
        Self {
            title: wanted.title,
            message: wanted.message,
            documents: wanted.documents,
            sender: Some(wanted.sender),
            signing_order: wanted.signing_order,
            signers: wanted.signers.into_iter().map(signer).collect(),
            expires_at: wanted.expires_at,
            reminders: wanted.reminders,
            callbacks: Some(wanted.callbacks),
            redirect_url: wanted.redirect_url,
            metadata: wanted.metadata,
            ..Self::default()
        }
    }
}

fn signer(wanted: WantedSigner) -> NewSigner {
    let WantedSigner { person, order, role, send_to, foreign_id } = wanted;
    NewSigner {
        person: NewPerson {
            name: person.name,
            email: person.email,
            mobile: person.mobile,
            label: person.label,
            company: person.company,
            locale: person.locale,
            time_zone: person.time_zone,
        },
        order,
        role,
        send_to: NewSendTo { email: Some(send_to.email), sms: Some(send_to.sms) },
        foreign_id,
    }
}
