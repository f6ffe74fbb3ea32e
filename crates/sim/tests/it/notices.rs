//! Messages to people, through a store that is away at the wrong moment.

use std::collections::BTreeMap;

use domain::provider::{OnUnknown, ProviderKind};
use engine::Once;
use engine::providers::NewProvider;
use serde_json::json;
use sim::{Crew, Verb};
use store::{DeliveryFilter, Page};

use crate::stage::{crew, send};

const HOST: &str = "api.postmarkapp.com";
const PAGE: Page = Page { limit: 9, after: None };

/// A crew with a provider that takes every mail, and a request whose signer is about to be told.
async fn with_a_mail(name: &str) -> Crew {
    let crew = crew(&format!("notices-{name}")).await;
    let said = r#"{"ErrorCode":0,"Message":"OK","MessageID":"m-1"}"#;
    let pages = BTreeMap::from([("/email".to_owned(), said.to_owned())]);
    crew.world.shows(HOST, pages, "");
    let provider = NewProvider {
        kind: ProviderKind::Postmark,
        name: "main".to_owned(),
        priority: None,
        rate_limit: None,
        on_unknown: OnUnknown::Wait,
        enabled: None,
        settings: serde_json::from_value(json!({"from": "us@example.net", "server_token": "t"}))
            .unwrap(),
    };
    let engine = crew.engine().unwrap();
    engine.create_provider(crew.account, provider, &Once::unkept()).await.unwrap();
    send(&crew, None).await;
    crew
}

#[tokio::test]
async fn a_message_that_was_taken_is_not_sent_again_because_the_store_was_away_behind_the_call() {
    let mut crew = with_a_mail("away").await;
    // That it begins is written; what the provider said is not, twice.
    crew.store().unwrap().fails_after(Verb::Commit, 1, 2);
    crew.catch_up().await.unwrap();
    crew.pass_days(1).await.unwrap();
    assert_eq!(crew.world.heard(HOST).len(), 1);
    let engine = crew.engine().unwrap();
    let views = engine.views();
    let rows = views.deliveries(crew.account, DeliveryFilter::default(), PAGE).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.delivery.state.as_str()).collect();
    assert_eq!(states, ["delivered"]);
    let notices = views.notices(crew.account, None, PAGE).await.unwrap();
    let receipt = notices[0].begun.as_ref().and_then(|begun| begun.receipt.clone()).unwrap();
    assert_eq!(receipt.message_id.as_deref(), Some("m-1"));
}
