//! What workflows are launched from: what is to be known, who has a say, what is signed by whom.
//!
//! Invariant: a template that passed [`Template::check`] can be launched and taken to its end; a workflow keeps the one it
//! was launched from, so that a change of a template reaches no workflow that is under way.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Party, SIGNATORIES_MAX, SigningOrder};
use crate::id::{AccountId, WorkflowTemplateId};
use crate::time::Timestamp;

/// A workflow template. Its serialised form is what the API shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    pub id: WorkflowTemplateId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// What it is called, 1 to 200 characters.
    pub name: String,
    /// What is to be known of the contract.
    pub attributes: Vec<Attribute>,
    /// Who has a say in it.
    pub roles: Vec<RoleSpec>,
    /// Whose approval is needed, one group after the other.
    pub approval_groups: Vec<ApprovalGroup>,
    /// What documents it has.
    pub documents: Vec<DocumentPlace>,
    /// All at once, or by their order.
    pub signing_order: SigningOrder,
    /// Who signs.
    pub signers: Vec<Part>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Something that is to be known of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its id: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub id: String,
    /// What people call it, 1 to 200 characters.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: AttributeKind,
    /// Whether it must be known from the launch on.
    #[serde(default)]
    pub required: bool,
    /// What it is unless the launch says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Of a text: the only ones that are taken, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What an attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// A text of at most 4,000 characters.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day, as `2026-01-31`.
    Date,
    /// An amount and its currency: `{"amount": 12.5, "currency": "EUR"}`.
    Money,
    /// A list of at most 100 texts.
    List,
}

/// Who has a say in a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpec {
    /// Its id: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub id: String,
    /// What people call it, 1 to 200 characters.
    pub name: String,
}

/// Approvals that may be given in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalGroup {
    /// Whose, by the ids of roles; at least one.
    pub roles: Vec<String>,
}

/// A place for documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentPlace {
    /// Its id: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub id: String,
    /// What people call it, 1 to 200 characters.
    pub name: String,
    /// Whether what stands there is signed.
    #[serde(default)]
    pub in_packet: bool,
}

/// A part that is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, 1 to 200 characters, such as `Counterparty Signer`.
    pub role_name: String,
    /// Of which side.
    pub party: Party,
    /// Its place in a sequential packet, from 1; equal places sign at once.
    pub order: u32,
}

/// One thing that is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Where, such as `attributes[0].id`.
    pub path: String,
    /// What is expected there.
    pub message: String,
}

/// The most characters of an id in a template.
const ID_CHARS_MAX: usize = 64;
/// The most characters of a name in a template.
const NAME_CHARS_MAX: usize = 200;
/// The most characters of an attribute that is a text.
const TEXT_CHARS_MAX: usize = 4_000;
/// The most entries of a list in a template or an attribute.
const ENTRIES_MAX: usize = 100;
/// The last place of a sequential packet.
pub const ORDER_MAX: u32 = 1_000;

impl Template {
    /// Finds an attribute.
    pub fn attribute(&self, id: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.id == id)
    }

    /// Finds a role.
    pub fn role(&self, id: &str) -> Option<&RoleSpec> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// Tells everything that is wrong with it.
    pub fn check(&self) -> Vec<Invalid> {
        let mut wrong = Wrong::default();
        wrong.name("name", &self.name);
        wrong.list("attributes", &self.attributes, ENTRIES_MAX, |attribute| &attribute.id);
        wrong.list("roles", &self.roles, ENTRIES_MAX, |role| &role.id);
        wrong.list("documents", &self.documents, ENTRIES_MAX, |place| &place.id);
        wrong.list("signers", &self.signers, SIGNATORIES_MAX, |part| &part.role_name);
        for (at, attribute) in self.attributes.iter().enumerate() {
            wrong.id(format!("attributes[{at}].id"), &attribute.id);
            wrong.name(format!("attributes[{at}].name"), &attribute.name);
            if !attribute.choices.is_empty() && attribute.kind != AttributeKind::Text {
                wrong.note(format!("attributes[{at}].choices"), "expected none but for a text");
            }
            let default = attribute.default.as_ref();
            if let Some(Err(expected)) = default.map(|value| attribute.takes(value)) {
                wrong.note(format!("attributes[{at}].default"), format!("expected {expected}"));
            }
        }
        for (at, role) in self.roles.iter().enumerate() {
            wrong.id(format!("roles[{at}].id"), &role.id);
            wrong.name(format!("roles[{at}].name"), &role.name);
        }
        for (at, place) in self.documents.iter().enumerate() {
            wrong.id(format!("documents[{at}].id"), &place.id);
            wrong.name(format!("documents[{at}].name"), &place.name);
        }
        for (at, part) in self.signers.iter().enumerate() {
            wrong.name(format!("signers[{at}].role_name"), &part.role_name);
            if !(1..=ORDER_MAX).contains(&part.order) {
                let message = format!("expected a number from 1 to {ORDER_MAX}");
                wrong.note(format!("signers[{at}].order"), message);
            }
        }
        self.check_groups(&mut wrong);
        wrong.0
    }

    fn check_groups(&self, wrong: &mut Wrong) {
        if self.approval_groups.len() > ENTRIES_MAX {
            wrong.note("approval_groups", format!("expected at most {ENTRIES_MAX}"));
        }
        let mut seen = BTreeSet::new();
        for (at, group) in self.approval_groups.iter().enumerate() {
            if group.roles.is_empty() {
                wrong.note(format!("approval_groups[{at}].roles"), "expected at least one role");
            }
            for (index, role) in group.roles.iter().enumerate() {
                let path = format!("approval_groups[{at}].roles[{index}]");
                if self.role(role).is_none() {
                    wrong.note(path, "expected the id of a role of the template");
                } else if !seen.insert(role) {
                    wrong.note(path, "expected each role to approve once");
                }
            }
        }
    }
}

impl Attribute {
    /// Tells whether it takes a value, or what it expects instead.
    pub fn takes(&self, value: &Value) -> Result<(), String> {
        let (is_taken, expected) = match self.kind {
            AttributeKind::Text if self.choices.is_empty() => (
                value.as_str().is_some_and(|text| text.chars().count() <= TEXT_CHARS_MAX),
                format!("a text of at most {TEXT_CHARS_MAX} characters"),
            ),
            AttributeKind::Text => (
                value.as_str().is_some_and(|text| self.choices.iter().any(|choice| choice == text)),
                format!("one of {}", self.choices.join(", ")),
            ),
            AttributeKind::Number => (value.is_number(), "a number".to_owned()),
            AttributeKind::Boolean => (value.is_boolean(), "true or false".to_owned()),
            AttributeKind::Date => {
                (value.as_str().is_some_and(is_day), "a day such as 2026-01-31".to_owned())
            }
            AttributeKind::Money => (
                is_money(value),
                r#"an amount and its currency: {"amount": 12.5, "currency": "EUR"}"#.to_owned(),
            ),
            AttributeKind::List => (
                value.as_array().is_some_and(|items| {
                    let is_entry = |item: &Value| {
                        item.as_str().is_some_and(|text| text.chars().count() <= NAME_CHARS_MAX)
                    };
                    items.len() <= ENTRIES_MAX && items.iter().all(is_entry)
                }),
                format!("at most {ENTRIES_MAX} texts of at most {NAME_CHARS_MAX} characters"),
            ),
        };
        if is_taken { Ok(()) } else { Err(expected) }
    }
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok()
}

fn is_money(value: &Value) -> bool {
    let is_code = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    value.as_object().is_some_and(|members| {
        members.len() == 2
            && members.get("amount").is_some_and(Value::is_number)
            && members.get("currency").and_then(Value::as_str).is_some_and(is_code)
    })
}

/// Everything that is wrong, as it is found.
#[derive(Default)]
struct Wrong(Vec<Invalid>);

impl Wrong {
    fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Invalid { path: path.into(), message: message.into() });
    }

    fn id(&mut self, path: String, id: &str) {
        if !is_id(id) {
            self.note(path, format!("expected 1 to {ID_CHARS_MAX} of `a-z A-Z 0-9 _ -`"));
        }
    }

    fn name(&mut self, path: impl Into<String>, name: &str) {
        let is_line = !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !is_line || name.chars().count() > NAME_CHARS_MAX {
            self.note(path, format!("expected one line of 1 to {NAME_CHARS_MAX} characters"));
        }
    }

    /// Looks at the length of a list, and that each of its entries has an id of its own.
    fn list<T>(&mut self, path: &str, entries: &[T], max: usize, id: impl Fn(&T) -> &String) {
        if entries.len() > max {
            self.note(path, format!("expected at most {max}"));
        }
        let mut seen = BTreeSet::new();
        for (at, entry) in entries.iter().enumerate() {
            if !seen.insert(id(entry)) {
                self.note(format!("{path}[{at}]"), "expected each only once");
            }
        }
    }
}

/// Tells whether a text may be an id in a template.
pub fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
