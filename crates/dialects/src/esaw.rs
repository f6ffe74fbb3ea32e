//! Namirial eSignAnyWhere: everything in the URL, no body.
//!
//! The call is a `POST` with an empty body; an endpoint may ask for `GET`. The vendor's v5 note says `POST` with the data
//! in the query, public handlers read only the query, and no page shows a body.
//!
//! Source: <https://confluence.namirial.com/display/eSign/Serverside+Postprocessing+using+Callback+Handlers>.
//! The vendor lists only `##EnvelopeId##` and `##Action##` for these callbacks; `##RecipientEmail##` is one of its workstep
//! event callback, and `##RecipientOrder##` stands in no page of its own. We fill both for events about one signer,
//! since a template that names them asks for them, and leave them empty for others.

use std::sync::Arc;

use domain::call::{Call, Method};
use domain::event::Event;

use crate::callback::{self, Filled, Recipient};
use crate::error::Unsayable;
use crate::headers::{Headers, add_own};
use crate::{Dialect, Target, Word};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Esaw;

impl Dialect for Esaw {
    fn words(&self) -> &'static [Word] {
        callback::WORDS
    }

    fn render(&self, event: &Event, target: &Target<'_>) -> Result<Option<Call>, Unsayable> {
        let Some(Filled { url, .. }) = callback::fill(event, target, Recipient::Told)? else {
            return Ok(None);
        };
        let mut headers = Headers::new();
        add_own(&mut headers, &target.endpoint.secrets)?;
        let method = target.endpoint.method;
        Ok(Some(Call { method, url: Arc::new(url), headers, body: Vec::new() }))
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post, Method::Get]
    }

    fn has_placeholders(&self) -> bool {
        true
    }
}
