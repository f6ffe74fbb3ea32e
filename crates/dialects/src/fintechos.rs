//! FintechOS eSign: a filled URL, and the context object of a server automation script as the body.
//!
//! The body is what the vendor's webhook page shows: the serialised workflow context, with the query parameters as texts in
//! `Data`. Both samples of that page show `recipientEmail` and `recipientOrder` empty, even for `workstepOpened`, where there
//! is a recipient; so `##RecipientEmail##` and `##RecipientOrder##` are always filled with nothing here.
//!
//! Sources: the webhook page of FintechOS eSign (both samples); <https://docs.fintechos.com/ServerSDK/Content/context.htm>
//! for the members; <https://docs.fintechos.com/API_Reference/Content/AutomationProcessors/CallAction.htm> for `Data`.

use std::sync::Arc;

use domain::call::{Call, Method};
use domain::event::Event;
use domain::id::AccountId;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use crate::callback::{self, ENVELOPE_FINISHED, Filled, Recipient};
use crate::data::{json, json_headers};
use crate::derive::{guid, guid_of};
use crate::error::Unsayable;
use crate::headers::add_own;
use crate::{Dialect, Target, Word};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fintechos;

impl Dialect for Fintechos {
    fn words(&self) -> &'static [Word] {
        callback::WORDS
    }

    fn render(&self, event: &Event, target: &Target<'_>) -> Result<Option<Call>, Unsayable> {
        let Some(Filled { url, action }) = callback::fill(event, target, Recipient::Empty)? else {
            return Ok(None);
        };
        let body = json(&Context::new(event.account, data(&url, action)))?;
        let mut headers = json_headers();
        add_own(&mut headers, &target.endpoint.secrets)?;
        Ok(Some(Call { method: Method::Post, url: Arc::new(url), headers, body }))
    }

    fn has_placeholders(&self) -> bool {
        true
    }
}

/// Gathers the query parameters as texts, in their order; of two with one name, the last.
///
/// `FTOSIsFinishCallback` stands in the finish sample alone, behind the caller's own parameters, as text.
fn data(url: &Url, action: &str) -> Map<String, Value> {
    let mut data = Map::new();
    for (name, value) in url.query_pairs() {
        data.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    if action == ENVELOPE_FINISHED {
        data.insert("FTOSIsFinishCallback".to_owned(), Value::String("1".to_owned()));
    }
    data
}

/// The context object, member by member as in the samples.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "the members are the vendor's")]
struct Context {
    /// The service user: the same in both samples, so the same for an account.
    user_id: String,
    ids: (),
    id: String,
    entity_name: (),
    previous_business_status: (),
    #[serde(rename = "PreviousBWS")]
    previous_bws: (),
    business_status: (),
    #[serde(rename = "CurrentBWS")]
    current_bws: (),
    values: (),
    additional_values: (),
    property_bag: Map<String, Value>,
    execution_depth: u32,
    message_success: bool,
    message: (),
    reload_page: bool,
    navigate_to_url: (),
    navigate_to_entity_page: bool,
    navigate_to_entity_page_on_edit: bool,
    navigate_to_entity_name: (),
    navigate_to_entity_form_name: (),
    navigate_to_entity_id: (),
    navigate_to_entity_insert_defaults: (),
    data: Map<String, Value>,
    fetch: (),
    before_values: (),
    merged_values: Map<String, Value>,
}

impl Context {
    fn new(account: AccountId, data: Map<String, Value>) -> Self {
        Self {
            user_id: guid("fintechos user", account),
            ids: (),
            id: guid_of(0),
            entity_name: (),
            previous_business_status: (),
            previous_bws: (),
            business_status: (),
            current_bws: (),
            values: (),
            additional_values: (),
            property_bag: Map::new(),
            execution_depth: 0,
            message_success: false,
            message: (),
            reload_page: false,
            navigate_to_url: (),
            navigate_to_entity_page: false,
            navigate_to_entity_page_on_edit: false,
            navigate_to_entity_name: (),
            navigate_to_entity_form_name: (),
            navigate_to_entity_id: (),
            navigate_to_entity_insert_defaults: (),
            data,
            fetch: (),
            before_values: (),
            merged_values: Map::new(),
        }
    }
}
