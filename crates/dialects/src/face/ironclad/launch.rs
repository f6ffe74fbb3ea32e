//! What is sent to launch a workflow, and what came of a launch that was not waited for.
//!
//! Attributes are those of the template, by their ids; a place for documents takes files that come beside, in a body of several
//! parts. What is called `counterpartySignerName` and `counterpartySignerEmail` says who signs for the other side, also where
//! the template has no such attribute. The launcher gets the role `owner`, if there is one.
//!
//! Sources: <https://developer.ironcladapp.com/reference/launch-a-new-workflow> (members, `useDefaultValues`, errors),
//! <https://developer.ironcladapp.com/reference/create-a-new-workflow-async>; owner and title as observed.

use std::collections::BTreeMap;
use std::slice;

use domain::workflow::{Attribute, AttributeKind, Party, Template};
use serde_json::{Value, json};

use super::comments::{self, Creator};
use super::{Error, People, workflow, workflow_id};
use crate::face::form;

/// A launch as it is asked for; unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The template, as it is named.
    pub template: String,
    /// What is known of the contract.
    pub attributes: BTreeMap<String, Value>,
    /// Who launches it, if the body says so.
    pub creator: Option<Creator>,
}

/// A launch, as far as the template says what is what.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Launch {
    /// What it is about.
    pub title: String,
    /// What is known of the contract, by the template's ids.
    pub attributes: BTreeMap<String, Value>,
    /// Places for documents, and the parts of the body that are to stand there.
    pub files: Vec<(String, String)>,
    /// Who signs first for the other side: part, name and mail address.
    pub counterparty: Option<(String, String, String)>,
}

/// Reads a body.
pub fn asked(body: &[u8]) -> Result<Asked, Error> {
    let read = form::read(body, |form| {
        let template = form.text("template").map(str::to_owned);
        let attributes = form.any("attributes").map(Value::as_object);
        if attributes == Some(None) {
            form.flaw_at("attributes", "expected an object");
        }
        (template, attributes.flatten().cloned(), comments::creator(form))
    });
    let (template, attributes, creator) = read.map_err(Error::flawed)?;
    Ok(Asked {
        template: template.ok_or_else(|| Error::missing("template"))?,
        attributes: attributes.ok_or_else(|| Error::missing("attributes"))?.into_iter().collect(),
        creator,
    })
}

/// Tells what is what.
pub fn launch(
    template: &Template,
    asked: BTreeMap<String, Value>,
    use_defaults: bool,
) -> Result<Launch, Error> {
    let mut launch = Launch { title: title(template, &asked), ..Launch::default() };
    for id in SIGNER {
        if asked.get(id).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(Error::invalid(id, "expected a text"));
        }
    }
    let text = |id| asked.get(id).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let [name, email] = SIGNER.map(text);
    for (id, value) in asked {
        if let Some(attribute) = template.attribute(&id) {
            launch.attributes.insert(id, taken(attribute, value));
        } else if template.documents.iter().any(|place| place.id == id) {
            launch.files.extend(files(&id, &value)?);
        } else if !SIGNER.contains(&id.as_str()) {
            let message = format!("non-existent attribute(s) specified: {id}");
            return Err(Error::invalid("attributes", message));
        }
    }
    for attribute in template.attributes.iter().filter(|attribute| attribute.required) {
        let has_default = use_defaults && attribute.default.is_some();
        if !has_default && !launch.attributes.contains_key(&attribute.id) {
            let message = "missing required attribute".to_owned();
            return Err(Error { message, ..Error::missing(&attribute.id) });
        }
    }
    let mut parts = template.signers.iter().filter(|part| part.party == Party::Counterparty);
    launch.counterparty = parts
        .next()
        .filter(|_| !email.is_empty())
        .map(|part| (part.role_name.clone(), name, email));
    Ok(launch)
}

/// What says who signs for the other side.
const SIGNER: [&str; 2] = ["counterpartySignerName", "counterpartySignerEmail"];

/// Takes a day out of a moment, where a day is wanted.
fn taken(attribute: &Attribute, value: Value) -> Value {
    let day = value.as_str().and_then(|text| text.split_once('T')).map(|(day, _)| json!(day));
    if attribute.kind == AttributeKind::Date { day.unwrap_or(value) } else { value }
}

/// Lists the parts of the body that are to stand at a place.
fn files(place: &str, value: &Value) -> Result<Vec<(String, String)>, Error> {
    let one = slice::from_ref(value);
    let files = value.as_array().map_or(one, Vec::as_slice);
    let part = |file: &Value| {
        let part = file.get("file").and_then(Value::as_str);
        let expected = r#"expected {"file": a part of the body}; nothing is fetched from a url"#;
        part.map(|part| (place.to_owned(), part.to_owned()))
            .ok_or_else(|| Error::invalid(place, expected))
    };
    files.iter().map(part).collect()
}

/// Names a workflow after its template and the other side, in at most 200 characters.
fn title(template: &Template, asked: &BTreeMap<String, Value>) -> String {
    let other = asked.get("counterpartyName").and_then(Value::as_str).unwrap_or_default().trim();
    let title = match other {
        "" => template.name.clone(),
        other => format!("{} with {other}", template.name),
    };
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TITLE_CHARS_MAX).collect()
}

const TITLE_CHARS_MAX: usize = 200;

/// What came of a launch.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It was launched.
    Launched(People<'a>),
    /// It was refused, for this reason.
    Refused(&'a Value),
}

/// Shows a job: what was asked for, and what came of it; `base` is where people find the service.
pub fn job(asked: &Value, outcome: Outcome<'_>, base: &str) -> Value {
    match outcome {
        Outcome::Launched(people) => {
            let url = workflow::api_url(base, &workflow_id(people.workflow.id));
            json!({
                "status": "success", "requestPayload": asked, "workflowUrls": {"apiUrl": url},
                "workflow": workflow::shown(people, base),
            })
        }
        Outcome::Refused(error) => {
            json!({"status": "failed", "requestPayload": asked, "error": error})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        serde_json::from_value(json!({
            "id": "wft_00000000000000000000000001", "account_id": "acc_00000000000000000000000001",
            "name": "NDA",
            "attributes": [
                {"id": "counterpartyName", "name": "Counterparty", "type": "text", "required": true},
                {"id": "ends", "name": "Ends", "type": "date", "required": true, "default": "2026-01-31"},
            ],
            "roles": [], "approval_groups": [],
            "documents": [{"id": "draft", "name": "Draft", "in_packet": true}],
            "signing_order": "parallel",
            "signers": [
                {"role_name": "Ours", "party": "internal", "order": 1},
                {"role_name": "Theirs", "party": "counterparty", "order": 1},
            ],
            "created_at": "2026-01-31T00:00:00Z", "updated_at": "2026-01-31T00:00:00Z",
        }))
        .unwrap()
    }

    fn of(attributes: &Value, use_defaults: bool) -> Result<Launch, Error> {
        let attributes = attributes.as_object().unwrap().clone().into_iter().collect();
        launch(&template(), attributes, use_defaults)
    }

    #[test]
    fn a_launch_is_sorted_by_what_the_template_knows() {
        let made = of(
            &json!({
                "counterpartyName": " Acme\n", "ends": "2026-02-28T00:00:00.000Z",
                "draft": [{"file": "a"}, {"file": "b"}],
                "counterpartySignerName": "Bob", "counterpartySignerEmail": "bob@example.org",
            }),
            false,
        );
        let made = made.unwrap();
        assert_eq!(made.title, "NDA with Acme");
        assert_eq!(made.attributes["ends"], "2026-02-28");
        let files = ["a", "b"].map(|file| ("draft".to_owned(), file.to_owned()));
        assert_eq!(made.files, files);
        let bob = ("Theirs".to_owned(), "Bob".to_owned(), "bob@example.org".to_owned());
        assert_eq!(made.counterparty, Some(bob));
    }

    #[test]
    fn a_default_counts_where_it_is_wanted() {
        assert!(of(&json!({"counterpartyName": "A"}), true).is_ok());
        let missing = of(&json!({"counterpartyName": "A"}), false).unwrap_err();
        assert_eq!((missing.code, missing.param.as_deref()), ("MISSING_PARAM", Some("ends")));
        let missing = of(&json!({}), true).unwrap_err();
        assert_eq!(missing.param.as_deref(), Some("counterpartyName"));
    }
}
