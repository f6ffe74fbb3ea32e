//! How a workflow begins, and what is known of the contract.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Action, Change, Done, Packet, Party, Refused, Signatory, State, Step, Template, Transition,
    User, Workflow,
};
use crate::id::WorkflowId;
use crate::signer::Person;
use crate::time::Timestamp;

/// What a workflow is launched with.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The id it gets.
    pub id: WorkflowId,
    /// The how manieth of the account it is.
    pub number: u32,
    /// What it is about, 1 to 200 characters.
    pub title: String,
    /// Whether attributes that are not given are what the template says they are by default.
    pub use_defaults: bool,
    /// What is known of the contract, by the template's ids.
    pub attributes: BTreeMap<String, Value>,
    /// Who has which role, by the template's ids.
    pub roles: BTreeMap<String, User>,
    /// Who signs as what, by the names of the parts.
    pub signers: BTreeMap<String, Person>,
    /// The account's own notes.
    pub metadata: BTreeMap<String, Value>,
}

impl Workflow {
    /// Launches a workflow: it goes to review, where it is our turn.
    pub fn launch(
        template: Template,
        launch: Launch,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        let Launch { id, number, title, use_defaults, attributes, roles, signers, metadata } =
            launch;
        let attributes = first_attributes(&template, attributes, use_defaults)?;
        check_roles(&template, &roles)?;
        if let Some(unknown) = signers
            .keys()
            .find(|name| !template.signers.iter().any(|part| part.role_name == **name))
        {
            return Err(Refused::NoSuch { what: "signer", id: unknown.clone() });
        }
        let signatories = template.signers.iter().map(|part| Signatory {
            part: part.clone(),
            person: signers.get(&part.role_name).cloned(),
            signer_id: None,
            signed_at: None,
        });
        let workflow = Self {
            id,
            account: template.account,
            number,
            title,
            creator: by.to_owned(),
            step: Step::Create,
            state: State::Active,
            turn: None,
            turns: Vec::new(),
            attributes,
            roles: BTreeMap::new(),
            approvals: BTreeMap::new(),
            approval_requests: Vec::new(),
            participants: BTreeSet::from([by.to_owned()]),
            comments: Vec::new(),
            documents: Vec::new(),
            packet_documents: None,
            counterparties: Vec::new(),
            signers: signatories.collect(),
            packet: Packet::NotSent,
            schedule: None,
            uploads: Vec::new(),
            metadata,
            created_at: now,
            updated_at: now,
            template,
        };
        let mut changes = vec![
            Change::Launched { workflow: Box::new(workflow.clone()) },
            Change::StepUpdated { transition: Transition::CreateToReview },
            Change::ChangedTurn { from: None, to: Party::Internal },
        ];
        if !roles.is_empty() {
            changes.push(Change::RolesAssigned { assignments: roles });
        }
        Ok(workflow.take(changes, (by, now)))
    }

    /// Sets and removes attributes, in review. What is so already is passed over.
    pub fn set_attributes(
        self,
        set: BTreeMap<String, Value>,
        remove: BTreeSet<String>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Attributes)?;
        for (id, value) in &set {
            check(&self.template, id, value)?;
        }
        for id in &remove {
            let attribute = self.template.attribute(id);
            let attribute = attribute.ok_or_else(|| no_attribute(id))?;
            if attribute.required || set.contains_key(id) {
                let expected = "something, since it must be known".to_owned();
                return Err(Refused::BadAttribute { id: id.clone(), expected });
            }
        }
        let is_new = |(id, value): &(String, Value)| self.attributes.get(id) != Some(value);
        let set: BTreeMap<_, _> = set.into_iter().filter(is_new).collect();
        let is_known = |id: &String| self.attributes.contains_key(id);
        let removed: BTreeSet<_> = remove.into_iter().filter(is_known).collect();
        if set.is_empty() && removed.is_empty() {
            return Ok(self.unchanged());
        }
        Ok(self.take(vec![Change::AttributeUpdated { set, removed }], (by, now)))
    }
}

/// Gives what is known at the launch: what was given, and else the defaults, if they are wanted.
fn first_attributes(
    template: &Template,
    given: BTreeMap<String, Value>,
    use_defaults: bool,
) -> Result<BTreeMap<String, Value>, Refused> {
    for (id, value) in &given {
        check(template, id, value)?;
    }
    let defaults = template.attributes.iter().filter(|_| use_defaults);
    let defaults = defaults.filter_map(|known| Some((known.id.clone(), known.default.clone()?)));
    let attributes: BTreeMap<_, _> = defaults.chain(given).collect();
    match template.attributes.iter().find(|a| a.required && !attributes.contains_key(&a.id)) {
        Some(missing) => Err(Refused::BadAttribute {
            id: missing.id.clone(),
            expected: "something, since it must be known from the launch on".to_owned(),
        }),
        None => Ok(attributes),
    }
}

fn check(template: &Template, id: &str, value: &Value) -> Result<(), Refused> {
    let attribute = template.attribute(id).ok_or_else(|| no_attribute(id))?;
    let refused = |expected| Refused::BadAttribute { id: id.to_owned(), expected };
    attribute.takes(value).map_err(refused)
}

fn no_attribute(id: &str) -> Refused {
    Refused::NoSuch { what: "attribute", id: id.to_owned() }
}

/// Refuses roles that the template does not have.
pub(super) fn check_roles(
    template: &Template,
    roles: &BTreeMap<String, User>,
) -> Result<(), Refused> {
    match roles.keys().find(|id| template.role(id).is_none()) {
        Some(unknown) => Err(Refused::NoSuch { what: "role", id: unknown.clone() }),
        None => Ok(()),
    }
}
