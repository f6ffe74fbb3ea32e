//! No text that claims to be an endpoint's URL panics anything, and what was accepted can be rendered into a call to
//! the host that was checked.

#![no_main]

use std::sync::Arc;

use dialects::{Target, check_url, dialect, sample};
use domain::endpoint::{
    Dialect, Endpoint, MAX_IN_FLIGHT_DEFAULT, Ordering, Scope, Secrets, Signing, Status,
    TIMEOUT_S_DEFAULT,
};
use domain::event::Kind;
use domain::id::{AccountId, EndpointId, EventId};
use domain::retry::Profile;
use domain::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for which in Dialect::ALL {
        let Ok(checked) = check_url(which, text) else { continue };
        let now = Timestamp::from_millis(1_767_225_600_000);
        let account = AccountId::new(1);
        let endpoint = Endpoint {
            id: EndpointId::new(2),
            account,
            url: text.to_owned(),
            description: None,
            dialect: which,
            profile: Profile::named("standard").expect("a built-in profile"),
            wants: dialects::subscribe(which, &["*".to_owned()]).expect("a star"),
            method: domain::call::Method::Post,
            signing: Signing::Hmac,
            ordering: Ordering::None,
            rate_limit: None,
            max_in_flight: MAX_IN_FLIGHT_DEFAULT,
            timeout_s: TIMEOUT_S_DEFAULT,
            status: Status::Enabled,
            scope: Scope::Registered,
            created_at: now,
            updated_at: now,
            secrets: Secrets::default(),
        };
        let url = Arc::new(checked.clone());
        let target = Target { endpoint: &endpoint, url: &url, now, signer: None, rsa: None };
        for kind in Kind::ALL {
            let event = sample(*kind, account, EventId::new(3), now);
            if let Ok(Some(call)) = dialect(which).render(&event, &target) {
                assert_eq!(call.url.host(), checked.host(), "{text} leads elsewhere");
                assert_eq!(call.url.scheme(), checked.scheme(), "{text} changes its scheme");
            }
        }
    }
});
