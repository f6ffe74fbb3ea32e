//! FintechOS eSign, caught: a callback's query as eSignAnyWhere fills it, or the context object that a script hands on.
//!
//! Parameters are looked for in `Data` of the body, in `Request.Data` (the form in which actions are called), and in the query;
//! members count in Pascal and in camel case. `FTOSIsFinishCallback` marks the finish callback even where no action is named.
//! Envelopes are eSignAnyWhere's, and so is asking for them.
//!
//! Sources: the webhook page of FintechOS eSign (both samples); <https://docs.fintechos.com/ServerSDK/Content/context.htm>;
//! <https://docs.fintechos.com/API_Reference/Content/AutomationProcessors/CallAction.htm>.

use domain::call::{Answer, Method};
use domain::source::Source;
use domain::told::Told;
use serde_json::{Map, Value};

use crate::vendor::esaw::{self, Esaw};
use crate::vendor::hook::{self, Parameters};
use crate::vendor::{Ask, Catch, Field, Received, Unaskable, Unreadable, Untrusted, json};

/// The vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fintechos;

const FIELDS: &[Field] =
    &[hook::ENVELOPE, hook::ACTION, hook::EMAIL, hook::ORDER, esaw::API_TOKEN, esaw::BASE_URL];

impl Catch for Fintechos {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, source: &Source) -> Vec<(&'static str, String)> {
        esaw::check_asking(source)
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post, Method::Get]
    }

    fn prove(&self, _source: &Source, _received: &Received<'_>) -> Result<(), Untrusted> {
        Ok(())
    }

    fn key(&self, _source: &Source, _received: &Received<'_>) -> Option<String> {
        None
    }

    fn read(&self, source: &Source, received: &Received<'_>) -> Result<Told, Unreadable> {
        let mut parameters = Parameters::default();
        if !received.body.trim_ascii().is_empty() {
            let body = json::object(received.body)?;
            for (name, value) in data(&body) {
                match value {
                    Value::String(text) => parameters.add(name, text),
                    Value::Bool(_) | Value::Number(_) => parameters.add(name, &value.to_string()),
                    Value::Null | Value::Array(_) | Value::Object(_) => {}
                }
            }
        }
        parameters.extend(Parameters::of_query(received.query));
        let finish = parameters.find("FTOSIsFinishCallback");
        let is_finish = finish.is_some_and(|mark| mark == "1" || mark.eq_ignore_ascii_case("true"));
        parameters.read(source, is_finish)
    }

    fn ask(&self, source: &Source, foreign_id: &str, answers: &[Answer]) -> Result<Ask, Unaskable> {
        Esaw.ask(source, foreign_id, answers)
    }
}

/// Finds the parameters in a body: the object itself if it holds no other.
fn data(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let inner = member(body, "data").or_else(|| member(member(body, "request")?, "data"));
    inner.unwrap_or(body).as_object().into_iter().flatten()
}

/// Finds a member that is an object, in any case.
fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let members: &Map<String, Value> = object.as_object()?;
    let found = members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|value| value.is_object())
}
