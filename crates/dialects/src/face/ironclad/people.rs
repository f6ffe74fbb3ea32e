//! People as the interface shows them: users by id, name and mail address, and authors of what was said or written.
//!
//! Invariant: who is not known by name is shown by their mail address.
//!
//! Sources: <https://developer.ironcladapp.com/reference/retrieve-a-workflow> (`creator`, `roles`),
//! <https://developer.ironcladapp.com/reference/list-all-comments-in-a-workflow> (authors).

use domain::workflow::Workflow;
use serde_json::{Value, json};

use crate::ironclad::user_id;

/// The people of a workflow.
#[derive(Debug, Clone, Copy)]
pub struct People<'a> {
    /// Whose people.
    pub workflow: &'a Workflow,
    /// What the account is called.
    pub company: &'a str,
}

impl People<'_> {
    /// Gives what somebody is called.
    pub fn name(&self, email: &str) -> String {
        let Workflow { roles, counterparties, signers, .. } = self.workflow;
        let known = roles.values().chain(counterparties.iter().map(|known| &known.user));
        let known = known.map(|user| (user.email.as_str(), user.name.as_str()));
        let signers = signers.iter().filter_map(|signer| signer.person.as_ref());
        let signers = signers.map(|person| (person.email.as_str(), person.name.as_str()));
        let mut all = known.chain(signers);
        let found = all.find(|(known, name)| known.eq_ignore_ascii_case(email) && !name.is_empty());
        found.map_or(email, |(_, name)| name).to_owned()
    }

    /// Finds somebody of the workflow by the vendor's id; gives their mail address.
    pub fn find(&self, id: &str) -> Option<String> {
        self.emails().into_iter().find(|email| self.id(email) == id)
    }

    /// Lists the mail addresses of all who have to do with the workflow on our side, in order and each once.
    pub fn emails(&self) -> Vec<String> {
        let Workflow { creator, roles, participants, comments, .. } = self.workflow;
        let roles = roles.values().map(|user| &user.email);
        let said = comments.iter().map(|comment| &comment.author);
        let all = [creator].into_iter().chain(roles).chain(participants).chain(said);
        let mut all: Vec<String> = all.filter(|email| !self.is_external(email)).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// Gives the vendor's id of somebody: 24 hexadecimal digits.
    pub fn id(&self, email: &str) -> String {
        user_id(self.workflow.account, email)
    }

    /// Shows somebody as `{userId, email, displayName}`.
    pub fn assignee(&self, email: &str) -> Value {
        json!({"userId": self.id(email), "email": email, "displayName": self.name(email)})
    }

    /// Shows who launched the workflow.
    pub fn creator(&self) -> Value {
        let email = &self.workflow.creator;
        json!({
            "id": self.id(email), "displayName": self.name(email), "email": email, "title": "",
            "username": email, "metadata": {},
        })
    }

    /// Shows the roles, each with those who have it.
    pub fn roles(&self) -> Value {
        let assignee = |email: &String| json!({"userName": self.name(email), "userId": self.id(email), "email": email});
        let of = |id: &String| {
            let user = self.workflow.roles.get(id);
            user.map(|user| assignee(&user.email)).into_iter().collect::<Vec<_>>()
        };
        let roles = self.workflow.template.roles.iter();
        let roles = roles.map(
            |role| json!({"id": role.id, "displayName": role.name, "assignees": of(&role.id)}),
        );
        roles.collect()
    }

    /// Shows who said or wrote something.
    pub fn author(&self, email: &str) -> Value {
        if self.is_external(email) {
            return json!({
                "type": "externalUser", "companyName": self.counterparty(),
                "displayName": self.name(email), "email": email,
            });
        }
        json!({
            "type": "internalUser", "companyName": self.company, "displayName": self.name(email),
            "email": email, "userId": self.id(email),
        })
    }

    /// Tells whether somebody is of the other side.
    fn is_external(&self, email: &str) -> bool {
        self.workflow.counterparties.iter().any(|known| known.user.email == email)
    }

    fn counterparty(&self) -> &str {
        self.workflow.attributes.get("counterpartyName").and_then(Value::as_str).unwrap_or_default()
    }
}
