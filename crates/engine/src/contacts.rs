//! Contacts: made, changed and deleted, each with its event.
//!
//! Invariant: a contact can be reached: by mail, by short message, or both.
//! Left to others: what happens with them (`web`, the account's own application).

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::contact::Contact;
use domain::event::{Event, Kind};
use domain::facts::AboutContact;
use domain::id::{AccountId, ContactId, EventId};
use domain::signer::Person;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use store::{Audience, Commit, Guarded, Said, Version, Write};

use crate::Engine;
use crate::check::{self, Flaws, Reach};
use crate::command::{Once, Patch, Refusal, insist};
use crate::requests::NewPerson;

/// A contact to be made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewContact {
    /// Who it is. The mail address may be empty when there is a mobile number.
    #[serde(flatten)]
    pub person: NewPerson,
    /// The account's own notes: at most 50 keys and 16 KiB.
    pub metadata: BTreeMap<String, Value>,
}

/// What changes in a contact.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContactPatch {
    /// See [`NewPerson`].
    pub name: Option<String>,
    /// See [`NewPerson`].
    pub email: Patch<String>,
    /// See [`NewPerson`].
    pub mobile: Patch<String>,
    /// See [`NewPerson`].
    pub label: Patch<String>,
    /// See [`NewPerson`].
    pub company: Patch<String>,
    /// See [`NewPerson`].
    pub locale: Patch<String>,
    /// See [`NewPerson`].
    pub time_zone: Patch<String>,
    /// All notes anew.
    pub metadata: Patch<BTreeMap<String, Value>>,
}

impl Engine {
    /// Makes a contact.
    pub async fn create_contact(
        &self,
        account: AccountId,
        input: NewContact,
        once: &Once<'_, Contact>,
    ) -> Result<Contact, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let mut flaws = Flaws::default();
        let contact = Contact {
            id: ContactId::new(self.mint(now)),
            account,
            person: check::person(&mut flaws, "", &input.person, Reach::Either),
            metadata: flaws.take("metadata", check::metadata(input.metadata)),
            created_at: now,
            updated_at: now,
        };
        flaws.none()?;
        let write = Write::Contact(Guarded { version: 0, value: contact.clone() });
        self.commit_contact(write, Kind::ContactCreated, contact, once).await
    }

    /// Changes a contact.
    pub async fn update_contact(
        &self,
        account: AccountId,
        id: ContactId,
        patch: ContactPatch,
    ) -> Result<Contact, Refusal> {
        insist(|| self.try_update_contact(account, id, &patch)).await
    }

    /// Deletes a contact. Gives it as it was.
    pub async fn delete_contact(
        &self,
        account: AccountId,
        id: ContactId,
    ) -> Result<Contact, Refusal> {
        insist(|| async move {
            let (contact, version) = self.load_contact(account, id).await?;
            let write = Write::ContactGone(id, version);
            self.commit_contact(write, Kind::ContactDeleted, contact, &Once::unkept()).await
        })
        .await
    }

    async fn try_update_contact(
        &self,
        account: AccountId,
        id: ContactId,
        patch: &ContactPatch,
    ) -> Result<Contact, Refusal> {
        let (old, version) = self.load_contact(account, id).await?;
        let mut flaws = Flaws::default();
        let person = patched(&old.person, patch);
        let metadata = patch.metadata.clone().over(Some(old.metadata)).unwrap_or_default();
        let contact = Contact {
            person: check::person(&mut flaws, "", &person, Reach::Either),
            metadata: flaws.take("metadata", check::metadata(metadata)),
            updated_at: self.now(),
            ..Contact { metadata: BTreeMap::new(), ..old }
        };
        flaws.none()?;
        let write = Write::Contact(Guarded { version, value: contact.clone() });
        self.commit_contact(write, Kind::ContactUpdated, contact, &Once::unkept()).await
    }

    async fn load_contact(
        &self,
        account: AccountId,
        id: ContactId,
    ) -> Result<(Contact, Version), Refusal> {
        self.views().contact(account, id).await?.ok_or(Refusal::NotFound { what: "contact" })
    }

    /// Commits a write of a contact with its event, and gives the contact.
    async fn commit_contact(
        &self,
        write: Write,
        kind: Kind,
        contact: Contact,
        once: &Once<'_, Contact>,
    ) -> Result<Contact, Refusal> {
        let now = self.now();
        let event = event(EventId::new(self.mint(now)), kind, &contact, now)?;
        let commit = Commit {
            writes: vec![write],
            events: vec![Said { event, audience: Audience::Subscribers }],
            reply: once.reply(&contact),
            ..Commit::new(contact.account, now)
        };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(contact)
    }
}

/// Gives the person with a change, unchecked.
fn patched(old: &Person, patch: &ContactPatch) -> NewPerson {
    let Person { name, email, mobile, label, company, locale, time_zone } = old.clone();
    NewPerson {
        name: patch.name.clone().unwrap_or(name),
        email: patch.email.clone().over(Some(email)).unwrap_or_default(),
        mobile: patch.mobile.clone().over(mobile),
        label: patch.label.clone().over(label),
        company: patch.company.clone().over(company),
        locale: patch.locale.clone().over(locale),
        time_zone: patch.time_zone.clone().over(time_zone),
    }
}

/// Writes down what happened to a contact.
fn event(id: EventId, kind: Kind, contact: &Contact, now: Timestamp) -> Result<Event, Refusal> {
    let about = AboutContact { contact: contact.clone() };
    let data = serde_json::to_string(&about).map_err(|error| store::Error::Corrupt {
        table: "contacts",
        detail: format!("{} cannot be written as JSON: {error}", contact.id),
    })?;
    Ok(Event {
        id,
        account: contact.account,
        kind,
        name: Cow::Borrowed(kind.as_str()),
        at: now,
        request: None,
        order_key: Some(contact.id.to_string()),
        key: None,
        data,
        test: false,
        callbacks: Vec::new(),
        link: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Person {
        Person {
            name: "Ada".to_owned(),
            email: "ada@example.com".to_owned(),
            company: Some("Engines".to_owned()),
            ..Person::default()
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let patch: ContactPatch =
            serde_json::from_str(r#"{"mobile":"+43 660 1","company":null}"#).unwrap();
        let new = patched(&ada(), &patch);
        assert_eq!((new.name.as_str(), new.email.as_str()), ("Ada", "ada@example.com"));
        assert_eq!((new.mobile.as_deref(), new.company), (Some("+43 660 1"), None));
    }

    #[test]
    fn the_event_says_the_contact_as_it_is() {
        let now = Timestamp::from_millis(5);
        let contact = Contact {
            id: ContactId::new(1),
            account: AccountId::new(2),
            person: ada(),
            metadata: BTreeMap::new(),
            created_at: now,
            updated_at: now,
        };
        let event = event(EventId::new(3), Kind::ContactCreated, &contact, now).unwrap();
        assert_eq!(event.name, "contact.created");
        let said: AboutContact = serde_json::from_str(&event.data).unwrap();
        assert_eq!(said.contact, contact);
    }
}
