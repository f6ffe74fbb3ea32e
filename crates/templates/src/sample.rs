//! Facts for trying a template.

use std::collections::BTreeMap;

use domain::request::Sender;
use domain::signer::Role;
use domain::time::Timestamp;
use serde_json::json;

use crate::facts::{Branding, Facts, Recipient};

/// Gives facts of which none is absent.
pub fn whole() -> Facts {
    Facts {
        title: "Lease of 12 Mill Lane".to_owned(),
        message: Some("Please sign before the keys are handed over.\nThank you!".to_owned()),
        sender: Sender { name: "Ada Lovelace".to_owned(), email: "ada@example.com".to_owned() },
        recipient: Recipient {
            name: "Grace Hopper".to_owned(),
            email: Some("grace@example.com".to_owned()),
            company: Some("Hopper Ltd".to_owned()),
            label: Some("Tenant".to_owned()),
            role: Role::Signer,
        },
        actor: Some("Alan Turing".to_owned()),
        reason: Some("The rent is wrong.".to_owned()),
        remaining: 2,
        total: 3,
        signed: 1,
        link: Some("https://sign.example.com/l/Zk3vQ8".to_owned()),
        expires_at: Some(Timestamp::from_millis(1_801_310_400_000)),
        time_zone: Some("Europe/Berlin".to_owned()),
        request_id: "req_01HZX3V4Q8".to_owned(),
        metadata: BTreeMap::from([("order".to_owned(), json!("A-1042"))]),
        test: false,
    }
}

/// Gives as few facts as there can be.
pub(crate) fn bare() -> Facts {
    Facts {
        title: "Lease".to_owned(),
        message: None,
        sender: Sender::default(),
        recipient: Recipient::default(),
        actor: None,
        reason: None,
        remaining: 0,
        total: 0,
        signed: 0,
        link: None,
        expires_at: None,
        time_zone: None,
        request_id: "req_01HZX3V4Q8".to_owned(),
        metadata: BTreeMap::new(),
        test: false,
    }
}

/// Gives looks of which nothing is absent.
pub(crate) fn branding() -> Branding {
    Branding {
        name: "Mill Lane Estates".to_owned(),
        logo_url: Some("https://example.com/logo.png".to_owned()),
        footer: Some("Mill Lane Estates, 1 High Street, Oxford".to_owned()),
        ..Branding::default()
    }
}
